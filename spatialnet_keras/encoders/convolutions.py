"""Convolutions on the way to tokens and between them: of the plain network and the transformer."""

import math

import keras

from spatialnet_keras.config import ModelConfig


def stem(x, config: ModelConfig):
    """Tiles [B, S, S, C] -> tokens [B, N, D], each of more than its own P x P pixels.

    Convolutions that halve the sides and double the channels, up to D, then one linear map
    (Xiao et al. 2021, "Early convolutions help transformers see better").
    """
    x = halved(x, config, width=config.width)
    x = keras.layers.Reshape((config.tokens, x.shape[-1]), name="places")(x)
    return keras.layers.Dense(config.width, name="patch_embedding")(x)


def around(x, config: ModelConfig, name: str):
    """Adds to each token what a convolution makes of it and its neighbours: [B, N, D] -> [B, N, D].

    One 3 x 3 kernel a channel. Beyond the tile's edge is nothing, by which a token knows where it
    is (Chu et al. 2021, "Conditional positional encodings"). A class token has no neighbours.
    """
    first = 1 if config.pooling == "cls" else 0
    side = config.image_size // config.patch_size
    places = x[:, first:] if first else x
    y = keras.layers.Reshape((side, side, config.width), name=f"{name}_grid")(places)
    y = keras.layers.DepthwiseConv2D(3, padding="same", name=name)(y)
    y = keras.layers.Reshape((config.tokens, config.width), name=f"{name}_tokens")(y)
    y = keras.layers.Add(name=f"{name}_shortcut")([places, y])
    if not first:
        return y
    return keras.layers.Concatenate(axis=1, name=f"{name}_with_class")([x[:, :1], y])


def halved(x, config: ModelConfig, width: int, dropout: float = 0.0):
    """[B, S, S, C] -> [B, S / P, S / P, `width`], channels doubled where the sides are halved."""
    halvings = int(math.log2(config.patch_size))
    for index in range(halvings):
        channels = max(16, width >> (halvings - 1 - index))
        x = convolution(x, channels, f"down_{index + 1}", dropout, stride=2)
    return x


def convolution(x, width: int, name: str, dropout: float, stride: int = 1):
    """3 x 3 convolution, batch normalisation, ReLU."""
    x = keras.layers.Conv2D(
        width, 3, strides=stride, padding="same", use_bias=False, name=f"{name}_kernel"
    )(x)
    x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
    x = keras.layers.ReLU(name=f"{name}_relu")(x)
    return keras.layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x
