"""Every task is tested at birth: add one to TASKS and these run on it."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from pipelines.records import DataError, Question, Record, Records
from spatialnet_keras.config import ConfigError
from spatialnet_keras.presets import PRESETS
from spatialnet_keras.tasks import TASKS, task
from spatialnet_keras.tasks.task import Classification


def records(split: str = "train") -> Records:
    """Three images; each task has labels of two kinds and sentences that are not its own.

    Of a new type there are two questions on the last image.
    """
    by_hand = _by_hand(split)
    known = {question.type for row in by_hand for question in row.questions}
    new = {getattr(each, "question_type", None) for each in TASKS} - known - {None}
    questions = tuple(Question(f"{kind} of {no}?", kind, no) for kind in new for no in ("1", "2"))
    *others, last = by_hand.rows
    return dataclasses.replace(
        by_hand, rows=(*others, dataclasses.replace(last, questions=questions))
    )


def _by_hand(split: str) -> Records:
    return Records(
        "hand",
        split,
        (
            Record(
                Path("a.tif"),
                "river",
                captions=("A river runs past two fields .", "There is a river between fields ."),
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
                captions=("A dense forest with dark green trees .",),
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
CONFIG = PRESETS["tiny"].model
fitted = pytest.mark.parametrize(
    "each",
    [t.configured(CONFIG).fit([records()]) for t in TASKS] + [BINS.fit([records()])],
    ids=lambda t: t.name + ("_bins" if getattr(t, "ordinal", False) else ""),
)
fitted_on_labels = pytest.mark.parametrize(
    "each",
    [t.fit([records()]) for t in (*TASKS, BINS) if t.unit != "caption"],
    ids=lambda t: t.name + ("_bins" if getattr(t, "ordinal", False) else ""),
)


@fitted
def test_encode_then_answer_is_a_round_trip(each):
    labels = each.labels(records())
    target, weight = each.encode(labels)
    known = weight.reshape(len(weight), -1)[:, 0] > 0
    if hasattr(each, "classes"):
        output = target if target.ndim == 2 else np.eye(len(each.classes))[target]
    else:
        output = 2 * target - 1 if each == BINS.fit([records()]) else target
    said = [label for label in labels if label is not None]
    assert each.answer(output[known]) == [_as_written(each, label) for label in said]


def _as_written(each, label: str) -> str:
    """A caption comes back in lower case, its stop where a writer puts it."""
    return label.lower().replace(" .", ".") if each.unit == "caption" else label


@pytest.mark.parametrize("each", [t for t in TASKS if t.unit == "image"], ids=lambda t: t.name)
def test_of_mixed_tiles_a_target_lies_between_both(each):
    ready = each.fit([records()])
    labels = [label for label in ready.labels(records()) if label is not None]
    one, other = (ready.encode([label])[0] for label in dict.fromkeys(labels))
    assert ready.answer(0.6 * one + 0.4 * other) == [labels[0]]
    assert ready.answer(0.4 * one + 0.6 * other) != [labels[0]]


def test_classes_of_a_new_image_task_can_be_mixed():
    class Season(Classification):
        unit = "image"

    season = Season("season", classes=("dry", "green", "wet"))
    (dry, wet), _ = season.encode(["dry", "wet"])
    mixed = (dry + wet) / 2
    assert mixed.tolist() == [0.5, 0, 0.5], "not the class between them"


@fitted_on_labels
def test_a_label_that_is_not_there_has_weight_zero_and_a_valid_placeholder(each):
    target, weight = each.encode([None, None])
    assert weight.tolist() == [0, 0]
    assert np.all(target == 0)


@fitted
def test_the_right_answers_score_best_and_the_floor_is_below(each):
    truths = [truth for truth in each.truths(records()) if truth is not None]
    answers = [truth if isinstance(truth, str) else truth[0] for truth in truths]
    best, floor = each.score(answers, truths), each.floor(truths)
    assert tuple(best) == each.scores == tuple(floor)
    assert best[each.scores[0]] == pytest.approx(1.0)
    assert floor[each.scores[0]] < 0.99


@fitted
def test_what_was_fitted_survives_json(each):
    assert task(each.name).from_dict(json.loads(json.dumps(each.to_dict()))) == each


@fitted
def test_the_loss_is_a_mean_over_labelled_rows_alone(each):
    target, weight = each.encode(each.labels(records()))
    if each.unit == "caption":
        shape = (*target.shape, len(each.words))
    else:
        shape = (len(target), len(each.classes) if hasattr(each, "classes") else target.shape[1])
    output = np.random.default_rng(0).normal(size=shape).astype("float32")
    known = weight > 0
    whole = float(ops.convert_to_numpy(each.loss()(target, output, weight)))
    alone = float(ops.convert_to_numpy(each.loss()(target[known], output[known])))
    assert whole == pytest.approx(alone, rel=1e-5)
    assert float(ops.convert_to_numpy(each.loss()(target, output, weight * 0))) == 0


@fitted_on_labels
def test_the_head_is_named_after_the_task_and_answers_in_float32(each):
    head = each.head(CONFIG)
    assert head.name == each.name
    shape = (2, 3, CONFIG.width) if each.unit != "image" else (2, CONFIG.width)
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


@pytest.mark.parametrize(
    "answer", ["many", "-1", "1.5", "1_000", "²", "", 20 * "1", 5000 * "1"], ids=len
)
def test_an_answer_that_is_no_count_is_named(answer):
    bad = Records("x", "train", (Record(Path("a"), questions=(Question("?", "count", answer),)),))
    with pytest.raises(DataError, match=f"Received: '{answer}'"):
        task("count").fit([bad])


def test_the_largest_count_is_learned_and_scored():
    count = task("count")
    largest = str(10**15 - 1)
    target, _ = count.encode([largest])
    assert target[0, 0] == pytest.approx(np.log(1e15))
    assert count.score([largest], [largest])["rmse"] == 0


def test_a_network_that_counts_to_nan_is_told_to_be_trained_anew():
    with pytest.raises(DataError, match="Train it anew"):
        task("count").answer(np.array([[0.5], [np.nan]], "float32"))


def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean land_use"):
        task("landuse")


def test_how_sure_an_answer_is_by_hand():
    reached = np.array([[0.9, 0.6, 0.3, 0.2], [0.1, 0.2, 0.05, 0.01]])  # of bins 1 to 4
    logits = np.log(reached / (1 - reached))
    assert BINS.probability(logits) == pytest.approx([0.6 - 0.3, 1 - 0.2])
    assert task("count").probability(np.zeros((2, 1))) == [None, None]
    classes = task("land_use").fit([records()])
    # e^0 : e^log 3 = 1 : 3, and no overflow at large logits
    assert classes.probability(np.log([[1.0, 3.0]])) == pytest.approx([0.75])
    assert classes.probability(np.array([[2e4, 0.0]])) == pytest.approx([1])


def test_the_bins_answer_with_their_median_on_the_training_split():
    bins = BINS.fit([records()])
    assert bins.bin_medians[:3] == (0, 3, 12)
    target, _ = bins.encode(["0", "7", "11", "101", "5000"])
    assert target.sum(axis=1).tolist() == [0, 1, 2, 3, 4]
    assert bins.answer(2 * target - 1)[:3] == ["0", "3", "12"]
    assert bins.blind_label("40") == "12"


def test_a_caption_begins_with_start_ends_with_end_and_padding_weighs_nothing():
    caption = dataclasses.replace(task("caption").fit([records()]), length=9)
    target, weight = caption.encode(["a river .", "a glacier ."])
    read = caption.inputs(["a river .", "a glacier ."])
    known = [caption.words[place] for place in target[0, :4]]
    assert known == ["a", "river", ".", "[END]"] and not target[0, 4:].any()
    assert weight[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert [caption.words[place] for place in read[0, :4]] == ["[START]", "a", "river", "."]
    assert caption.words[target[1, 1]] == "[UNK]"  # never seen in training


def test_a_caption_of_too_many_words_is_cut_and_not_ended():
    caption = dataclasses.replace(task("caption").fit([records()]), length=3)
    target, weight = caption.encode(["a river past two fields"])
    assert [caption.words[place] for place in target[0]] == ["a", "river", "past"]
    assert weight.all()


def test_the_floor_of_captions_is_the_most_frequent_one():
    said = (("dark trees .",), ("dark trees .", "a forest ."), ("a river .",))
    rows = tuple(Record(Path("x"), captions=each) for each in said)
    caption = task("caption").fit([Records("x", "train", rows)])
    assert dict(caption.floor_answers)["cider"] == "dark trees ."


def test_captions_of_one_image_have_all_scores_but_cider():
    each = task("caption").fit([records()])
    truths = [truth for truth in each.truths(records()) if truth]
    alone = each.score([truths[0][0]], truths[:1])
    assert set(alone) == set(each.scores) - {"cider"} == set(each.floor(truths[:1]))
    assert alone["bleu4"] == pytest.approx(1)
