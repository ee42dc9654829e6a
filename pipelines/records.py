"""Records: what a data set says about its images. Facts only; no class ids, no bins, no tensors.

One row is one image, however many sentences hang on it.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "val", "test")

# The eight symmetries of a square tile are numbered t * 4 + r: turned r quarter turns
# counter-clockwise, then mirrored left-right if t is 1. 0 leaves the tile as it is.
ALL_SYMMETRIES = tuple(range(8))
IDENTITY_ONLY = (0,)
INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)  # the symmetry that undoes each: a mirrored one, itself

_SIDES = re.compile(
    r"\b(left|right|top|bottom|upper|lower|above|below|north|south|east|west"
    r"|horizontal|vertical|clockwise|counterclockwise|anticlockwise)\w*\b",
    re.IGNORECASE,
)
# roads "vertical to each other" (UCM-captions) meet at right angles, however the tile lies
_RIGHT_ANGLES = re.compile(
    r"\bvertical to\b|\ba?cross\w*( (another|two|the|roads?))+ vertically\b", re.IGNORECASE
)


class DataError(Exception):
    """Bad input: the message is one line that names the file or value and what to do."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line for a name that is not known: the nearest one, and all there are."""
    known = list(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    return f"No {kind} is called {name!r}.{hint} Known: {', '.join(known)}."


@dataclass(frozen=True)
class Question:
    """A question about an image and its answer, both as published.

    Attributes:
        text: The question in plain words.
        type: The data set's own word for the kind of question: "presence", "comp", ...
        answer: The raw answer: "yes", "urban", "37". Never a class id or a bin.
    """

    text: str
    type: str
    answer: str


@dataclass(frozen=True)
class Record:
    """One image and everything that is said about it.

    Attributes:
        image: Path of the image file.
        land_use: Its class, or "" where the data set gives none.
        captions: Its sentences, none or more.
        questions: Its questions, none or more.
    """

    image: Path
    land_use: str = ""
    captions: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True)
class Records:
    """One split of one data set: a sequence of `Record`."""

    name: str
    split: str
    rows: tuple[Record, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.rows)


def symmetries(sentence: str) -> tuple[int, ...]:
    """The symmetries that keep a sentence true: all eight, or only 0 if it names a side."""
    told = _RIGHT_ANGLES.sub("", sentence)
    return IDENTITY_ONLY if _SIDES.search(told) else ALL_SYMMETRIES
