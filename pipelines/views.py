"""Views: what of a tile is seen again and again, so that what a network makes of it can be kept.

Each kind has a `number` of views of a tile, and makes them of tiles [B, S, S, C] by `of`, which is
told the row of each tile in its data set and which view of it is wanted, both [B]. Nothing else
decides what a view shows, but what its `repr` says.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.augment import Augmentation, augment
from pipelines.pixels import apply_symmetries, resize


@dataclass(frozen=True)
class Symmetries:
    """A tile as it is and, with a `number` of 8, in its other flips and turns, at its own size."""

    number: int

    def of(self, tiles: np.ndarray, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """[B, S, S, C] -> [B, S, S, C]."""
        return apply_symmetries(tiles, views)


@dataclass(frozen=True)
class Drawn:
    """A number of random views of each tile, drawn once: a training sees no others.

    Attributes:
        number: K, views of a tile.
        how: Crops, colours, flips and turns; mixtures are of several tiles, and not made here.
        size: Pixels a side of a view.
        seed: Decides them, together with the row of the tile.
    """

    number: int
    how: Augmentation
    size: int
    seed: int

    def of(self, tiles: np.ndarray, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """[B, S, S, C] -> [B, size, size, C] in the same dtype."""
        return np.concatenate([self._one(*each) for each in zip(tiles, rows, views, strict=True)])

    def _one(self, tile: np.ndarray, row: int, view: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, row, view, 2])
        code = rng.integers(0, 8, 1) if self.how.symmetries else np.zeros(1, int)
        seen, _ = augment(tile[None], code, np.ones(1, bool), self.how, self.size, rng)
        return seen


@dataclass(frozen=True)
class Resized:
    """Views at the size of another network."""

    views: Drawn
    size: int

    @property
    def number(self) -> int:
        """As many."""
        return self.views.number

    def of(self, tiles: np.ndarray, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """[B, S, S, C] -> [B, size, size, C] in the same dtype."""
        return np.stack([resize(each, self.size) for each in self.views.of(tiles, rows, views)])


Views = Symmetries | Drawn | Resized
