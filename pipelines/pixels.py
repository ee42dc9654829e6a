"""Pixels: resized, flipped, turned, measured; of any dtype that an image is stored in."""

from collections.abc import Callable

import numpy as np
from PIL import Image

_BILINEAR = Image.Resampling.BILINEAR

Box = tuple[float, float, float, float]


def resize(image: np.ndarray, size: int, box: Box | None = None) -> np.ndarray:
    """Resizes to a square, antialiased: [H, W, C] -> [size, size, C] of the same dtype.

    Sides are scaled independently. An image that has the size already is returned as it is.

    Args:
        image: [H, W, C], uint8, uint16 or float32.
        size: Pixels a side of the result.
        box: What to cut out first, in pixels: left, top, right, bottom; the whole by default.
    """
    if box is None and image.shape[:2] == (size, size):
        return image
    return _band_by_band(image, lambda band: band.resize((size, size), _BILINEAR, box))


def turned(image: np.ndarray, degrees: float) -> np.ndarray:
    """Turns a square about its centre; what comes into view beyond its edges is mirrored.

    Args:
        image: [S, S, C], uint8, uint16 or float32.
        degrees: Counter-clockwise.

    Returns:
        [S, S, C] of the same dtype.
    """
    side = image.shape[0]
    margin = int(np.ceil(side * (np.sqrt(2) - 1) / 2))
    wide = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), "symmetric")
    # from a place in the result to one in the wide picture, both from their own top left corner
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    left = margin + side / 2 * (1 - cosine + sine)
    top = margin + side / 2 * (1 - cosine - sine)
    places = (cosine, -sine, left, sine, cosine, top)
    affine = Image.Transform.AFFINE
    return _band_by_band(wide, lambda band: band.transform((side, side), affine, places, _BILINEAR))


def apply_symmetries(images: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Flips and turns square images, each by its own code.

    Args:
        images: [B, S, S, C], any dtype.
        codes: [B], integers 0..7 as `records.ALL_SYMMETRIES` numbers them.

    Returns:
        [B, S, S, C], a new contiguous array.
    """
    # One item a pixel instead of C: numpy then moves 2 million items, not 6 (B=32, S=256, RGB).
    pixel = np.dtype((np.void, images.shape[-1] * images.itemsize))
    tiles = np.ascontiguousarray(images).view(pixel)[..., 0]
    turned = np.empty_like(tiles)
    for code in np.unique(codes):
        rows = codes == code
        mirrored, quarters = divmod(int(code), 4)
        tile = np.rot90(tiles[rows], quarters, axes=(1, 2))
        turned[rows] = tile[:, :, ::-1] if mirrored else tile
    return turned[..., None].view(images.dtype)


def band_statistics(
    images: np.ndarray, sample: int = 512, seed: int = 0
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each band, over a seeded sample of images.

    Args:
        images: [n, S, S, C]; a memory-mapped array is read one image at a time.
        sample: How many images to look at, at most.
        seed: Which images.

    Returns:
        The C means and the C deviations, in the units of the pixels. A band that is constant gets
        deviation 1, so that dividing by it does no harm.
    """
    count = min(sample, len(images))
    rows = np.sort(np.random.default_rng(seed).choice(len(images), count, replace=False))
    total = np.zeros(images.shape[-1])
    squares = np.zeros(images.shape[-1])
    for row in rows:
        pixels = images[row].reshape(-1, images.shape[-1]).astype(np.float64)
        total += pixels.mean(axis=0)
        squares += np.square(pixels).mean(axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    deviation[deviation < 1e-6 * np.maximum(np.abs(mean), 1)] = 1
    return tuple(mean.tolist()), tuple(deviation.tolist())


def _band_by_band(image: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    """What Pillow makes of each band, in the dtype of the image."""
    if image.dtype == np.uint8 and image.shape[-1] == 3:  # its own kind: all bands at once
        return np.asarray(change(Image.fromarray(image)))
    # its filters know 8-bit and float bands; float32 holds every uint16 exactly
    exact = image if image.dtype == np.uint8 else image.astype(np.float32)
    bands = [
        np.asarray(change(Image.fromarray(np.ascontiguousarray(exact[..., c]))))
        for c in range(image.shape[-1])
    ]
    changed = np.stack(bands, axis=-1)
    if image.dtype == np.uint16:
        changed = np.rint(changed)
    return changed.astype(image.dtype, copy=False)
