"""Every task is tested at birth: add one to TASKS and these run on it."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from pipelines.records import DataError, Question, Record, Records
from spatialnet_keras.config import PRESETS, ConfigError
from spatialnet_keras.tasks import TASKS, task


def records(split: str = "train") -> Records:
    """Three images; each task has labels of two kinds and sentences that are not its own."""
    return Records(
        "hand",
        split,
        (
            Record(
                Path("a.tif"),
                "river",
                questions=(
                    Question("Is there a road?", "presence", "yes"),
                    Question("Are there more roads than fields?", "comp", "no"),
                    Question("Is it a rural or an urban area", "rural_urban", "rural"),
                    Question("How many roads are there?", "count", "12"),
                ),
            ),
            Record(
                Path("b.tif"),
                "forest",
                questions=(
                    Question("Is there a pool?", "presence", "no"),
                    Question("Is there a field?", "presence", "no"),
                    Question("Are there less roads than fields?", "comp", "yes"),
                    Question("Is it a rural or an urban area", "rural_urban", "urban"),
                    Question("How many pools are there?", "count", "0"),
                    Question("How many fields are there?", "count", "3"),
                ),
            ),
            Record(Path("c.tif"), "forest"),
        ),
    )


BINS = dataclasses.replace(task("count"), ordinal=True)
fitted = pytest.mark.parametrize(
    "each",
    [t.fit([records()]) for t in (*TASKS, BINS)],
    ids=lambda t: t.name + ("_bins" if getattr(t, "ordinal", False) else ""),
)


@fitted
def test_encode_then_answer_is_a_round_trip(each):
    truths = each.truths(records())
    target, weight = each.encode(truths)
    known = weight > 0
    if hasattr(each, "classes"):
        output = np.eye(len(each.classes))[target]
    else:
        output = 2 * target - 1 if each == BINS.fit([records()]) else target
    assert each.answer(output[known]) == [truth for truth in truths if truth is not None]


@fitted
def test_a_label_that_is_not_there_has_weight_zero_and_a_valid_placeholder(each):
    target, weight = each.encode([None, None])
    assert weight.tolist() == [0, 0]
    assert np.all(target == 0)


@fitted
def test_the_right_answers_score_best_and_the_floor_is_below(each):
    truths = [truth for truth in each.truths(records()) if truth is not None]
    best, floor = each.score(truths, truths), each.floor(truths)
    assert tuple(best) == each.scores == tuple(floor)
    assert best[each.scores[0]] == 1.0 > floor[each.scores[0]]


@fitted
def test_what_was_fitted_survives_json(each):
    assert task(each.name).from_dict(json.loads(json.dumps(each.to_dict()))) == each


@fitted
def test_the_loss_is_a_mean_over_labelled_rows_alone(each):
    target, weight = each.encode([truth for truth in each.truths(records())])
    width = len(each.classes) if hasattr(each, "classes") else target.shape[1]
    output = np.random.default_rng(0).normal(size=(len(target), width)).astype("float32")
    known = weight > 0
    whole = float(ops.convert_to_numpy(each.loss()(target, output, weight)))
    alone = float(ops.convert_to_numpy(each.loss()(target[known], output[known])))
    assert whole == pytest.approx(alone, rel=1e-5)
    assert float(ops.convert_to_numpy(each.loss()(target, output, weight * 0))) == 0


@fitted
def test_the_head_is_named_after_the_task_and_answers_in_float32(each):
    config = PRESETS["tiny"].model
    head = each.head(config)
    assert head.name == each.name
    shape = (2, 3, config.width) if each.unit != "image" else (2, config.width)
    output = head(np.ones(shape, "float32"))
    assert tuple(output.shape[:-1]) == shape[:-1]
    assert keras.backend.standardize_dtype(output.dtype) == "float32"


def test_a_class_that_training_never_saw_trains_nothing_but_counts_as_wrong():
    land_use = task("land_use").fit([records()])
    _, weight = land_use.encode(["harbor", "river"])
    assert weight.tolist() == [0, 1]
    assert land_use.score(["river", "river"], ["harbor", "river"])["accuracy"] == 0.5


def test_the_floor_of_a_closed_question_is_its_commonest_answer():
    presence = task("presence").fit([records()])
    assert presence.floor(["no", "no", "no", "yes"])["accuracy"] == 0.75


def test_the_floor_of_counting_is_the_best_constant_for_each_score():
    count = task("count").fit([records()])
    floor = count.floor(["0", "3", "12"])  # trained on the same: median 3, mean 5
    assert floor["accuracy"] == pytest.approx(1 / 3)
    assert floor["mae"] == pytest.approx((3 + 0 + 9) / 3)
    assert floor["rmse"] == pytest.approx(((25 + 4 + 49) / 3) ** 0.5)


def test_counts_are_whole_numbers_and_never_negative():
    count = task("count")
    output = np.array([[-3.0], [0.2], [np.log1p(37)], [1e9]], "float32")
    assert count.answer(output)[:3] == ["0", "0", "37"]
    assert int(count.answer(output)[3]) > 10**9


def test_an_answer_that_is_no_number_is_named():
    bad = Records("x", "train", (Record(Path("a"), questions=(Question("?", "count", "many"),)),))
    with pytest.raises(DataError, match="'many'"):
        task("count").fit([bad])


def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean land_use"):
        task("landuse")


def test_the_bins_answer_with_their_median_on_the_training_split():
    bins = BINS.fit([records()])
    assert bins.bin_medians[:3] == (0, 3, 12)
    target, _ = bins.encode(["0", "7", "11", "101", "5000"])
    assert target.sum(axis=1).tolist() == [0, 1, 2, 3, 4]
    assert bins.answer(2 * target - 1)[:3] == ["0", "3", "12"]
    assert bins.blind_label("40") == "12"
