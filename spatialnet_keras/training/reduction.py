"""Reduction: which of a teacher's features are imitated."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_TILES = 32  # at once: maps of all tiles may be larger than the memory


@dataclass(frozen=True, eq=False)
class Reduction:
    """Features less their mean, along fewer directions if there are any.

    Attributes:
        classes: K, the logits before the features, which stay as they are.
        mean: float32 [D].
        directions: float32 [D, d]; None: all of them.
    """

    classes: int
    mean: np.ndarray
    directions: np.ndarray | None = None

    @property
    def width(self) -> int:
        """K + d."""
        told = self.mean if self.directions is None else self.directions[0]
        return self.classes + len(told)

    def of(self, told: np.ndarray) -> np.ndarray:
        """[..., K + D] -> [..., K + d] in the same dtype."""
        features = told[..., self.classes :].astype("float32") - self.mean
        if self.directions is not None:
            features = features @ self.directions
        logits = told[..., : self.classes]
        return np.concatenate([logits, features.astype(told.dtype)], axis=-1)

    def of_maps(self, maps: np.ndarray) -> np.ndarray:
        """Of all tiles: [n, h, w, K + D] -> [n, h, w, K + d]."""
        return np.concatenate([self.of(tiles) for tiles in _pieces(maps)])

    def key(self) -> bytes:
        """All that decides it."""
        directions = b"" if self.directions is None else self.directions.tobytes()
        return bytes(str(self.classes), "ascii") + self.mean.tobytes() + directions


def reduction_of(maps: Sequence[np.ndarray], classes: int, widest: int | None) -> Reduction:
    """The mean of features, which tells no tile from another, and where they differ most.

    Args:
        maps: Of each data set, [n, h, w, K + D].
        classes: K.
        widest: Of more features than that, as many principal components are kept.
    """
    features = [each[..., classes:] for each in maps]
    width, cells = features[0].shape[-1], sum(each[..., 0].size for each in features)
    total = sum(each.sum(axis=(0, 1, 2), dtype="float64") for each in features)
    mean = (total / cells).astype("float32")
    if widest is None or width <= widest:
        return Reduction(classes, mean)
    covariance = np.zeros((width, width))
    for each in features:
        for tiles in _pieces(each):
            apart = tiles.reshape(-1, width).astype("float32") - mean
            covariance += apart.T @ apart
    directions = np.linalg.eigh(covariance)[1][:, : -widest - 1 : -1]
    # either way would do, but not another one when a stopped run goes on
    directions *= np.sign(np.take_along_axis(directions, np.abs(directions).argmax(0)[None], 0))
    return Reduction(classes, mean, np.ascontiguousarray(directions, "float32"))


def _pieces(maps: np.ndarray) -> Iterator[np.ndarray]:
    return (maps[start : start + _TILES] for start in range(0, len(maps), _TILES))
