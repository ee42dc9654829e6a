"""How far an exported network is from Keras, on batches of several sizes."""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np

from spatialnet_keras.config import ConfigError
from spatialnet_keras.run import Run

TOLERANCE = 1e-4
_SIZES = ((1, 1), (3, 2))  # images, questions an image: both dimensions are dynamic

Arrays = dict[str, np.ndarray]


def largest_difference(
    run: Run, keras_model: keras.Model, exported: Callable[[Arrays], Arrays]
) -> float:
    """The largest difference of any output, over random images and questions.

    Raises:
        ConfigError: If it is above `TOLERANCE`.
    """
    worst, where = 0.0, ""
    for inputs in samples(run, keras_model, _SIZES):
        expected, found = keras_model.predict_on_batch(inputs), exported(inputs)
        for name, value in expected.items():
            difference = float(np.abs(value.astype(float) - found[name].astype(float)).max())
            if not difference <= worst:
                worst, where = difference, name
    if not worst <= TOLERANCE:
        raise ConfigError(f"The exported {where} differs from Keras by {worst:.1e}. Not written.")
    return worst


def samples(run: Run, model: keras.Model, sizes: Sequence[tuple[int, int]]) -> Iterator[Arrays]:
    """Random inputs of a model, a batch for each (images, questions an image)."""
    rng = np.random.default_rng(0)
    image, words = run.config.pixels, run.config.model.question_words
    for rows, questions in sizes:
        size = (rows, run.config.model.image_size, run.config.model.image_size, image.bands)
        pixels = rng.normal(image.mean, image.deviation, size)
        if np.dtype(image.dtype).kind == "u":
            pixels = pixels.round().clip(0, np.iinfo(image.dtype).max)
        inputs = {"image": pixels.astype(image.dtype)}
        if "question" in model.input:
            asked = rng.integers(0, len(run.vocabulary), (rows, questions, words))
            inputs["question"] = asked.astype(np.int32)
        yield inputs
