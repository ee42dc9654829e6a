"""Encode: records x tasks -> integer arrays, once, before tf.data."""

from collections.abc import Sequence

import numpy as np

from pipelines.batches import Examples, Slots
from pipelines.records import ALL_SYMMETRIES, Records, symmetries
from spatialnet_keras.config import Config
from spatialnet_keras.tasks import Task
from spatialnet_keras.text import Vocabulary


def sentences(records: Records) -> list[str]:
    """Everything that is said in the records: what a vocabulary is fitted on."""
    return [text for row in records for text in (*(q.text for q in row.questions), *row.captions)]


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
    slots = {}
    if any(task.unit == "question" for task in tasks):
        questions = [question for row in records for question in row.questions]
        texts = [question.text for question in questions]
        _, types = np.unique([question.type for question in questions], return_inverse=True)
        question_targets, question_weights = _labels(records, tasks, "question")
        slots["question"] = Slots(
            starts=np.cumsum([0, *(len(row.questions) for row in records)]),
            inputs={"question": vocabulary.encode(texts, config.model.question_words)},
            targets=question_targets,
            weights=question_weights,
            symmetric=np.array([symmetries(text) == ALL_SYMMETRIES for text in texts], bool),
            types=types,
        )
    return Examples(records.name, images, targets, weights, slots)


def _labels(records: Records, tasks: Sequence[Task], unit: str):
    encoded = {task.name: task.encode(task.truths(records)) for task in tasks if task.unit == unit}
    return (
        {name: target for name, (target, _) in encoded.items()},
        {name: weight for name, (_, weight) in encoded.items()},
    )
