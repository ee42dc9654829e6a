"""The question encoder: words to a vector of what the image says to them."""

import keras
from keras import ops

from spatialnet_keras.config import ModelConfig
from spatialnet_keras.layers import MaskedMean, Positions, layer_norm, transformer_block


def question_encoder(config: ModelConfig, words: int, alone: bool = True) -> keras.Model:
    """A transformer over a question's words that meets the image by `config.fusion`.

    The image tokens serve all G questions and are never repeated.

    Args:
        config: Of the network.
        words: Size of the vocabulary.
        alone: Whether anything reads what the question alone says.

    Returns:
        A model from `question` int32 [B, G, Q] (0: no word), `image_tokens` [B, N, D] and
        `image_vector` [B, D] to `question_vector` [B, G, D], and if asked for `words_vector`
        [B, G, D], which knows the question alone.
    """
    question = keras.Input((None, config.question_words), dtype="int32", name="question")
    tokens = keras.Input((None, config.width), name="image_tokens")
    image = keras.Input((config.width,), name="image_vector")
    keep = ops.not_equal(question, 0)
    start = keras.initializers.RandomNormal(stddev=config.word_deviation)
    x = keras.layers.Embedding(words, config.width, start, name="words")(question)
    x = Positions(name="word_positions")(x)
    said = MaskedMean(name="words_mean")(x, keep)
    # at a scale of its own: words that start small would tell the type of a question late
    outputs = {"words_vector": layer_norm("words_norm")(said)} if alone else {}
    if config.fusion == "none":
        vector = ops.zeros_like(said) + image[:, None, :]
    else:
        if config.dropout:
            x = keras.layers.Dropout(config.dropout, name="word_dropout")(x)
        context = tokens if config.fusion == "cross_attention" else None
        for index in range(config.question_layers):
            x = transformer_block(x, config, f"question_{index + 1}", keep=keep, context=context)
        vector = MaskedMean(name="question_mean")(layer_norm("question_norm")(x), keep)
        if config.fusion == "product":
            vector = _product(vector, image, config)
    outputs["question_vector"] = vector
    return keras.Model([question, tokens, image], outputs, name="question_encoder")


def _product(question, image, config: ModelConfig):
    """Point-wise product of both vectors after a tanh layer each (Lobry et al. 2020, III.B)."""
    asked = keras.layers.Dense(config.width, activation="tanh", name="product_question")(question)
    seen = keras.layers.Dense(config.width, activation="tanh", name="product_image")(image)
    return asked * seen[:, None, :]
