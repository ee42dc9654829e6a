"""Details behind the scores: how good on questions about water areas, which bins are mixed up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from pipelines.records import Records
from spatialnet_keras.scores.counting import count_bins
from spatialnet_keras.scores.intervals import wilson
from spatialnet_keras.scores.subjects import subjects
from spatialnet_keras.tasks import Task

BIN_NAMES = ("0", "1-10", "11-100", "101-1000", "> 1000")


@dataclass(frozen=True)
class Subject:
    """Accuracy of one task on the questions that name one land-cover word.

    Attributes:
        task: Name of the task.
        subject: The word.
        accuracy: Of the model.
        majority: Of the best constant answer of the training split.
        interval: 95 % interval of the accuracy.
        rows: Questions.
    """

    task: str
    subject: str
    accuracy: float
    majority: float
    interval: tuple[float, float]
    rows: int


def by_subject(
    task: Task, records: Records, answers: Sequence[str], least: int = 10
) -> list[Subject]:
    """Accuracy for each land-cover word, the most asked first; words of few questions left out.

    Args:
        task: A fitted question task.
        records: n questions have a label for it.
        answers: n answers, in the order of the records.
        least: Questions that a word needs to be listed.
    """
    questions = [question.text for row in records for question in row.questions]
    pairs = zip(questions, task.truths(records), strict=True)
    asked = [(question, truth) for question, truth in pairs if truth is not None]
    rows: dict[str, list[int]] = {}
    for place, (question, _) in enumerate(asked):
        for subject in subjects(question):
            rows.setdefault(subject, []).append(place)
    found = []
    for subject, places in sorted(rows.items(), key=lambda item: -len(item[1])):
        if len(places) < least:
            continue
        truths = [asked[place][1] for place in places]
        reached = task.score([answers[place] for place in places], truths)["accuracy"]
        majority = task.floor(truths)["accuracy"]
        interval = wilson(reached, len(places))
        found.append(Subject(task.name, subject, reached, majority, interval, len(places)))
    return found


def count_confusion(answers: Sequence[str], truths: Sequence[str]) -> np.ndarray:
    """How often a count of one bin (row) was answered with another (column): int [5, 5]."""
    table = np.zeros((len(BIN_NAMES), len(BIN_NAMES)), int)
    numbers = (np.array([int(text) for text in side]) for side in (truths, answers))
    rows, columns = (count_bins(side) for side in numbers)
    np.add.at(table, (rows, columns), 1)
    return table


def subject_table(found: Sequence[Subject]) -> Table:
    """For the terminal."""
    view = Table(title="Accuracy by what is asked about")
    for column in ("task", "subject"):
        view.add_column(column)
    for column in ("model", "95 %", "majority", "rows"):
        view.add_column(column, justify="right")
    for row in found:
        interval = "-".join(f"{100 * end:.0f}" for end in row.interval)
        shown = (f"{row.accuracy:.1%}", interval, f"{row.majority:.1%}", f"{row.rows:,}")
        view.add_row(row.task, row.subject, *shown)
    return view


def confusion_table(confusion: np.ndarray) -> Table:
    """For the terminal."""
    view = Table(title="Counts: true bin (row), answered bin (column)")
    view.add_column("")
    for name in BIN_NAMES:
        view.add_column(name, justify="right")
    for name, row in zip(BIN_NAMES, confusion, strict=True):
        view.add_row(name, *(f"{number:,}" for number in row))
    return view
