"""The network: one image encoder, one question encoder, one head a task, one output a head."""

from collections.abc import Callable, Sequence

import keras
from keras import ops

from spatialnet_keras.config import Config
from spatialnet_keras.encoders import image_encoder, question_encoder, split_at_features
from spatialnet_keras.tasks import Task

Head = tuple[keras.Model, tuple[str, ...]]  # a head and what it reads


def build_model(config: Config, tasks: Sequence[Task], words: int) -> keras.Model:
    """Builds the network for the tasks given, to be trained.

    Args:
        config: Of the run.
        tasks: Fitted tasks; each becomes an output of its name.
        words: Size of the questions' vocabulary.

    Returns:
        A functional model from `image` [B, S, S, C] and, if a task asks for them, `question` int32
        [B, G, Q] and `caption_in` int32 [B, C, L], to a dict of one output a task: [B, ...],
        [B, G, ...] or [B, C, L, ...].
    """
    # what a sentence is about may stand in any token, so none is dropped where there are sentences
    silent = all(task.unit == "image" for task in tasks)
    encoder = image_encoder(config.model, config.pixels, drop_tokens=silent)
    asked = any(task.unit == "question" for task in tasks)
    alone = any("words_vector" in task.reads for task in tasks)
    asking = question_encoder(config.model, words, alone) if asked else None
    heads = {task.name: (task.head(config.model), task.reads) for task in tasks}
    inputs, _, outputs = connect(config, encoder, asking, heads, config.pixels.dtype)
    return keras.Model(inputs, outputs, name="spatialnet_vit")


def model_on_features(model: keras.Model, config: Config, tasks: Sequence[Task]) -> keras.Model:
    """The same layers behind the image encoder's features, for an encoder that is not trained.

    Args:
        model: Of `build_model`; the weights stay shared.
        config: Of the run.
        tasks: Fitted tasks.

    Returns:
        As `build_model`, but its `image` is the features [B, N, F], float16.
    """
    _, encoder = split_at_features(model.get_layer("image_encoder"))
    heads = {task.name: (model.get_layer(task.name), task.reads) for task in tasks}
    inputs, _, outputs = connect(config, encoder, asking_of(model, tasks), heads, dtype="float16")
    return keras.Model(inputs, outputs, name="spatialnet_vit_on_features")


def answering_model(model: keras.Model, config: Config, tasks: Sequence[Task]) -> keras.Model:
    """The same layers, connected to answer: captions are written, not read.

    Args:
        model: Of `build_model` or `model_on_features`; the weights stay shared.
        config: Of the run.
        tasks: Fitted tasks.

    Returns:
        A functional model from `image` and, if a task asks for it, `question`, to a dict of one
        output a task and `image_vector` [B, D]. A caption is int32 [B, W, L], best beam first.
    """
    encoder = model.get_layer("image_encoder")
    heads = {task.name: task.answering(model.get_layer(task.name), config.decode) for task in tasks}
    (dtype,) = (each.dtype for each in model.inputs if each.name == "image")
    inputs, features, outputs = connect(config, encoder, asking_of(model, tasks), heads, dtype)
    outputs["image_vector"] = features["image_vector"]
    return keras.Model(inputs, outputs, name="spatialnet_vit_answers")


def likelihood_model(answering: keras.Model, task: Task) -> keras.Model:
    """The same layers, asked how likely captions are that others wrote.

    Args:
        answering: Of `answering_model`.
        task: Of the captions.

    Returns:
        A functional model from `image` and `caption`, words and `END` int32 [B, C, L], to log
        probabilities float32 [B, C].
    """
    image = answering.input["image"]
    caption = keras.Input((None, task.length), dtype="int32", name="caption")
    tokens = answering.get_layer("image_encoder")(image)["image_tokens"]
    likelihood = task.likelihood(answering.get_layer(task.name))
    return keras.Model({"image": image, "caption": caption}, likelihood([caption, tokens]))


def asking_of(model: keras.Model, tasks: Sequence[Task]) -> keras.Model | None:
    """The question encoder, if a task asks for one."""
    asked = any(task.unit == "question" for task in tasks)
    return model.get_layer("question_encoder") if asked else None


def connect(
    config: Config,
    encoder: keras.Model,
    asking: keras.Model | None,
    heads: dict[str, Head],
    dtype: str,
    carriers: dict[str, list[slice]] | None = None,
    encode: Callable[[keras.KerasTensor], dict] | None = None,
):
    """Connects encoders and heads: the image is encoded once for all heads and sentences.

    Args:
        config: Of the run.
        encoder: Of the image.
        asking: Encoder of the questions, if there are any.
        heads: Per output, its head and the inputs and features that it reads.
        dtype: Of the images.
        carriers: Of `pipelines.examples`; by default all rows carry every kind of sentence.
        encode: Another way from images to the encoder's features; by default the encoder.

    Returns:
        Inputs, features and outputs, each by name.
    """
    inputs = {"image": keras.Input(encoder.input.shape[1:], dtype=dtype, name="image")}
    features = dict((encode or encoder)(inputs["image"]))
    tokens, vector = features["image_tokens"], features["image_vector"]
    carriers = carriers or {}  # of all rows, where a kind is not in it
    if asking:
        shape = asking.inputs[0].shape[1:]  # another where questions are packed
        inputs["question"] = keras.Input(shape, dtype="int32", name="question")
        seen = [_rows(each, carriers.get("question")) for each in (tokens, vector)]
        features |= asking([inputs["question"], *seen])
    if any("caption_in" in reads for _, reads in heads.values()):
        shape = (None, config.model.caption_words)
        inputs["caption_in"] = keras.Input(shape, dtype="int32", name="caption_in")
    features |= inputs
    described = features | {"image_tokens": _rows(tokens, carriers.get("caption"))}
    outputs = {}
    for name, (head, reads) in heads.items():
        read = [(described if "caption_in" in reads else features)[each] for each in reads]
        outputs[name] = head(read if len(read) > 1 else read[0])
    return inputs, features, outputs


def _rows(x, slices: list[slice] | None):
    if slices is None:
        return x
    pieces = [x[each, ...] for each in slices]  # Keras takes no slice alone
    return pieces[0] if len(pieces) == 1 else ops.concatenate(pieces, axis=0)
