"""The paper's vision transformer (III.A)."""

import keras

from spatialnet_keras.config import ModelConfig, Pixels
from spatialnet_keras.encoders.convolutions import around, stem
from spatialnet_keras.layers import (
    ClassToken,
    Positions,
    TokenDropout,
    depth_share,
    layer_norm,
    normalised,
    patch_embedding,
    transformer_block,
)


def tokens(image, config: ModelConfig, pixels: Pixels, drop_tokens: bool):
    """Stored pixels [B, S, S, C] -> tokens [B, N, D], one more with a class token."""
    embed = patch_embedding if config.stem == "patches" else stem
    x = embed(normalised(image, pixels), config)
    kind = "learned" if config.positions == "learned" else "sine"
    x = Positions(kind, name="patch_positions")(x)
    if config.token_dropout and drop_tokens:
        x = TokenDropout(config.token_dropout, name="token_dropout")(x)
    if config.pooling == "cls":
        x = ClassToken(name="class_token")(x)
    if config.dropout:
        x = keras.layers.Dropout(config.dropout, name="patch_dropout")(x)
    for index in range(config.layers):
        if config.positions == "conditional":
            x = around(x, config, f"block_{index + 1}_around")
        drop_path = config.stochastic_depth * depth_share(index, config.layers)
        x = transformer_block(x, config, f"block_{index + 1}", drop_path)
    return layer_norm("last_norm")(x) if config.norm == "pre" else x
