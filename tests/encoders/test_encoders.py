"""Image encoders: one interface for the ViT, a plain CNN and presets; regimes; features on disk."""

import dataclasses
import json

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from spatialnet_keras.config import ConfigError, Pixels
from spatialnet_keras.encoders import image_encoder, split_at_features
from spatialnet_keras.encoders.preset import IMAGENET, _as_tokens, halves, load_backbone
from spatialnet_keras.layers import FEATURES
from tests.encoders.helpers import TINY, encoded, tiles


def test_every_encoder_gives_tokens_on_a_grid_and_a_vector_that_depend_on_the_tile(config):
    encoder = image_encoder(config, Pixels())
    found = encoder(tiles())
    count, places, width = found["image_tokens"].shape
    assert (count, width) == (3, 16)
    assert round(places**0.5) ** 2 == places
    vectors = ops.convert_to_numpy(found["image_vector"])
    assert vectors.shape == (3, 16)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4


@pytest.mark.filterwarnings("error:The structure of `inputs`")
@pytest.mark.parametrize(("size", "side"), [(24, 24), (32, 32), (30, 32), (35, 32)])
def test_a_preset_that_interpolates_its_positions_sees_images_at_their_own_size(
    presets, size, side
):
    wanted = keras_hub.models.Backbone.from_preset(
        str(presets["dino"]), image_shape=(side, side, 3)
    )
    config = dataclasses.replace(TINY, encoder=f"preset:{presets['dino']}", image_size=size)
    encoder = image_encoder(config, Pixels())
    image = np.full((1, size, size, 3), 90, "uint8")
    image[:, : size // 2] = 180
    tokens = keras.Model(encoder.input, encoder.get_layer(FEATURES).output)(image)
    pixels = (image - IMAGENET[0]) / IMAGENET[1]
    pixels = ops.image.resize(pixels.astype("float32"), (side, side), antialias=True)
    expected = ops.convert_to_numpy(wanted({"images": pixels}))
    assert np.allclose(ops.convert_to_numpy(tokens), expected, atol=1e-4)


def test_registers_are_no_places_however_small_the_grid(tmp_path):
    """1 + 4 + 2 x 2 tokens are as many as 3 x 3."""
    made = keras_hub.models.DINOV3Backbone(
        patch_size=8, num_layers=1, hidden_dim=16, num_heads=2, intermediate_dim=32,
        num_register_tokens=4, image_shape=(16, 16, 3),
    )  # fmt: skip
    made.save_to_preset(str(tmp_path / "registers"))
    config = dataclasses.replace(TINY, encoder=f"preset:{tmp_path / 'registers'}", image_size=16)
    encoder = image_encoder(config, Pixels())
    assert encoder.output["image_tokens"].shape == (None, 4, 16)
    image = np.zeros((1, 16, 16, 3), "uint8")
    tokens = keras.Model(encoder.input, encoder.get_layer("features_norm").input)(image)
    features = keras.Model(encoder.input, encoder.get_layer(FEATURES).output)(image)
    assert np.array_equal(ops.convert_to_numpy(tokens), ops.convert_to_numpy(features)[:, 5:])


@pytest.mark.parametrize("stem", ["patches", "convolutions"])
def test_convolutions_see_beyond_their_patch(stem):
    encoder = image_encoder(dataclasses.replace(TINY, stem=stem), Pixels())
    embed = keras.Model(encoder.input, encoder.get_layer("patch_embedding").output)
    one = np.zeros((1, 32, 32, 3), "uint8")
    other = one.copy()
    other[0, 8:16, 8:16] = 255  # the patch in row 1, column 1 of the 4 x 4 grid
    before, after = (ops.convert_to_numpy(embed(each)).reshape(16, 16) for each in (one, other))
    changed = np.abs(after - before).max(axis=1).reshape(4, 4) > 1e-6
    assert changed[1, 1] and not changed[3].any() and not changed[:, 3].any()
    assert (changed.sum() > 1) == (stem == "convolutions")


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_conditional_positions_are_of_the_tokens_around(pooling):
    """The kernels set to take a token's right neighbour, each token becomes itself and that one."""
    made = dataclasses.replace(TINY, positions="conditional", pooling=pooling)
    encoder = image_encoder(made, Pixels())
    layer = encoder.get_layer("block_2_around")
    kernel = np.zeros(layer.kernel.shape, "float32")
    kernel[1, 2] = 1.0
    layer.kernel.assign(kernel)
    places = encoder.get_layer("block_2_around_grid").input
    after = encoder.get_layer("block_2_around_shortcut").output
    image = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype("uint8")
    found = keras.Model(encoder.input, [places, after])(image)
    x, y = (ops.convert_to_numpy(each).reshape(2, 4, 4, -1) for each in found)
    right = np.pad(x[:, :, 1:], [(0, 0), (0, 0), (0, 1), (0, 0)])
    assert np.allclose(y, x + right, atol=1e-5)
    assert np.abs(right).mean() > 0.1


def test_a_mimetic_start_lets_tokens_look_at_those_like_them():
    def likeness(start: str) -> tuple[float, float]:
        keras.utils.set_random_seed(0)
        settings = dataclasses.replace(
            TINY, width=64, heads=2, layers=1, positions="sine", attention_start=start
        )
        (layer,) = (
            each
            for each in image_encoder(settings, Pixels()).layers
            if isinstance(each, keras.layers.MultiHeadAttention)
        )
        query, key, value, output = (
            ops.convert_to_numpy(each.kernel)
            for each in (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense)
        )
        looks = np.einsum("ihc,jhc->hij", query, key)
        # the mean of the diagonal, in deviations of the rest
        inward = np.mean([np.trace(each) / 64 / each.std() for each in looks])
        given = value.reshape(64, 64) @ output.reshape(64, 64)
        return float(inward), float(np.trace(given) / 64 / given.std())

    looks, gives = likeness("mimetic")
    assert looks > 3
    assert gives < -3
    assert max(map(abs, likeness("random"))) < 1


def test_a_mimetic_start_leaves_what_a_preset_has_learned(presets):
    def values(start: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
        keras.utils.set_random_seed(0)
        settings = dataclasses.replace(
            TINY, encoder=f"preset:{presets['tokens']}", hybrid_layers=1, attention_start=start
        )
        parts = split_at_features(image_encoder(settings, Pixels()))
        return tuple([ops.convert_to_numpy(each) for each in part.weights] for part in parts)

    (learned, above), (kept, started) = values("random"), values("mimetic")
    assert all(map(np.array_equal, learned, kept))
    assert not all(map(np.array_equal, above, started))


def test_every_encoder_survives_saving(config, tmp_path):
    encoder = image_encoder(config, Pixels())
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    for name, value in encoded(encoder, tiles()).items():
        assert np.allclose(encoded(again, tiles())[name], value, atol=1e-5)


def test_features_and_what_follows_are_the_whole_encoder(config):
    encoder = image_encoder(config, Pixels())
    below, above = split_at_features(encoder)
    parts = encoded(above, below(tiles()))
    for name, value in encoded(encoder, tiles()).items():
        assert np.allclose(parts[name], value, atol=1e-5)


def test_halves_of_a_preset_are_the_preset(presets):
    for folder in presets.values():
        backbone = load_backbone(str(folder))
        side = backbone.inputs[0].shape[1] or 32
        x = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype("float32")
        lower, upper = halves(backbone, 0.4)
        assert 0 < lower.count_params() < backbone.count_params()
        assert np.allclose(
            ops.convert_to_numpy(upper(lower(x))), ops.convert_to_numpy(backbone(x)), atol=1e-4
        )


def test_the_tokens_of_siglip_are_what_its_last_layer_pools(presets):
    whole = keras_hub.models.Backbone.from_preset(str(presets["siglip"])).vision_encoder
    backbone = load_backbone(str(presets["siglip"]))
    x = {"images": np.random.default_rng(0).normal(size=(2, 24, 24, 3)).astype("float32")}
    found = backbone(x)
    assert backbone.output.shape == (None, *found.shape[1:]) == (None, 9, 16)
    np.testing.assert_allclose(
        ops.convert_to_numpy(whole.head(found)), ops.convert_to_numpy(whole(x)), atol=1e-5
    )


@pytest.mark.parametrize("shape", [(16,), (2, 3, 3, 16)])
def test_a_preset_without_features_of_places_is_one_line(shape):
    with pytest.raises(ConfigError, match=r"\[B, N, F\]. Received: \[None, ") as caught:
        _as_tokens(keras.Input(shape))
    assert "\n" not in str(caught.value)


BAD_PRESETS = {
    "no such folder": ("./nowhere", "No preset in ./nowhere"),
    "no config": ("{root}", "it has no config.json"),
    "no network": ("resnet_18_imagenet_which_is_not", "cannot be loaded"),
}


@pytest.mark.parametrize(("name", "said"), BAD_PRESETS.values(), ids=BAD_PRESETS)
def test_a_preset_that_cannot_be_loaded_is_one_line(name, said, tmp_path):
    with pytest.raises(ConfigError, match=said) as caught:
        load_backbone(name.format(root=tmp_path))
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_are_one_line(presets, tmp_path):
    folder = tmp_path / "wrong"
    folder.mkdir()
    for path in presets["tokens"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["config"]["hidden_dim"] = 32
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="cannot be loaded") as caught:
        load_backbone(str(folder))
    assert "\n" not in str(caught.value)


def test_what_training_changes_of_interpolated_positions_is_what_the_file_holds(presets, tmp_path):
    config = dataclasses.replace(TINY, encoder=f"preset:{presets['dino']}")
    encoder = image_encoder(config, Pixels())
    for variable in encoder.trainable_variables:
        variable.assign(variable + 0.05)
    encoder.save(tmp_path / "best.keras")
    again = keras.saving.load_model(tmp_path / "best.keras")
    for name, value in encoded(encoder, tiles(2)).items():
        np.testing.assert_allclose(encoded(again, tiles(2))[name], value, atol=1e-4)
