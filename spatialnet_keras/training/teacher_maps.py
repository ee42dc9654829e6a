"""Maps of what a teacher makes of tiles, [n, h, w, F]: turned back, and along fewer directions."""

import math
from collections.abc import Sequence

import numpy as np

from pipelines.pixels import apply_symmetries
from pipelines.records import INVERSE
from spatialnet_keras.training.features import BATCH


def principal(features: Sequence[np.ndarray], number: int) -> np.ndarray:
    """The directions in which features [n, h, w, D] of mean 0 differ most: [D, number]."""
    width = features[0].shape[-1]
    covariance = np.zeros((width, width))
    for each in features:
        for tiles in np.array_split(each, -(-len(each) // BATCH)):
            cells = tiles.reshape(-1, width).astype("float32")
            covariance += cells.T @ cells
    return np.linalg.eigh(covariance)[1][:, : -number - 1 : -1].astype("float32")


def along(directions: np.ndarray | None, told: np.ndarray, classes: int) -> np.ndarray:
    """Maps [n, h, w, K + D] -> [n, h, w, K + d], the features along d directions [D, d]."""
    if directions is None:
        return told
    found = np.empty((*told.shape[:-1], classes + directions.shape[1]), told.dtype)
    for rows in np.array_split(np.arange(len(told)), -(-len(told) // BATCH)):
        found[rows, ..., :classes] = told[rows, ..., :classes]
        found[rows, ..., classes:] = told[rows, ..., classes:].astype("float32") @ directions
    return found


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
