"""Pretraining told by a teacher: of hidden patches, too, what it makes of them."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from spatialnet_keras import training
from spatialnet_keras.config import Config, ModelConfig, TrainConfig
from spatialnet_keras.run import Run
from spatialnet_keras.training.autoencoder import (
    ERROR,
    encoder_without_dropout,
    masked_autoencoder,
)
from spatialnet_keras.training.pretraining import pretrain
from spatialnet_keras.training.teacher import FEATURES, MAP, Teacher
from tests.test_pretraining import VALUES, tiles, weights
from tests.test_training import config

MODEL = ModelConfig(image_size=32, patch_size=8, width=16, heads=2, layers=1, mlp_ratio=2)
WIDTH = 6  # of what the teacher says


def teacher(looks: bool = False) -> Teacher:
    """Says of each quarter of a tile its mean, six times over."""
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.AveragePooling2D(16)(ops.cast(image, "float32"))
    x = ops.reshape(ops.mean(x, axis=-1, keepdims=True) * ops.ones(WIDTH), (-1, 4, WIDTH))
    return Teacher(None, keras.Model(image, x), 0, looks)


def autoencoder(told: Teacher | None) -> keras.Model:
    keras.utils.set_random_seed(0)
    made = Config(model=MODEL, train=TrainConfig())
    return masked_autoencoder(encoder_without_dropout(made), made, told)


def distance(model: keras.Model, *inputs) -> np.ndarray:
    keras.utils.set_random_seed(1)
    given = dict(zip(("image", MAP), inputs, strict=False))
    return ops.convert_to_numpy(model(given)[FEATURES])


def test_the_distance_is_over_hidden_and_seen_patches():
    """A decoder that says the same everywhere is right of the half of the tile that is so."""
    model = autoencoder(teacher())
    kernel, bias = model.get_layer("decoder_features").weights
    kernel.assign(np.zeros(kernel.shape))
    bias.assign(np.ones(bias.shape))
    maps = np.ones((4, 2, 2, WIDTH), "float32")
    assert distance(model, tiles(), maps) == pytest.approx([0] * 4, abs=1e-5)
    assert distance(model, tiles(), -maps) == pytest.approx([2] * 4, abs=1e-5)
    maps[:, 1] = -1  # the lower half
    assert distance(model, tiles(), maps) == pytest.approx([1] * 4, abs=1e-5)


def test_one_that_looks_sees_all_of_the_tile():
    model = autoencoder(teacher(looks=True))
    assert [each.name for each in model.inputs] == ["image"]
    kernel, bias = model.get_layer("decoder_features").weights
    kernel.assign(np.zeros(kernel.shape))
    bias.assign(np.ones(bias.shape))
    assert distance(model, tiles()) == pytest.approx([0] * 4, abs=1e-5)


def test_the_features_of_hidden_patches_are_learned():
    """Each tile is of one grey: a quarter of its patches tells of all."""
    grey = np.random.default_rng(0).integers(0, 256, (64, 1, 1, 1))
    images = np.broadcast_to(grey, (64, 32, 32, 3)).astype("uint8")
    angle = grey[:, 0, 0, 0] / 128
    maps = np.stack([np.cos(angle), np.sin(angle)] * (WIDTH // 2), axis=-1)
    maps = np.broadcast_to(maps[:, None, None], (64, 2, 2, WIDTH)).astype("float32")
    model = autoencoder(teacher())
    before = distance(model, images, maps).mean()
    wanted = {ERROR: np.zeros(64, "float32"), FEATURES: np.zeros(64, "float32")}
    loss = keras.losses.MeanAbsoluteError
    model.compile(keras.optimizers.Adam(4e-3), {ERROR: loss(), FEATURES: loss()})
    for _ in range(150):
        model.train_on_batch({"image": images, MAP: maps}, wanted)
    after = distance(model, images, maps).mean()
    assert before > 0.5
    assert after < 0.1


@pytest.mark.parametrize("looks", ["once", "always"])
def test_a_pretraining_imitates_a_trained_run_and_keeps_nothing_of_it(city, tmp_path, looks):
    values = {"train__epochs": 2, "train__crop": 0.5, **VALUES}
    told = dataclasses.replace(config(city, **values), tasks=(("land_use", 1.0),))
    other = training.train(told, tmp_path / "teacher", verbose=0)
    asked = config(city, train__teacher=str(other.path), train__teacher_looks=looks, **values)
    run = pretrain(asked, tmp_path / "run", verbose=0)
    first, second = (entry["loss"] for entry in run.metrics["history"])
    assert second < first
    alone = pretrain(config(city, **values), tmp_path / "alone", verbose=0)
    taught, untaught = weights(run), weights(alone)
    assert taught.keys() == untaught.keys()
    assert any(not np.array_equal(taught[path], untaught[path]) for path in taught)
    changed = run.best.stat().st_mtime_ns
    pretrain(asked, tmp_path / "run", verbose=0)  # once more: nothing is trained again
    assert Run.open(run.path, answers=False).best.stat().st_mtime_ns == changed
