"""SpatialNet-ViT in Keras 3: land use, answers, counts and captions from one vision transformer."""

from typing import TYPE_CHECKING

import pipelines  # noqa: F401 (says with which kernels TensorFlow computes, before Keras loads it)

if TYPE_CHECKING:
    from spatialnet_keras.prediction.predictor import Predictor


def load(run: str, **decode: int | float | bool) -> "Predictor":
    """Loads a trained run, to classify, describe and ask.

    Args:
        run: A run directory, as train.py writes it.
        **decode: How captions are written, if not as trained: `beams=3`, `consensus=True`, ...

    Raises:
        DataError: There is no finished run, or it cannot be read.
        ConfigError: A choice of decoding, or a backend of Keras, that cannot work.
    """
    from spatialnet_keras.backend import check_backend

    check_backend()
    from spatialnet_keras.prediction.predictor import Predictor  # takes Keras along: seconds

    return Predictor.load(run, **decode)
