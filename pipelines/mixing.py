"""Mixing of tiles in pairs: mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019)."""

from dataclasses import dataclass

import numpy as np

from pipelines.cells import covered


@dataclass(frozen=True)
class Mixture:
    """How the tiles of a batch are mixed in pairs.

    Attributes:
        others: The other tile of each, int [B].
        own: The share that each keeps of itself, float32 [B].
        boxes: What cutmix takes from the other tile, left, top, right, bottom as shares of a side,
            [B, 4]; None for mixup.
    """

    others: np.ndarray
    own: np.ndarray
    boxes: np.ndarray | None = None

    def means(self, values: np.ndarray) -> np.ndarray:
        """Of what is said of whole tiles, [B, ...]."""
        return self._mean(values, self.own.reshape(-1, *(1,) * (values.ndim - 1)))

    def maps(self, maps: np.ndarray) -> np.ndarray:
        """Of what is said of their parts, [B, h, w, F]."""
        if self.boxes is None:
            return self.means(maps)
        left, top, right, bottom = self.boxes.T
        _, height, width, _ = maps.shape
        rows = height * covered(height, top, bottom)
        columns = width * covered(width, left, right)
        return self._mean(maps, 1 - rows[:, :, None, None] * columns[:, None, :, None])

    def _mean(self, values: np.ndarray, own: np.ndarray) -> np.ndarray:
        return (own * values + (1 - own) * values[self.others]).astype(values.dtype)


def mix(images: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Mixture]:
    """Mixes each tile of a batch with another one: all by mixup, or all by cutmix.

    Args:
        images: [B, S, S, C]; or features of tiles, and those without rows and columns, [B, N, F],
            by mixup alone.
        rng: Where the randomness comes from.

    Returns:
        The mixed tiles in the dtype of `images`, and how they were mixed.
    """
    others = rng.permutation(len(images))
    if rng.random() < 0.5 or images.ndim < 4:
        shares = rng.beta(0.2, 0.2, len(images)).astype(np.float32)
        own = shares.reshape(-1, *(1,) * (images.ndim - 1))
        mixed = own * images + (1 - own) * images[others]
        if images.dtype.kind != "f":
            mixed = np.rint(mixed)
        return mixed.astype(images.dtype), Mixture(others, shares)
    mixed, side = images.copy(), images.shape[1]
    boxes = np.zeros((len(images), 4), np.float32)
    for row, other in enumerate(others):
        edge = round(side * np.sqrt(rng.random()))
        top, left = rng.integers(0, side - edge + 1, 2)
        box = slice(top, top + edge), slice(left, left + edge)
        mixed[row][box] = images[other][box]
        boxes[row] = left, top, left + edge, top + edge
    boxes /= side
    own = 1 - (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return mixed, Mixture(others, own, boxes)
