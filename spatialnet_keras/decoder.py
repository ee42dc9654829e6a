"""The caption decoder: causal transformer blocks over words that look at all image tokens.

Layers rather than a functional chain, for they are entered in two ways: by all words at once in
training, and word by word, with the keys and values of the words before, in decoding. Shapes: B
images, C captions an image, W beams, L words, N image tokens, D width, H heads, V vocabulary.

Parts are entered by `call`: on PyTorch, what Keras does around a layer takes longer than the layer
for a single word. The decoder's own precision holds for them all.
"""

import keras
from keras import ops

from spatialnet_keras.config import ModelConfig
from spatialnet_keras.layers import Positions, gelu, layer_norm, register

KeysValues = tuple  # of two tensors [B, S, H, D / H]


@register
class CaptionDecoder(keras.layers.Layer):
    """Words so far and image tokens -> logits of the next word, at each place.

    Args:
        words: V.
        length: L, the most words of a caption, its start included.
        width: D.
        heads: H.
        layers: Blocks.
        mlp_ratio: Hidden width of an MLP over D.
        dropout: Rate after embedding, attention and MLP.
        tied: Whether the table of the words' vectors serves for the logits, too.
    """

    def __init__(
        self,
        words: int,
        length: int,
        width: int,
        heads: int,
        layers: int,
        mlp_ratio: int = 4,
        dropout: float = 0.0,
        tied: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.settings = {
            "words": words,
            "length": length,
            "width": width,
            "heads": heads,
            "layers": layers,
            "mlp_ratio": mlp_ratio,
            "dropout": dropout,
            "tied": tied,
        }
        self.words, self.length, self.width, self.heads = words, length, width, heads
        # a loaded decoder has a precision of its own; its parts would take the process's
        precision = self.dtype_policy
        self.embedding = keras.layers.ReversibleEmbedding(
            words,
            width,
            tie_weights=tied,
            embeddings_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=precision,
            name="words",
        )
        self.positions = Positions(dtype=precision, name="word_positions")
        self.dropout = keras.layers.Dropout(dropout, dtype=precision, name="word_dropout")
        self.blocks = [
            DecoderBlock(
                width, heads, mlp_ratio, dropout, dtype=precision, name=f"caption_{index + 1}"
            )
            for index in range(layers)
        ]
        self.norm = layer_norm("caption_norm", precision)

    @classmethod
    def of(cls, config: ModelConfig, words: int) -> "CaptionDecoder":
        """The decoder that a configuration asks for."""
        return cls(
            words,
            config.caption_words,
            config.width,
            config.heads,
            config.caption_layers,
            config.mlp_ratio,
            config.caption_dropout,
            config.tied_embeddings,
            name="caption_decoder",
        )

    def build(self, caption_shape, image_tokens_shape):
        """Makes all weights."""
        self.embedding.build()
        self.positions.build((None, self.length, self.width))
        for block in self.blocks:
            block.build((None, None, self.width))
        self.norm.build((None, None, self.width))

    def call(self, caption, image_tokens, training=None):
        """All words at once: int32 [B, C, L], [B, N, D] -> float32 [B, C, L, V].

        The image tokens serve all C captions and are never repeated.
        """
        captions = ops.shape(caption)[1]
        x = self.dropout.call(self.positions.call(self.embedding.call(caption)), training=training)
        places = ops.arange(self.length)
        causal = (places[:, None] >= places)[None, None]
        for block in self.blocks:
            x = ops.reshape(x, (-1, self.length, self.width))
            x = block.call(x, training=training, seen=causal)
            x = ops.reshape(x, (-1, captions * self.length, self.width))
            x = block.look_at(x, block.look.keys_values(image_tokens), training)
        return self._logits(ops.reshape(x, (-1, captions, self.length, self.width)))

    def step(self, words, place, caches, image):
        """One word of each beam.

        Args:
            words: int32 [B, W], the word before.
            place: int32 scalar, how many words stand before it.
            caches: Per block, keys and values [B W, L, H, D / H] of the words so far.
            image: Per block, keys and values [B, N, H, D / H], once for all beams.

        Returns:
            Logits float32 [B, W, V] of the next word, and the caches with this one.
        """
        beams = _places(words)
        table = ops.cast(self.positions.table, self.compute_dtype)
        x = self.embedding.call(words) + ops.take(table, place, axis=0)
        seen = (ops.arange(self.length) <= place)[None, None, None]
        grown = []
        for block, cache, keys_values in zip(self.blocks, caches, image, strict=True):
            x, cache = block.extend(ops.reshape(x, (-1, 1, self.width)), cache, place, seen)
            x = block.look_at(ops.reshape(x, (-1, beams, self.width)), keys_values, False)
            grown.append(cache)
        return self._logits(x), tuple(grown)

    def image_keys_values(self, image_tokens) -> tuple[KeysValues, ...]:
        """Per block, what its words look at: computed once an image."""
        made = (block.look.keys_values(image_tokens) for block in self.blocks)
        return tuple(tuple(map(_head_by_head, each)) for each in made)

    def empty_caches(self, sentences) -> tuple[KeysValues, ...]:
        """Per block, room for the keys and values of L words."""
        shape = (sentences, self.length, self.heads, self.width // self.heads)
        empty = ops.zeros(shape, self.compute_dtype)
        return tuple((empty, empty) for _ in self.blocks)

    def compute_output_shape(self, caption_shape, image_tokens_shape):
        """[B, C, L, V]."""
        return (*caption_shape, self.words)

    def get_config(self):
        """For saving."""
        return {**super().get_config(), **self.settings}

    def _logits(self, x):
        return ops.cast(self.embedding.call(self.norm.call(x), reverse=True), "float32")


@register
class DecoderBlock(keras.layers.Layer):
    """Self-attention, then `look_at`: attention to the image, and an MLP; norms come first."""

    def __init__(self, width: int, heads: int, mlp_ratio: int, dropout: float, **kwargs):
        super().__init__(**kwargs)
        self.settings = {
            "width": width,
            "heads": heads,
            "mlp_ratio": mlp_ratio,
            "dropout": dropout,
        }
        precision = {"dtype": self.dtype_policy}
        self.norms = [layer_norm(f"norm_{place}", **precision) for place in (1, 2, 3)]
        self.attention = CachedAttention(width, heads, **precision, name="attention")
        self.look = CachedAttention(width, heads, **precision, name="look")
        self.mlp = [
            keras.layers.Dense(width * mlp_ratio, activation=gelu, **precision, name="mlp_1"),
            keras.layers.Dense(width, **precision, name="mlp_2"),
        ]
        self.dropouts = [
            keras.layers.Dropout(dropout, **precision, name=f"dropout_{n}") for n in (1, 2, 3)
        ]

    def build(self, x_shape):
        """Makes all weights."""
        hidden = (*x_shape[:-1], self.mlp[0].units)
        for layer in (*self.norms, self.attention, self.look, self.mlp[0]):
            layer.build(x_shape)
        self.mlp[1].build(hidden)

    def call(self, x, seen=None, training=None):
        """The words of each sentence among themselves: [B C, L, D] -> [B C, L, D]."""
        y = self.norms[0].call(x)
        y = self.attention.call(y, *self.attention.keys_values(y), seen=seen)
        return x + self.dropouts[0].call(y, training=training)

    def extend(self, x, cache: KeysValues, place, seen):
        """The same for one word [B W, 1, D], with those before it in the cache."""
        y = self.norms[0].call(x)
        start = (0, place, 0, 0)
        cache = tuple(
            ops.slice_update(old, start, new)
            for old, new in zip(cache, self.attention.keys_values(y), strict=True)
        )
        return x + self.attention.call(y, *cache, seen=seen), cache

    def look_at(self, x, image: KeysValues, training):
        """All words of an image, [B, T, D], look at its tokens; then the MLP."""
        y = self.look.call(self.norms[1].call(x), *image)
        x = x + self.dropouts[1].call(y, training=training)
        y = self.mlp[1].call(self.mlp[0].call(self.norms[2].call(x)))
        return x + self.dropouts[2].call(y, training=training)

    def compute_output_shape(self, x_shape):
        """The input's."""
        return x_shape

    def get_config(self):
        """For saving."""
        return {**super().get_config(), **self.settings}


@register
class CachedAttention(keras.layers.Layer):
    """Multi-head attention whose keys and values are made apart, so that they can be kept."""

    def __init__(self, width: int, heads: int, **kwargs):
        super().__init__(**kwargs)
        self.width, self.heads = width, heads
        for name in ("query", "key", "value", "output"):
            dense = keras.layers.Dense(width, dtype=self.dtype_policy, name=name)
            setattr(self, f"{name}_dense", dense)

    def build(self, x_shape, keys_shape=None, values_shape=None):
        """Makes four dense layers."""
        for dense in (self.query_dense, self.key_dense, self.value_dense, self.output_dense):
            dense.build(x_shape)

    def keys_values(self, x) -> KeysValues:
        """[B, S, D] -> keys and values [B, S, H, D / H]."""
        return self._split(self.key_dense.call(x)), self._split(self.value_dense.call(x))

    def call(self, x, keys, values, seen=None):
        """[B, T, D] at keys and values [B, S, H, D / H]; bool `seen` [1, 1, T, S]."""
        query = self._split(self.query_dense.call(x))
        found = ops.dot_product_attention(query, keys, values, mask=seen)
        return self.output_dense.call(ops.reshape(found, (-1, _places(x), self.width)))

    def compute_output_shape(self, x_shape, keys_shape, values_shape):
        """The input's."""
        return x_shape

    def get_config(self):
        """For saving."""
        return {**super().get_config(), "width": self.width, "heads": self.heads}

    def _split(self, x):
        return ops.reshape(x, (-1, _places(x), self.heads, self.width // self.heads))


def _head_by_head(x):
    """The same [B, S, H, D / H], a head in one piece: PyTorch would copy it so for every word."""
    heads, size = x.shape[2:]
    pieces = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, _places(x), size))
    return ops.transpose(ops.reshape(pieces, (-1, heads, _places(x), size)), (0, 2, 1, 3))


def _places(x):
    """T of [B, T, ...], an operation less where it is known: for a single word each one counts."""
    return x.shape[1] or ops.shape(x)[1]
