import keras
import numpy as np
import pytest
from keras import ops

from spatialnet_keras.config import override
from spatialnet_keras.layers import TokenDropout, gelu
from spatialnet_keras.model import build_model
from spatialnet_keras.presets import PRESETS
from spatialnet_keras.tasks import TASKS
from spatialnet_keras.tasks.task import CrossEntropy
from tests.tasks.test_tasks import records


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
    config = override(PRESETS["tiny"], {"model.token_dropout": 0.8, "model.pooling": pooling})
    land_use = TASKS[0].fit([records()])
    model = build_model(config, (land_use,), 10)
    x = {"image": np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype("uint8")}
    model.compile("adam", {"land_use": land_use.loss()})
    assert np.isfinite(model.train_on_batch(x, {"land_use": np.array([0, 1, 0, 1])}))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    before, after = (each.predict(x, verbose=0)["land_use"] for each in (model, loaded))
    assert np.array_equal(before, after)


def test_no_token_is_dropped_where_questions_look_at_them():
    config = override(PRESETS["tiny"], {"model.token_dropout": 0.8})
    model = build_model(config, tuple(task.fit([records()]) for task in TASKS), 10)
    names = [layer.name for layer in model.get_layer("image_encoder").layers]
    assert "token_dropout" not in names


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_keras_own_on_one_hot_labels(smoothing):
    rng = np.random.default_rng(0)
    ids, logits = rng.integers(0, 5, (2, 3)), rng.normal(size=(2, 3, 5)).astype("float32")
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    expected = theirs(np.eye(5, dtype="float32")[ids], logits)
    found = CrossEntropy(smoothing)(ids, logits)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gelu_is_the_one_of_the_tanh(dtype):
    x = np.concatenate([np.linspace(-6, 6, 241), [-1e4, 1e4]]).astype("float32")
    exact = x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x.astype("float64") ** 3)))
    found = ops.convert_to_numpy(ops.cast(gelu(ops.cast(x, dtype)), "float32"))
    error = 1e-6 if dtype == "float32" else 0.02
    assert np.allclose(found, exact, rtol=error, atol=error)
