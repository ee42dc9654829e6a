"""Counting: linear regression of log(1 + n) (paper, III.B), or a choice among RSVQA's bins."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np

from pipelines.records import DataError, Records
from spatialnet_keras.config import ModelConfig
from spatialnet_keras.scores.counting import (
    BIN_EDGES,
    bin_accuracy,
    count_bins,
    mean_error,
    root_mean_square_error,
)
from spatialnet_keras.tasks.task import Task, Truth, linear_head, question_truths

DIGITS = 15  # of a count: exact in float64, and more than an untrained head may say


@dataclass(frozen=True)
class Count(Task):
    """Questions whose answer is a number.

    Attributes:
        question_type: The data set's word for them (RSVQA: "count").
        ordinal: Whether the head says, for each bin but the first, whether the count reaches it
            (four logits), instead of log(1 + n).
        bin_medians: The median count of each bin on the training split: what an answer of the
            ordinal head stands for.
    """

    unit: ClassVar[str] = "question"
    reads: ClassVar[tuple[str, ...]] = ("question_vector",)
    scores: ClassVar[tuple[str, ...]] = ("accuracy", "mae", "rmse")

    question_type: str = ""
    ordinal: bool = False
    bin_medians: tuple[int, ...] = (0, *BIN_EDGES)

    def configured(self, config: ModelConfig) -> "Count":
        """With the head that the configuration names."""
        return dataclasses.replace(self, ordinal=config.count_head == "bins")

    def truths(self, records: Records) -> list[Truth]:
        """One number a question of its type."""
        return question_truths(records, self.question_type)

    def fit(self, records: Sequence[Records]) -> "Count":
        """Finds each bin's median, and the best constant answer for each score."""
        truths = [truth for each in records for truth in self.truths(each) if truth is not None]
        if not truths:
            return self
        counts = np.array([_number(truth) for truth in truths])
        bins = count_bins(counts)
        medians = tuple(
            int(np.median(counts[bins == place])) if (bins == place).any() else unseen
            for place, unseen in enumerate(self.bin_medians)
        )
        floor_answers = (
            ("accuracy", str(medians[np.bincount(bins).argmax()])),
            ("mae", str(round(float(np.median(counts))))),
            ("rmse", str(round(float(counts.mean())))),
        )
        return dataclasses.replace(self, bin_medians=medians, floor_answers=floor_answers)

    def encode(self, truths: list[Truth]) -> tuple[np.ndarray, np.ndarray]:
        """log(1 + n), float32 [n, 1], or which bins the count reaches, float32 [n, 4]."""
        counts = np.array([0 if truth is None else _number(truth) for truth in truths])
        known = np.array([truth is not None for truth in truths], np.float32)
        if self.ordinal:
            return (counts.reshape(-1, 1) >= BIN_EDGES).astype(np.float32), known
        return np.log1p(counts).astype(np.float32).reshape(-1, 1), known

    def head(self, config: ModelConfig) -> keras.Model:
        """Linear, [B, G, D] -> float32 [B, G, 1], or logits [B, G, 4]."""
        return linear_head(self, config, len(BIN_EDGES) if self.ordinal else 1)

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """Squared error of log(1 + n), or cross entropy of each step; no classes to smooth."""
        if self.ordinal:
            return keras.losses.BinaryCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            )
        return keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")

    def metrics(self) -> list[keras.metrics.Metric]:
        """Absolute error of log(1 + n), or accuracy of the steps."""
        if self.ordinal:
            return [keras.metrics.BinaryAccuracy(threshold=0.0, name="step_accuracy")]
        return [keras.metrics.MeanAbsoluteError(name="log_error")]

    def answer(self, output: np.ndarray) -> list[str]:
        """The nearest whole number, 0 at least, or the median of the bin.

        Raises:
            DataError: If the network says NaN.
        """
        if self.ordinal:
            return [str(self.bin_medians[place]) for place in (output > 0).sum(axis=-1)]
        # float32 overflows in exp at 88: far above any count, and an untrained head may say it
        counts = np.expm1(output.reshape(len(output)).astype(np.float64).clip(0, 30))
        if np.isnan(counts).any():
            raise DataError(
                "The network's answer to a count question is not a number. Train it anew with a "
                "lower --train.learning_rate or --train.dtype float32."
            )
        return [str(round(count)) for count in counts]

    def probability(self, output: np.ndarray) -> list[float | None]:
        """Of the bin that the answer stands for; none for a regression."""
        if not self.ordinal:
            return super().probability(output)
        # the steps are learned one by one: in falling order, who reaches a bin reaches those below
        reached = np.sort(1 / (1 + np.exp(-output.astype(np.float64))), axis=-1)[:, ::-1]
        edges = np.pad(reached, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
        bins = edges[:, :-1] - edges[:, 1:]
        chosen = (output > 0).sum(axis=-1)
        return bins[np.arange(len(bins)), chosen].tolist()

    def score(self, answers: list[str], truths: list[str]) -> dict[str, float]:
        """Accuracy over RSVQA's five bins, and errors in objects."""
        found, true = (np.array([_number(each) for each in side]) for side in (answers, truths))
        return {
            "accuracy": bin_accuracy(found, true),
            "mae": mean_error(found, true),
            "rmse": root_mean_square_error(found, true),
        }

    def blind_label(self, truth: str) -> str:
        """The median of the truth's bin."""
        return str(self.bin_medians[int(count_bins(np.array([_number(truth)]))[0])])


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > DIGITS:
        raise DataError(
            f"The answer to a count question must be 0, 1, 2, ... of {DIGITS} digits at most. "
            f"Received: {text!r}. Mend it in the data."
        )
    return int(text)
