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

KeysValues = tuple  # of two tensors
UNSEEN = -1e9  # what is added to the score of a word that is still to come


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
            caches: Per block, what is kept of the words so far, room for L (see `kept`).
            image: Per block, what is kept of the image tokens, once for all beams.

        Returns:
            Logits float32 [B, W, V] of the next word, and the caches with this one.
        """
        places = ops.arange(self.length)
        here, unseen = places == place, ops.where(places > place, UNSEEN, 0.0)
        table = ops.cast(self.positions.table, self.compute_dtype)
        position = ops.matmul(ops.cast(here, table.dtype)[None], table)
        x = self.embedding.call(ops.reshape(words, (-1,))) + position
        grown = []
        for block, cache, tokens in zip(self.blocks, caches, image, strict=True):
            x, cache = block.extend(x, cache, here, unseen)
            x = block.glance_at(x, tokens, _places(words))
            grown.append(cache)
        return ops.reshape(self._logits(x), (-1, _places(words), self.words)), tuple(grown)

    def kept_of(self, image_tokens) -> tuple[KeysValues, ...]:
        """Per block, what its words look at: computed once an image."""
        return tuple(block.look.kept(image_tokens) for block in self.blocks)

    def empty_caches(self, sentences) -> tuple[KeysValues, ...]:
        """Per block, room for what is kept of L words."""
        size = self.width // self.heads
        keys = ops.zeros((sentences, self.heads, size, self.length), self.compute_dtype)
        values = ops.zeros((sentences, self.heads, self.length, size), self.compute_dtype)
        return tuple((keys, values) for _ in self.blocks)

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

    def extend(self, x, cache: KeysValues, here, unseen):
        """The same for one word of each beam [B W, D], with those before it in the cache."""
        y = self.norms[0].call(x)
        keys, values = self.attention.kept_word(y)
        cache = ops.where(here, keys, cache[0]), ops.where(here[:, None], values, cache[1])
        return x + self.attention.glance(y, *cache, unseen=unseen), cache

    def look_at(self, x, image: KeysValues, training):
        """All words of an image, [B, T, D], look at its tokens; then the MLP."""
        y = self.look.call(self.norms[1].call(x), *image)
        x = x + self.dropouts[1].call(y, training=training)
        return x + self.dropouts[2].call(self._mlp(x), training=training)

    def glance_at(self, x, image: KeysValues, beams: int):
        """The same for one word of each beam [B W, D], at what is kept of the tokens."""
        x = x + self.look.glance(self.norms[1].call(x), *image, beams=beams)
        return x + self._mlp(x)

    def _mlp(self, x):
        return self.mlp[1].call(self.mlp[0].call(self.norms[2].call(x)))

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
        self.width, self.heads, self.scale = width, heads, (width // heads) ** -0.5
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

    def kept(self, x) -> KeysValues:
        """The same for `glance`: scaled keys [B, H, D / H, S], values [B, H, S, D / H]."""
        keys, values = self.keys_values(x)
        keys = ops.transpose(keys, (0, 2, 3, 1)) * self.scale
        return _in_one_piece(keys), _in_one_piece(ops.transpose(values, (0, 2, 1, 3)))

    def kept_word(self, x) -> KeysValues:
        """The same of one word each: [R, D] -> [R, H, D / H, 1], [R, H, 1, D / H]."""
        keys, values = self.key_dense.call(x) * self.scale, self.value_dense.call(x)
        size = self.width // self.heads
        return (
            ops.reshape(keys, (-1, self.heads, size, 1)),
            ops.reshape(values, (-1, self.heads, 1, size)),
        )

    def glance(self, x, keys, values, unseen=None, beams: int = 1):
        """`call` for a word of each beam, at what is kept: with as few operations as there can be.

        Args:
            x: [B W, D].
            keys: [B, H, D / H, S].
            values: [B, H, S, D / H].
            unseen: What is added to the scores, float32 [S].
            beams: W.
        """
        query, size = self.query_dense.call(x), self.width // self.heads
        if beams == 1:
            query = ops.reshape(query, (-1, self.heads, 1, size))
        else:
            query = ops.reshape(query, (-1, beams, self.heads, size))
            query = ops.transpose(query, (0, 2, 1, 3))
        scores = ops.cast(ops.matmul(query, keys), "float32")
        scores = scores if unseen is None else scores + unseen
        found = ops.matmul(ops.cast(ops.softmax(scores), values.dtype), values)
        found = found if beams == 1 else ops.transpose(found, (0, 2, 1, 3))
        return self.output_dense.call(ops.reshape(found, (-1, self.width)))

    def compute_output_shape(self, x_shape, keys_shape, values_shape):
        """The input's."""
        return x_shape

    def get_config(self):
        """For saving."""
        return {**super().get_config(), "width": self.width, "heads": self.heads}

    def _split(self, x):
        return ops.reshape(x, (-1, _places(x), self.heads, self.width // self.heads))


def _in_one_piece(x):
    """The same [B, H, S, T] as it lies in memory: PyTorch would copy it so for every word."""
    shape = ops.shape(x)
    return ops.reshape(ops.reshape(x, (-1, *shape[2:])), (-1, *shape[1:]))


def _places(x):
    """T of [B, T, ...], an operation less where it is known: for a single word each one counts."""
    return x.shape[1] or ops.shape(x)[1]
