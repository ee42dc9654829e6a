"""n-grams of a sentence: runs of one to four words and how often each occurs."""

from collections import Counter
from collections.abc import Hashable
from functools import lru_cache

ORDERS = (1, 2, 3, 4)

Words = tuple[Hashable, ...]
Grams = tuple[Counter, ...]


@lru_cache(maxsize=100_000)
def grams(words: Words) -> Grams:
    """For each order, a count of each n-gram. Shared between callers: do not change it."""
    runs = [words[start:] for start in range(len(ORDERS))]
    return tuple(Counter(zip(*runs[:order], strict=False)) for order in ORDERS)
