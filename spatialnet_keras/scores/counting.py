"""Scores of counts. RSVQA (Lobry et al. 2020, IV.A) scores the bin that a count falls into."""

import numpy as np

# 0 / 1-10 / 11-100 / 101-1000 / more than 1000
BIN_EDGES = (1, 11, 101, 1001)


def count_bins(counts: np.ndarray) -> np.ndarray:
    """The official bin of each count: int [n], 0 to 4."""
    return np.digitize(counts, BIN_EDGES)


def bin_accuracy(answers: np.ndarray, truths: np.ndarray) -> float:
    """Share of counts in the true bin."""
    return float(np.mean(count_bins(answers) == count_bins(truths)))


def mean_error(answers: np.ndarray, truths: np.ndarray) -> float:
    """Mean absolute error, in objects."""
    return float(np.mean(np.abs(answers - truths)))


def root_mean_square_error(answers: np.ndarray, truths: np.ndarray) -> float:
    """Root of the mean squared error, in objects."""
    return float(np.sqrt(np.mean(np.square(answers.astype(np.float64) - truths))))
