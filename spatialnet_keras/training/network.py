"""The network as it is trained: sentences on some rows alone, packed; a teacher beside it."""

from collections.abc import Sequence

import keras
from keras import ops

from pipelines.examples import Examples
from pipelines.packing import rows_to_pack
from spatialnet_keras.config import Config, TrainConfig
from spatialnet_keras.encoders import packed_question_encoder
from spatialnet_keras.model import asking_of, connect
from spatialnet_keras.tasks import Task
from spatialnet_keras.training.teacher import (
    FEATURES,
    LAND_USE,
    MAP,
    Teacher,
    at_tokens,
    cosine_distance,
)

WORTH_PACKING = 0.8  # of as many rows as questions


def training_model(
    model: keras.Model,
    config: Config,
    tasks: Sequence[Task],
    carriers: dict[str, list[slice]],
    teacher: Teacher | None = None,
    rows: int | None = None,
) -> keras.Model:
    """The same layers as they are trained.

    Args:
        model: Of `build_model` or `model_on_features`; the weights stay shared.
        config: Of the run.
        tasks: Fitted tasks.
        carriers: Of `pipelines.examples`.
        teacher: Who is imitated.
        rows: R, rows of words into which the questions of an image are packed, if they are.

    Returns:
        As `model`, but of B' rows where a kind of sentence hangs on B' of the B images, and of
        `question` int32 [B', R, Q, 2] where questions are packed (`pipelines.packing`). With a
        teacher it reads its `teacher_map` [B, h, w, K + D] as well, if it does not look itself,
        and how far it is from it comes out: `teacher_land_use`, the softened cross entropy [B], if
        `train.teacher_share`; and `teacher_features`, the mean cosine distance of the tokens [B],
        if `train.teacher_features`.
    """
    encoder = model.get_layer("image_encoder")
    heads = {task.name: (model.get_layer(task.name), task.reads) for task in tasks}
    (dtype,) = (each.dtype for each in model.inputs if each.name == "image")
    told, tokens, truths = None, None, None

    def encode(image):
        nonlocal told, tokens, truths
        told = teacher.look(image) if teacher.looks else keras.Input(teacher.shape, name=MAP)
        features, truths = _encode_beside(encoder, image, told[..., teacher.classes :])
        tokens = features["image_tokens"]
        return features

    asking = asking_of(model, tasks)
    if rows:
        asking = packed_question_encoder(asking, rows, config.train.questions_per_image)
    inputs, _, outputs = connect(
        config, encoder, asking, heads, dtype, carriers, encode if teacher else None
    )
    if teacher:
        if not teacher.looks:
            inputs[MAP] = told
        outputs |= _distances(config, teacher, told, outputs, tokens, truths)
    return keras.Model(inputs, outputs, name="spatialnet_vit_training")


def packed_rows(examples: Sequence[Examples], settings: TrainConfig) -> int | None:
    """R, rows of words of an image's questions, where packing them is worth it."""
    questions = settings.questions_per_image
    if not settings.pack or "question" not in examples[0].slots:
        return None
    rows = rows_to_pack(examples, "question", questions, settings.type_balance, settings.seed)
    return rows if rows <= WORTH_PACKING * questions else None


def _encode_beside(encoder: keras.Model, image, maps):
    """Features of the image, and for each of its tokens what a map [B, h, w, D] says there."""
    dropping = next((each for each in encoder.layers if each.name == "token_dropout"), None)
    if dropping is None:
        features = encoder(image)
        return features, at_tokens(maps, features["image_tokens"].shape[1])
    below = keras.Model(encoder.input, dropping.input, name="image_patches")
    above = keras.Model(dropping.output, encoder.output, name="image_tokens_kept")
    patches = below(image)
    truths = ops.cast(at_tokens(maps, patches.shape[1]), patches.dtype)
    # through the dropout together, so that the same tokens of both are left
    kept = dropping(ops.concatenate([patches, truths], axis=-1))
    width = patches.shape[-1]
    return above(kept[..., :width]), kept[..., width:]


def _distances(config: Config, teacher: Teacher, told, outputs: dict, tokens, truths) -> dict:
    settings, found = config.train, {}
    if settings.teacher_share:
        logits = ops.mean(told[..., : teacher.classes], axis=(1, 2))
        distance = _softened_cross_entropy(
            logits, outputs["land_use"], settings.teacher_temperature
        )
        found[LAND_USE] = keras.layers.Identity(dtype="float32", name=LAND_USE)(distance)
    if settings.teacher_features:
        # a seed of its own: the network's must not depend on whether there is a teacher
        start = keras.initializers.GlorotUniform(settings.seed)
        project = keras.layers.Dense(
            teacher.width, kernel_initializer=start, dtype="float32", name="teacher_projection"
        )
        class_tokens = 1 if config.model.pooling == "cls" else 0
        distance = cosine_distance(ops.cast(truths, "float32"), project(tokens[:, class_tokens:]))
        found[FEATURES] = keras.layers.Identity(dtype="float32", name=FEATURES)(distance)
    return found


def _softened_cross_entropy(truth, said, temperature: float):
    """Of logits [B, K], both divided by a temperature first: [B].

    The gradient falls with the temperature squared, by which it is multiplied (Hinton et al. 2015).
    """
    odds = ops.softmax(truth / temperature)
    likely = ops.log_softmax(ops.cast(said, "float32") / temperature)
    return -(temperature**2) * ops.sum(odds * likely, axis=-1)
