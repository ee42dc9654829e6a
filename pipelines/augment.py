"""Augmentation: what may be done to a tile without making what is said of it untrue."""

from dataclasses import dataclass

import numpy as np

from pipelines.images import apply_symmetries


@dataclass(frozen=True)
class Augmentation:
    """What is done to the tiles of a training batch.

    Attributes:
        symmetries: Whether tiles are flipped and turned; sentences that name a side are left out
            of the slots of a turned tile (see `batches`).
    """

    symmetries: bool = False


def augment(
    images: np.ndarray, symmetries: np.ndarray, silent: np.ndarray, how: Augmentation, rng
) -> np.ndarray:
    """Augments a batch.

    Args:
        images: [B, S, S, C].
        symmetries: int [B], the symmetry of each tile.
        silent: bool [B], True for tiles on which no sentence hangs: a crop may cut away what
            a sentence speaks of, but it keeps the land use.
        how: What to do.
        rng: Where the randomness comes from.

    Returns:
        [B, S, S, C] in the dtype of `images`.
    """
    return apply_symmetries(images, symmetries) if symmetries.any() else images
