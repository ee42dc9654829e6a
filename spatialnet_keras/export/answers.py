"""Outputs of the heads -> answers in words with their probabilities, by TensorFlow ops.

What a task's `answer` does in numpy, for a graph.
"""

from collections.abc import Sequence

import tensorflow as tf

from spatialnet_keras.tasks import Count, Task
from spatialnet_keras.tasks.task import Classification

UNSTATED = -1.0  # the probability of a count by regression, which states none


def in_words(task: Task, output: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Outputs [..., K] -> answers string [...], probabilities float32 [...].

    Raises:
        TypeError: If the task is of a kind that has no graph here.
    """
    if isinstance(task, Classification):
        names, likely = ranked(task, output)
        return names[..., 0], likely[..., 0]
    if isinstance(task, Count):
        return _bins(task, output) if task.ordinal else _numbers(output)
    raise TypeError(f"{task.name} has no answers in words inside a graph.")


def ranked(task: Classification, output: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits [..., K] -> all classes string [..., K], likeliest first, with probabilities."""
    likely, best = tf.math.top_k(tf.nn.softmax(tf.cast(output, tf.float32)), len(task.classes))
    return tf.gather(tf.constant(task.classes), best), likely


def routed(
    tasks: Sequence[Task], outputs: dict[str, tf.Tensor], kinds: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The answer of the head that each question is for.

    Args:
        tasks: Question tasks with a head, each for one `question_type`.
        outputs: Of each task by its name, [B, G, ...].
        kinds: The type of each question, string [B, G].

    Returns:
        Answers string [B, G], probabilities float32 [B, G], and whether some head answers, bool
        [B, G].
    """
    answers, likely = tf.fill(tf.shape(kinds), ""), tf.zeros(tf.shape(kinds))
    answered = tf.zeros(tf.shape(kinds), tf.bool)
    for task in tasks:
        mine = kinds == task.question_type
        said, sure = in_words(task, outputs[task.name])
        answers, likely = tf.where(mine, said, answers), tf.where(mine, sure, likely)
        answered |= mine
    return answers, likely, answered


def _numbers(output: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    logs = tf.clip_by_value(tf.cast(output[..., 0], tf.float64), 0, 30)
    counts = tf.cast(tf.round(tf.math.expm1(logs)), tf.int64)
    return tf.strings.as_string(counts), tf.fill(tf.shape(counts), UNSTATED)


def _bins(task: Count, output: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    place = tf.reduce_sum(tf.cast(output > 0, tf.int32), axis=-1)
    reached = tf.sort(tf.sigmoid(tf.cast(output, tf.float32)), direction="DESCENDING")
    # bin k is reached, and the one after it is not
    reached = tf.pad(reached, [[0, 0]] * (output.shape.rank - 1) + [[1, 1]])
    edge = tf.one_hot(0, reached.shape[-1])
    likely = (reached + edge)[..., :-1] - reached[..., 1:]
    likely = tf.gather(likely, place, batch_dims=place.shape.rank)
    medians = tf.constant([str(each) for each in task.bin_medians])
    return tf.gather(medians, place), likely
