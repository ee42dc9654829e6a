"""Encoders: a tile to image tokens, a question to a vector of what the image says to it."""

import keras
import numpy as np
from keras import ops

from spatialnet_keras.config import ModelConfig, Pixels
from spatialnet_keras.layers import (
    ClassToken,
    MaskedMean,
    Positions,
    TokenDropout,
    layer_norm,
    patch_embedding,
    transformer_block,
)


def image_encoder(config: ModelConfig, pixels: Pixels, drop_tokens: bool = True) -> keras.Model:
    """The paper's vision transformer (III.A).

    Args:
        config: Of the network.
        pixels: Of the stored images.
        drop_tokens: Whether `config.token_dropout` applies.

    Returns:
        A model from the stored pixels [B, S, S, C] to `image_tokens` [B, N, D] (one more with a
        class token) and `image_vector` [B, D].
    """
    size = config.image_size
    image = keras.Input((size, size, pixels.bands), dtype=pixels.dtype, name="image")
    x = keras.layers.Rescaling(
        1 / np.array(pixels.deviation),
        -np.array(pixels.mean) / np.array(pixels.deviation),
        name="normalise",
    )(image)
    x = patch_embedding(x, config)
    x = Positions(config.positions, name="patch_positions")(x)
    if config.token_dropout and drop_tokens:
        x = TokenDropout(config.token_dropout, name="token_dropout")(x)
    if config.pooling == "cls":
        x = ClassToken(name="class_token")(x)
    if config.dropout:
        x = keras.layers.Dropout(config.dropout, name="patch_dropout")(x)
    for index in range(config.layers):
        # the rate rises linearly with depth, as stochastic depth is usually done
        drop_path = config.stochastic_depth * index / max(1, config.layers - 1)
        x = transformer_block(x, config, f"block_{index + 1}", drop_path)
    if config.norm == "pre":
        x = layer_norm("last_norm")(x)
    vector = x[:, 0] if config.pooling == "cls" else ops.mean(x, axis=1)
    return keras.Model(image, {"image_tokens": x, "image_vector": vector}, name="image_encoder")


def question_encoder(config: ModelConfig, words: int) -> keras.Model:
    """A transformer over a question's words that look at the image (not in the paper).

    Args:
        config: Of the network.
        words: Size of the vocabulary.

    Returns:
        A model from `question` int32 [B, G, Q] (0: no word) and `image_tokens` [B, N, D] to
        [B, G, D]. The image tokens serve all G questions and are never repeated.
    """
    question = keras.Input((None, config.question_words), dtype="int32", name="question")
    tokens = keras.Input((None, config.width), name="image_tokens")
    keep = ops.not_equal(question, 0)
    x = keras.layers.Embedding(words, config.width, name="words")(question)
    x = Positions(name="word_positions")(x)
    if config.dropout:
        x = keras.layers.Dropout(config.dropout, name="word_dropout")(x)
    for index in range(config.question_layers):
        x = transformer_block(x, config, f"question_{index + 1}", keep=keep, context=tokens)
    x = MaskedMean(name="question_mean")(layer_norm("question_norm")(x), keep)
    return keras.Model([question, tokens], x, name="question_encoder")
