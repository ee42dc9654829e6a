"""A run as a SavedModel: images and questions in, words and probabilities out.

Core TensorFlow ops alone: `tf.saved_model.load` and TensorFlow Serving need nothing of ours, nor
Keras. Letters of shapes as in the network: B images, G questions an image.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.commands import quiet_stderr
from spatialnet_keras.config import ConfigError
from spatialnet_keras.export import pixels
from spatialnet_keras.export.agreement import largest_difference
from spatialnet_keras.export.networks import Networks, left_out_of_decoding, without_consensus
from spatialnet_keras.export.services import ask_many, ask_one, classify, describe
from spatialnet_keras.run import Run

FILES = tf.TensorSpec([None], tf.string, "image_bytes")


def export(run: Run, out: Path) -> None:
    """Writes the SavedModel, says what was left out and how far its tensors are from Keras'.

    Raises:
        ConfigError: If there is something else at `out`, or the result differs from Keras.
    """
    if out.exists() and not (out / "saved_model.pb").is_file():
        raise ConfigError(f"{out} exists and is no SavedModel. Choose another --out.")
    place = out.resolve()  # a link stays one
    place.parent.mkdir(parents=True, exist_ok=True)
    networks = Networks.of(without_consensus(run))
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".export-") as folder:
        made = os.path.join(folder, "saved_model")
        with quiet_stderr():
            module = Service(networks)
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
            tf.saved_model.save(module, made, module.endpoints, options)
        loaded = tf.saved_model.load(made).signatures["serve"]
        keras_model = networks.answering()
        difference = largest_difference(run, keras_model, lambda inputs: _called(loaded, inputs))
        shutil.rmtree(place, ignore_errors=True)
        os.replace(made, place)
    print(f"{out}: {', '.join(sorted(module.endpoints))}")
    print(f"Largest difference from Keras: {difference:.1e}")
    for line in _left_out(run, networks, module):
        print(f"Left out: {line}")


class Service(tf.Module):
    """The signatures of a run, and what they share.

    `serve` is tensors to tensors. Each of `classify`, `describe`, `ask` and `ask_many` takes
    encoded images [B] and has a twin, `classify_pixels`, ..., that takes pixels [B, H, W, C] of any
    size; a run of other than 8-bit RGB has only the twins.

    Attributes:
        endpoints: Name -> its function, a signature of the SavedModel.
    """

    def __init__(self, networks: Networks):
        super().__init__(name="spatialnet_vit")
        config, tasks = networks.run.config, networks.tasks
        self.weights = [variable.value for variable in networks.trained.variables]
        self.endpoints: dict[str, tf.types.experimental.ConcreteFunction] = {}
        self._size, self._stored = config.model.image_size, config.pixels
        self._decode = _function(lambda files: pixels.decode_rows(files, self._size), [FILES])
        self._add_serve(networks)
        if "land_use" in tasks:
            self._add("classify", self._traced(classify(networks, tasks["land_use"])))
        if "caption" in tasks:
            self._add("describe", self._traced(describe(networks, tasks["caption"])))
        if networks.answers_questions:
            many, self.words = ask_many(networks)
            questions = tf.TensorSpec([None, None], tf.string, "question")
            many = self._traced(many, questions)
            self._add("ask_many", many, questions)
            self._add("ask", ask_one(many), tf.TensorSpec([None], tf.string, "question"))

    def _add_serve(self, networks: Networks) -> None:
        model, config = networks.answering(), networks.run.config.model
        specs = [self._tiles(self._size, "image")]
        if "question" in model.input:
            specs.append(tf.TensorSpec((None, None, config.question_words), tf.int32, "question"))

        def serve(image, *question):
            read = {"image": image} | ({"question": question[0]} if question else {})
            return dict(model(read, training=False))

        self._keep("serve", serve, specs)
        # what TensorFlow Serving and saved_model_cli look for if no name is given
        self.endpoints["serving_default"] = self.endpoints["serve"]

    def _add(self, name: str, answer: Callable, *question: tf.TensorSpec) -> None:
        """Adds what answers pixels [B, S, S, C] with a status a row, from files and from pixels."""

        def from_files(image_bytes, *question):
            return answer(*self._decode(image_bytes), *question)

        def from_pixels(image, *question):
            status = pixels.size_status(tf.shape(image)[1], tf.shape(image)[2])
            rows = tf.fill((tf.shape(image)[0],), status)
            return answer(pixels.resize(image, self._size), rows, *question)

        if (self._stored.bands, self._stored.dtype) == (3, "uint8"):
            self._keep(name, from_files, [FILES, *question])
        tiles = self._tiles(None, "image")
        self._keep(f"{name}_pixels", from_pixels, [tiles, *question])

    def _traced(self, answer: Callable, *question: tf.TensorSpec) -> Callable:
        """Traced once for all signatures that call it: tracing is what takes the time."""
        specs = [self._tiles(self._size), tf.TensorSpec((None,), tf.string), *question]
        return _function(answer, specs)

    def _tiles(self, side: int | None, name: str | None = None) -> tf.TensorSpec:
        return tf.TensorSpec((None, side, side, self._stored.bands), self._stored.dtype, name)

    def _keep(self, name: str, function: Callable, specs: list[tf.TensorSpec]) -> None:
        made = _function(function, specs)
        self.endpoints[name] = made.get_concrete_function()
        setattr(self, name, made)


def _function(function: Callable, specs: list[tf.TensorSpec]) -> Callable:
    return tf.function(function, input_signature=specs, autograph=False)


def _called(function: Callable, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = function(**{name: tf.constant(value) for name, value in inputs.items()})
    return {name: value.numpy() for name, value in found.items()}


def _left_out(run: Run, networks: Networks, module: Service) -> Iterator[str]:
    yield from left_out_of_decoding(run)
    if networks.question_tasks and not networks.answers_questions:
        yield "ask, for without the task question_type no question finds its head"
    if "classify_pixels" in module.endpoints and "classify" not in module.endpoints:
        image = run.config.pixels
        yield f"encoded images, for the run reads {image.bands} bands of {image.dtype}"
