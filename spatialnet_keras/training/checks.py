"""Checks: what would break a training or its scores later is said before it starts."""

import sys
from collections.abc import Sequence

import keras
import numpy as np

from pipelines.records import DataError
from spatialnet_keras import data
from spatialnet_keras.config import Config, ConfigError
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import Task


def check_regime(config: Config) -> None:
    """Rules between how a network is made and how it is trained."""
    if config.train.encoder == "lora" and config.model.frozen_share < 1:
        raise ConfigError(
            "LoRA stands beside all kernels of a preset: frozen_share must be 1 with it. "
            f"Received: {config.model.frozen_share}."
        )
    check_batch_size(config)
    check_views(config)
    if config.train.whole and not config.model.token_dropout:
        raise ConfigError(
            "whole ends the leaving out of tokens: model.token_dropout must be above 0 with it. "
            f"Received: whole={config.train.whole}."
        )
    if config.train.whole and (config.model.encoder != "vit" or config.train.encoder == "cached"):
        raise ConfigError(
            "whole ends what is of encoder vit, and not of its cached features. Received: "
            f"whole={config.train.whole}, model.encoder={config.model.encoder!r}, "
            f"train.encoder={config.train.encoder!r}."
        )


def check_views(config: Config) -> None:
    """Refuses views that no teacher would look at."""
    settings = config.train
    if not settings.teacher_views:
        return
    if not settings.teacher or settings.teacher_looks != "once":
        raise ConfigError(
            "A teacher looks at teacher_views once: give --teacher, and teacher_looks once. "
            f"Received: teacher={settings.teacher!r}, teacher_looks={settings.teacher_looks!r}, "
            f"teacher_views={settings.teacher_views}."
        )
    if settings.encoder == "cached":
        raise ConfigError(
            "encoder cached sees each tile only flipped and in quarter turns: teacher_views must "
            f"be 0. Received: {settings.teacher_views}."
        )


def check_sentences(config: Config, tasks: Sequence[Task]) -> None:
    """Refuses what cannot be where sentences hang on the tiles."""
    sentences = ", ".join(each.name for each in tasks if each.unit != "image")
    if config.train.whole and sentences:
        raise ConfigError(
            f"No token is left out where sentences look at the tile: whole must be 0 with "
            f"{sentences}. Received: {config.train.whole}."
        )
    if config.train.teacher_views and sentences:
        raise ConfigError(
            f"A view may leave out what a sentence speaks of: teacher_views must be 0 with "
            f"{sentences}. Received: {config.train.teacher_views}."
        )


def check_profile(config: Config) -> None:
    """Refuses a profile that would not be written."""
    on_jax = keras.config.backend() == "jax"
    if config.train.profile and on_jax and sys.version_info < (3, 12):
        raise ConfigError(
            f"profile on JAX needs Python 3.12. Received: profile={config.train.profile}."
        )


def check_batch_size(config: Config) -> None:
    """Refuses a batch that cannot hold a row of each data set."""
    if config.train.batch_size < len(config.data):
        raise ConfigError(
            f"A batch holds rows of each data set: batch_size must be {len(config.data)} at least. "
            f"Received: {config.train.batch_size}."
        )


def check_held_out(run: Run, parts: Sequence[data.Part]) -> None:
    """A split of each data set must have what the run is scored by, as the run can read it."""
    labels = 0
    for part in parts:
        data.check_pixels(part, run.config.pixels)
        for each in run.tasks:
            try:
                _, weights = each.encode(each.labels(part.records))
            except DataError as error:
                name = f"{part.records.name}, {part.records.split} split"
                raise DataError(f"{name}: {error}") from None
            labels += np.count_nonzero(weights)
    if not labels:
        asked, split = ", ".join(each.name for each in run.tasks), parts[0].records.split
        raise DataError(
            f"The {split} split has no label that training knows for {asked}. Give it some, or "
            "choose the splits anew."
        )


def check_monitor(run: Run, validation: Sequence[data.Part]) -> None:
    """The score that decides which epoch is best must be there in each of them."""
    monitor = run.config.train.monitor
    for each in run.tasks:
        if monitor in (f"{each.name}_{score}" for score in each.scores):
            truths = [truth for part in validation for truth in each.truths(part.records)]
            rows, needed = sum(truth is not None for truth in truths), 1 + monitor.endswith("cider")
            if rows < needed:
                raise ConfigError(
                    f"monitor {monitor} needs {needed} validation rows with a {each.name} at "
                    f"least. Received: {rows}."
                )
