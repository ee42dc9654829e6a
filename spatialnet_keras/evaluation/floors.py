"""Floors: what can be said without the image, or from its land use alone; a model must beat it."""

from collections.abc import Sequence

from pipelines.records import Records
from spatialnet_keras import data
from spatialnet_keras.config import Config
from spatialnet_keras.scores.blind import BlindModel
from spatialnet_keras.scores.template import TemplateModel
from spatialnet_keras.tasks import Task


def blind_models(config: Config, tasks: Sequence[Task]) -> dict[str, BlindModel]:
    """For each question task, a model of the words alone, fitted on the training split."""
    asked: dict[str, list[tuple[str, str]]] = {}
    for records in data.read_records(config, "train"):
        for task in tasks:
            if task.unit == "question":
                asked.setdefault(task.name, []).extend(
                    (question, task.blind_label(truth))
                    for question, truth in labelled(task, records)
                )
    return {name: BlindModel(*zip(*pairs, strict=True)) for name, pairs in asked.items() if pairs}


def template_model(config: Config, tasks: Sequence[Task]) -> TemplateModel | None:
    """Each land use's best training caption; None for a run without both of these tasks."""
    if not {"land_use", "caption"} <= {task.name for task in tasks}:
        return None
    said: dict[str, list[tuple[str, ...]]] = {}
    for records in data.read_records(config, "train"):
        for row in records:
            if row.land_use and row.captions:
                said.setdefault(row.land_use, []).append(row.captions)
    return TemplateModel(said) if said else None


def labelled(task: Task, records: Records) -> list[tuple[str, str]]:
    """(question, truth) of the questions that have a label for a task."""
    questions = [question.text for row in records for question in row.questions]
    pairs = zip(questions, task.truths(records), strict=True)
    return [(question, truth) for question, truth in pairs if truth is not None]
