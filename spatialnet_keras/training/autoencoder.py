"""Masked autoencoder: what the image encoder is pretrained by, without labels (He et al. 2021).

Most patches of a tile are hidden; the encoder sees the others alone, and a light decoder, thrown
away afterwards, draws the hidden ones. With a teacher it tells the features of the teacher's
tokens as well, those of hidden patches, too (Fang et al. 2022, EVA; Hou et al. 2022, MILAN).
"""

import dataclasses

import keras
from keras import ops

from spatialnet_keras.config import Config, ModelConfig
from spatialnet_keras.encoders import image_encoder
from spatialnet_keras.layers import ClassToken, Positions, layer_norm, transformer_block
from spatialnet_keras.training.teacher import FEATURES, MAP, Teacher, at_tokens, cosine_distance

ERROR = "masked_error"  # the output, which shall become 0


def encoder_without_dropout(config: Config) -> keras.Model:
    """The configured image encoder; hiding most of a tile is enough of a difficulty."""
    model = dataclasses.replace(
        config.model,
        dropout=0.0,
        stochastic_depth=0.0,
        vector_dropout=0.0,
        token_dropout=config.train.masked,  # the place where patches are left out
    )
    return image_encoder(model, config.pixels)


def masked_autoencoder(
    encoder: keras.Model, config: Config, teacher: Teacher | None = None
) -> keras.Model:
    """Connects the encoder's layers to a decoder.

    Args:
        encoder: Of `encoder_without_dropout`; the weights stay shared.
        config: Of the run.
        teacher: Whose features are told, if any are.

    Returns:
        A model from stored pixels [B, S, S, C] to `masked_error` float32 [B]: over the hidden
        patches, the mean squared error of their pixels, each patch at mean 0 and deviation 1.
        With a teacher that does not look itself it reads its `teacher_map` [B, h, w, D] as well;
        with any, `teacher_features` [B] comes out: over all patches, hidden and seen, the mean
        cosine distance to what the teacher makes of them.
    """
    places, pooling = config.model.tokens, config.model.pooling
    seen = min(places - 1, max(1, round(places * (1 - config.train.masked))))
    embed = keras.Model(
        encoder.input,
        [encoder.get_layer("normalise").output, encoder.get_layer("patch_positions").output],
    )
    read = keras.Model(
        encoder.get_layer("token_dropout").output, encoder.get_layer("image_tokens").output
    )
    image = keras.Input(encoder.input.shape[1:], dtype=config.pixels.dtype, name="image")
    pixels, x = embed(image)
    order = RandomOrder(name="order")(x)
    x = read(ops.take_along_axis(x, order[:, :seen, None], axis=1))
    x = keras.layers.Identity(name="seen_tokens")(x)
    x = _decode(x[:, 1:] if pooling == "cls" else x, order, seen, config)
    values = config.model.patch_size**2 * config.pixels.bands
    said = keras.layers.Dense(values, dtype="float32", name="decoder_pixels")(x)
    error = ops.mean(ops.square(said - _drawn(pixels, config.model)), axis=-1)
    error = ops.mean(ops.take_along_axis(error, order[:, seen:], axis=1), axis=1)
    inputs, outputs = {"image": image}, {ERROR: error}
    if teacher:
        told = teacher.look(image) if teacher.looks else keras.Input(teacher.shape, name=MAP)
        if not teacher.looks:
            inputs[MAP] = told
        said = keras.layers.Dense(teacher.width, dtype="float32", name="decoder_features")(x)
        outputs[FEATURES] = cosine_distance(at_tokens(told, places), said)
    return keras.Model(inputs, outputs, name="masked_autoencoder")


@keras.saving.register_keras_serializable(package="spatialnet_keras")
class RandomOrder(keras.layers.Layer):
    """The places of each tile's tokens, shuffled: [B, N, D] -> int32 [B, N]."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator()

    def call(self, x):
        """Each tile its own order, another one each time."""
        noise = keras.random.uniform(ops.shape(x)[:2], seed=self.generator, dtype="float32")
        return ops.cast(ops.argsort(noise, axis=1), "int32")

    def compute_output_spec(self, x):
        """Integers, one a token."""
        return keras.KerasTensor(x.shape[:2], "int32")


def _decode(x, order, seen: int, config: Config):
    """Tokens [B, seen, D] of the first of `order` [B, N] -> of all places, [B, N, about D / 2].

    One block of half the encoder's width: it shall draw, not understand.
    """
    model = config.model
    heads = max(1, model.heads // 2) if model.heads % 2 == 0 else 1
    half = dataclasses.replace(
        model, width=heads * max(1, model.width // 2 // heads), heads=heads, dropout=0.0
    )
    x = keras.layers.Dense(half.width, name="decoder_projection")(x)
    x = ClassToken(name="hidden_token")(x)  # stands first, and from there at every hidden place
    place = ops.argsort(order, axis=1)
    place = ops.where(place < seen, place + 1, 0)
    x = ops.take_along_axis(x, place[:, :, None], axis=1)
    x = keras.layers.Reshape((model.tokens, half.width), name="decoder_tokens")(x)
    x = Positions(name="decoder_positions")(x)
    x = transformer_block(x, half, "decoder_block")
    return layer_norm("decoder_norm")(x)


def _drawn(pixels, config: ModelConfig):
    """Pixels [B, S, S, C] -> patches float32 [B, N, P * P * C], each at mean 0, deviation 1."""
    size, bands = config.patch_size, pixels.shape[-1]
    side = config.image_size // size
    x = ops.reshape(ops.cast(pixels, "float32"), (-1, side, size, side, size, bands))
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, side**2, size**2 * bands))
    mean, variance = ops.moments(x, axes=-1, keepdims=True)
    return (x - mean) / ops.sqrt(variance + 1e-6)
