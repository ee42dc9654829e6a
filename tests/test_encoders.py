"""Image encoders: one interface for the ViT, a plain CNN and presets; regimes; features on disk."""

import dataclasses
import json
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

import train
from spatialnet_keras.config import ConfigError, ModelConfig, Pixels, TrainConfig
from spatialnet_keras.encoders import image_encoder, split_at_features
from spatialnet_keras.encoders.preset import IMAGENET, UPPER, halves, load_backbone
from spatialnet_keras.layers import FEATURES
from spatialnet_keras.training.features import stored_features
from spatialnet_keras.training.optimizers import optimizer, rates_by_depth
from spatialnet_keras.training.regimes import apply_regime, encoder_layers

TINY = ModelConfig(image_size=32, patch_size=8, width=16, heads=2, layers=2, dropout=0.0)


@pytest.fixture(scope="module")
def presets(tmp_path_factory) -> dict[str, Path]:
    """Tiny presets with random weights: a map, tokens of one size of image, tokens of any."""
    root = tmp_path_factory.mktemp("presets")
    keras.utils.set_random_seed(0)
    made = {
        "map": keras_hub.models.ResNetBackbone(
            input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64, 64],
            stackwise_num_blocks=[1, 1], stackwise_num_strides=[1, 2], block_type="basic_block",
            image_shape=(None, None, 3),
        ),
        "tokens": keras_hub.models.ViTBackbone(
            image_shape=(24, 24, 3), patch_size=(8, 8), num_layers=2, num_heads=2, hidden_dim=16,
            mlp_dim=32,
        ),
        "dino": keras_hub.models.DINOV2Backbone(
            patch_size=8, num_layers=2, hidden_dim=16, num_heads=2, intermediate_dim=32,
            image_shape=(24, 24, 3), position_embedding_shape=(40, 40),
        ),
    }  # fmt: skip
    for name, backbone in made.items():
        backbone.save_to_preset(str(root / name))
    return {name: root / name for name in made}


@pytest.fixture(params=["vit", "stem", "cnn", "map", "tokens", "dino"])
def config(request, presets) -> ModelConfig:
    if request.param == "stem":
        return dataclasses.replace(TINY, stem="convolutions")
    encoder = f"preset:{presets[request.param]}" if request.param in presets else request.param
    return dataclasses.replace(TINY, encoder=encoder)


def encoded(encoder, *inputs) -> dict[str, np.ndarray]:
    return {name: ops.convert_to_numpy(value) for name, value in encoder(*inputs).items()}


