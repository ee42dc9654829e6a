"""Training: a configuration -> a trained run directory, by `model.fit`."""

import dataclasses
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import keras

from pipelines.batches import training_batches
from pipelines.examples import Examples, carriers, shares, steps_per_epoch
from pipelines.records import unknown
from pipelines.views import Symmetries
from spatialnet_keras import data, facts, pytorch
from spatialnet_keras.config import Config, ConfigError, ModelConfig, TrainConfig
from spatialnet_keras.encode import questions
from spatialnet_keras.encoders import split_at_features
from spatialnet_keras.evaluation.board import folder, write_settings
from spatialnet_keras.evaluation.scoring import evaluations, record
from spatialnet_keras.model import build_model, model_on_features
from spatialnet_keras.reporting.writing import write_report
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import TASKS, Task, task
from spatialnet_keras.text import Vocabulary, longest
from spatialnet_keras.training.callbacks import AnswerSheet, Epoch, ShortBar, WholeTiles
from spatialnet_keras.training.checkpoints import load_state
from spatialnet_keras.training.checks import (
    check_held_out,
    check_monitor,
    check_profile,
    check_regime,
    check_sentences,
)
from spatialnet_keras.training.compiling import build_losses, compile_model
from spatialnet_keras.training.features import stored_features
from spatialnet_keras.training.initialise import initialise
from spatialnet_keras.training.network import packed_rows, training_model
from spatialnet_keras.training.regimes import apply_regime, encoder_layers
from spatialnet_keras.training.teacher import Teacher, teacher_of


def train(
    config: Config,
    path: Path,
    skip_bad: bool = False,
    verbose: int | None = None,
) -> Run:
    """Trains a run, or goes on with the one that is there.

    Args:
        config: What to train on what.
        path: The run directory.
        skip_bad: Whether to go on without images that cannot be read.
        verbose: Of `model.fit`; by default 1 in a terminal (a bar), else 2 (a line an epoch).

    Returns:
        The finished run: best.keras, the history and the scores on val and test in metrics.json.

    Raises:
        DataError: For data that cannot be read or trained on.
        ConfigError: For a configuration that cannot work, or a directory of another run.
    """
    check_profile(config)
    keras.config.set_dtype_policy(config.train.dtype)
    training = data.read(config, "train", skip_bad, to_crop=config.train.resamples)
    validation = data.read(config, "val", skip_bad)
    run = prepare(config, path, training)
    # the test split, too: what is wrong with it is not to be told after hours
    for parts in (validation, data.read(config, "test", skip_bad)):
        check_held_out(run, parts)
    check_monitor(run, validation)
    finished = "scores" in run.metrics
    teacher = None if finished else teacher_of(run)
    run.start()
    if finished:
        print(f"{run.path} is finished already: nothing is trained.")
    else:
        # not before the teacher is loaded, which draws from the global generator
        keras.utils.set_random_seed(config.train.seed)
        _fit(run, training, validation, teacher, skip_bad, verbose)
        _evaluate(run, training, skip_bad)
    return run


def prepare(config: Config, path: Path, training: Sequence[data.Part]) -> Run:
    """Fits pixels, tasks and vocabulary on the training split: a run that is not started yet."""
    check_regime(config)
    records = [part.records for part in training]
    lengths = _as_long_as_needed(config.model, records)
    config = dataclasses.replace(config, model=lengths)
    tasks = chosen_tasks(config, records)
    check_sentences(config, tasks)
    weights = dict(config.tasks)
    config = dataclasses.replace(
        resolved(config),
        pixels=data.pixels(training),
        tasks=tuple((each.name, weights.get(each.name, 1.0)) for each in tasks),
    )
    known = ["score", *(f"{each.name}_{score}" for each in tasks for score in each.scores)]
    if config.train.monitor not in known:
        raise ConfigError(unknown("score", config.train.monitor, known))
    vocabulary = Vocabulary.fit(text for each in records for text in questions(each))
    return Run(path, config, tasks, vocabulary)


def resolved(config: Config) -> Config:
    """With absolute folders: a run may be opened from anywhere."""
    teacher = config.train.teacher and str(Path(config.train.teacher).resolve())
    return dataclasses.replace(
        config,
        data=tuple((name, str(Path(root).resolve())) for name, root in config.data),
        init=tuple(str(Path(each).resolve()) for each in config.init),
        train=dataclasses.replace(config.train, teacher=teacher),
    )


def _as_long_as_needed(config: ModelConfig, records: Sequence[data.Records]) -> ModelConfig:
    """Reads no more words than the longest training sentence has: padding costs time."""
    rows = [row for each in records for row in each]
    asked = longest(question.text for row in rows for question in row.questions)
    said = longest(text for row in rows for text in row.captions)
    return dataclasses.replace(
        config,
        question_words=min(config.question_words, max(1, asked)),
        caption_words=min(config.caption_words, said + 1),  # and START
    )


def chosen_tasks(config: Config, records: Sequence[data.Records]) -> tuple[Task, ...]:
    """The tasks to build, fitted: those asked for with lambda_t > 0, else all with labels.

    Raises:
        ConfigError: If nothing is asked for, or a task that no training image has a label for.
    """
    for name, weight in config.tasks:
        task(name)
        if not 0 <= weight < math.inf:
            raise ConfigError(
                f"lambda of a task must be 0 or more, and finite. Received: {name}={weight}."
            )
    _mention_unanswered(records)
    fitted = [each.configured(config.model).fit(records) for each in TASKS]
    labelled = {each.name for each in fitted if each.floor_answers}
    wanted = {name for name, weight in config.tasks if weight > 0} if config.tasks else labelled
    if without := wanted - labelled:
        raise ConfigError(
            f"No training image has a label for {', '.join(sorted(without))}. "
            f"These data have: {', '.join(sorted(labelled)) or 'none'}."
        )
    if not wanted:
        raise ConfigError("No task is left to train. Give one a lambda above 0, or other data.")
    return tuple(each for each in fitted if each.name in wanted)


