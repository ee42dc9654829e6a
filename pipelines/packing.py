"""Packing: the sentences of an image share rows of words, so that few words are padding.

Sentences are filled up to the longest, and most are short: of RSVQA-LR's questions, 25 words each,
two thirds of the words are none.
"""

from collections.abc import Sequence

import numpy as np

from pipelines.drawing import choose, take
from pipelines.examples import Examples

PACKED = 500  # images, to see how many rows their sentences need


def pack(words: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Packs sentences into rows, longest first, each into the first row that has room for it.

    Args:
        words: int32 [B, G, Q], the words of G sentences, then zeros.
        rows: R.

    Returns:
        int32 [B, R, Q, 2], a word and which sentence it is of (1 to G; 0 and 0: no word), words of
        a sentence side by side and in order; and bool [B, G], whether a sentence found room.
    """
    images, _, width = words.shape
    row, start = places((words != 0).sum(axis=-1), width, rows)
    fits = row >= 0
    image, sentence, word = np.nonzero((words != 0) & fits[..., None])
    at = image, row[image, sentence], start[image, sentence] + word
    packed = np.zeros((images, rows, width, 2), words.dtype)
    packed[(*at, 0)] = words[image, sentence, word]
    packed[(*at, 1)] = sentence + 1
    return packed, fits


def places(lengths: np.ndarray, width: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The row of each of [B, G] sentences and where in it they start; row -1: there is no room.

    Args:
        lengths: int [B, G], words of each sentence, at most `width`.
        width: Q, words of a row.
        rows: R, of an image.
    """
    images = np.arange(len(lengths))
    room = np.full((len(lengths), rows), width)
    row, start = np.zeros_like(lengths), np.zeros_like(lengths)
    for sentence in np.argsort(-lengths, axis=1, kind="stable").T:
        length = lengths[images, sentence]
        first = (room >= length[:, None]).argmax(axis=1)
        left = room[images, first] - length
        row[images, sentence] = np.where(left >= 0, first, -1)
        start[images, sentence] = width - room[images, first]
        room[images, first] = np.where(left >= 0, left, room[images, first])
    return row, start


def rows_to_pack(
    parts: Sequence[Examples], kind: str, width: int, type_balance: float, seed: int
) -> int:
    """Rows of words in which the sentences drawn for an image find room, in `PACKED` draws.

    Args:
        parts: The data sets.
        kind: Of sentence.
        width: G, sentences of an image.
        type_balance: Of `training_batches`.
        seed: Of these draws.

    Returns:
        R. In later draws a sentence may find none: it is left out then, until it is drawn again.
    """
    rng = np.random.default_rng([seed, 2])
    used = 1
    for part in parts:
        group = part.slots[kind]
        (words,) = group.inputs.values()
        images = np.flatnonzero(np.diff(group.starts))
        drawn = np.full((PACKED if len(images) else 0, width), -1)
        for place, image in enumerate(rng.choice(images, len(drawn))):
            own = np.arange(group.starts[image], group.starts[image + 1])
            chosen = choose(own, group.types[own], width, type_balance, rng)
            drawn[place, : len(chosen)] = chosen
        lengths = (take(words, drawn) != 0).sum(axis=-1)
        used = max(used, 1 + places(lengths, words.shape[-1], width)[0].max(initial=0))
    return int(used)