def tiles(count: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


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


@pytest.mark.parametrize("regime", ["frozen", "lora", "full"])
def test_a_regime_trains_what_it_says(config, regime):
    encoder = image_encoder(config, Pixels())
    below, _ = split_at_features(encoder)
    everything = below.count_params()
    apply_regime(below, TrainConfig(encoder=regime, lora_rank=2))
    trained = sum(np.prod(each.shape) for each in below.trainable_variables)
    if regime == "frozen":
        assert trained == 0
    elif regime == "lora":
        assert 0 < trained < 0.6 * everything
        assert all("lora" in each.name for each in below.trainable_variables)
    else:
        assert trained > 0.9 * everything


def test_lora_starts_where_the_encoder_is_and_is_merged_when_saved(config, tmp_path):
    encoder = image_encoder(config, Pixels())
    before = encoded(encoder, tiles())["image_vector"]
    below, _ = split_at_features(encoder)
    apply_regime(below, TrainConfig(encoder="lora", lora_rank=2))
    assert np.allclose(encoded(encoder, tiles())["image_vector"], before, atol=1e-5)
    rng = np.random.default_rng(0)
    for variable in below.trainable_variables:
        variable.assign(rng.normal(scale=0.3, size=variable.shape).astype("float32"))
    moved = encoded(encoder, tiles())["image_vector"]
    assert np.abs(moved - before).max() > 1e-3
    encoder.save(tmp_path / "merged.keras")
    again = keras.saving.load_model(tmp_path / "merged.keras")
    assert np.allclose(encoded(again, tiles())["image_vector"], moved, atol=1e-4)


def test_rates_rise_with_depth_to_that_of_the_heads(config):
    encoder = image_encoder(config, Pixels())
    below, _ = split_at_features(encoder)
    rates = rates_by_depth(encoder_layers(encoder), 0.1)
    in_order = [rates[each.path] for each in below.trainable_variables if each.path in rates]
    assert min(rates.values()) == pytest.approx(0.1)
    assert 0.1 < max(rates.values()) < 1
    assert len(in_order) == len(below.trainable_variables)


def test_what_is_not_frozen_of_a_preset_has_rates_by_depth(presets):
    """And the blocks on it have the heads' rate."""
    named = {"encoder": f"preset:{presets['map']}", "frozen_share": 0.4, "hybrid_layers": 1}
    encoder = image_encoder(dataclasses.replace(TINY, **named), Pixels())
    below, above = split_at_features(encoder)
    apply_regime(below, TrainConfig(encoder="frozen"))
    rates = rates_by_depth(encoder_layers(encoder), 0.1)
    upper = above.get_layer(UPPER).trainable_variables
    assert rates.keys() == {each.path for each in upper}
    assert rates[upper[0].path] == pytest.approx(0.1)
    assert 0.1 < rates[upper[-1].path] < 1


def test_the_first_layer_learns_at_its_share_of_the_rate(config):
    """Adam's first step is as long as the rate, whatever the gradient."""
    encoder = image_encoder(config, Pixels())
    made = optimizer(
        TrainConfig(encoder_rate=0.1, warmup=0.0, schedule="constant", clip_norm=0.0),
        10,
        encoder_layers(encoder),
    )
    variables = encoder.trainable_variables
    made.build(variables)
    before = [ops.convert_to_numpy(each).copy() for each in variables]
    made.apply([ops.ones(each.shape) for each in variables], variables)
    steps = [
        np.abs(ops.convert_to_numpy(each) - old).max()
        for each, old in zip(variables, before, strict=True)
    ]
    assert steps[0] == pytest.approx(0.1 * TrainConfig.learning_rate, rel=0.02)
    assert max(steps) <= TrainConfig.learning_rate * 1.02
    assert max(steps) > 0.3 * TrainConfig.learning_rate


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


def test_features_are_kept_on_disk_and_found_again(config, tmp_path, monkeypatch):
    monkeypatch.setenv("SPATIALNET_CACHE", str(tmp_path))
    np.save(tmp_path / "images.npy", tiles(5))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    below, _ = split_at_features(image_encoder(config, Pixels()))
    features = stored_features(below, images, 8)
    assert features.shape[:2] == (5, 8)
    expected = ops.convert_to_numpy(below(np.ascontiguousarray(images[:, :, ::-1])))
    mirrored = features[:, 4].astype("float32")  # of the tile mirrored left-right
    assert np.abs(mirrored - expected).max() < 0.01 * np.abs(expected).max() + 1e-3
    (path,) = tmp_path.glob("*.features.npy")
    changed = path.stat().st_mtime_ns
    stored_features(below, images, 8)
    assert path.stat().st_mtime_ns == changed
    assert not list(tmp_path.glob("*.tmp"))


def test_features_are_found_by_pixels_and_weights_alone(config, tmp_path, monkeypatch):
    monkeypatch.setenv("SPATIALNET_CACHE", str(tmp_path))
    below, _ = split_at_features(image_encoder(config, Pixels()))

    def kept(name: str, images: np.ndarray) -> int:
        np.save(tmp_path / name, images)
        stored_features(below, np.load(tmp_path / name, mmap_mode="r"), 1)
        return len(list(tmp_path.glob("*.features.npy")))

    assert kept("images.npy", tiles(3)) == 1
    assert kept("copied.npy", tiles(3)) == 1
    assert kept("images.npy", tiles(3, seed=1)) == 2
    weight = below.weights[-1]
    weight.assign(weight + 1)
    assert kept("copied.npy", tiles(3)) == 3


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


def test_lora_beside_a_part_of_a_preset_is_refused(presets, city, exit_code, capsys, tmp_path):
    flags = (
        f"--data synthetic={city} --run {tmp_path / 'run'} --preset transfer --train.encoder lora "
        f"--model.encoder preset:{presets['map']} --model.frozen_share 0.5"
    )
    assert exit_code(train.main, *flags.split()) == 2
    assert "frozen_share must be 1 with it. Received: 0.5." in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_on_cached_features_ends_with_a_network_of_pixels(presets, city, exit_code, tmp_path):
    flags = (
        f"--data synthetic={city} --run {tmp_path / 'run'} --epochs 2 --train.encoder cached "
        f"--model.encoder preset:{presets['map']} --model.frozen_share 0.5 --model.image_size 32 "
        "--model.width 16 --model.heads 2 --model.question_layers 1 --train.batch_size 8"
    )
    assert exit_code(train.main, *flags.split()) == 0
    rows = json.loads((tmp_path / "run" / "metrics.json").read_text())["scores"]
    assert {"land_use", "caption", "presence"} <= {row["task"] for row in rows}
    network = keras.saving.load_model(tmp_path / "run" / "best.keras", compile=False)
    assert {each.name: each.shape for each in network.inputs}["image"] == (None, 32, 32, 3)


def test_rates_rise_from_block_to_block_of_a_transformer(presets):
    config = dataclasses.replace(TINY, encoder=f"preset:{presets['dino']}", image_size=24)
    encoder = image_encoder(config, Pixels())
    rates = rates_by_depth(encoder_layers(encoder), 0.1)
    blocks = [
        [rate for path, rate in rates.items() if f"layers_{block}" in path] for block in (0, 1)
    ]
    assert max(blocks[0]) < min(blocks[1])
    assert max(blocks[1]) > 0.8


def test_what_training_changes_of_interpolated_positions_is_what_the_file_holds(presets, tmp_path):
    config = dataclasses.replace(TINY, encoder=f"preset:{presets['dino']}")
    encoder = image_encoder(config, Pixels())
    for variable in encoder.trainable_variables:
        variable.assign(variable + 0.05)
    encoder.save(tmp_path / "best.keras")
    again = keras.saving.load_model(tmp_path / "best.keras")
    for name, value in encoded(encoder, tiles(2)).items():
        np.testing.assert_allclose(encoded(again, tiles(2))[name], value, atol=1e-4)
