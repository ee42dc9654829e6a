"""The question encoder for packed questions: several of an image in one row of words."""

import keras
import numpy as np
from keras import ops

from spatialnet_keras.layers import MaskedMean, Positions


def packed_question_encoder(encoder: keras.Model, rows: int, slots: int) -> keras.Model:
    """The same layers, reading what `pipelines.packing` packed; they say the same of a question.

    A word attends to those of its own question, and its position is the one in its question.

    Args:
        encoder: Of `question_encoder`; the weights stay shared.
        rows: R, rows of words of an image.
        slots: G, questions of an image.

    Returns:
        A model as `encoder`, but its `question` is int32 [B, R, Q, 2], a word and its slot.
    """
    _, tokens, image = encoder.inputs
    width = encoder.inputs[0].shape[-1]
    question = keras.Input((rows, width, 2), dtype="int32", name="question")
    word, slot = question[..., 0], question[..., 1]
    # words that are none attend to each other: a softmax over nothing would be no number
    together = ops.equal(ops.expand_dims(slot, -1), ops.expand_dims(slot, -2))
    earlier = ops.cast(together, "int32") * np.tri(width, k=-1, dtype="int32")
    place = ops.sum(earlier, axis=-1)

    def call(layer, *args, **kwargs):
        if args[0] is question:
            return layer(word, *args[1:], **kwargs)
        if isinstance(layer, Positions):
            return layer(args[0], places=place)
        if layer.name.endswith("_mask"):
            return together
        if isinstance(layer, MaskedMean):
            return _mean_by_slot(args[0], slot, slots)
        return layer(*args, **kwargs)

    return keras.models.clone_model(
        encoder,
        input_tensors=[question, _like(tokens), _like(image)],
        clone_function=lambda layer: layer,
        call_function=call,
    )


def _like(tensor) -> keras.KerasTensor:
    return keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)


def _mean_by_slot(x, slot, slots: int):
    """Mean over the words of each question: [B, R, Q, D] -> [B, G, D]; zeros for an empty slot."""
    words = slot.shape[1] * slot.shape[2]
    slot = ops.reshape(slot, (-1, 1, words))
    own = ops.cast(ops.equal(slot, np.arange(1, slots + 1, dtype="int32")[:, None]), x.dtype)
    total = ops.matmul(own, ops.reshape(x, (-1, words, x.shape[-1])))
    return total / ops.maximum(ops.sum(own, axis=-1, keepdims=True), 1)
