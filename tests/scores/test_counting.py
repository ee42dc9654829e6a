import numpy as np
import pytest

from spatialnet_keras.scores.counting import (
    bin_accuracy,
    count_bins,
    mean_error,
    root_mean_square_error,
)


def test_the_bins_are_those_of_rsvqa():
    # Lobry et al. 2020: 0, 1-10, 11-100, 101-1000, more than 1000
    counts = np.array([0, 1, 10, 11, 100, 101, 1000, 1001, 10**6])
    assert count_bins(counts).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_counts_in_the_same_bin_are_right():
    assert bin_accuracy(np.array([0, 5, 50]), np.array([0, 9, 5])) == pytest.approx(2 / 3)


def test_errors_by_hand():
    answers, truths = np.array([3, 10, 0]), np.array([0, 6, 0])
    assert mean_error(answers, truths) == pytest.approx(7 / 3)
    assert root_mean_square_error(answers, truths) == pytest.approx((25 / 3) ** 0.5)
