"""Details behind the scores: how good on each class, on questions about water, what is mixed up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.table import Table

from pipelines.records import Records
from spatialnet_keras.scores.counting import count_bins
from spatialnet_keras.scores.intervals import wilson
from spatialnet_keras.scores.subjects import subjects
from spatialnet_keras.tasks import Task

BIN_NAMES = ("0", "1-10", "11-100", "101-1000", "> 1000")


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracy of one task on the rows of one true class.

    Attributes:
        name: The class.
        accuracy: Share of its rows that are answered right.
        interval: 95 % interval of the accuracy.
        rows: Rows of this class.
        mistaken_for: The most frequent wrong answer on them; "" if there is none.
    """

    name: str
    accuracy: float
    interval: tuple[float, float]
    rows: int
    mistaken_for: str


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


def confusion(
    answers: Sequence[str], truths: Sequence[str], classes: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """How often a class (row) was answered with another (column).

    Args:
        answers: n answers.
        truths: n classes; one that is not in `classes` gets a row of its own, at the end.
        classes: What the model can answer.

    Returns:
        K names, and int [K, K].
    """
    names = [*classes, *sorted(set(truths) - set(classes))]
    place = {name: index for index, name in enumerate(names)}
    table = np.zeros((len(names), len(names)), int)
    np.add.at(table, ([place[each] for each in truths], [place[each] for each in answers]), 1)
    return names, table


def by_class(names: Sequence[str], table: np.ndarray) -> list[ClassAccuracy]:
    """Accuracy on each class that has rows, from a confusion matrix [K, K]."""
    found = []
    for place, rows in enumerate(table.sum(axis=1)):
        if not rows:
            continue
        right = table[place, place]
        wrong = table[place] - np.eye(len(table), dtype=int)[place] * right
        mistaken_for = names[int(wrong.argmax())] if wrong.any() else ""
        share = float(right / rows)
        interval = wilson(share, int(rows))
        found.append(ClassAccuracy(names[place], share, interval, int(rows), mistaken_for))
    return found


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


def class_table(title: str, found: Sequence[ClassAccuracy]) -> Table:
    """For the terminal, the worst class first."""
    view = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    view.add_column("class")
    for column in ("accuracy", "95 %", "rows"):
        view.add_column(column, justify="right")
    view.add_column("most often taken for")
    for row in sorted(found, key=lambda each: each.accuracy):
        interval = "-".join(f"{100 * end:.0f}" for end in row.interval)
        view.add_row(row.name, f"{row.accuracy:.1%}", interval, f"{row.rows:,}", row.mistaken_for)
    return view


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
