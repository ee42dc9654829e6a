"""Mimetic start: attention begins as it is found in trained vision transformers.

There, query times key is near the identity, so that a token looks at those like it, by content and
by position; and value times output is near its negative (Trockman and Kolter 2023). A network that
starts so needs fewer tiles to learn the rest. Made for fixed 2-D sine positions.
"""

import keras
import numpy as np
from keras import ops

LIKE, NOISE = 0.7, 0.7  # of query times key
UNLIKE, NOISE_OUT = 0.4, 0.4  # of value times output


def mimic(attention: keras.layers.MultiHeadAttention) -> None:
    """Gives the kernels of a built layer their mimetic start.

    Args:
        attention: Self-attention of H heads over tokens [B, N, D], D / H channels a head.
    """
    width, heads, channels = attention.query_dense.kernel.shape
    queries, keys = [], []
    for _ in range(heads):
        left, right = _factors(LIKE * np.eye(width) + NOISE * _noise(width))
        queries.append(left[:, :channels])
        keys.append(right.T[:, :channels])
    attention.query_dense.kernel.assign(np.stack(queries, axis=1))
    attention.key_dense.kernel.assign(np.stack(keys, axis=1))
    value, output = _factors(NOISE_OUT * _noise(width) - UNLIKE * np.eye(width))
    attention.value_dense.kernel.assign(value.reshape(width, heads, channels))
    attention.output_dense.kernel.assign(output.reshape(heads, channels, width))


def _noise(width: int) -> np.ndarray:
    """Drawn as all first weights are, by the seed of the run."""
    return ops.convert_to_numpy(keras.random.normal((width, width), stddev=width**-0.5))


def _factors(product: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices of that product, the strongest directions first."""
    left, strengths, right = np.linalg.svd(product)
    return left * strengths**0.5, strengths[:, None] ** 0.5 * right
