"""A teacher whose preset is imitated: what its backbone gives, before the classes."""

import dataclasses

import numpy as np
import pytest
from keras import ops

from spatialnet_keras import data, training
from spatialnet_keras.config import ConfigError
from spatialnet_keras.encoders.preset import load_backbone
from spatialnet_keras.run import Run
from spatialnet_keras.training import teacher as teaching
from tests.test_training import config

LAND_USE = (("land_use", 1.0),)


def taught(city, **values):
    values = {"train__symmetries": False, "train__teacher_tokens": "preset"} | values
    return dataclasses.replace(config(city, **values), tasks=LAND_USE)


@pytest.fixture(scope="module")
def teacher(presets, city, tmp_path_factory) -> Run:
    values = {
        "model__encoder": f"preset:{presets['map']}",
        "model__image_size": 32,
        "model__pixel_scaling": "raw",
        "train__encoder": "frozen",
        "train__epochs": 1,
    }
    asked = dataclasses.replace(config(city, **values), tasks=LAND_USE)
    return training.train(asked, tmp_path_factory.mktemp("teacher") / "run", verbose=0)


def lesson(city, teacher, path, **values):
    """The teacher, its map of the training tiles, and these at its own size."""
    asked = taught(city, train__teacher=str(teacher.path), **values)
    parts = data.read(asked, "train")
    run = training.prepare(asked, path, parts)
    encoded = [part.encode(run.tasks, run.vocabulary, run.config) for part in parts]
    made, (examples,) = teaching.teacher_of(run).teach(run, encoded)
    (seen,) = data.read(asked, "train", size=32)
    return made, examples.maps.get("teacher_map"), np.array(seen.images)


def of_backbone(presets, tiles) -> np.ndarray:
    features = load_backbone(str(presets["map"]))(tiles.astype("float32"))
    features = ops.convert_to_numpy(features)
    return features - features.mean(axis=(0, 1, 2))


def test_it_tells_what_the_backbone_gives(presets, city, teacher, tmp_path):
    made, maps, tiles = lesson(city, teacher, tmp_path)
    expected = of_backbone(presets, tiles)
    assert made.width == expected.shape[-1] == 64
    assert np.allclose(maps[..., made.classes :], expected, atol=0.01 * np.abs(expected).max())


@pytest.mark.parametrize("looks", ["once", "always"])
def test_of_many_features_the_principal_components_are_left(
    presets, city, teacher, tmp_path, monkeypatch, looks
):
    monkeypatch.setattr(teaching, "WIDEST", 6)
    made, maps, tiles = lesson(city, teacher, tmp_path, train__teacher_looks=looks)
    if looks == "always":
        maps = ops.convert_to_numpy(made.look(ops.convert_to_tensor(tiles)))
    features = maps[..., made.classes :].reshape(-1, 6).astype("float64")
    cells = of_backbone(presets, tiles).reshape(-1, 64).astype("float64")
    strengths = np.linalg.eigvalsh(cells.T @ cells)[::-1]
    assert np.allclose((features**2).sum(axis=0), strengths[:6], rtol=0.02)
    assert strengths[5] > 1.1 * strengths[6]
    assert made.shape == maps.shape[1:]


def test_a_student_learns_of_it(city, teacher, tmp_path):
    asked = taught(city, train__teacher=str(teacher.path), train__epochs=2)
    history = training.train(asked, tmp_path / "run", verbose=0).metrics["history"]
    assert history[1]["teacher_features_loss"] < history[0]["teacher_features_loss"]


def test_a_teacher_without_a_preset_is_one_line(city, tmp_path):
    asked = dataclasses.replace(config(city, train__epochs=1), tasks=LAND_USE)
    other = training.train(asked, tmp_path / "vit", verbose=0)
    with pytest.raises(ConfigError, match=r"needs a teacher of encoder preset:.*'vit'") as caught:
        training.train(taught(city, train__teacher=str(other.path)), tmp_path / "run", verbose=0)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
