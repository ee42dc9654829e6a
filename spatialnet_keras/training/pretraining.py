"""Pretraining: `train.py --pretrain` -> an image encoder for `--init` to start from."""

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from pipelines.batches import training_batches
from pipelines.examples import Examples, steps_per_epoch
from spatialnet_keras import data, facts
from spatialnet_keras.config import Config, ConfigError
from spatialnet_keras.evaluation.board import folder
from spatialnet_keras.run import Run
from spatialnet_keras.text import Vocabulary
from spatialnet_keras.training import resolved, tensorboard
from spatialnet_keras.training.autoencoder import (
    ERROR,
    encoder_without_dropout,
    masked_autoencoder,
)
from spatialnet_keras.training.callbacks import averaged_weights, check_finite
from spatialnet_keras.training.checkpoints import keep, load_state, save_state
from spatialnet_keras.training.checks import check_batch_size, check_profile, check_views
from spatialnet_keras.training.initialise import initialise
from spatialnet_keras.training.optimizers import optimizer
from spatialnet_keras.training.teacher import Teacher, losses, teacher_of


def pretrain(
    config: Config,
    path: Path,
    skip_bad: bool = False,
    verbose: int | None = None,
) -> Run:
    """Pretrains an image encoder, or goes on with the one that is there.

    Args:
        config: What to train on what.
        path: The run directory.
        skip_bad: Whether to go on without images that cannot be read.
        verbose: Of `model.fit`; by default 1 in a terminal (a bar), else 2 (a line an epoch).

    Returns:
        A run without tasks, whose best.keras is the image encoder of the last epoch.

    Raises:
        DataError: For images that cannot be read.
        ConfigError: For a configuration that cannot work, or a directory of another run.
    """
    _check(config)
    keras.config.set_dtype_policy(config.train.dtype)
    parts = data.read(config, "train", skip_bad, to_crop=config.train.resamples)
    config = dataclasses.replace(resolved(config), pixels=data.pixels(parts))
    run = Run(path, config, (), Vocabulary.fit(()))
    finished = "scores" in run.metrics
    teacher = None if finished else teacher_of(run)
    run.start()
    if finished:
        return run
    keras.utils.set_random_seed(config.train.seed)
    encoder = encoder_without_dropout(config)
    initialise(encoder, run, *(Run.open(each, answers=False) for each in config.init))
    _fit(run, encoder, teacher, parts, skip_bad, verbose)
    return run


def _check(config: Config) -> None:
    if config.model.encoder != "vit":
        raise ConfigError(f"--pretrain needs encoder vit. Received: {config.model.encoder!r}.")
    if config.model.stem != "patches":
        raise ConfigError(
            "--pretrain hides patches, which convolutions see beyond: model.stem must be patches. "
            f"Received: {config.model.stem!r}."
        )
    if config.model.positions == "conditional":
        raise ConfigError(
            "--pretrain hides the neighbours of a patch: model.positions must be learned or sine. "
            "Received: 'conditional'."
        )
    if config.train.encoder != "full":
        raise ConfigError(
            f"--pretrain trains all of the encoder: train.encoder must be full. "
            f"Received: {config.train.encoder!r}."
        )
    if config.train.encoder_rate < 1:
        raise ConfigError(
            "--pretrain starts from nothing that is to be spared: train.encoder_rate must be 1. "
            f"Received: {config.train.encoder_rate}."
        )
    check_batch_size(config)
    check_views(config)
    check_profile(config)
    if config.tasks:
        raise ConfigError("--pretrain learns from tiles alone. Leave out --tasks.")
    if config.train.teacher and not config.train.teacher_features:
        raise ConfigError(
            "--pretrain imitates the features of a teacher: train.teacher_features must be above "
            "0. Or leave out --teacher."
        )
    if config.model.tokens < 2:
        raise ConfigError("--pretrain needs at least two patches. Choose a smaller patch_size.")


def _fit(
    run: Run,
    encoder: keras.Model,
    teacher: Teacher | None,
    parts: Sequence[data.Part],
    skip_bad: bool,
    verbose: int | None,
) -> None:
    settings = run.config.train
    examples = [
        Examples(
            part.records.name,
            part.images,
            {ERROR: np.zeros(len(part.images), "float32")},
            {ERROR: np.ones(len(part.images), "float32")},
        )
        for part in parts
    ]
    imitated = losses(run.config) if teacher else {}
    if teacher:
        teacher, examples = teacher.teach(run, examples, skip_bad)
    model = masked_autoencoder(encoder, run.config, teacher)
    steps = steps_per_epoch(examples, settings.batch_size)
    # the output is an error already
    wanted = {ERROR: (keras.losses.MeanAbsoluteError(), 1.0)} | imitated
    model.compile(
        optimizer=optimizer(settings, settings.epochs * steps),
        loss={name: loss for name, (loss, _) in wanted.items()},
        loss_weights={name: weight for name, (_, weight) in wanted.items()},
    )
    model.optimizer.build(model.trainable_variables)  # or TensorFlow traces the step twice
    if "facts" not in run.metrics:
        run.record(facts=facts.of_training(encoder))
    history = load_state(run.checkpoint, model) if run.checkpoint.exists() else []
    if history:
        print(f"Going on with {run.path} after epoch {len(history)} of {settings.epochs}.")
    if len(history) < settings.epochs:
        model.fit(
            training_batches(
                examples,
                settings.batch_size,
                {},
                settings.seed,
                settings.epochs,
                len(history),
                dataclasses.replace(data.augmentation(settings), mix=0.0),
                run.config.model.image_size,
            ),
            epochs=settings.epochs,
            initial_epoch=len(history),
            steps_per_epoch=steps,
            shuffle=False,
            verbose=verbose if verbose is not None else 1 if sys.stdout.isatty() else 2,
            callbacks=[
                KeepEncoder(run, encoder, history),
                *tensorboard(folder(run), settings),
            ],
        )
    run.record(scores=[])  # finished


class KeepEncoder(keras.callbacks.Callback):
    """Keeps the encoder of each epoch, and all that the next epoch needs.

    Args:
        run: The run.
        encoder: What is kept.
        history: Entries of the finished epochs; the new ones are appended.
    """

    def __init__(self, run: Run, encoder: keras.Model, history: list[dict]):
        super().__init__()
        self.run, self.encoder, self.history = run, encoder, history

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """The state last: a kill before it repeats the epoch."""
        check_finite(epoch, logs)
        with averaged_weights(self.model):
            keep(self.run, self.encoder)
        seconds = round(time.perf_counter() - self.started, 3)
        self.history.append({"epoch": epoch + 1, "seconds": seconds, "loss": float(logs["loss"])})
        self.run.record(history=self.history)
        save_state(self.run.checkpoint, self.model, self.history)
