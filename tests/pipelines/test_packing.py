"""Packing: no word is lost or changed, no sentence torn, and what finds no room is told."""

import dataclasses

import numpy as np
import pytest

from pipelines.batches import training_batches
from pipelines.packing import pack, places, rows_to_pack
from tests.pipelines.test_batches import examples, read

WIDTH = 12


def sentences(images: int = 6, slots: int = 8, longest: int = WIDTH, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    words = rng.integers(4, 90, (images, slots, WIDTH)).astype("int32")
    words[np.arange(WIDTH) >= rng.integers(0, longest + 1, (images, slots, 1))] = 0
    return words


def unpacked(packed: np.ndarray, slots: int) -> np.ndarray:
    """The sentences again, from nothing but the words, their slots and their order."""
    found = np.zeros((len(packed), slots, WIDTH), "int32")
    for image, rows in enumerate(packed):
        for slot in range(slots):
            words = rows[rows[..., 1] == slot + 1][:, 0]
            found[image, slot, : len(words)] = words
    return found


@pytest.mark.parametrize("longest", [1, 5, WIDTH])
def test_what_was_packed_can_be_read_again(longest):
    words = sentences(longest=longest)
    packed, fits = pack(words, rows=8)
    assert fits.all()
    assert np.array_equal(unpacked(packed, 8), words)


def test_a_sentence_stands_in_one_row_without_a_gap():
    packed, _ = pack(sentences(), rows=8)
    for image in packed:
        for slot in range(1, 9):
            row, place = np.nonzero(image[..., 1] == slot)
            assert len(set(row)) <= 1
            assert (np.diff(place) == 1).all()


def test_short_sentences_share_rows_and_need_few():
    words = np.zeros((2, 8, WIDTH), "int32")
    words[..., :3] = 7
    packed, fits = pack(words, rows=2)  # four of three words in each row
    assert fits.all()
    assert (packed[..., 0] == 7).all()


def test_a_sentence_without_room_is_told_and_the_others_stay_whole():
    words = sentences(longest=WIDTH, seed=3)
    packed, fits = pack(words, rows=2)
    assert fits.any() and not fits.all()
    assert np.array_equal(unpacked(packed, 8), np.where(fits[..., None], words, 0))


def test_a_sentence_of_no_word_needs_no_room():
    row, start = places(np.array([[0, 5, 5, 5]]), width=5, rows=3)
    assert (row >= 0).all()
    assert sorted(zip(row[0, 1:], start[0, 1:], strict=True)) == [(0, 0), (1, 0), (2, 0)]


def short(images: int):
    """`examples`, whose sentences have two words of five."""
    made = examples(images)
    slots = made.slots["question"]
    words = slots.inputs["question"] * (np.arange(5) < 2)
    return dataclasses.replace(
        made, slots={"question": dataclasses.replace(slots, inputs={"question": words})}
    )


def test_as_many_rows_are_asked_for_as_the_sentences_drawn_fill():
    # three sentences of an image, two words each: two of them in a row of five
    assert rows_to_pack([short(12)], "question", 3, 0.0, seed=0) == 2
    assert rows_to_pack([examples(12)], "question", 3, 0.0, seed=0) == 3  # five words of five


def test_a_batch_asks_the_same_packed_and_not():
    def batches(packed):
        return read(training_batches([short(12)], 4, {"question": 3}, 0, 1, packed=packed))

    for plain, packed in zip(batches({}), batches({"question": 2}), strict=True):
        (x, y, weight), (x_packed, y_packed, weight_packed) = plain, packed
        assert x_packed["question"].shape == (4, 2, 5, 2)
        words = unpacked(np.pad(x_packed["question"], [(0, 0), (0, 0), (0, 7), (0, 0)]), 3)
        assert np.array_equal(words[..., :5], x["question"])
        assert np.array_equal(x_packed["image"], x["image"])
        assert np.array_equal(y_packed["answer"], y["answer"])
        assert np.array_equal(weight_packed["answer"], weight["answer"])


def test_a_question_that_found_no_room_counts_for_nothing():
    for x, _, weight in read(
        training_batches([short(12)], 4, {"question": 3}, 0, 1, packed={"question": 1})
    ):
        asked = np.stack([(x["question"][..., 1] == slot).any((1, 2)) for slot in (1, 2, 3)], 1)
        assert (asked.sum(axis=1) == 2).all()
        assert np.array_equal(weight["answer"], asked.astype("float32"))
