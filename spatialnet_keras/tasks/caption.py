"""Captions: a sentence about the whole tile, written by a decoder (paper, III.B)."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import keras
import numpy as np

from pipelines.records import Records
from spatialnet_keras.config import DecodeConfig, ModelConfig
from spatialnet_keras.decoder import CaptionDecoder
from spatialnet_keras.decoding import BeamSearch, log_likelihood
from spatialnet_keras.scores.captions import caption_scores
from spatialnet_keras.tasks.task import CrossEntropy, Task
from spatialnet_keras.text import START, Vocabulary

References = tuple[str, ...] | None  # of one image; None where the data give none


@dataclass(frozen=True)
class Caption(Task):
    """Sentences, each a target in training; in evaluation one answer an image against all of them.

    Attributes:
        words: Whole words of the training captions, after the special ones: the sentences that can
            be written are made of these.
        length: L, the most words that the decoder reads, `START` included.
    """

    unit: ClassVar[str] = "caption"
    reads: ClassVar[tuple[str, ...]] = ("caption_in", "image_tokens")
    scores: ClassVar[tuple[str, ...]] = ("bleu4", "cider", "bleu1", "bleu2", "bleu3", "rouge_l")

    words: tuple[str, ...] = ()
    length: int = ModelConfig.caption_words

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Of the captions alone; questions have one of their own."""
        return Vocabulary(self.words)

    def configured(self, config: ModelConfig) -> "Caption":
        """With the decoder's length."""
        return dataclasses.replace(self, length=config.caption_words)

    @property
    def answer_unit(self) -> str:
        """One answer an image, however many sentences it has."""
        return "image"

    def truths(self, records: Records) -> list[References]:
        """All sentences of each image."""
        return [row.captions or None for row in records]

    def labels(self, records: Records) -> list[str]:
        """Each sentence."""
        return [text for row in records for text in row.captions]

    def fit(self, records: Sequence[Records]) -> "Caption":
        """Finds the words, and the most frequent sentence."""
        counts = Counter(text for each in records for row in each for text in row.captions)
        if not counts:
            return self
        floor = max(counts, key=lambda text: (counts[text], text))
        return dataclasses.replace(
            self,
            words=Vocabulary.fit(counts).words,
            floor_answers=tuple((score, floor) for score in self.scores),
        )

    def inputs(self, sentences: Sequence[str]) -> np.ndarray:
        """What the decoder reads: `START` and the words, int32 [m, L]."""
        targets, _ = self.encode(sentences)
        start = np.full((len(targets), 1), START, np.int32)
        return np.concatenate([start, targets[:, :-1]], axis=1)

    def encode(self, sentences: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """What it is to write: words and `END`, int32 [m, L], weights float32 [m, L].

        Padding weighs nothing. A sentence of more words is cut, and then has no `END`.
        """
        ids = self.vocabulary.encode(sentences, self.length, end=True)
        return ids, (ids > 0).astype(np.float32)

    def head(self, config: ModelConfig) -> keras.Model:
        """int32 [B, C, L] and [B, N, D] -> logits float32 [B, C, L, V]."""
        caption = keras.Input((None, self.length), dtype="int32", name="caption_in")
        tokens = keras.Input((None, config.width), name="image_tokens")
        logits = CaptionDecoder.of(config, len(self.words))(caption, tokens)
        return keras.Model([caption, tokens], logits, name=self.name)

    def answering(
        self, head: keras.Model, config: DecodeConfig
    ) -> tuple[keras.Model, tuple[str, ...]]:
        """Beam search: [B, N, D] -> words int32 [B, W, L], best first."""
        decoder = head.get_layer("caption_decoder")
        tokens = keras.Input((None, decoder.width), name="image_tokens")
        search = BeamSearch(decoder, config.beams, config.length_penalty, name="beam_search")
        words, _ = search(tokens)
        return keras.Model(tokens, words, name=self.name), ("image_tokens",)

    def likelihood(self, answering: keras.Model) -> keras.Model:
        """How likely whole captions are.

        Args:
            answering: Of `answering`.

        Returns:
            Words and `END`, int32 [B, C, L], and image tokens [B, N, D] to the sum of the words'
            log probabilities, float32 [B, C].
        """
        decoder = answering.get_layer("beam_search").decoder
        caption = keras.Input((None, self.length), dtype="int32", name="caption")
        tokens = keras.Input((None, decoder.width), name="image_tokens")
        return keras.Model([caption, tokens], log_likelihood(decoder, caption, tokens))

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """Cross entropy of each word."""
        return CrossEntropy(label_smoothing)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Accuracy of the next word."""
        return [keras.metrics.SparseCategoricalAccuracy(name="word_accuracy")]

    def answer(self, output: np.ndarray) -> list[str]:
        """Word ids [n, L] -> sentences."""
        return self.vocabulary.decode(output)

    def score(self, answers: list[str], truths: list[References]) -> dict[str, float]:
        """Scores of the whole set; a set of one image has no CIDEr."""
        alone = len(truths) == 1  # twice the same has the same BLEU and ROUGE
        truths, answers = (truths * 2, answers * 2) if alone else (truths, answers)
        found = caption_scores([list(references) for references in truths], answers)
        return {name: found[name] for name in self.scores if not (alone and name == "cider")}
