"""Scores of answers that are one of a few words."""

from collections.abc import Sequence

import numpy as np


def accuracy(answers: Sequence[str], truths: Sequence[str]) -> float:
    """Share of rows answered right (overall accuracy)."""
    return float(np.mean([a == t for a, t in zip(answers, truths, strict=True)]))


def average_accuracy(answers: Sequence[str], truths: Sequence[str]) -> float:
    """Accuracy on each true class, and the mean of these (average accuracy)."""
    right: dict[str, list[bool]] = {}
    for answer, truth in zip(answers, truths, strict=True):
        right.setdefault(truth, []).append(answer == truth)
    return float(np.mean([np.mean(rows) for rows in right.values()]))
