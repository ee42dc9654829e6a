"""Penn Treebank words of a sentence, as the reference scorer takes them, without Java."""

import re
from collections.abc import Iterable
from functools import lru_cache

_WORD = re.compile(r"[\w'/-]+|[^\s\w]")
_REMOVED = frozenset("'' ' `` ` -LRB- -RRB- -LCB- -RCB- . ? ! , : - -- ... ;".split())


def tokenise(sentences: Iterable[str]) -> list[tuple[str, ...]]:
    """The words of each sentence, lower case, without punctuation."""
    return [tuple(tokenised(text).split()) for text in sentences]


@lru_cache(maxsize=100_000)
def tokenised(sentence: str) -> str:
    """The words of a sentence, a space between each two."""
    return " ".join(w for w in _WORD.findall(sentence.lower()) if w not in _REMOVED)
