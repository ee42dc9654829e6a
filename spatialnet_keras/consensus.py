"""Consensus: of several captions of a tile, the one that agrees best with the others.

The candidates are the beams and, if wanted, what was said of the nearest training tiles, but not of
the tile itself. The one of the highest expected CIDEr against all of them is taken: minimum Bayes
risk decoding, with nearest neighbours as in Devlin et al., "Exploring nearest neighbor approaches
for image captioning", 2015.
They count alike, or each by how likely the network finds it for the tile: the expectation is then
over what the network would say if it had to choose among them. It is counted in the words of the
score, which knows no punctuation.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np

from pipelines.records import DataError
from spatialnet_keras.config import DecodeConfig
from spatialnet_keras.scores.captions import Cider, tokenise
from spatialnet_keras.text import END, PAD, START, Vocabulary

Words = tuple[int, ...]


@dataclass(frozen=True)
class Memory:
    """What was said of the training tiles, to be found by the tile.

    Attributes:
        vectors: Image vectors, float32 [n, D].
        starts: int64 [n + 1]: the captions of tile i are the rows starts[i] to starts[i + 1].
        captions: Word ids, int32 [m, L].
        words: What each id stands for, str [V].
        tiles: `marks` of the tiles, uint64 [n]; None in files of earlier versions.
        network: Which weights the vectors are of; "" in files of earlier versions.
    """

    vectors: np.ndarray
    starts: np.ndarray
    captions: np.ndarray
    words: np.ndarray
    tiles: np.ndarray | None = None
    network: str = ""

    @classmethod
    def read(cls, path: Path) -> "Memory":
        """From the file that `write` made.

        Raises:
            DataError: If it is broken.
        """
        try:
            with np.load(path) as arrays:
                there = [f.name for f in fields(cls) if f.default is MISSING or f.name in arrays]
                found = {name: arrays[name] for name in there}
            return cls(**found | {"network": str(found.get("network", ""))})
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise DataError(f"{path} cannot be read: {error}. Delete it.") from None

    def write(self, path: Path) -> None:
        """To a file, whole or not at all."""
        temporary = path.with_name(f".{path.name}.tmp")
        with temporary.open("wb") as file:
            arrays = {each.name: getattr(self, each.name) for each in fields(self)}
            there = {name: array for name, array in arrays.items() if array is not None}
            np.savez_compressed(file, **there)
        os.replace(temporary, path)

    def said_near(self, vector: np.ndarray, neighbours: int, mark: int = 0) -> list[Words]:
        """The captions of the tiles of the largest cosine with a vector [D], nearest first.

        Args:
            vector: Of a tile.
            neighbours: How many tiles are asked.
            mark: The tile's own, of `marks`: what was said of itself is the answer.
        """
        likeness = self._directions @ _directions(vector - self._mean)
        nearest = np.argsort(-likeness, kind="stable")
        if self.tiles is not None:
            nearest = nearest[self.tiles[nearest] != mark]
        return [words for row in nearest[:neighbours] for words in self._said_of(row)]

    def agreement(self, captions: Sequence[Words]) -> np.ndarray:
        """CIDEr of each caption against each: float64 [n, n].

        Document frequencies are those of the training captions.
        """
        spoken = [self._spoken(words) for words in captions]
        return self._cider.pairwise(spoken, spoken)

    def _spoken(self, words: Words) -> tuple[str, ...]:
        if words not in self._heard:
            (sentence,) = Vocabulary(tuple(self.words)).decode([words])
            (self._heard[words],) = tokenise([sentence])
        return self._heard[words]

    @cached_property
    def _heard(self) -> dict[Words, tuple[str, ...]]:
        return {}

    @cached_property
    def _cider(self) -> Cider:
        tiles = [self._said_of(row) for row in range(len(self.vectors))]
        return Cider.of([[self._spoken(words) for words in said] for said in tiles])

    @cached_property
    def _mean(self) -> np.ndarray:
        return self.vectors.mean(axis=0)

    @cached_property
    def _directions(self) -> np.ndarray:
        return _directions(self.vectors - self._mean)

    def _said_of(self, row: int) -> list[Words]:
        return [_words(ids) for ids in self.captions[self.starts[row] : self.starts[row + 1]]]


@dataclass(frozen=True)
class Consensus:
    """How a finished run chooses among captions.

    Attributes:
        config: Among which, and what each weighs.
        memory: Of the training split.
        likelihood: See `model.likelihood_model`; needed for a temperature above 0.
    """

    config: DecodeConfig
    memory: Memory
    likelihood: keras.Model | None = None

    def choose(self, beams: np.ndarray, vectors: np.ndarray, images: np.ndarray) -> np.ndarray:
        """One caption an image.

        Args:
            beams: Word ids, int32 [n, W, L], best first.
            vectors: Image vectors [n, D].
            images: As the network takes them, [n, S, S, C].

        Returns:
            Word ids, int32 [n, L].
        """
        length = beams.shape[-1]
        among = [
            self._candidates(written, vector, mark)
            for written, vector, mark in zip(beams, vectors, marks(images), strict=True)
        ]
        # the network for every tile first: its threads and numpy's would wait for each other
        weights = [
            self._weights(candidates, images[place : place + 1], length)
            for place, candidates in enumerate(among)
        ]
        chosen = np.full((len(beams), length), PAD, np.int32)
        for place, (candidates, each) in enumerate(zip(among, weights, strict=True)):
            expected = self.memory.agreement(candidates) @ each
            chosen[place] = _ids(candidates[expected.argmax()], length)
        return chosen

    def _candidates(self, beams: np.ndarray, vector: np.ndarray, mark: int) -> list[Words]:
        candidates = [_words(ids) for ids in beams]
        if self.config.neighbours:
            candidates += self.memory.said_near(vector, self.config.neighbours, mark)
        return list(dict.fromkeys(candidates)) if self.config.temperature else candidates

    def _weights(self, candidates: list[Words], image: np.ndarray, length: int) -> np.ndarray:
        count = len(candidates)
        if not self.config.temperature:
            return np.full(count, 1 / count)
        # few numbers of captions, for each is compiled anew: the next power of two
        captions = np.full((1, 1 << (count - 1).bit_length(), length), PAD, np.int32)
        captions[0, :count] = [_ids(words, length) for words in candidates]
        found = self.likelihood.predict_on_batch({"image": image, "caption": captions})
        logits = np.asarray(found, "float64")[0, :count] / self.config.temperature
        weights = np.exp(logits - logits.max())
        return weights / weights.sum()


def choose(
    beams: np.ndarray, vectors: np.ndarray, images: np.ndarray, consensus: Consensus | None
) -> np.ndarray:
    """As `Consensus.choose`, or the best beam where there is none."""
    return consensus.choose(beams, vectors, images) if consensus else beams[:, 0]


def marks(images: np.ndarray) -> np.ndarray:
    """What tells a tile from others: images [n, S, S, C] -> uint64 [n], alike for equal pixels."""
    digests = (hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.frombuffer(b"".join(digests), np.uint64)


def _ids(words: Words, length: int) -> np.ndarray:
    ids = np.full(length, PAD, np.int32)
    ended = [*words, END][:length]
    ids[: len(ended)] = ended
    return ids


def _words(ids: np.ndarray) -> Words:
    return tuple(int(each) for each in ids if each not in (PAD, START, END))


def _directions(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
