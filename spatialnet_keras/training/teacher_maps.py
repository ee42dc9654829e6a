"""Maps of what a teacher makes of tiles, turned back to the tiles as they are."""

import math

import numpy as np

from pipelines.pixels import apply_symmetries
from pipelines.records import INVERSE
from spatialnet_keras.training.features import BATCH


def mean_over_symmetries(features: np.ndarray) -> np.ndarray:
    """Features [n, symmetries, N, F] of turned tiles -> maps [n, h, w, F] of the tiles as they are.

    Only a square of tokens can be turned back.
    """
    tiles, symmetries, tokens, width = features.shape
    side = math.isqrt(tokens)
    if side**2 != tokens:
        raise ValueError(f"Tokens must form a square. Received: {tokens}.")
    found = np.empty((tiles, side, side, width), features.dtype)
    for rows in np.array_split(np.arange(tiles), -(-tiles // BATCH)):
        total = 0
        for code in range(symmetries):
            turned = features[rows, code].reshape(-1, side, side, width).astype(np.float32)
            total += apply_symmetries(turned, np.full(len(rows), INVERSE[code]))
        found[rows] = total / symmetries
    return found
