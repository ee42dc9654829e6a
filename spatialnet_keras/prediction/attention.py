"""Attention: where the network looked, as maps over the tile whose weights sum to 1.

Shapes: H heads, N image tokens, G questions, Q words of one, L words of a caption, D width; a map
is [side, side], with side = sqrt(N).
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from spatialnet_keras.decoder import CachedAttention, CaptionDecoder


def roll_out(weights: Sequence[np.ndarray]) -> np.ndarray:
    """Attention roll-out (Abnar and Zuidema 2020): what each token is made of, at last.

    Args:
        weights: Of each block, first to last: [H, N, N], rows sum to 1.

    Returns:
        [N, N]; row i says by how much each patch went into token i.
    """
    flow = np.eye(weights[0].shape[-1])
    for each in weights:
        # half of what a block passes on goes past its attention, along the shortcut
        flow = (each.mean(axis=0) + np.eye(len(flow))) / 2 @ flow
    return flow


def as_map(weights: np.ndarray) -> np.ndarray:
    """Weights of the image tokens [..., N] -> [..., side, side]; a class token is left out.

    Raises:
        ValueError: If the tokens are no square grid.
    """
    tokens = weights.shape[-1]
    side = int(tokens**0.5)
    if tokens - side**2 not in (0, 1):
        raise ValueError(f"Image tokens must be a square grid. Received: {tokens}.")
    patches = weights[..., tokens - side**2 :]
    patches = patches / np.maximum(patches.sum(axis=-1, keepdims=True), 1e-12)
    return patches.reshape(*weights.shape[:-1], side, side)


def weighing(model: keras.Model) -> keras.Model | None:
    """An encoder, asked where it looks at image tokens: a network with its present weights.

    Its outputs are the attention weights [B, H, ..., N] of each block, by the block's place. None
    for an encoder without such attention.
    """
    names = [layer.name for layer in model.layers if _looks(layer)]
    if not names:
        return None
    scores = {}

    def twin_of(layer):
        # a layer of its own: Keras 3.15 loses the second output of a layer that has two calls
        return layer.from_config(layer.get_config()) if layer.name in names else layer

    def call(layer, *args, **kwargs):
        if layer.name not in names:
            return layer(*args, **kwargs)
        output, scores[layer.name] = layer(*args, **kwargs, return_attention_scores=True)
        layer.set_weights(model.get_layer(layer.name).get_weights())
        return output

    twin = keras.models.clone_model(model, clone_function=twin_of, call_function=call)
    # no list, of which Keras would take out the only one
    return keras.Model(twin.input, {f"{at:03}": scores[name] for at, name in enumerate(names)})


class Looks:
    """Where a network looks on single tiles. Its twins are built once, with its present weights.

    Args:
        model: With an `image_encoder`, and a `question_encoder` if it answers questions.
        pooling: "mean" of the image tokens, or "cls".
    """

    def __init__(self, model: keras.Model, pooling: str):
        encoders = {each.name: each for each in model.layers if each.name.endswith("_encoder")}
        self.pooling, self._encoder = pooling, encoders["image_encoder"]
        self._weighing = {name: weighing(each) for name, each in encoders.items()}

    def encoded(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A stored image [S, S, C] -> its tokens [N, D] and its vector [D]."""
        found = self._encoder.predict_on_batch(image[None])
        tokens, vector = (found[name] for name in ("image_tokens", "image_vector"))
        return ops.convert_to_numpy(tokens)[0], ops.convert_to_numpy(vector)[0]

    def for_land_use(self, image: np.ndarray) -> np.ndarray | None:
        """See `land_use_map`."""
        return land_use_map(self._weighing["image_encoder"], image, self.pooling)

    def for_questions(self, image: np.ndarray, ids: np.ndarray) -> np.ndarray | None:
        """See `question_maps`; ids are int32 [G, Q]."""
        return question_maps(self._weighing.get("question_encoder"), ids, *self.encoded(image))


def land_use_map(encoder: keras.Model | None, image: np.ndarray, pooling: str) -> np.ndarray | None:
    """What the vector that land use is read from looked at.

    Args:
        encoder: `weighing` of the image encoder.
        image: [S, S, C] as stored.
        pooling: "mean" of the tokens, or "cls".

    Returns:
        [side, side]; None for an encoder without self-attention over the patches.
    """
    if encoder is None:
        return None
    flow = roll_out(_weights(encoder, image[None]))
    return as_map(flow[0] if pooling == "cls" else flow.mean(axis=0))


def question_maps(
    asking: keras.Model | None, questions: np.ndarray, tokens: np.ndarray, vector: np.ndarray
) -> np.ndarray | None:
    """What the words of each question looked at: the mean over words, heads and blocks.

    Args:
        asking: `weighing` of the question encoder.
        questions: int32 [G, Q].
        tokens: Image tokens [N, D].
        vector: Image vector [D].

    Returns:
        [G, side, side]; None if no word looks at the image (`fusion` is not cross attention).
    """
    if asking is None:
        return None
    weights = _weights(asking, [questions[None], tokens[None], vector[None]])
    mean = np.mean(weights, axis=(0, 1)).reshape(*questions.shape, -1)
    there = (questions > 0)[..., None]
    return as_map((mean * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1))


def caption_maps(decoder: CaptionDecoder, caption_in: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """What the decoder looked at when it wrote each word: the mean over heads and blocks.

    Args:
        decoder: Of the run.
        caption_in: `START` and the words, int32 [L].
        tokens: Image tokens [N, D].

    Returns:
        [L, side, side]: the first is of the first word after `START`.
    """
    tokens = ops.convert_to_tensor(tokens[None], decoder.compute_dtype)
    x = decoder.positions(decoder.embedding(ops.convert_to_tensor(caption_in[None])))
    places = ops.arange(decoder.length)
    causal = (places[:, None] >= places)[None, None]
    found = []
    for block in decoder.blocks:
        x = block(x, seen=causal, training=False)
        keys, values = block.look.keys_values(tokens)
        found.append(_looked(block.look, block.norms[1](x), keys))
        x = block.look_at(x, (keys, values), False)
    return as_map(np.mean(found, axis=0))


def _looked(look: CachedAttention, x, keys) -> np.ndarray:
    """The weights that `look` gives the keys [1, N, H, D / H]: float64 [L, N], mean over heads."""
    heads = ops.shape(keys)[-2:]
    query = ops.reshape(look.query_dense(x), (1, -1, *heads))
    query, keys = (ops.cast(each, "float32") for each in (query, keys))
    scores = ops.einsum("bthd,bshd->bhts", query, keys) / float(heads[-1]) ** 0.5
    weights = ops.convert_to_numpy(ops.softmax(scores, axis=-1))
    return weights[0].astype(np.float64).mean(axis=0)


def _looks(layer: keras.layers.Layer) -> bool:
    """Whether it is the attention of a block of image tokens, or of a question's words to them."""
    return isinstance(layer, keras.layers.MultiHeadAttention) and (
        layer.name.startswith("block_") or layer.name.endswith("_look")
    )


def _weights(weighing: keras.Model, x) -> list[np.ndarray]:
    """What it tells of a batch of one: float64 [H, ..., N] a block."""
    found = weighing(x, training=False)
    return [ops.convert_to_numpy(found[at])[0].astype(np.float64) for at in sorted(found)]
