"""Blocks of the network. Shapes: B images, G questions, N image tokens, Q words, D width."""

import math

import keras
import numpy as np
from keras import ops

from spatialnet_keras.config import ModelConfig, Pixels

FEATURES = "features"  # the layer that ends what can be frozen, computed once and kept

register = keras.saving.register_keras_serializable(package="spatialnet_keras")


@register
class Positions(keras.layers.Layer):
    """Adds a vector of its own to each place: [..., N, D] -> [..., N, D].

    Args:
        kind: "learned", or "sine": a fixed 2-D sine and cosine of row and column, for a square
            grid of N places (half of the channels for each; frequencies as in the transformer).
    """

    def __init__(self, kind: str = "learned", **kwargs):
        super().__init__(**kwargs)
        self.kind = kind

    def build(self, x_shape, places_shape=None):
        """Makes [N, D] from the last two dimensions of x."""
        places, width = x_shape[-2:]
        if self.kind == "sine":
            self.table = self.add_weight(
                shape=(places, width), initializer=_sine_2d, trainable=False, name="positions"
            )
        else:
            self.table = self.add_weight(
                shape=(places, width),
                initializer=keras.initializers.TruncatedNormal(stddev=0.02),
                name="positions",
            )

    def call(self, x, places=None):
        """Adds the table, or its rows `places` [..., N] where x is in another order."""
        table = ops.cast(self.table, x.dtype)
        return x + (table if places is None else ops.take(table, places, axis=0))

    def compute_output_shape(self, x_shape, places_shape=None):
        """That of x."""
        return x_shape

    def get_config(self):
        """For saving."""
        return {**super().get_config(), "kind": self.kind}


@register
class ClassToken(keras.layers.Layer):
    """Puts a learned token before the others: [B, N, D] -> [B, N + 1, D]."""

    def build(self, input_shape):
        """Makes [1, 1, D]."""
        self.token = self.add_weight(
            shape=(1, 1, input_shape[-1]), initializer="zeros", name="class_token"
        )

    def call(self, x):
        """Repeats the token for each image."""
        first = ops.zeros_like(x[:, :1]) + ops.cast(self.token, x.dtype)
        return ops.concatenate([first, x], axis=1)

    def compute_output_shape(self, input_shape):
        """One token more."""
        batch, places, width = input_shape
        return (batch, None if places is None else places + 1, width)


@register
class TokenDropout(keras.layers.Layer):
    """Leaves out random tokens in training: [B, N, D] -> [B, M, D], or all N in prediction.

    Every token that stays has its position in it already, so the rest of the network needs no
    change. At a rate of 0.8 a training step costs a fifth, and the network overfits less.

    Args:
        rate: Share of the tokens that is left out.
        seed: Of the random order.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        """Keeps the same number in each image, each image its own."""
        if not training or not self.rate:
            return x
        batch, places = ops.shape(x)[0], x.shape[1]
        kept = max(1, round(places * (1 - self.rate)))
        order = ops.argsort(keras.random.uniform((batch, places), seed=self.generator), axis=1)
        return ops.take_along_axis(x, order[:, :kept, None], axis=1)

    def compute_output_shape(self, input_shape):
        """How many tokens come out depends on the phase."""
        batch, _, width = input_shape
        return (batch, None, width)

    def get_config(self):
        """For saving."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@register
class MaskedMean(keras.layers.Layer):
    """Mean over the words that are there: [B, G, Q, D], mask [B, G, Q] -> [B, G, D]."""

    def call(self, x, keep):
        """An empty question gives zeros."""
        keep = ops.expand_dims(ops.cast(keep, x.dtype), -1)  # LiteRT has no [..., None]
        return ops.sum(x * keep, axis=-2) / ops.maximum(ops.sum(keep, axis=-2), 1)

    def compute_output_shape(self, x_shape, keep_shape):
        """Without the words' dimension."""
        return (*x_shape[:-2], x_shape[-1])


def depth_share(index: int, layers: int) -> float:
    """Of stochastic depth's rate, for a block: it rises linearly up to 1, as is usually done."""
    return index / (layers - 1) if layers > 1 else 1.0


def normalised(image, pixels: Pixels):
    """Stored pixels [B, S, S, C] -> mean 0, deviation 1 per band over the training split."""
    deviation = np.array(pixels.deviation)
    return keras.layers.Rescaling(
        1 / deviation, -np.array(pixels.mean) / deviation, dtype="float32", name="normalise"
    )(image)  # in half precision 16 bits would lose their contrast


