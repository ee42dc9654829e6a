"""The contract of a task: what it encodes, the same file decodes and scores."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from pipelines.records import Records
from spatialnet_keras.config import DecodeConfig, ModelConfig
from spatialnet_keras.scores.classification import accuracy, average_accuracy

Truth = str | None  # None: the data say nothing here for this task


@dataclass(frozen=True)
class Task:
    """A task, before or after `fit`.

    Attributes:
        name: Layer name, output key, key of its lambda, TensorBoard prefix.
        floor_answers: (score, answer) fitted on the training split: the constant answer that a
            model must beat in that score.
    """

    unit: ClassVar[str]  # what carries one target: "image", or a kind of sentence
    reads: ClassVar[tuple[str, ...]]  # inputs and features that its head reads: "image_vector"
    scores: ClassVar[tuple[str, ...]]  # names of what `score` returns; the first is the main one
    headline: ClassVar[bool] = True  # whether the main score counts in the mean over the tasks

    name: str
    floor_answers: tuple[tuple[str, str], ...] = dataclasses.field(default=(), kw_only=True)

    def configured(self, config: ModelConfig) -> "Task":
        """The task as the configuration wants it, before `fit`."""
        return self

    @property
    def answer_unit(self) -> str:
        """What gets one answer: "image" or "question"."""
        return self.unit

    def truths(self, records: Records) -> list[Truth]:
        """What the answers are held against, one an `answer_unit`, in the order of the records."""
        raise NotImplementedError

    def labels(self, records: Records) -> list[Truth]:
        """What is learned from, one a `unit`, in the order of the records."""
        return self.truths(records)

    def fit(self, records: Sequence[Records]) -> "Task":
        """Learns from training splits what the labels are: a fitted copy."""
        raise NotImplementedError

    def encode(self, labels: list[Truth]) -> tuple[np.ndarray, np.ndarray]:
        """Raw labels -> targets [n, ...], weights float32 [n]; 0 and 0 where there is none.

        Where tiles are mixed, so are the targets of images: a mean of two must mean something.
        """
        raise NotImplementedError

    def head(self, config: ModelConfig) -> keras.Model:
        """A model from what it reads, [..., D], to the output, [..., K]."""
        raise NotImplementedError

    def answering(
        self, head: keras.Model, config: DecodeConfig
    ) -> tuple[keras.Model, tuple[str, ...]]:
        """The model that answers, and what it reads: the trained head, where that is enough."""
        return head, self.reads

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """L_t, a mean over the labelled rows alone."""
        raise NotImplementedError

    def metrics(self) -> list[keras.metrics.Metric]:
        """What the progress bar shows, as `weighted_metrics`."""
        raise NotImplementedError

    def answer(self, output: np.ndarray) -> list[str]:
        """Outputs [n, K] -> answers in the words of the labels."""
        raise NotImplementedError

    def probability(self, output: np.ndarray) -> list[float | None]:
        """Outputs [n, K] -> how sure each answer is, 0 to 1; None where the head does not say."""
        return [None] * len(output)

    def score(self, answers: list[str], truths: list[str]) -> dict[str, float]:
        """Names in `scores` -> numbers, over rows that have a label; all that these allow."""
        raise NotImplementedError

    def blind_label(self, truth: str) -> str:
        """What a model that sees only the question is asked to say for a truth."""
        return truth

    def floor(self, truths: list[str]) -> dict[str, float]:
        """The scores of the constant answers found on the training split, as far as there are."""
        found = {
            name: self.score([answer] * len(truths), truths) for name, answer in self.floor_answers
        }
        return {name: reached[name] for name, reached in found.items() if name in reached}

    def to_dict(self) -> dict[str, Any]:
        """What `fit` learned, for `tasks.json`."""
        return dataclasses.asdict(self)

    def from_dict(self, state: dict[str, Any]) -> "Task":
        """The inverse of `to_dict`."""
        fitted = {k: _tuples(v) if isinstance(v, list) else v for k, v in state.items()}
        return dataclasses.replace(self, **fitted)


@dataclass(frozen=True)
class Classification(Task):
    """A task whose answer is one of the classes of the training split.

    Attributes:
        classes: K names, sorted.
    """

    scores: ClassVar[tuple[str, ...]] = ("accuracy", "average_accuracy")

    classes: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)

    def fit(self, records: Sequence[Records]) -> "Classification":
        """Finds the classes and the most frequent one."""
        counts = Counter(
            truth for each in records for truth in self.truths(each) if truth is not None
        )
        if not counts:
            return self
        classes = tuple(sorted(counts))
        majority = max(classes, key=lambda name: counts[name])
        floor_answers = tuple((score, majority) for score in self.scores)
        return dataclasses.replace(self, classes=classes, floor_answers=floor_answers)

    def encode(self, truths: list[Truth]) -> tuple[np.ndarray, np.ndarray]:
        """Class ids int32 [n], of images one-hot float32 [n, K]; unseen classes have weight 0."""
        ids = {name: index for index, name in enumerate(self.classes)}
        found = np.array([ids.get(truth, -1) for truth in truths], np.int32).reshape(-1)
        known = (found >= 0).astype(np.float32)
        if self.unit != "image":
            return found.clip(min=0), known
        return np.eye(len(self.classes), dtype=np.float32)[found] * known[:, None], known

    def head(self, config: ModelConfig) -> keras.Model:
        """Linear, [..., D] -> logits float32 [..., K]."""
        return linear_head(self, config, len(self.classes))

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """Cross entropy."""
        return CrossEntropy(label_smoothing)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Accuracy; of mixed tiles, that of the larger part."""
        if self.unit == "image":
            return [keras.metrics.CategoricalAccuracy(name="accuracy")]
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def answer(self, output: np.ndarray) -> list[str]:
        """The class of the largest logit."""
        return [self.classes[index] for index in np.argmax(output, axis=-1)]

    def probabilities(self, output: np.ndarray) -> np.ndarray:
        """Logits [..., K] -> float32 [..., K] that sum to 1."""
        shifted = output.astype(np.float32) - output.max(axis=-1, keepdims=True)
        odds = np.exp(shifted)
        return odds / odds.sum(axis=-1, keepdims=True)

    def probability(self, output: np.ndarray) -> list[float | None]:
        """The softmax of the largest logit."""
        return self.probabilities(output).max(axis=-1).tolist()

    def score(self, answers: list[str], truths: list[str]) -> dict[str, float]:
        """Accuracy over rows, and its mean over the classes."""
        return {
            "accuracy": accuracy(answers, truths),
            "average_accuracy": average_accuracy(answers, truths),
        }


