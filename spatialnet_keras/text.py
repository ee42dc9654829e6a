"""Text: words <-> ids. Whole words of the training split, not sub-words: both sets use few.

UCM-captions has 334 words and RSVQA-LR about 100; the tokenizer is keras-hub's, so the ids are
the same on every backend.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import keras_hub
import numpy as np

LONGEST_WORD = 256  # bytes in UTF-8: the tokenizer takes no longer ones into its vocabulary
SPECIAL_WORDS = ("[PAD]", "[UNK]", "[START]", "[END]")
PAD, UNKNOWN, START, END = range(4)

_TIGHT = re.compile(r" (?=[.,;:!?)\]])|(?<=[(\[]) | (?=['-])|(?<=['-]) ")
_CJK = re.compile(
    "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf"
    "\U0002f800-\U0002fa1f]"
)


@dataclass(frozen=True)
class Vocabulary:
    """The words that are known; a word's id is its place.

    Attributes:
        words: `SPECIAL_WORDS`, then the words of the training split, sorted, in lower case.
    """

    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def fit(cls, sentences: Iterable[str]) -> "Vocabulary":
        """The vocabulary of some sentences, without words above `LONGEST_WORD`."""
        found = {word for sentence in set(sentences) for word in split_words(sentence)}
        found = {word for word in found if len(word.encode()) <= LONGEST_WORD}
        return cls(SPECIAL_WORDS + tuple(sorted(found)))

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """From a file of one word a line."""
        return cls(tuple(path.read_text(encoding="utf-8").splitlines()))

    def write(self, path: Path) -> None:
        """To a file of one word a line."""
        path.write_text("\n".join(self.words) + "\n", encoding="utf-8")

    def encode(self, sentences: Sequence[str], length: int, end: bool = False) -> np.ndarray:
        """Ids of each sentence's first words: int32 [n, length], `PAD` after the last.

        Args:
            sentences: n of them.
            length: Words that are kept.
            end: Whether `END` follows the last word, if there is room.
        """
        if not sentences:
            return np.zeros((0, length), np.int32)
        distinct = {sentence: row for row, sentence in enumerate(dict.fromkeys(sentences))}
        ids = np.zeros((len(distinct), length), np.int32)
        for row, found in enumerate(self._tokenizer(list(distinct))):
            found = [*found, END] if end else found
            ids[row, : len(found)] = found[:length]
        return ids[[distinct[sentence] for sentence in sentences]]

    def decode(self, ids: np.ndarray) -> list[str]:
        """Sentences of ids [n, length], up to `END`, with spaces where a writer puts them."""
        return [_sentence([self.words[place] for place in _until_end(row)]) for row in ids]

    @cached_property
    def _tokenizer(self):
        tokenizer = keras_hub.tokenizers.WordPieceTokenizer(
            vocabulary=list(self.words), lowercase=True
        )

        def ids(sentences: list[str]) -> list[np.ndarray]:
            # it would split before it folds: "…" into a word of its own, then into three
            return [
                np.asarray(found)
                for found in tokenizer([" ".join(split_words(s)) for s in sentences])
            ]

        return ids


def longest(sentences: Iterable[str]) -> int:
    """Words of the longest sentence; 0 if there is none."""
    return max((len(split_words(sentence)) for sentence in set(sentences)), default=0)


def split_words(sentence: str) -> list[str]:
    """A sentence's words as the tokenizer splits and folds them: "Straße" is "strasse"."""
    folded = unicodedata.normalize("NFKC", sentence).casefold()
    return "".join(map(_spaced, unicodedata.normalize("NFKC", folded))).split()


@cache
def _spaced(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Cf"):
        return " "
    # ASCII signs, Unicode punctuation and CJK are words of their own
    sign = letter.isascii() and not letter.isalnum() and not letter.isspace()
    return f" {letter} " if sign or kind.startswith("P") or _CJK.match(letter) else letter


def _until_end(ids: Sequence[int]) -> list[int]:
    return list(itertools.takewhile(lambda place: place not in (PAD, END), ids))


def _sentence(words: Sequence[str]) -> str:
    return _TIGHT.sub("", " ".join(words))
