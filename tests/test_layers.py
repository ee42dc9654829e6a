import keras
import numpy as np
import pytest
from keras import ops

from spatialnet_keras.config import Pixels
from spatialnet_keras.layers import depth_share, gelu, normalised
from spatialnet_keras.tasks.task import CrossEntropy


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


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_keeps_the_contrast_of_sixteen_bits(dtype):
    pixels = Pixels(dtype="uint16", mean=(10_000.0,) * 3, deviation=(200.0,) * 3)
    tile = np.random.default_rng(0).integers(9_500, 10_500, (1, 8, 8, 3)).astype("uint16")
    tile[0, 0, 0] = 65_535
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        image = keras.Input((8, 8, 3), dtype="uint16")
        found = keras.Model(image, normalised(image, pixels))(tile)
    finally:
        keras.config.set_dtype_policy(policy)
    wanted = (tile.astype("float64") - 10_000) / 200
    np.testing.assert_allclose(ops.convert_to_numpy(found), wanted, atol=1e-3)


def test_stochastic_depth_rises_to_its_rate_in_the_last_block():
    assert [depth_share(index, 3) for index in range(3)] == [0, 0.5, 1]
    assert depth_share(0, 1) == 1
