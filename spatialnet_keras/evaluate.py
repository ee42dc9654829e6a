"""Evaluation: what a run scores on a split, and what it must beat there.

python -m spatialnet_keras.evaluate RUN
"""

import dataclasses
import json
from collections.abc import Sequence

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from pipelines import commands
from pipelines.batches import Examples, evaluation_batches, unpad
from pipelines.records import SPLITS, DataError, Records, unknown
from spatialnet_keras import data
from spatialnet_keras.config import Config, ConfigError, named_folder
from spatialnet_keras.details import by_subject, confusion_table, count_confusion, subject_table
from spatialnet_keras.run import Run
from spatialnet_keras.scoreboard import (
    COUNT,
    Score,
    over_all_questions,
    show,
    to_json,
    with_interval,
)
from spatialnet_keras.scores.blind import BlindModel
from spatialnet_keras.tasks import Task

Outputs = dict[str, np.ndarray]


def predict(
    model: keras.Model, examples: Examples, tasks: Sequence[Task], config: Config
) -> Outputs:
    """Outputs of every task: [n, ...] for images, [m, ...] for sentences, in records' order."""
    most = max([1, *(slots.most for slots in examples.slots.values())])
    # an image with its hundred questions takes the room of several images with a few
    room = config.train.batch_size * max(16, config.train.questions_per_image)
    batch_size = int(np.clip(room // most, 1, config.train.batch_size))
    outputs = model.predict(evaluation_batches(examples, batch_size), verbose=0)
    return {task.name: unpad(examples, task.unit, outputs[task.name]) for task in tasks}


def predict_on_other_images(
    model: keras.Model, examples: Examples, tasks: Sequence[Task], config: Config
) -> Outputs:
    """The same, with each image taken from another row: what is left does not come from it."""
    order = np.random.default_rng(0).permutation(len(examples))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)  # one cycle through all rows: none keeps its own
    shuffled = dataclasses.replace(examples, images=examples.images[other])
    return predict(model, shuffled, tasks, config)


def blind_models(run: Run) -> dict[str, BlindModel]:
    """For each question task, a model of the words alone, fitted on the training split."""
    asked: dict[str, list[tuple[str, str]]] = {}
    for records in data.read_records(run.config, "train"):
        for task in run.tasks:
            if task.unit == "question":
                asked.setdefault(task.name, []).extend(
                    (question, task.blind_label(truth))
                    for question, truth in labelled(task, records)
                )
    return {name: BlindModel(*zip(*pairs, strict=True)) for name, pairs in asked.items()}


def labelled(task: Task, records: Records) -> list[tuple[str, str]]:
    """(question, truth) of the questions that have a label for a task."""
    questions = [question.text for row in records for question in row.questions]
    pairs = zip(questions, task.truths(records), strict=True)
    return [(question, truth) for question, truth in pairs if truth is not None]


def scores(
    records: Records,
    tasks: Sequence[Task],
    outputs: Outputs,
    shuffled: Outputs,
    blind: dict[str, BlindModel],
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
        without_image, without_eyes = {}, {}
        if task.name in blind and task.headline:
            without_image = task.score(task.answer(shuffled[task.name][known]), labels)
            questions = [question for question, _ in labelled(task, records)]
            without_eyes = task.score(blind[task.name].answer(questions), labels)
        for name, value in reached.items():
            score = Score(
                records.name, records.split, task.name, name, value, majority[name], len(labels),
                without_eyes.get(name), without_image.get(name),
            )  # fmt: skip
            found.append(with_interval(score))
    return found + over_all_questions(found)


def evaluate(run: Run, splits: Sequence[str], skip_bad: bool = False) -> list[Score]:
    """Scores the best epoch of a run on splits of each of its data sets.

    Raises:
        DataError: If the data or the run cannot be read, or nothing in a split has a label.
    """
    model, blind, found = run.model(), blind_models(run), []
    for split in splits:
        before = len(found)
        for part in data.read(run.config, split, skip_bad):
            examples = part.encode(run.tasks, run.vocabulary, run.config)
            outputs = predict(model, examples, run.tasks, run.config)
            shuffled = {}
            if any(row.questions for row in part.records):
                shuffled = predict_on_other_images(model, examples, run.tasks, run.config)
            found += scores(part.records, run.tasks, outputs, shuffled, blind)
        if len(found) == before:
            raise DataError(f"The {split} split has no label for a task of {run.path}.")
    return found


def details(run: Run, split: str, skip_bad: bool = False) -> list[Table]:
    """Tables behind the scores: each question task by subject, and the confusion of counts."""
    model, tables = run.model(), []
    for part in data.read(run.config, split, skip_bad):
        examples = part.encode(run.tasks, run.vocabulary, run.config)
        outputs = predict(model, examples, run.tasks, run.config)
        subjects = []
        for task in run.tasks:
            if task.unit != "question" or not task.headline:
                continue
            known = np.array([truth is not None for truth in task.truths(part.records)], bool)
            answers = task.answer(outputs[task.name][known])
            subjects += by_subject(task, part.records, answers)
            if task.name == COUNT and answers:
                truths = [truth for _, truth in labelled(task, part.records)]
                tables.append(confusion_table(count_confusion(answers, truths)))
        if subjects:
            tables.append(subject_table(subjects))
    return tables


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = commands.Parser(prog="python -m spatialnet_keras.evaluate", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run directory, as train.py writes it")
    parser.add_argument("--split", default="test", help=f"{', '.join(SPLITS)} (default: test)")
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="other data, or the same in another folder (default: the run's own)",
    )
    parser.add_argument("--skip-bad-images", action="store_true", help="go on without them")
    parser.add_argument("--details", action="store_true", help="by what is asked about, too")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    flags = parser.parse_args(arguments)
    if flags.split not in SPLITS:
        raise ConfigError(unknown("split", flags.split, SPLITS))
    run = Run.open(flags.run)
    if flags.data:
        folders = tuple(named_folder(each) for each in flags.data)
        run = dataclasses.replace(run, config=dataclasses.replace(run.config, data=folders))
    found = evaluate(run, [flags.split], flags.skip_bad_images)
    if flags.json:
        print(json.dumps(to_json(found), indent=2))
        return
    show(found)
    for table in details(run, flags.split, flags.skip_bad_images) if flags.details else ():
        Console().print(table)


if __name__ == "__main__":
    commands.run("evaluate", main, DataError, ConfigError)
