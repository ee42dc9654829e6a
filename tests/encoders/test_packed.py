"""Packed questions: the same is said of each as if it had a row of its own."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from pipelines.packing import pack
from spatialnet_keras import data, training
from spatialnet_keras.config import override
from spatialnet_keras.encoders import packed_question_encoder, question_encoder
from spatialnet_keras.presets import PRESETS
from tests.test_training import config

SLOTS, ROWS, WIDTH, WORDS = 6, 4, 9, 40


def sentences(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    words = rng.integers(4, WORDS, (3, SLOTS, WIDTH)).astype("int32")
    words[np.arange(WIDTH) >= rng.integers(1, 6, (3, SLOTS, 1))] = 0
    return words


def features(width: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    shapes = (3, 16, width), (3, width)
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def encoders(fusion: str = "cross_attention"):
    keras.utils.set_random_seed(0)
    settings = override(
        PRESETS["tiny"], {"model.question_words": WIDTH, "model.fusion": fusion}
    ).model
    whole = question_encoder(settings, WORDS)
    return whole, packed_question_encoder(whole, ROWS, SLOTS), features(settings.width)


def said(encoder, words, seen) -> dict[str, np.ndarray]:
    found = encoder([words, *seen], training=False)
    return {name: ops.convert_to_numpy(each) for name, each in found.items()}


@pytest.mark.parametrize("fusion", ["cross_attention", "product", "none"])
def test_a_packed_question_says_what_it_says_alone(fusion):
    whole, packed, seen = encoders(fusion)
    words = sentences()
    rows, fits = pack(words, ROWS)
    assert fits.all()
    expected, found = said(whole, words, seen), said(packed, rows, seen)
    assert found.keys() == expected.keys() == {"question_vector", "words_vector"}
    for name, each in expected.items():
        assert np.abs(found[name] - each).max() < 1e-5
        assert np.abs(each[:, 0] - each[:, 1]).max() > 1e-3 or fusion == "none"


def test_the_weights_are_shared_and_all_of_them_learn():
    whole, packed, _ = encoders()
    assert {id(each) for each in packed.trainable_variables} == {
        id(each) for each in whole.trainable_variables
    }


def test_a_question_that_shares_a_row_changes_no_other():
    _, packed, seen = encoders()
    rows, _ = pack(sentences(), ROWS)
    other = rows.copy()
    of_the_first = rows[..., 1] == 1
    other[of_the_first, 0] = 4 + rows[of_the_first, 0] % (WORDS - 4)
    before, after = said(packed, rows, seen), said(packed, other, seen)
    for name, each in before.items():
        assert np.abs(after[name][:, 1:] - each[:, 1:]).max() < 1e-6
        assert np.abs(after[name][:, 0] - each[:, 0]).min(axis=0).max() > 1e-4


def test_a_training_goes_the_same_way_packed_and_not(city, tmp_path):
    """What it learns differs by roundings alone: questions, order and truths are the same."""
    ways = {}
    for pack_them in (True, False):
        asked = config(
            city,
            train__pack=pack_them,
            train__questions_per_image=12,
            train__optimizer="adam",
            model__dropout=0.0,
        )
        asked = dataclasses.replace(asked, tasks=(("presence", 1.0), ("question_type", 1.0)))
        run = training.train(asked, tmp_path / str(pack_them), verbose=0)
        examples = [
            part.encode(run.tasks, run.vocabulary, run.config) for part in data.read(asked, "train")
        ]
        ways[pack_them] = run.metrics["history"]
        rows = training.packed_rows(examples, run.config.train)
        assert (rows is not None) == pack_them
        assert not pack_them or rows < run.config.train.questions_per_image
    for ours, plain in zip(ways[True], ways[False], strict=True):
        assert ours["loss"] == pytest.approx(plain["loss"], rel=1e-3)
        assert ours["presence_loss"] == pytest.approx(plain["presence_loss"], rel=1e-3)
