"""Cells: maps [B, h, w, F] of what is known of the parts of tiles, cut as the tiles are."""

import numpy as np


def parts_of(maps: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """What a crop shows of a map, in as many cells: each is the mean of what lies under it.

    Args:
        maps: [B, h, w, F].
        boxes: Left, top, right, bottom as shares of a side, [B, 4].

    Returns:
        float32 [B, h, w, F], whose mean is that of the map over the box.
    """
    left, top, right, bottom = boxes.T

    def under(cells: int, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        edges = start[:, None] + (end - start)[:, None] * np.arange(cells + 1) / cells
        cover = covered(cells, edges[:, :-1], edges[:, 1:])
        return cover / cover.sum(axis=-1, keepdims=True)

    rows, columns = under(maps.shape[1], top, bottom), under(maps.shape[2], left, right)
    return np.einsum("bih,bjw,bhwf->bijf", rows, columns, maps.astype(np.float32), optimize=True)


def covered(cells: int, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """How much of each of `cells` equal cells of [0, 1] lies in [start, end]: [..., cells]."""
    edges = np.arange(cells + 1) / cells
    inside = np.minimum(end[..., None], edges[1:]) - np.maximum(start[..., None], edges[:-1])
    return inside.clip(min=0).astype(np.float32)
