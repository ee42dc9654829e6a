"""Scoring: what a run reaches on a split, beside its floors, and where that is recorded."""

import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.records import DataError, Records
from spatialnet_keras import data
from spatialnet_keras.config import Config
from spatialnet_keras.evaluation.board import write_evaluations
from spatialnet_keras.evaluation.findings import LAND_USE, Evaluation, confusions
from spatialnet_keras.evaluation.floors import blind_models, labelled, template_model
from spatialnet_keras.evaluation.scoreboard import (
    Score,
    by_task,
    over_all_questions,
    to_json,
    with_interval,
)
from spatialnet_keras.facts import fingerprint
from spatialnet_keras.inference import Outputs, consensus_of, predict, predict_on_other_images
from spatialnet_keras.plots import confusion_picture
from spatialnet_keras.run import Run
from spatialnet_keras.scores.blind import BlindModel
from spatialnet_keras.scores.template import TemplateModel
from spatialnet_keras.tasks import Task


def scores(
    records: Records,
    tasks: Sequence[Task],
    outputs: Outputs,
    shuffled: Outputs,
    blind: dict[str, BlindModel],
    template: TemplateModel | None = None,
) -> list[Score]:
    """Scores one split of one data set; a task without labels there has none."""
    found = []
    for task in tasks:
        truths = task.truths(records)
        known = np.array([truth is not None for truth in truths], bool)
        labels = [truth for truth in truths if truth is not None]
        if not labels:
            continue
        reached = task.score(task.answer(outputs[task.name][known]), labels)
        majority = task.floor(labels)
        without_image, without_eyes, by_template = {}, {}, {}
        if task.name in shuffled and task.unit != "image" and task.headline:
            without_image = task.score(task.answer(shuffled[task.name][known]), labels)
        if task.name in blind and task.headline:
            questions = [question for question, _ in labelled(task, records)]
            without_eyes = task.score(blind[task.name].answer(questions), labels)
        if task.unit == "caption" and template:
            classes = _answers_of(tasks, "land_use", outputs)
            said = template.answer(
                [each for each, here in zip(classes, known, strict=True) if here]
            )
            by_template = task.score(said, labels)
        for name, value in reached.items():
            score = Score(
                records.name, records.split, task.name, name, value, majority[name], len(labels),
                without_eyes.get(name), without_image.get(name), template=by_template.get(name),
            )  # fmt: skip
            found.append(with_interval(score))
    return found + over_all_questions(found)


def _answers_of(tasks: Sequence[Task], name: str, outputs: Outputs) -> list[str]:
    (task,) = (each for each in tasks if each.name == name)
    return task.answer(outputs[name])


def evaluations(
    run: Run, splits: Sequence[str], skip_bad: bool = False, own: Run | None = None
) -> list[Evaluation]:
    """Scores the best epoch of a run on splits of each of its data sets, and keeps what said so.

    Args:
        run: The run; its configuration names the data to score it on.
        splits: Of these data.
        skip_bad: Whether to go on without images that cannot be read.
        own: The run as it was trained, on whose training split the floors are fitted.
    """
    model, found = run.answering_model(), []
    trained_on = _trained_on(own or run, run)
    blind = blind_models(trained_on, run.tasks) if trained_on else {}
    template = template_model(trained_on, run.tasks) if trained_on else None
    consensus = consensus_of(run, model, trained_on)
    for split in splits:
        before = len(found)
        for part in data.read(run.config, split, skip_bad):
            data.check_pixels(part, run.config.pixels)
            examples = part.encode(run.tasks, run.vocabulary, run.config)
            known = examples, run.tasks, run.config, consensus
            outputs, shuffled = predict(model, *known), {}
            asked = any(row.questions or row.captions for row in part.records)
            if asked and len(examples) > 1:  # a single image has no other
                shuffled = predict_on_other_images(model, *known)
            reached = scores(part.records, run.tasks, outputs, shuffled, blind, template)
            if reached:
                found.append(Evaluation(part, outputs, reached))
        if len(found) == before:
            raise DataError(f"The {split} split has no label for a task of {run.path}.")
    return found


def _trained_on(own: Run, run: Run) -> Config | None:
    """Names the training data where they are now; None if they are gone."""
    with contextlib.suppress(DataError):
        data.read_records(own.config, "train")
        return own.config
    with contextlib.suppress(DataError, OSError):
        # what was left out in training, as it could not be read, is in no fingerprint
        kept = [part.records for part in data.read(run.config, "train", skip_bad=True)]
        if _fingerprints(own).issuperset(map(fingerprint, kept)):
            return run.config
    print(
        f"The training data of {own.path} are gone: there are no floors of words or templates.",
        file=sys.stderr,
    )
    return None


def _fingerprints(run: Run) -> set[str]:
    return {entry["fingerprint"] for entry in run.metrics.get("facts", {}).get("data", ())}


def record(run: Run, found: Sequence[Evaluation], finished: bool = False) -> list[Path]:
    """Puts scores in metrics.json, in the place of earlier ones of the same split, and pictures.

    Args:
        run: The run.
        found: On its own data, with its own way of writing captions.
        finished: Whether its training has just ended.

    Returns:
        The pictures of confused land uses that were saved.
    """
    write_evaluations(run, found)
    pictures = save_confusions(run, found)
    fresh = [score for each in found for score in each.scores]
    splits = list(dict.fromkeys(score.split for score in fresh))
    metrics = run.metrics
    entries = {split: by_task([s for s in fresh if s.split == split]) for split in splits}
    if finished or "scores" in metrics:  # this list says that the training is finished
        kept = [row for row in metrics.get("scores", ()) if row["split"] not in splits]
        entries |= {"scores": kept + to_json(fresh)}
    run.record(**entries)
    return pictures


def save_confusions(run: Run, found: Sequence[Evaluation]) -> list[Path]:
    """Saves RUN/confusion_land_use_SPLIT.png, with the name of the data set if there are more."""
    saved = []
    for each in found:
        names = {other.data for other in found if other.split == each.split}
        stem = f"{each.data}_{each.split}" if len(names) > 1 else each.split
        for confused in confusions(run, each):
            if confused.task == LAND_USE:
                title = f"Land use, {each.data}, {each.split} split"
                picture = confusion_picture(title, confused.names, confused.table)
                saved.append(run.path / f"confusion_{LAND_USE}_{stem}.png")
                saved[-1].write_bytes(picture.png)
    return saved


def as_trained(own: Run, run: Run, found: Sequence[Evaluation]) -> bool:
    """Whether these are all of the run's own data, if in other folders, and its own captions."""
    given = [(name, str(Path(root).resolve())) for name, root in run.config.data]
    if run.config.decode != own.config.decode or len(given) != len(own.config.data):
        return False
    known = _fingerprints(own)
    return set(given) == set(own.config.data) or all(
        fingerprint(each.part.records) in known for each in found
    )


def record_apart(run: Run, scores: Sequence[Score]) -> list[Path]:
    """Puts scores on other data, or of other captions, beside the run's own; draws nothing."""
    decode = dataclasses.asdict(run.config.decode).items()
    key = " ".join(
        [f"{name}={root}" for name, root in run.config.data]
        + [f"decode.{name}={value}" for name, value in decode]
    )
    elsewhere = run.metrics.get("elsewhere", {})
    there = elsewhere.get(key, {}) | {scores[0].split: by_task(scores)}
    run.record(elsewhere=elsewhere | {key: there})
    return []
