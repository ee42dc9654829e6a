"""A plain convolutional network, trained from scratch: the control that the paper lacks.

It has as many tokens, blocks and channels as the vision transformer of the same configuration, and
about as many parameters.
"""

import math

import keras

from spatialnet_keras.config import ConfigError, ModelConfig, Pixels
from spatialnet_keras.layers import normalised


def tokens(image, config: ModelConfig, pixels: Pixels, drop_tokens: bool):
    """Stored pixels [B, S, S, C] -> tokens [B, N, D], N places of the last feature map.

    Halves the sides until a place is as large as a patch, then `config.layers` convolutions of
    width D: 9 D^2 parameters each, where a transformer block has 12 D^2.

    Raises:
        ConfigError: If the patch size is no power of two.
    """
    halvings = math.log2(config.patch_size)
    if halvings != int(halvings):
        raise ConfigError(f"cnn needs patch_size 2, 4, 8, ... Received: {config.patch_size}.")
    x = normalised(image, pixels)
    for index in range(int(halvings)):
        width = max(16, config.width >> (int(halvings) - index))
        x = _convolution(x, width, f"down_{index + 1}", config, stride=2)
    for index in range(config.layers):
        x = _convolution(x, config.width, f"convolution_{index + 1}", config)
    return keras.layers.Reshape((config.tokens, config.width), name="places")(x)


def _convolution(x, width: int, name: str, config: ModelConfig, stride: int = 1):
    """3 x 3 convolution, batch normalisation, ReLU."""
    x = keras.layers.Conv2D(
        width, 3, strides=stride, padding="same", use_bias=False, name=f"{name}_kernel"
    )(x)
    x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
    x = keras.layers.ReLU(name=f"{name}_relu")(x)
    return keras.layers.Dropout(config.dropout, name=f"{name}_dropout")(x) if config.dropout else x
