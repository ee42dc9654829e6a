"""Encoded examples: images with their targets and their sentences; and whose rows make a batch."""

from dataclasses import dataclass, field

import numpy as np

from pipelines.views import Drawn

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Slots:
    """Sentences of one kind; those of image i are the rows starts[i] to starts[i + 1].

    Attributes:
        starts: int64 [n + 1].
        inputs: Per input of the model, an array [m, ...].
        targets: Per task, an array [m, ...]; a missing label is a valid placeholder, 0.
        weights: Per task, float32 [m]: 1 where the target is known, else 0.
        symmetric: bool [m], True where every symmetry of the tile keeps the sentence true.
        types: int [m], the type of each sentence, for drawing rare ones more often.
    """

    starts: np.ndarray
    inputs: Arrays
    targets: Arrays
    weights: Arrays
    symmetric: np.ndarray
    types: np.ndarray

    @property
    def most(self) -> int:
        """The largest number of sentences on one image."""
        return int(np.diff(self.starts).max(initial=0))


@dataclass(frozen=True)
class Examples:
    """One split of one data set, encoded; images stay in their memory-mapped store.

    Attributes:
        name: Of the data set.
        images: [n, S, S, C] in the stored dtype; or, if `turned`, what a frozen encoder made of
            each tile in each of its symmetries: [n, 8, ...], or [n, 1, ...] of the tile as it is.
        targets: Per image task, an array [n, ...]; a mean of two rows has a meaning.
        weights: Per image task, float32 [n].
        slots: Per kind of sentence ("question"), what hangs on the images.
        turned: Whether `images` holds every symmetry.
        maps: Per further input, what is known of each part of a tile, [n, h, w, F]; it is cropped,
            turned and mixed with the tile. With `views`, of each of them: [n, K, h, w, F].
        views: What alone of the tiles is seen in training, if no sentence hangs on them.
        of_whole: Image tasks whose target tells of the whole tile. They weigh as much as a crop
            keeps of it: who sees a third of a tile cannot know all that is said of it.
    """

    name: str
    images: np.ndarray
    targets: Arrays
    weights: Arrays
    slots: dict[str, Slots] = field(default_factory=dict)
    turned: bool = False
    maps: Arrays = field(default_factory=dict)
    of_whole: frozenset[str] = frozenset()
    views: Drawn | None = None

    def __len__(self) -> int:
        return len(self.images)


def shares(lengths: list[int], batch_size: int, balance: float = 0.0) -> list[int]:
    """Rows of each data set in every batch, at least one.

    Args:
        lengths: Images of each data set.
        batch_size: B, rows in all.
        balance: 0: in proportion to the images; 1: as many of each data set; or between the two.
    """
    if batch_size < len(lengths):
        raise ValueError(
            f"batch_size must be at least the number of data sets. "
            f"Received: {batch_size=}, {len(lengths)} data sets."
        )
    sizes = np.array(lengths, float) ** (1 - balance)
    exact = sizes / sizes.sum() * batch_size
    counts = np.maximum(1, np.floor(exact).astype(int))
    while counts.sum() < batch_size:
        counts[np.argmax(exact - counts)] += 1
    while counts.sum() > batch_size:
        counts[np.argmax(np.where(counts > 1, counts - exact, -np.inf))] -= 1
    return counts.tolist()


def carriers(parts: list[Examples], counts: list[int]) -> dict[str, list[slice]]:
    """Per kind of sentence that some data sets have not, the rows of every batch that have.

    Args:
        parts: The data sets, in the order in which they stand in a batch.
        counts: Rows of each, of `shares`.
    """
    ends = np.cumsum(counts).tolist()
    rows = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    found = {
        kind: [own for own, part in zip(rows, parts, strict=True) if part.slots[kind].most]
        for kind in parts[0].slots
    }
    return {kind: some for kind, some in found.items() if len(some) < len(parts)}


def steps_per_epoch(parts: list[Examples], batch_size: int) -> int:
    """Steps in which, together, the data sets give each of their images once."""
    return -(-sum(map(len, parts)) // batch_size)
