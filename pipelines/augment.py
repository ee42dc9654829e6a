"""Augmentation: what may be done to a tile without making what is said of it untrue."""

from dataclasses import dataclass

import numpy as np

from pipelines.pixels import Box, apply_symmetries, resize, turned


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is done to the tiles of a training batch.

    Attributes:
        symmetries: Whether tiles are flipped and turned; sentences that name a side are left out
            of the slots of a turned tile (see `batches`).
        turn: Largest angle in degrees, either way, by which a tile is turned; 0: none.
        crop: Smallest share of a tile's area that a random crop keeps; 1: no crops.
        jitter: Largest relative change of brightness, contrast and saturation; 0: none.
        gain: Largest relative change of each band by itself; 0: none.
        mix: Share of batches in which tiles, and what is said of them, are mixed in pairs, by
            mixup (Zhang et al. 2018) or cutmix (Yun et al. 2019) in turn.
    """

    symmetries: bool = False
    turn: float = 0.0
    crop: float = 1.0
    jitter: float = 0.0
    gain: float = 0.0
    mix: float = 0.0


def augment(
    images: np.ndarray,
    symmetries: np.ndarray,
    silent: np.ndarray,
    how: Augmentation,
    size: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Augments a batch and brings it to the model's size.

    Args:
        images: [B, S, S, C].
        symmetries: int [B], the symmetry of each tile.
        silent: bool [B], True for tiles on which no sentence hangs: a crop or an angle may take
            away what a sentence speaks of, but they keep the land use.
        how: What to do.
        size: Pixels a side of the result.
        rng: Where the randomness comes from.

    Returns:
        [B, size, size, C] in the dtype of `images`; and what each shows of its tile: left, top,
        right and bottom as shares of a side, float32 [B, 4].
    """
    shown = whole(len(images))
    if how.turn:
        angles = rng.uniform(-how.turn, how.turn, len(images)) * silent
        pairs = zip(images, angles, strict=True)
        images = np.stack([turned(image, angle) if angle else image for image, angle in pairs])
    if how.crop < 1 or images.shape[1] != size:
        boxes = [_crop(images.shape[1], how.crop if alone else 1.0, rng) for alone in silent]
        shown = np.float32(boxes) / images.shape[1]
        images = np.stack(
            [resize(image, size, box) for image, box in zip(images, boxes, strict=True)]
        )
    if symmetries.any():
        images = apply_symmetries(images, symmetries)
    return _recolour(images, how, rng) if how.jitter or how.gain else images, shown


def whole(images: int) -> np.ndarray:
    """The boxes of tiles that are not cropped: float32 [images, 4]."""
    return np.tile(np.float32([0, 0, 1, 1]), (images, 1))


def _crop(side: int, smallest: float, rng: np.random.Generator) -> Box:
    """A box of a share of the area from `smallest` to 1, its sides at most 4 : 3 apart."""
    area = rng.uniform(smallest, 1.0)
    # of large boxes less far apart, so that both sides fit into the tile
    apart = min(np.log(4 / 3), -np.log(area))
    stretch = np.exp(rng.uniform(-0.5, 0.5) * apart) if smallest < 1 else 1.0
    width, height = (
        min(side, side * np.sqrt(area) * stretch),
        min(side, side * np.sqrt(area) / stretch),
    )
    left, top = rng.uniform(0, side - width), rng.uniform(0, side - height)
    return left, top, left + width, top + height


def _recolour(images: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Each band's gain, then brightness, contrast and saturation, drawn for each tile.

    All four are linear in the bands, so they are one matrix and one shift for each tile.
    """
    count, height, width, bands = images.shape

    def factor(largest: float, bands: int = 1) -> np.ndarray:
        return rng.uniform(1 - largest, 1 + largest, (count, bands)).astype(np.float32)

    gain = factor(how.gain, bands) * factor(how.jitter)
    contrast, saturation = factor(how.jitter), factor(how.jitter)
    grey = (1 - saturation) / bands
    saturate = saturation[:, :, None] * np.eye(bands, dtype=np.float32) + grey[:, :, None]
    x = images.reshape(count, height * width, bands).astype(np.float32)
    # a product, for numpy's own mean over the pixels takes longer than all of the rest
    means = np.full((1, height * width), 1 / (height * width), np.float32) @ x
    x = x @ ((contrast * gain)[:, :, None] * saturate)
    x += ((1 - contrast) * (means[:, 0] * gain).mean(axis=1, keepdims=True))[:, None]
    if images.dtype.kind != "f":
        np.rint(x, out=x)
        np.clip(x, 0, np.iinfo(images.dtype).max, out=x)
    return x.astype(images.dtype).reshape(images.shape)
