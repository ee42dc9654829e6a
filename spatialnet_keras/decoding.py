"""Decoding: image tokens -> captions, by beam search; a beam of one is greedy.

The loop runs inside the model's graph, on every backend and in a SavedModel. The keys and values of
the words so far are kept, those of the image once for all beams.
"""

import keras
import numpy as np
from keras import ops

from spatialnet_keras.decoder import CaptionDecoder
from spatialnet_keras.layers import register
from spatialnet_keras.pytorch import Traced
from spatialnet_keras.text import END, PAD, START, UNKNOWN

IMPOSSIBLE = -1e9


@register
class BeamSearch(keras.layers.Layer):
    """Writes the likeliest captions: [B, N, D] -> words int32 [B, W, L], scores float32 [B, W].

    Rows come best first, end with `END` and are filled up with `PAD`. A score is the sum of the
    words' log probabilities over their number to the power of `length_penalty` (Wu et al. 2016 use
    a like form; 0 prefers short captions, 1 compares by the word).

    Args:
        decoder: A trained decoder.
        width: W, captions that are followed at once.
        length_penalty: That power.
    """

    def __init__(self, decoder: CaptionDecoder, width: int = 1, length_penalty: float = 0.0, **kw):
        super().__init__(**{"dtype": decoder.dtype_policy} | kw)
        self.decoder = decoder
        self.width = width
        self.length_penalty = length_penalty
        self._write = Traced(self._write_a_word)

    def build(self, image_tokens_shape):
        """The decoder has its weights."""

    def call(self, image_tokens):
        """Goes on until each caption of the batch has ended, L words at most."""
        decoder, width = self.decoder, self.width
        batch, length = ops.shape(image_tokens)[0], decoder.length
        image = decoder.kept_of(image_tokens)
        place = ops.convert_to_tensor(0, "int32")
        last = ops.full((batch, width), START, "int32")
        written = ops.full((batch, width, length), PAD, "int32")
        # only the first of the equal beams may go on from the start
        first = ops.cast(ops.arange(width) == 0, "float32")
        scores = ops.zeros((batch, width)) + (1 - first) * IMPOSSIBLE
        start = (place, last, written, scores, decoder.empty_caches(batch * width))

        def unfinished(place, last, *_):
            return ops.logical_and(place < length, ops.any(~_ended(last)))

        write = self._write.for_those_like(image, *start)
        _, _, written, scores, _ = ops.while_loop(
            unfinished, lambda *so_far: write(image, *so_far), start
        )
        words = ops.sum(ops.cast(written != PAD, "float32"), axis=-1)
        scores = scores / ops.maximum(words, 1) ** self.length_penalty
        scores, order = ops.top_k(scores, width)
        return ops.take_along_axis(written, order[:, :, None], axis=1), scores

    def compute_output_spec(self, image_tokens):
        """Without tracing the loop."""
        batch = image_tokens.shape[0]
        return (
            keras.KerasTensor((batch, self.width, self.decoder.length), "int32"),
            keras.KerasTensor((batch, self.width), "float32"),
        )

    def get_config(self):
        """For saving."""
        return {
            **super().get_config(),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "width": self.width,
            "length_penalty": self.length_penalty,
        }

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        decoder = keras.saving.deserialize_keras_object(config.pop("decoder"))
        return cls(decoder, **config)

    def _write_a_word(self, image, place, last, written, scores, caches):
        logits, caches = self.decoder.step(last, place, caches, image)
        scores, parent, last = self._best(scores, last, logits)
        if self.width > 1:
            written = ops.take_along_axis(written, parent[:, :, None], axis=1)
            caches = _follow(caches, parent)
        here = ops.arange(self.decoder.length) == place
        written = ops.where(here, last[:, :, None], written)
        return place + 1, last, written, scores, caches

    def _best(self, scores, last, logits):
        """The W best ways to go on: scores, the beam each comes from, its new word; [B, W] each."""
        words = self.decoder.words
        likely = _log_probabilities(logits)
        # an ended caption goes on with padding, at no cost
        padding = np.full(words, IMPOSSIBLE, "float32")
        padding[PAD] = 0.0
        likely = ops.where(_ended(last)[:, :, None], padding, likely)
        total = ops.reshape(scores[:, :, None] + likely, (-1, self.width * words))
        scores, best = ops.top_k(total, self.width)
        best = ops.cast(best, "int32")
        return scores, best // words, best % words


def log_likelihood(decoder: CaptionDecoder, captions, image_tokens):
    """How likely whole captions are: the score of a beam that was given.

    Args:
        decoder: A trained decoder.
        captions: Words and `END`, int32 [B, C, L].
        image_tokens: [B, N, D].

    Returns:
        Sums of the words' log probabilities, float32 [B, C]; those of unknown words, which are
        never written, are left out.
    """
    read = ops.pad(captions[:, :, :-1], ((0, 0), (0, 0), (1, 0)), constant_values=START)
    likely = _log_probabilities(decoder(read, image_tokens))
    likely = ops.take_along_axis(likely, captions[:, :, :, None], axis=-1)[:, :, :, 0]
    silent = ops.equal(captions, PAD) | ops.equal(captions, UNKNOWN)
    return ops.sum(ops.where(silent, 0.0, likely), axis=-1)


def _log_probabilities(logits):
    never = np.zeros(logits.shape[-1], "float32")
    never[[PAD, START, UNKNOWN]] = IMPOSSIBLE
    return ops.log_softmax(ops.add(logits, never))


def _ended(last):
    return (last == END) | (last == PAD)


def _follow(caches, parent):
    """The caches of the beams that go on: [B W, ...] by parents [B, W]."""
    batch, width = ops.shape(parent)
    rows = ops.reshape(parent + width * ops.arange(batch)[:, None], (-1,))
    return tuple(tuple(ops.take(each, rows, axis=0) for each in cache) for cache in caches)
