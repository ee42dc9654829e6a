"""Pixels, words and counts come out of TensorFlow as Python makes them."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import pipelines
from pipelines.images import read_image
from pipelines.pixels import resize
from spatialnet_keras.export import answers, pixels, words
from spatialnet_keras.tasks import task
from spatialnet_keras.text import END, Vocabulary
from tests.export.helpers import strings

SIZES = [(64, 64), (256, 256), (100, 77), (20, 30), (313, 700), (40, 500)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("size", [32, 64, 224])
def test_images_are_resized_as_pillow_does(height, width, size):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    found = pixels.resize(tf.constant(noise[None]), size)[0].numpy().astype(int)
    difference = np.abs(found - resize(noise, size))
    assert difference.max() <= 2
    assert (difference > 1).mean() < 1e-3


def test_sixteen_bit_and_float_images_are_resized_as_pillow_does():
    noise = np.random.default_rng(0).integers(0, 2**16, (90, 70, 4), np.uint16)
    found = pixels.resize(tf.constant(noise[None]), 32)[0].numpy().astype(int)
    assert np.abs(found - resize(noise, 32)).max() <= 1
    floats = noise.astype(np.float32) / 1000
    found = pixels.resize(tf.constant(floats[None]), 32)[0].numpy()
    np.testing.assert_allclose(found, resize(floats, 32), atol=1e-3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_files_are_decoded_as_the_pipeline_does(kind, mode, tmp_path):
    if kind == "JPEG" and mode in ("P", "RGBA"):
        pytest.skip("JPEG has no such images")
    smooth = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    picture = Image.fromarray(smooth).resize((64, 64), Image.BICUBIC).convert(mode)
    picture.save(tmp_path / "tile", kind)
    found, status = pixels.decode_rows(tf.constant([(tmp_path / "tile").read_bytes()]), 64)
    assert status.numpy().tolist() == [b"ok"]
    assert np.array_equal(found[0].numpy(), read_image(tmp_path / "tile"))


STRANGE_TEXTS = [
    "", "  ", "?", "Is there a Road?", "is it more/less than 1,000m\u00b2?", "roads\tand\nroads",
    "caf\u00e9 CAF\u00c9", "\u00dcber", "stra\u00dfe", "wi-fi's (left)", "a_b __c",
    "\u6c34road\u6c34", "zero\u200bwidth soft\u00adhyphen", "non\u00a0breaking",
    "\u00abquoted\u00bb \u2014 dash", "[PAD] [END] [UNK]",
    "10,000.5 + 3 = $7 ^ ~ `x`", "\U0001f600 road", "a" * 300, "\u0130stanbul",
]  # fmt: skip


def test_words_are_found_as_the_tokenizer_finds_them(city):
    rows = pipelines.load("synthetic", city, "test")
    asked = [question.text for row in rows for question in row.questions]
    texts = [*STRANGE_TEXTS, *dict.fromkeys(asked), *(text.upper() for text in asked[:20])]
    vocabulary = Vocabulary.fit(
        ["caf\u00e9 \u00fcber stra\u00dfe wi-fi's roads 10,000 _ \u6c34 ( [ ^ m\u00b2", *asked]
    )
    ids, _, _ = words.QuestionWords(vocabulary, 12)(tf.constant(texts))
    expected = vocabulary.encode(texts, 12)
    wrong = [
        text for text, a, b in zip(texts, ids.numpy(), expected, strict=True) if (a != b).any()
    ]
    assert not wrong


def test_sentences_are_written_as_python_writes_them():
    vocabulary = Vocabulary.fit(["there is a wi-fi's (road) , [x] . ; : ! ? \u00fcber \u6c34 '"])
    ids = np.random.default_rng(0).integers(0, len(vocabulary), (500, 12)).astype(np.int32)
    ids[:50, 0], ids[50:60] = END, 5
    found = words.sentences(tf.constant(ids), vocabulary)
    assert [each.decode() for each in found.numpy()] == vocabulary.decode(ids)


@pytest.mark.parametrize("ordinal", [False, True])
def test_counts_come_out_as_the_task_says_them(ordinal):
    count = replace(task("count"), ordinal=ordinal, bin_medians=(0, 4, 30, 400, 2000))
    output = np.random.default_rng(0).normal(2, 4, (200, 4 if ordinal else 1)).astype(np.float32)
    output[0] = 100.0
    found, likely = answers.in_words(count, tf.constant(output))
    assert strings(found.numpy()) == count.answer(output)
    if ordinal:  # the steps are in no order here
        np.testing.assert_allclose(likely.numpy(), count.probability(output), atol=1e-5)
        assert likely[0].numpy() == pytest.approx(1)


def test_the_probability_of_a_bin_is_that_it_is_reached_and_the_next_is_not():
    count = replace(task("count"), ordinal=True, bin_medians=(0, 4, 30, 400, 2000))
    chances = np.array([[0.9, 0.7, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1]])
    logits = np.log(chances / (1 - chances)).astype(np.float32)
    found, likely = answers.in_words(count, tf.constant(logits))
    assert strings(found.numpy()) == ["30", "0"]
    np.testing.assert_allclose(likely.numpy(), [0.5, 0.6], atol=1e-6)
