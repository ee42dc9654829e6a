"""A plain convolutional network, trained from scratch: the control that the paper lacks.

It has as many tokens, blocks and channels as the vision transformer of the same configuration, and
about as many parameters.
"""

import keras

from spatialnet_keras.config import ModelConfig, Pixels
from spatialnet_keras.encoders.convolutions import convolution, halved
from spatialnet_keras.layers import normalised


def tokens(image, config: ModelConfig, pixels: Pixels, drop_tokens: bool):
    """Stored pixels [B, S, S, C] -> tokens [B, N, D], N places of the last feature map.

    Halves the sides until a place is as large as a patch, then `config.layers` convolutions of
    width D: 9 D^2 parameters each, where a transformer block has 12 D^2.
    """
    x = halved(normalised(image, pixels), config, config.width // 2, config.dropout)
    for index in range(config.layers):
        x = convolution(x, config.width, f"convolution_{index + 1}", config.dropout)
    return keras.layers.Reshape((config.tokens, config.width), name="places")(x)
