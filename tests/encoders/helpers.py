"""What the tests of encoders share."""

import numpy as np
from keras import ops

from spatialnet_keras.config import ModelConfig

TINY = ModelConfig(image_size=32, patch_size=8, width=16, heads=2, layers=2, dropout=0.0)


def encoded(encoder, *inputs) -> dict[str, np.ndarray]:
    return {name: ops.convert_to_numpy(value) for name, value in encoder(*inputs).items()}


def tiles(count: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
