"""Regimes: how much of the image encoder is trained (`--train.encoder`)."""

import itertools

import keras

from spatialnet_keras.config import ConfigError, TrainConfig
from spatialnet_keras.encoders import split_at_features
from spatialnet_keras.encoders.preset import UPPER
from spatialnet_keras.training.optimizers import leaves


def apply_regime(below: keras.Model, config: TrainConfig) -> None:
    """Freezes the encoder up to its features, or puts LoRA's matrices beside its kernels.

    Args:
        below: Stored pixels to features: see `encoders.split_at_features`.
        config: Of the training.

    Raises:
        ConfigError: If there is no kernel for LoRA.
    """
    if config.encoder == "full":
        return
    if config.encoder == "lora":
        _add_lora(below, config.lora_rank)
        return
    for layer in leaves(below):
        layer.trainable = False


def encoder_layers(encoder: keras.Model) -> list[keras.Layer]:
    """The layers of an image encoder from its first to its last; of a preset, its own alone."""
    below, _ = split_at_features(encoder)
    # behind the features lies what is not frozen of a preset, then SpatialNet's blocks
    upper = (leaves(each) for each in encoder.layers if each.name == UPPER)
    return list(itertools.chain(leaves(below), *upper))


def _add_lora(below: keras.Model, rank: int) -> None:
    """Trains nothing but two small matrices a kernel; saving merges them into the kernel."""
    adapted = 0
    for leaf in leaves(below):
        kernels = [each for each in leaf._flatten_layers() if hasattr(each, "enable_lora")]
        if not kernels:
            leaf.trainable = False  # batch normalisation, too, then keeps its statistics
            continue
        for variable in leaf.variables:
            variable.trainable = False
        for layer in kernels:
            layer.enable_lora(rank)
        adapted += len(kernels)
    if not adapted:
        raise ConfigError("encoder lora: this encoder has no kernel for it. Use full or frozen.")