def _mention_unanswered(records: Sequence[data.Records]) -> None:
    """Says which questions no task answers, so that nobody waits for them."""
    answered = {getattr(each, "question_type", None) for each in TASKS}
    counts = Counter(q.type for each in records for row in each for q in row.questions)
    for kind in sorted(set(counts) - answered):
        print(
            f"{counts[kind]} training questions are of type {kind!r}, which no task answers. "
            f"Known: {', '.join(sorted(filter(None, answered)))}."
        )


def _fit(
    run: Run,
    training: Sequence[data.Part],
    validation: Sequence[data.Part],
    teacher: Teacher | None,
    skip_bad: bool,
    verbose: int | None,
) -> None:
    config, settings = run.config, run.config.train
    examples = [part.encode(run.tasks, run.vocabulary, config) for part in training]
    held_out = [part.encode(run.tasks, run.vocabulary, config) for part in validation]
    steps = steps_per_epoch(examples, settings.batch_size)
    network = model = build_model(config, run.tasks, len(run.vocabulary))
    initialise(network, run, *(Run.open(each, answers=False) for each in config.init))
    below, _ = split_at_features(network.get_layer("image_encoder"))
    apply_regime(below, settings)
    begun, known = time.perf_counter(), facts.of_training(network)
    if settings.encoder == "cached":
        model = model_on_features(network, config, run.tasks)
        examples = _on_features(below, examples, 8 if settings.symmetries else 1)
        held_out = _on_features(below, held_out, 1)
    counts = shares([len(part) for part in examples], settings.batch_size, settings.data_balance)
    carrying = carriers(examples, counts)
    answering = model
    if teacher:
        teacher, examples = teacher.teach(run, examples, skip_bad)
    rows = packed_rows(examples, settings)
    if teacher or carrying or rows:
        model = training_model(model, config, run.tasks, carrying, teacher, rows)
    encoder = encoder_layers(network.get_layer("image_encoder"))
    compile_model(model, config, run.tasks, settings.epochs * steps, encoder)
    if "facts" not in run.metrics:
        run.record(facts=known)
    write_settings(run, finished=False)
    history = load_state(run.checkpoint, model) if run.checkpoint.exists() else []
    if history:
        print(f"Going on with {run.path} after epoch {len(history)} of {settings.epochs}.")
    if len(history) == settings.epochs:
        return
    validated = list(zip(validation, held_out, strict=True))
    epoch = Epoch(run, validated, history, network, answering, begun)
    batches = _batches(examples, config, len(history), rows)
    build_losses(model, next(batches.as_numpy_iterator()))
    model.fit(
        batches,
        epochs=settings.epochs,
        initial_epoch=len(history),
        steps_per_epoch=steps,
        shuffle=False,
        verbose=verbose if verbose is not None else 1 if sys.stdout.isatty() else 2,
        callbacks=[
            epoch,
            WholeTiles(
                network.get_layer("image_encoder"),
                settings.epochs - round(settings.whole * settings.epochs),
            ),
            ShortBar({each.name: each.scores[0] for each in run.tasks}),
            *tensorboard(folder(run), settings),
            AnswerSheet(run, epoch),
        ],
    )


def tensorboard(to: Path, settings: TrainConfig) -> list[keras.callbacks.Callback]:
    """What writes curves, and histograms and a profile where they are asked for."""
    by_hand = settings.profile and keras.config.backend() == "torch"
    # the first step compiles
    profiled = (2, 1 + settings.profile) if settings.profile and not by_hand else 0
    board = keras.callbacks.TensorBoard(
        to, histogram_freq=settings.histograms, profile_batch=profiled, write_graph=False
    )
    return [board, pytorch.Profile(to, settings.profile)] if by_hand else [board]


def _on_features(below: keras.Model, parts: list[Examples], symmetries: int) -> list[Examples]:
    return [
        dataclasses.replace(
            part, images=stored_features(below, part.images, Symmetries(symmetries)), turned=True
        )
        for part in parts
    ]


def _batches(examples: list[Examples], config: Config, first_epoch: int, rows: int | None):
    settings = config.train
    drawn = {"question": settings.questions_per_image, "caption": settings.captions_per_image}
    return training_batches(
        examples,
        settings.batch_size,
        {kind: drawn[kind] for kind in examples[0].slots},
        settings.seed,
        settings.epochs,
        first_epoch,
        data.augmentation(settings),
        config.model.image_size,
        settings.type_balance,
        settings.data_balance,
        {"question": rows} if rows else {},
    )


def _evaluate(run: Run, training: Sequence[data.Part], skip_bad: bool) -> None:
    """Scores, then all that tells of them; the entry that says "finished" comes last."""
    started = time.perf_counter()
    found = evaluations(run, ("val", "test"), skip_bad)
    parts = [*training, *(each.part for each in found)]
    epochs = sum(entry.get("wall_seconds", entry["seconds"]) for entry in run.metrics["history"])
    known = {
        "data": [facts.of_records(part.records) for part in parts],
        "wall_seconds": round(epochs + time.perf_counter() - started, 1),
    }
    run.record(facts=run.metrics["facts"] | known)
    write_settings(run, finished=True)
    write_report(run, found)
    record(run, found, finished=True)
