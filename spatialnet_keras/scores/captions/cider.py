"""CIDEr-D (Vedantam, Zitnick and Parikh, "CIDEr: consensus-based image description", CVPR 2015)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from math import exp, fsum, hypot, log
from operator import mul
from typing import NamedTuple

import numpy as np

from spatialnet_keras.scores.captions.grams import ORDERS, Words, grams

SIGMA = 6.0  # words; the deviation of the penalty on a difference in length
SCALE = 10.0
_BLOCK = 512  # references a matrix product: bounds the memory of a class of many captions


class Vector(NamedTuple):
    """A sentence: its columns, int64 [k], and what they weigh, float64 [k]."""

    columns: np.ndarray
    candidate: np.ndarray
    reference: np.ndarray


class Cider:
    """Agreement of sentences, weighted by how rare their n-grams are among images.

    A sentence is a sparse vector. The second "the" of a sentence has a column of its own: so many
    columns as two sentences share, so often do they share the n-gram, and the clipped product of
    the paper becomes a plain product of a candidate's vector and a reference's.

    Words may be strings or ids, the same kind throughout.

    Args:
        frequencies: In how many images' sentences each n-gram occurs.
        images: How many images there are.
    """

    def __init__(self, frequencies: Counter, images: int):
        known = {count: log(images) - log(count) for count in set(frequencies.values())}
        self._rarity = _Rarity(log(images))
        self._rarity.update((gram, known[count]) for gram, count in frequencies.items())
        squares = {count: rarity**2 for count, rarity in known.items()}
        self._squares = _Rarity(log(images) ** 2)
        self._squares.update((gram, squares[count]) for gram, count in frequencies.items())
        self._norms: dict[Words, list[float]] = {}
        self._columns: dict[tuple, int] = {}
        self._vectors: dict[Words, Vector] = {}

    @classmethod
    def of(cls, images: Sequence[Iterable[Words]]) -> "Cider":
        """With the document frequencies of sentences.

        Args:
            images: The sentences of each image, as words.
        """
        frequencies: Counter = Counter()
        for sentences in images:
            frequencies.update(set().union(*chain.from_iterable(map(grams, set(sentences)))))
        return cls(frequencies, len(images))

    def score(self, references: Sequence[Words], hypothesis: Words) -> float:
        """CIDEr-D of one sentence: its mean agreement with the references."""
        total = 0.0
        norms = self._norms_of(hypothesis)
        for words in references:
            agreement = 0.0
            each = zip(
                ORDERS, grams(hypothesis), grams(words), norms, self._norms_of(words), strict=True
            )
            for order, left, right, left_norm, right_norm in each:
                common = left.keys() & right.keys()  # in any order, so the sums are exact
                if not common:
                    break  # then no longer ones either
                if len(right) > len(words) - order:  # none of them twice
                    shared = fsum(map(self._squares.__getitem__, common))
                else:
                    shared = fsum(
                        min(left[gram], right[gram]) * right[gram] * self._squares[gram]
                        for gram in common
                    )
                agreement += shared / (left_norm * right_norm)
            total += agreement * _likeness(len(hypothesis), len(words))
        return SCALE / len(ORDERS) * total / len(references)

    def pairwise(self, candidates: Sequence[Words], references: Sequence[Words]) -> np.ndarray:
        """Each candidate against each single reference: float64 [n, m]."""
        left, right = list(dict.fromkeys(candidates)), list(dict.fromkeys(references))
        vectors = {words: self._vector(words) for words in chain(left, right)}
        columns, weights, _ = zip(*map(vectors.get, left), strict=True)
        used = np.unique(np.concatenate(columns))  # what no candidate has does not count
        places = np.full(len(self._columns), -1)
        places[used] = np.arange(len(used))
        candidate = _matrix(columns, weights, places, len(used))
        products = []
        for start in range(0, len(right), _BLOCK):
            block = map(vectors.get, right[start : start + _BLOCK])
            columns, _, weights = zip(*block, strict=True)
            products.append(candidate @ _matrix(columns, weights, places, len(used)).T)
        lengths = [[max(len(words), 1) for words in each] for each in (left, right)]
        likeness = np.exp(-(np.subtract.outer(*lengths) ** 2) / (2 * SIGMA**2))
        found = SCALE / len(ORDERS) * np.concatenate(products, axis=1) * likeness
        return found[np.ix_(_places(left, candidates), _places(right, references))]

    def _vector(self, words: Words) -> Vector:
        """As a candidate and as a reference; each order of n-grams has length 1."""
        if words not in self._vectors:
            columns, candidate, reference = [], [], []
            for counts, norm in zip(grams(words), self._norms_of(words), strict=True):
                for gram, count in counts.items():
                    weight = self._rarity[gram] / norm
                    for copy in range(count):
                        columns.append(self._columns.setdefault((gram, copy), len(self._columns)))
                        candidate.append(weight)
                        reference.append(weight * count)
            self._vectors[words] = Vector(
                np.array(columns, np.int64),
                np.array(candidate, float),
                np.array(reference, float),
            )
        return self._vectors[words]

    def _norms_of(self, words: Words) -> list[float]:
        if words not in self._norms:
            self._norms[words] = [
                hypot(*map(mul, map(self._rarity.__getitem__, counts), counts.values())) or 1.0
                for counts in grams(words)
            ]
        return self._norms[words]


class _Rarity(dict):
    """What an n-gram weighs: the logarithm of images over images that have it."""

    def __init__(self, unseen: float):
        self.unseen = unseen

    def __missing__(self, gram: tuple) -> float:
        return self.unseen


def _matrix(columns: Sequence, weights: Sequence, places: np.ndarray, width: int) -> np.ndarray:
    """Vectors as rows [n, width]; a column whose place is -1 is left out."""
    rows = np.repeat(np.arange(len(columns)), [len(each) for each in columns])
    flat = places[np.concatenate(columns)]
    there = flat >= 0
    dense = np.zeros((len(columns), width))
    dense[rows[there], flat[there]] = np.concatenate(weights)[there]
    return dense


def _places(distinct: Sequence[Words], sentences: Sequence[Words]) -> list[int]:
    found = {words: place for place, words in enumerate(distinct)}
    return [found[words] for words in sentences]


def _likeness(left: int, right: int) -> float:
    # the reference scorer counts pairs of words, so that none and one are equally long
    difference = max(left, 1) - max(right, 1)
    return exp(-(difference**2) / (2 * SIGMA**2))
