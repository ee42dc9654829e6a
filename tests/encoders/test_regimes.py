"""Regimes: what of an encoder is trained, at which rate, and features that are kept on disk."""

import dataclasses
import json
import time

import keras
import numpy as np
import pytest
from keras import ops

import train
from pipelines.records import DataError
from pipelines.views import Symmetries
from spatialnet_keras import training
from spatialnet_keras.config import Pixels, TrainConfig
from spatialnet_keras.encoders import image_encoder, split_at_features
from spatialnet_keras.encoders.preset import UPPER
from spatialnet_keras.training.features import stored_features
from spatialnet_keras.training.optimizers import optimizer, rates_by_depth
from spatialnet_keras.training.regimes import apply_regime, encoder_layers
from tests.encoders.helpers import TINY, encoded, tiles


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


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_kernels_decay_and_nothing_else(config, kind):
    """No token, position, norm or bias, whatever a preset calls them."""
    variables = image_encoder(config, Pixels()).trainable_variables
    made = optimizer(
        TrainConfig(optimizer=kind, weight_decay=0.5, learning_rate=0.1, warmup=0.0, clip_norm=0.0),
        10,
    )
    made.build(variables)
    for variable in variables:
        variable.assign(ops.ones(variable.shape))
    made.apply([ops.zeros(each.shape) for each in variables], variables)
    for variable in variables:
        left = 0.95 if variable.path.endswith("kernel") else 1.0
        assert ops.convert_to_numpy(variable) == pytest.approx(left), variable.path


def test_features_are_kept_on_disk_and_found_again(config, tmp_path, monkeypatch):
    monkeypatch.setenv("SPATIALNET_CACHE", str(tmp_path))
    np.save(tmp_path / "images.npy", tiles(5))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    below, _ = split_at_features(image_encoder(config, Pixels()))
    features = stored_features(below, images, Symmetries(8))
    assert features.shape[:2] == (5, 8)
    expected = ops.convert_to_numpy(below(np.ascontiguousarray(images[:, :, ::-1])))
    mirrored = features[:, 4].astype("float32")  # of the tile mirrored left-right
    assert np.abs(mirrored - expected).max() < 0.01 * np.abs(expected).max() + 1e-3
    (path,) = tmp_path.glob("*.features.npy")
    changed = path.stat().st_mtime_ns
    stored_features(below, images, Symmetries(8))
    assert path.stat().st_mtime_ns == changed
    assert not list(tmp_path.glob("*.tmp"))


def test_features_that_cannot_be_kept_are_one_line(config, tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", tiles(2))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    below, _ = split_at_features(image_encoder(config, Pixels()))
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPATIALNET_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="cannot be written: Not a directory"):
        stored_features(below, images, Symmetries(1))


def test_features_are_found_by_pixels_and_weights_alone(config, tmp_path, monkeypatch):
    monkeypatch.setenv("SPATIALNET_CACHE", str(tmp_path))
    below, _ = split_at_features(image_encoder(config, Pixels()))

    def kept(name: str, images: np.ndarray) -> int:
        np.save(tmp_path / name, images)
        stored_features(below, np.load(tmp_path / name, mmap_mode="r"), Symmetries(1))
        return len(list(tmp_path.glob("*.features.npy")))

    assert kept("images.npy", tiles(3)) == 1
    assert kept("copied.npy", tiles(3)) == 1
    assert kept("images.npy", tiles(3, seed=1)) == 2
    weight = below.weights[-1]
    weight.assign(weight + 1)
    assert kept("copied.npy", tiles(3)) == 3


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


def test_the_wall_time_holds_the_features(city, tmp_path, monkeypatch):
    def slow(*given):
        time.sleep(1)
        return stored_features(*given)

    monkeypatch.setattr(training, "stored_features", slow)
    flags = "--epochs 2 --tasks land_use --preset tiny --model.layers 1 --train.encoder cached"
    train.main(["--data", f"synthetic={city}", "--run", str(tmp_path / "run"), *flags.split()])
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    first, second = (
        each["wall_seconds"] - each["seconds"] - each["validation_seconds"]
        for each in found["history"]
    )
    assert first > 2 > second  # twice: of the training and the validation split
    assert found["facts"]["wall_seconds"] > 2 + sum(each["seconds"] for each in found["history"])


def test_rates_rise_from_block_to_block_of_a_transformer(presets):
    config = dataclasses.replace(TINY, encoder=f"preset:{presets['dino']}", image_size=24)
    encoder = image_encoder(config, Pixels())
    rates = rates_by_depth(encoder_layers(encoder), 0.1)
    blocks = [
        [rate for path, rate in rates.items() if f"layers_{block}" in path] for block in (0, 1)
    ]
    assert max(blocks[0]) < min(blocks[1])
    assert max(blocks[1]) > 0.8