def patch_embedding(pixels, config: ModelConfig):
    """Cuts tiles into P x P patches and projects each: [B, S, S, C] -> [B, N, D]."""
    x = keras.layers.Conv2D(
        config.width, config.patch_size, strides=config.patch_size, name="patch_embedding"
    )(pixels)
    return keras.layers.Reshape((config.tokens, config.width), name="patches")(x)


def transformer_block(
    x, config: ModelConfig, name: str, drop_path: float = 0.0, keep=None, context=None
):
    """Self-attention, attention to a context if there is one, and an MLP, each with a shortcut.

    Args:
        x: [B, N, D], or [B, G, Q, D] for words, which attend within their own question.
        config: Of the network.
        name: Prefix of the layers' names.
        drop_path: Rate at which a branch is skipped for a whole image (stochastic depth).
        keep: bool [B, G, Q], False for padding words that nothing attends to.
        context: [B, N, D], image tokens for the words to look at.

    Returns:
        The shape of `x`.
    """
    words = len(x.shape) == 4
    mask = (
        None
        if keep is None
        else keras.layers.Reshape((-1, 1, x.shape[2]), name=f"{name}_mask")(keep)
    )

    def self_attention(y):
        attend = _attention(config, f"{name}_attention", axes=(2,) if words else None)
        return attend(y, y, attention_mask=mask)

    def cross_attention(y):
        flat = keras.layers.Reshape((-1, config.width), name=f"{name}_look_flat")(y)
        flat = _attention(config, f"{name}_look")(flat, context)
        return keras.layers.Reshape((-1, *x.shape[2:]), name=f"{name}_look_back")(flat)

    def mlp(y):
        y = keras.layers.Dense(config.width * config.mlp_ratio, name=f"{name}_mlp_1")(y)
        # tanh: the exact GELU cannot be exported from TensorFlow to ONNX
        y = keras.layers.Activation(gelu, name=f"{name}_gelu")(y)
        return keras.layers.Dense(config.width, name=f"{name}_mlp_2")(y)

    x = _residual(x, self_attention, config, f"{name}_1", drop_path)
    if context is not None:
        x = _residual(x, cross_attention, config, f"{name}_2", drop_path)
    return _residual(x, mlp, config, f"{name}_3", drop_path)


def layer_norm(name: str, dtype=None):
    """Layer normalisation over D."""
    return keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name=name)


@register
def gelu(x):
    """GELU in its tanh form: x / 2 (1 + tanh(r (x + 0.044715 x^3))), r the root of 2 / pi."""
    if keras.config.backend() != "tensorflow":
        return keras.activations.gelu(x, approximate=True)
    # the same through a sigmoid: TensorFlow takes one step after the other, and has fewer here
    rate = 2 * math.sqrt(2 / math.pi)
    return x * ops.sigmoid(x * (rate + 0.044715 * rate * x * x))


def _residual(x, branch, config: ModelConfig, name: str, drop_path: float):
    """X + branch(norm(x)), or norm(x + branch(x)) where the norm comes after."""
    y = layer_norm(f"{name}_norm")(x) if config.norm == "pre" else x
    y = branch(y)
    if config.dropout:
        y = keras.layers.Dropout(config.dropout, name=f"{name}_dropout")(y)
    if drop_path:
        whole = (None,) + (1,) * (len(x.shape) - 1)
        y = keras.layers.Dropout(drop_path, noise_shape=whole, name=f"{name}_drop_path")(y)
    x = keras.layers.Add(name=f"{name}_add")([x, y])
    return x if config.norm == "pre" else layer_norm(f"{name}_norm")(x)


def _attention(config: ModelConfig, name: str, axes=None):
    # no dropout on the weights: with it Keras leaves the fused kernel, in prediction too
    return keras.layers.MultiHeadAttention(
        config.heads, config.width // config.heads, attention_axes=axes, name=name
    )


def _sine_2d(shape, dtype=None):
    places, width = shape
    side = round(places**0.5)
    rates = 10_000.0 ** -(np.arange(width // 4) / (width // 4))
    angles = np.arange(side)[:, None] * rates
    line = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    rows = np.repeat(line, side, axis=0)
    columns = np.tile(line, (side, 1))
    return ops.convert_to_tensor(np.concatenate([rows, columns], axis=1), dtype=dtype)
