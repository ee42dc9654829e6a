"""Convolutions on the way to tokens: of the plain network, and of the vision transformer's stem."""

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
