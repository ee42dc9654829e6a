"""Counting: linear regression of log(1 + n) (paper, III.B: a linear head and squared error)."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np

from pipelines.records import DataError, Records
from spatialnet_keras.config import ModelConfig
from spatialnet_keras.scores.counting import (
    bin_accuracy,
    count_bins,
    mean_error,
    root_mean_square_error,
)
from spatialnet_keras.tasks.task import Task, Truth, linear_head, question_truths


@dataclass(frozen=True)
class Count(Task):
    """Questions whose answer is a number.

    Attributes:
        question_type: The data set's word for them (RSVQA: "count").
    """

    unit: ClassVar[str] = "question"
    reads: ClassVar[str] = "question_vector"
    scores: ClassVar[tuple[str, ...]] = ("accuracy", "mae", "rmse")

    question_type: str = ""

    def truths(self, records: Records) -> list[Truth]:
        """One number a question of its type."""
        return question_truths(records, self.question_type)

    def fit(self, records: Sequence[Records]) -> "Count":
        """Finds the constant answers: one of the commonest bin, the median, the mean."""
        truths = [truth for each in records for truth in self.truths(each) if truth is not None]
        if not truths:
            return self
        counts = np.array([_number(truth) for truth in truths])
        bins = count_bins(counts)
        commonest = counts[bins == np.bincount(bins).argmax()]
        floor_answers = (
            ("accuracy", str(commonest[0])),
            ("mae", str(round(float(np.median(counts))))),
            ("rmse", str(round(float(counts.mean())))),
        )
        return dataclasses.replace(self, floor_answers=floor_answers)

    def encode(self, truths: list[Truth]) -> tuple[np.ndarray, np.ndarray]:
        """log(1 + n), float32 [n, 1]."""
        counts = np.array([0 if truth is None else _number(truth) for truth in truths])
        known = np.array([truth is not None for truth in truths], np.float32)
        return np.log1p(counts).astype(np.float32).reshape(-1, 1), known

    def head(self, config: ModelConfig) -> keras.Model:
        """Linear, [B, G, D] -> float32 [B, G, 1]."""
        return linear_head(self, config, 1)

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """Squared error of log(1 + n); there are no classes to smooth."""
        return keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")

    def metrics(self) -> list[keras.metrics.Metric]:
        """Absolute error of log(1 + n)."""
        return [keras.metrics.MeanAbsoluteError(name="log_error")]

    def answer(self, output: np.ndarray) -> list[str]:
        """The nearest whole number, 0 at least."""
        # float32 overflows in exp at 88: far above any count, and an untrained head may say it
        counts = np.expm1(output.reshape(len(output)).astype(np.float64).clip(0, 30))
        return [str(round(count)) for count in counts]

    def score(self, answers: list[str], truths: list[str]) -> dict[str, float]:
        """Accuracy over RSVQA's five bins, and errors in objects."""
        found, true = (np.array([_number(each) for each in side]) for side in (answers, truths))
        return {
            "accuracy": bin_accuracy(found, true),
            "mae": mean_error(found, true),
            "rmse": root_mean_square_error(found, true),
        }


def _number(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise DataError(f"The answer to a count question must be 0, 1, 2, ... Received: {text!r}.")
    return number