@keras.saving.register_keras_serializable(package="spatialnet_keras")
class CrossEntropy(keras.losses.Loss):
    """Cross entropy of class ids [...] or label distributions [..., K], and logits [..., K].

    Keras smooths only one-hot labels; of ids these are made here, not in the pipeline.
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "cross_entropy", **kwargs):
        # not Keras' default, which divides by all rows, labelled or not
        super().__init__(name=name, **{"reduction": "mean_with_sample_weight"} | kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        """One loss a row."""
        labels = y_true
        if len(labels.shape) < len(y_pred.shape):
            labels = ops.one_hot(ops.cast(labels, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(
            labels, y_pred, from_logits=True, label_smoothing=self.label_smoothing
        )

    def get_config(self):
        """For saving."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def linear_head(task: Task, config: ModelConfig, units: int) -> keras.Model:
    """One linear layer, [..., D] -> float32 [..., K], as a model of the task's name."""
    leading = (None,) if task.unit != "image" else ()
    (feature,) = task.reads
    vector = keras.Input((*leading, config.width), name=feature)
    output = keras.layers.Dense(units, dtype="float32", name=f"{task.name}_output")(vector)
    return keras.Model(vector, output, name=task.name)


def question_truths(records: Records, question_type: str) -> list[Truth]:
    """The answers to the questions of one type, None for the others."""
    return [
        question.answer if question.type == question_type else None
        for row in records
        for question in row.questions
    ]


def _tuples(value):
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
