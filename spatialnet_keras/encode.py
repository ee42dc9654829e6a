"""Encode: records x tasks -> integer arrays, once, before tf.data."""

from collections.abc import Sequence

import numpy as np

from pipelines.batches import Arrays
from pipelines.examples import Examples, Slots
from pipelines.records import ALL_SYMMETRIES, Records, symmetries
from spatialnet_keras.config import Config
from spatialnet_keras.tasks import Task
from spatialnet_keras.text import Vocabulary


def questions(records: Records) -> list[str]:
    """Every question of the records: what a vocabulary is fitted on (captions have their own)."""
    return [question.text for row in records for question in row.questions]


def encode(
    records: Records,
    images: np.ndarray,
    tasks: Sequence[Task],
    vocabulary: Vocabulary,
    config: Config,
) -> Examples:
    """Encodes one split of one data set.

    Args:
        records: n rows.
        images: Their stored images [n, S, S, C].
        tasks: Fitted tasks.
        vocabulary: Of the run.
        config: Of the run.

    Returns:
        Examples with a target and a weight for every task, and slots for every kind of sentence
        that a task needs, also where this data set has none of them.
    """
    targets, weights = _labels(records, tasks, "image")
    units, slots = {task.unit for task in tasks}, {}
    if "question" in units:
        asked = [question for row in records for question in row.questions]
        texts = questions(records)
        slots["question"] = _slots(
            [len(row.questions) for row in records],
            texts,
            {"question": vocabulary.encode(texts, config.model.question_words)},
            _labels(records, tasks, "question"),
            np.unique([question.type for question in asked], return_inverse=True)[1],
        )
    if "caption" in units:
        (task,) = (each for each in tasks if each.unit == "caption")
        texts = task.labels(records)
        slots["caption"] = _slots(
            [len(row.captions) for row in records],
            texts,
            {"caption_in": task.inputs(texts)},
            _labels(records, tasks, "caption"),
            np.zeros(len(texts), int),
        )
    return Examples(records.name, images, targets, weights, slots)


def _slots(
    counts: list[int],
    texts: list[str],
    inputs: Arrays,
    labels: tuple[Arrays, Arrays],
    types: np.ndarray,
) -> Slots:
    return Slots(
        starts=np.cumsum([0, *counts]),
        inputs=inputs,
        targets=labels[0],
        weights=labels[1],
        symmetric=np.array([symmetries(text) == ALL_SYMMETRIES for text in texts], bool),
        types=types,
    )


def _labels(records: Records, tasks: Sequence[Task], unit: str) -> tuple[Arrays, Arrays]:
    encoded = {task.name: task.encode(task.labels(records)) for task in tasks if task.unit == unit}
    return (
        {name: target for name, (target, _) in encoded.items()},
        {name: weight for name, (_, weight) in encoded.items()},
    )
