"""What the tests of exports share."""

import io

import keras
import numpy as np
import pytest
from PIL import Image

from spatialnet_keras.run import Run


def by_name(run: Run) -> dict:
    return {each.name: each for each in run.tasks}


def strings(found: np.ndarray) -> list[str]:
    return [each.decode() for each in found.reshape(-1)]


def file(image: np.ndarray, kind: str = "PNG", **options) -> bytes:
    written = io.BytesIO()
    Image.fromarray(image).save(written, kind, **options)
    return written.getvalue()


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


needs_tensorflow = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="an export is made in a TensorFlow process"
)
