"""An exported run, and what Keras says of the same tiles and questions."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from spatialnet_keras import data
from spatialnet_keras.export.__main__ import main
from spatialnet_keras.run import Run


@pytest.fixture(scope="session")
def run(trained_run, made_once) -> Run:
    """A run with weights so large that each image, question and word matters."""

    def make(path: Path) -> None:
        shutil.copytree(trained_run, path)
        made = Run.open(path)
        model, rng = made.model(), np.random.default_rng(0)
        for variable in model.trainable_variables:
            variable.assign(rng.normal(scale=0.4, size=variable.shape).astype("float32"))
        model.save(made.best)

    return Run.open(made_once("lively", make))


@pytest.fixture(scope="session")
def exported(run, made_once) -> Path:
    """The run as a SavedModel."""
    return made_once("saved_model", lambda to: main([str(run.path), "--out", str(to)]))


@pytest.fixture(scope="session")
def served(exported):
    """The signatures of the exported run."""
    loaded = tf.saved_model.load(str(exported))
    return {
        name: lambda call=call, **sent: {
            key: value.numpy()
            for key, value in call(**{k: tf.constant(v) for k, v in sent.items()}).items()
        }
        for name, call in loaded.signatures.items()
    }


@pytest.fixture(scope="session")
def part(run) -> data.Part:
    """Test tiles of the city in the size of the network."""
    return data.read(run.config, "test")[0]


@pytest.fixture(scope="session")
def tiles(part) -> np.ndarray:
    return np.array(part.images[:4])


@pytest.fixture(scope="session")
def asked(part) -> list[list[str]]:
    return [[question.text for question in row.questions] for row in part.records][:4]


@pytest.fixture(scope="session")
def tensors(run, tiles, asked) -> dict[str, np.ndarray]:
    """Tiles and questions as the network reads them."""
    ids = [run.vocabulary.encode(row, run.config.model.question_words) for row in asked]
    return {"image": tiles, "question": np.stack(ids)}


@pytest.fixture(scope="session")
def expected(run, tensors) -> dict[str, np.ndarray]:
    """What the Keras network says of them."""
    found = run.answering_model().predict_on_batch(tensors)
    return {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}
