"""Drawing: which sentences stand in a batch with their images, and how each tile is turned."""

from dataclasses import dataclass

import numpy as np

from pipelines.examples import Examples, Slots


@dataclass(frozen=True)
class Draw:
    """Which rows stand in one batch: images [B], sentences [B, G] per kind (-1: empty slot)."""

    images: np.ndarray
    sentences: dict[str, np.ndarray]
    symmetries: np.ndarray


def draw(
    part: Examples, rows: np.ndarray, slots: dict[str, int], symmetries: bool, balance: float, rng
) -> Draw:
    """Draws a symmetry per image and then only sentences that it keeps true."""
    codes = rng.integers(0, 8, len(rows)) if symmetries else np.zeros(len(rows), int)
    sentences = {kind: np.full((len(rows), width), -1) for kind, width in slots.items()}
    for kind, width in slots.items():
        group = part.slots[kind]
        for place, row in enumerate(rows):
            own = np.arange(group.starts[row], group.starts[row + 1])
            kept = own[group.symmetric[own]] if codes[place] else own
            if len(own) and not len(kept):
                codes[place], kept = 0, own
            chosen = choose(kept, group.types[kept], width, balance, rng)
            sentences[kind][place, : len(chosen)] = chosen
    return Draw(rows, sentences, codes)


def choose(rows: np.ndarray, types: np.ndarray, width: int, balance: float, rng) -> np.ndarray:
    """Draws up to `width` rows, each once, with odds that fall with how common its type is.

    The rows of the smallest exponential clocks are a weighted draw without replacement
    (Efraimidis and Spirakis 2006).
    """
    _, inverse, counts = np.unique(types, return_inverse=True, return_counts=True)
    clocks = rng.exponential(size=len(rows)) * counts[inverse] ** balance
    return rows[np.argsort(clocks)[:width]]


def all_of(group: Slots, rows: np.ndarray, width: int) -> np.ndarray:
    """All sentences of images: their rows [B, G], -1 after the last."""
    own = group.starts[rows][:, None] + np.arange(width)
    return np.where(own < group.starts[rows + 1][:, None], own, -1)


def take(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """array[rows], and zeros where a slot is empty."""
    if not len(array):
        return np.zeros((*rows.shape, *array.shape[1:]), array.dtype)
    taken = array[rows.clip(min=0)]
    taken[rows < 0] = 0
    return taken
