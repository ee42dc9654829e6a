"""Leaving out tokens in training, and seeing all of them in its last epochs."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
from keras import ops

from spatialnet_keras import training
from spatialnet_keras.config import ConfigError, override
from spatialnet_keras.layers import TokenDropout
from spatialnet_keras.model import build_model
from spatialnet_keras.presets import PRESETS
from spatialnet_keras.tasks import TASKS
from spatialnet_keras.training.callbacks import Epoch
from tests.tasks.test_tasks import records
from tests.test_training import config


def tokens(images: int = 3, places: int = 20) -> np.ndarray:
    """Token j of image i is filled with 100 * i + j."""
    ids = 100 * np.arange(images)[:, None] + np.arange(places)
    return np.repeat(ids[..., None], 4, axis=-1).astype("float32")


def test_dropped_tokens_leave_the_others_as_they_are():
    kept = ops.convert_to_numpy(TokenDropout(0.75)(tokens(), training=True))
    assert kept.shape == (3, 5, 4)
    for image, rows in enumerate(kept):
        places = rows[:, 0] - 100 * image
        assert len(set(places.tolist())) == 5
        assert ((places >= 0) & (places < 20)).all()
    assert len({tuple(sorted(rows[:, 0] % 100)) for rows in kept}) > 1  # each image its own


def test_no_token_is_dropped_in_prediction():
    kept = ops.convert_to_numpy(TokenDropout(0.75)(tokens(), training=False))
    assert np.array_equal(kept, tokens())


def test_other_tokens_are_dropped_each_time():
    layer = TokenDropout(0.5)
    first, second = (ops.convert_to_numpy(layer(tokens(), training=True)) for _ in range(2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_network_with_dropped_tokens_trains_and_is_saved(pooling, tmp_path):
    asked = override(PRESETS["tiny"], {"model.token_dropout": 0.8, "model.pooling": pooling})
    land_use = TASKS[0].fit([records()])
    model = build_model(asked, (land_use,), 10)
    x = {"image": np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype("uint8")}
    model.compile("adam", {"land_use": land_use.loss()})
    assert np.isfinite(model.train_on_batch(x, {"land_use": np.array([0, 1, 0, 1])}))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    before, after = (each.predict(x, verbose=0)["land_use"] for each in (model, loaded))
    assert np.array_equal(before, after)


def test_no_token_is_dropped_where_questions_look_at_them():
    asked = override(PRESETS["tiny"], {"model.token_dropout": 0.8})
    model = build_model(asked, tuple(task.fit([records()]) for task in TASKS), 10)
    names = [layer.name for layer in model.get_layer("image_encoder").layers]
    assert "token_dropout" not in names


def test_no_token_is_left_out_in_the_last_epochs(city, tmp_path, monkeypatch):
    """Nor where a run that was stopped before these goes on with them."""
    seen, call, after = [], TokenDropout.call, Epoch.on_epoch_end

    @functools.wraps(call)
    def watched(self, x, training=False):
        kept = call(self, x, training)
        seen.extend([kept.shape[1]] if training else [])
        return kept

    def stop(self, epoch, logs=None):
        after(self, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    def trained(name: str) -> tuple[list[np.ndarray], list[int]]:
        seen.clear()
        run = training.train(asked, tmp_path / name, verbose=0)
        return [ops.convert_to_numpy(each) for each in run.model().weights], sorted(set(seen))

    monkeypatch.setattr(TokenDropout, "call", watched)
    values = {"patch_size": 8, "token_dropout": 0.5}
    asked = config(city, **{f"model__{name}": value for name, value in values.items()})
    asked = override(asked, {"train.epochs": 3, "train.whole": 0.4})
    asked = dataclasses.replace(asked, tasks=(("land_use", 1.0),))
    whole, tokens = trained("whole")
    assert tokens == [8, 16]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Epoch, "on_epoch_end", stop)
        trained("stopped")
    stopped, tokens = trained("stopped")
    assert tokens == [16]
    assert all(map(np.array_equal, stopped, whole))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, r"token_dropout must be above 0 with it\. .* whole=0.3"),
        ({"model__token_dropout": 0.5, "model__encoder": "cnn"}, "is of encoder vit"),
        ({"model__token_dropout": 0.5, "train__encoder": "cached"}, "not of its cached features"),
        ({"model__token_dropout": 0.5}, "No token is left out where sentences look"),
    ],
)
def test_an_end_of_leaving_out_tokens_is_refused_where_none_is_left_out(
    city, tmp_path, settings, said
):
    asked = config(city, train__whole=0.3, **settings)
    with pytest.raises(ConfigError, match=said):
        training.train(asked, tmp_path / "run")
    assert not (tmp_path / "run").exists()
