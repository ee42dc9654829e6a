import pytest

from spatialnet_keras.scores.classification import accuracy, average_accuracy


def test_accuracy_by_hand():
    assert accuracy(["a", "b", "a", "a"], ["a", "b", "b", "a"]) == 0.75


def test_average_accuracy_gives_each_class_the_same_say():
    # "a": 3 of 3 right, "b": 0 of 1
    assert average_accuracy(["a"] * 4, ["a", "a", "a", "b"]) == 0.5


def test_rows_must_match():
    with pytest.raises(ValueError, match="zip"):
        accuracy(["a"], [])
