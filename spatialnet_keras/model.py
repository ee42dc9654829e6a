"""The network: one image encoder, one question encoder, one head a task, one output a head."""

import keras

from spatialnet_keras.config import Config
from spatialnet_keras.encoders import image_encoder, question_encoder
from spatialnet_keras.tasks import Task


def build_model(config: Config, tasks: tuple[Task, ...], words: int) -> keras.Model:
    """Builds the network for the tasks given.

    Args:
        config: Of the run.
        tasks: Fitted tasks; each becomes an output of its name.
        words: Size of the vocabulary.

    Returns:
        A functional model from `image` [B, S, S, C] and, if a task asks for it, `question` int32
        [B, G, Q], to a dict of one output a task: [B, ...] or [B, G, ...].
    """
    size, pixels = config.model.image_size, config.pixels
    image = keras.Input((size, size, pixels.bands), dtype=pixels.dtype, name="image")
    inputs = {"image": image}
    asked = any(task.unit == "question" for task in tasks)
    # what a question asks for may stand in any token, so none is dropped where there are questions
    features = image_encoder(config.model, pixels, drop_tokens=not asked)(image)
    if asked:
        question = keras.Input((None, config.model.question_words), dtype="int32", name="question")
        inputs["question"] = question
        features |= question_encoder(config.model, words)(
            [question, features["image_tokens"], features["image_vector"]]
        )
    outputs = {task.name: task.head(config.model)(features[task.reads]) for task in tasks}
    return keras.Model(inputs, outputs, name="spatialnet_vit")
