"""Findings: an evaluation with what lies behind its scores, for terminal, pictures and reports."""

from dataclasses import dataclass

import numpy as np
from rich.table import Table

from spatialnet_keras.data import Part
from spatialnet_keras.evaluation.details import (
    BIN_NAMES,
    Subject,
    by_class,
    by_subject,
    class_table,
    confusion,
    confusion_table,
    count_confusion,
    subject_table,
)
from spatialnet_keras.evaluation.scoreboard import COUNT, Score
from spatialnet_keras.inference import Outputs
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import Task

LAND_USE = "land_use"


@dataclass(frozen=True)
class Evaluation:
    """One split of one data set, what the model said there, and what that scores."""

    part: Part
    outputs: Outputs
    scores: list[Score]

    @property
    def data(self) -> str:
        """Name of the data set."""
        return self.part.records.name

    @property
    def split(self) -> str:
        """Name of the split."""
        return self.part.records.split


@dataclass(frozen=True)
class Confusion:
    """How often what is `names[i]` was called `names[j]`: int [K, K]."""

    task: str
    names: tuple[str, ...]
    table: np.ndarray


def answered(task: Task, found: Evaluation) -> tuple[list[str], list]:
    """Answers and truths of a task, over the rows that have a label for it."""
    truths = task.truths(found.part.records)
    known = np.array([truth is not None for truth in truths], bool)
    labels = [truth for truth in truths if truth is not None]
    return task.answer(found.outputs[task.name][known]) if labels else [], labels


def confusions(run: Run, found: Evaluation) -> list[Confusion]:
    """Of the land uses, and of the bins of counts, where there are any."""
    made = []
    for task in run.tasks:
        if task.name not in (LAND_USE, COUNT):
            continue
        answers, truths = answered(task, found)
        if not truths:
            continue
        if task.name == LAND_USE:
            names, table = confusion(answers, truths, task.classes)
        else:
            names, table = BIN_NAMES, count_confusion(answers, truths)
        made.append(Confusion(task.name, tuple(names), table))
    return made


def asked_about(run: Run, found: Evaluation) -> list[Subject]:
    """Accuracy of each question task by the land-cover word that is asked about."""
    return [
        subject
        for task in run.tasks
        if task.unit == "question" and task.headline
        for subject in by_subject(task, found.part.records, answered(task, found)[0])
    ]


def land_use_tables(run: Run, found: Evaluation) -> list[Table]:
    """For the terminal: accuracy on each class."""
    title = f"{found.data}, {found.split} split: land use by class"
    return [
        class_table(title, by_class(each.names, each.table))
        for each in confusions(run, found)
        if each.task == LAND_USE
    ]


def question_tables(run: Run, found: Evaluation) -> list[Table]:
    """For the terminal: the confusion of counts, and questions by what is asked about."""
    counts = [each for each in confusions(run, found) if each.task == COUNT]
    subjects = asked_about(run, found)
    return [confusion_table(each.table) for each in counts] + (
        [subject_table(subjects)] if subjects else []
    )
