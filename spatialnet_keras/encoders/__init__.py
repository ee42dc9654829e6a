"""Encoders: a tile to image tokens, a question to a vector of what the image says to it.

A new image encoder is a file here and its name in `settings.ENCODERS`. The file has
`tokens(image, config, pixels, drop_tokens)`: a symbolic batch of stored pixels [B, S, S, C] to the
tokens [B, N, D] of a square of places, row by row; `drop_tokens`: whether `config.token_dropout`
applies in training. Attention is drawn of blocks made by `layers.transformer_block` with the names
block_1, block_2, ...
"""

from importlib import import_module

import keras
from keras import ops

from spatialnet_keras.config import ModelConfig, Pixels
from spatialnet_keras.encoders.mimetic import mimic
from spatialnet_keras.encoders.packed import packed_question_encoder
from spatialnet_keras.encoders.question import question_encoder
from spatialnet_keras.layers import (
    FEATURES,
    ClassToken,
    depth_share,
    layer_norm,
    transformer_block,
)
from spatialnet_keras.settings import ENCODERS

_TOKENS = {name: import_module(f"{__name__}.{name}").tokens for name in ENCODERS}

__all__ = [
    "FEATURES",
    "image_encoder",
    "packed_question_encoder",
    "preset_tokens",
    "question_encoder",
    "split_at_features",
]


def image_encoder(config: ModelConfig, pixels: Pixels, drop_tokens: bool = True) -> keras.Model:
    """The encoder that `config.encoder` names, then SpatialNet blocks if it wants some.

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
    kind, _, _ = config.encoder.partition(":")
    x = _TOKENS[kind](image, config, pixels, drop_tokens)
    x = _hybrid(x, config) if kind == "preset" else keras.layers.Identity(name=FEATURES)(x)
    # a layer of its own, so that a model may begin at the features
    x = keras.layers.Identity(name="image_tokens")(x)
    vector = x[:, 0] if config.pooling == "cls" else ops.mean(x, axis=1)
    if config.vector_dropout:
        vector = keras.layers.Dropout(config.vector_dropout, name="vector_dropout")(vector)
    made = keras.Model(image, {"image_tokens": x, "image_vector": vector}, name="image_encoder")
    if config.attention_start == "mimetic":
        # what a preset has learned stays
        blocks = split_at_features(made)[1] if kind == "preset" else made
        for layer in blocks.layers:
            if isinstance(layer, keras.layers.MultiHeadAttention):
                mimic(layer)
    return made


def split_at_features(encoder: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Cuts an image encoder in two that share its layers.

    Returns:
        From stored pixels to features [B, N, ...], and from these to tokens and vector.
    """
    features = encoder.get_layer(FEATURES).output
    below = keras.Model(encoder.input, features, name="image_features")
    return below, keras.Model(features, encoder.output, name=encoder.name)


def preset_tokens(encoder: keras.Model):
    """What the backbone of an image encoder gives, before anything stands on it: [B, N, F]."""
    return encoder.get_layer("features_norm").input


def _hybrid(x, config: ModelConfig):
    """Foreign tokens [B, N, ...] -> width D, and blocks over them: [B, N, D]."""
    x = layer_norm("features_norm")(x)
    x = keras.layers.Dense(config.width, name="projection")(x)
    if config.pooling == "cls":
        x = ClassToken(name="class_token")(x)
    if config.dropout:
        x = keras.layers.Dropout(config.dropout, name="projection_dropout")(x)
    for index in range(config.hybrid_layers):
        drop_path = config.stochastic_depth * depth_share(index, config.hybrid_layers)
        x = transformer_block(x, config, f"block_{index + 1}", drop_path)
    return layer_norm("last_norm")(x) if config.norm == "pre" else x
