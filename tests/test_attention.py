"""Maps of attention: by hand, against the layers themselves, and what moves them."""

import keras
import numpy as np
import pytest
from keras import ops

from spatialnet_keras.config import override
from spatialnet_keras.model import answering_model
from spatialnet_keras.prediction.attention import (
    _looked,
    as_map,
    caption_maps,
    land_use_map,
    question_maps,
    roll_out,
    weighing,
)
from tests.test_model import CAPTION, TASKS_HERE, TINY, build, inputs


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return build()


def encoded(model, image):
    found = model.get_layer("image_encoder")(image[None], training=False)
    return (ops.convert_to_numpy(found[name])[0] for name in ("image_tokens", "image_vector"))


def test_roll_out_by_hand():
    first = np.array([[[1.0, 0.0], [1.0, 0.0]]])  # both tokens look at the first
    second = np.array([[[0.0, 1.0], [0.0, 1.0]]])  # both look at the second
    # halves with the identity: [[1, 0], [.5, .5]], then [[.5, .5], [0, 1]]
    assert roll_out([first, second]) == pytest.approx(np.array([[0.75, 0.25], [0.5, 0.5]]))


def test_a_class_token_is_left_out_of_the_map():
    found = as_map(np.array([0.5, 0.1, 0.1, 0.2, 0.1]))
    assert found == pytest.approx(np.array([[0.2, 0.2], [0.4, 0.2]]))
    with pytest.raises(ValueError, match="square"):
        as_map(np.ones(7) / 7)


def test_the_weights_are_those_of_the_layer(model):
    encoder, x = model.get_layer("image_encoder"), inputs()["image"]
    normed = keras.Model(encoder.input, encoder.get_layer("block_1_1_norm").output)(x)
    layer = encoder.get_layer("block_1_attention")
    _, expected = layer(normed, normed, return_attention_scores=True)
    found = weighing(encoder)(x)["000"]
    found, expected = ops.convert_to_numpy(found), ops.convert_to_numpy(expected)
    assert found.shape == (2, TINY.model.heads, 64, 64)
    assert found == pytest.approx(expected, abs=1e-6)


def test_asking_for_the_weights_leaves_the_network_as_it_was(model, tmp_path):
    x = inputs()
    before = ops.convert_to_numpy(model(x)["land_use"])
    land_use_map(weighing(model.get_layer("image_encoder")), x["image"][0], "mean")
    assert ops.convert_to_numpy(model(x)["land_use"]) == pytest.approx(before, abs=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert ops.convert_to_numpy(again(x)["land_use"]) == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_land_use_looks_elsewhere_in_another_image(pooling):
    config = override(TINY, {"model.pooling": pooling})
    encoder = weighing(build(config).get_layer("image_encoder"))
    maps = [land_use_map(encoder, image, pooling) for image in inputs()["image"]]
    for found in maps:
        assert found.shape == (8, 8)
        assert found.sum() == pytest.approx(1)
    assert np.abs(maps[0] - maps[1]).max() > 1e-5


def test_another_question_looks_elsewhere_and_padding_nowhere(model):
    x = inputs()
    asking = weighing(model.get_layer("question_encoder"))
    tokens, vector = encoded(model, x["image"][0])
    maps = question_maps(asking, x["question"][0], tokens, vector)
    assert maps.shape == (3, 8, 8)
    assert maps.sum(axis=(1, 2)) == pytest.approx(np.ones(3))
    assert np.abs(maps[0] - maps[1]).max() > 1e-5
    alone = question_maps(asking, x["question"][0][1:2], tokens, vector)
    assert alone[0] == pytest.approx(maps[1], abs=1e-6)


def test_each_word_of_a_caption_looks_and_no_later_word_changes_it(model):
    decoder = model.get_layer("caption").get_layer("caption_decoder")
    tokens, _ = encoded(model, inputs()["image"][0])
    one, other = CAPTION.inputs(["a river runs past .", "a river runs ."])
    maps = [caption_maps(decoder, words, tokens) for words in (one, other)]
    assert maps[0].shape == (10, 8, 8)
    assert maps[0].sum(axis=(1, 2)) == pytest.approx(np.ones(10))
    assert maps[0][:4] == pytest.approx(maps[1][:4], abs=1e-6)
    assert np.abs(maps[0][4] - maps[1][4]).max() > 1e-6


def test_the_words_weights_are_those_that_the_decoder_uses(model):
    look = model.get_layer("caption").get_layer("caption_decoder").blocks[0].look
    rng = np.random.default_rng(0)
    x, tokens = (
        ops.convert_to_tensor(rng.normal(size=(1, n, 64)).astype("float32")) for n in (3, 5)
    )
    keys, values = look.keys_values(tokens)
    one_head = ops.convert_to_numpy(values)[0].mean(axis=1)  # the same values for every head
    same = ops.broadcast_to(ops.convert_to_tensor(one_head)[None, :, None], ops.shape(values))
    heads = ops.convert_to_numpy(ops.reshape(look_without_output(look, x, keys, same), (3, 4, -1)))
    assert _looked(look, x, keys) @ one_head == pytest.approx(heads.mean(axis=1), abs=1e-5)


def look_without_output(look, x, keys, values):
    """The call of CachedAttention up to its last layer."""
    return ops.dot_product_attention(look._split(look.query_dense(x)), keys, values)


@pytest.mark.parametrize("fusion", ["product", "none"])
def test_without_cross_attention_there_are_no_maps_of_questions(fusion):
    config = override(TINY, {"model.fusion": fusion})
    model = answering_model(build(config), config, TASKS_HERE)
    x = inputs()
    tokens, vector = encoded(model, x["image"][0])
    asking = weighing(model.get_layer("question_encoder"))
    assert question_maps(asking, x["question"][0], tokens, vector) is None


def test_an_encoder_without_self_attention_has_no_roll_out():
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 8, strides=8)(image)
    encoder = keras.Model(image, keras.layers.Reshape((16, 8))(x))
    assert land_use_map(weighing(encoder), np.zeros((32, 32, 3), np.float32), "mean") is None
