"""What the signatures compute: pixels [B, S, S, C] with a status a row -> answers in words.

A row's `status` is "ok", or what is wrong with it. A row without an answer has "" and probability
0; the rows beside it are answered.
"""

from collections.abc import Callable

import tensorflow as tf

from spatialnet_keras.export import answers, words
from spatialnet_keras.export.networks import Networks
from spatialnet_keras.export.pixels import OK
from spatialnet_keras.tasks import Task
from spatialnet_keras.text import PAD

Tensors = dict[str, tf.Tensor]


def classify(networks: Networks, task: Task) -> Callable:
    """Land use string [B] and its probability; all classes [B, K], likeliest first."""
    model = networks.only(task)

    def answer(image, status) -> Tensors:
        names, likely = answers.ranked(task, model({"image": image}, training=False)[task.name])
        good = status == OK
        return {
            "land_use": tf.where(good, names[:, 0], ""),
            "probability": tf.where(good, likely[:, 0], 0.0),
            "classes": tf.where(good[:, None], names, ""),
            "probabilities": tf.where(good[:, None], likely, 0.0),
            "status": status,
        }

    return answer


def describe(networks: Networks, task: Task) -> Callable:
    """Caption string [B] and its probability, the product of its words'."""
    model, penalty = networks.captions(task), networks.run.config.decode.length_penalty

    def answer(image, status) -> Tensors:
        written, scores = model({"image": image}, training=False)
        count = tf.reduce_sum(tf.cast(written[:, 0] != PAD, tf.float32), axis=-1)
        likely = tf.exp(scores[:, 0] * tf.maximum(count, 1) ** penalty)
        good = status == OK
        return {
            "caption": tf.where(good, words.sentences(written[:, 0], task.vocabulary), ""),
            "probability": tf.where(good, likely, 0.0),
            "status": status,
        }

    return answer


def ask_many(networks: Networks) -> tuple[Callable, words.QuestionWords]:
    """Answers string [B, G] by the head of each question's type, and what reads the questions."""
    run, heads, types = networks.run, networks.question_tasks, networks.tasks.get("question_type")
    model = networks.only(*heads, *([types] if types else []))
    reader = words.QuestionWords(run.vocabulary, run.config.model.question_words)

    def answer(image, status, question) -> Tensors:
        shape = tf.shape(question)
        alike = tf.debugging.assert_equal(
            tf.shape(image)[0], shape[0], "One row of questions an image"
        )
        with tf.control_dependencies([alike]):  # else the network may complain first
            image = tf.identity(image)
        ids, said, readable = reader(tf.reshape(question, (-1,)))
        ids = tf.reshape(ids, (shape[0], shape[1], reader.length))
        outputs = model({"image": image, "question": ids}, training=False)
        kinds, sure = tf.fill(shape, heads[0].question_type), tf.ones(shape)
        if types:
            kinds, sure = answers.in_words(types, outputs[types.name])
        found, likely, answered = answers.routed(heads, outputs, kinds)
        seen = (status == OK)[:, None]
        readable = tf.reshape(readable, shape) & seen
        good = readable & answered
        untrained = tf.strings.join(["questions of type ", kinds, " were not trained"])
        said = tf.where(good | ~readable, tf.reshape(said, shape), untrained)
        return {
            "answer": tf.where(good, found, ""),
            "probability": tf.where(good, likely, 0.0),
            "question_type": tf.where(readable, kinds, ""),
            "type_probability": tf.where(readable, sure, 0.0),
            "status": tf.where(seen, said, status[:, None]),
        }

    return answer, reader


def ask_one(many: Callable) -> Callable:
    """The same for one question an image, string [B]."""

    def answer(image, status, question) -> Tensors:
        return {name: each[:, 0] for name, each in many(image, status, question[:, None]).items()}

    return answer
