"""Callbacks of `model.fit`: what happens after each epoch."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from pipelines.examples import Examples
from spatialnet_keras.config import ConfigError, DecodeConfig
from spatialnet_keras.data import Part
from spatialnet_keras.evaluation.board import folder, picture_event
from spatialnet_keras.inference import predict
from spatialnet_keras.layers import TokenDropout
from spatialnet_keras.model import answering_model, likelihood_model
from spatialnet_keras.plots import answer_sheet
from spatialnet_keras.run import Run
from spatialnet_keras.scores import is_error
from spatialnet_keras.training.checkpoints import keep, save_state
from spatialnet_keras.training.validation import validation_logs


class Epoch(keras.callbacks.Callback):
    """Validates, keeps the best network, saves the state; adds `val_*` to the logs.

    Stands first, so that Keras' own callbacks (TensorBoard, History, the progress bar) see them.

    Args:
        run: The run.
        validation: Each data set's part and its examples.
        history: Entries of the finished epochs; the new ones are appended.
        network: What is kept: the layers that are trained, with the frozen encoder before them.
        answering: What is validated: the same, or of a cached encoder what comes behind it.
        begun: When the work began, features and a teacher's look included, by `perf_counter`.
    """

    def __init__(
        self,
        run: Run,
        validation: list[tuple[Part, Examples]],
        history: list[dict],
        network: keras.Model,
        answering: keras.Model,
        begun: float,
    ):
        super().__init__()
        self.network = network
        self.connected = answering
        self.counted = begun
        self.run = run
        self.validation = validation
        self.history = history
        # a memory of training captions belongs to a finished network, so epochs do without
        self.config = dataclasses.replace(run.config, decode=DecodeConfig())

    def on_train_begin(self, logs=None):
        """Connects the network's layers to answer, and to judge captions."""
        self.answering = answering_model(self.connected, self.config, self.run.tasks)
        self.judges = {
            task.name: likelihood_model(self.answering, task)
            for task in self.run.tasks
            if task.unit == "caption"
        }

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self.started = time.perf_counter()
        self.seed = self.run.config.train.seed + 1_000_003 * epoch

    def on_train_batch_begin(self, batch, logs=None):
        """Seeds torch's dropout, which draws from a global generator, by epoch and step.

        Once an epoch would not do: the first epoch of a `fit` draws more than the others.
        """
        if keras.config.backend() == "torch":
            keras.utils.set_random_seed((self.seed + batch) % 2**32)

    def on_epoch_end(self, epoch, logs=None):
        """In this order: a kill between two of these leaves nothing that misleads a resume."""
        seconds = time.perf_counter() - self.started
        check_finite(epoch, logs)
        _name_all(logs, list(self.model.output))
        with averaged_weights(self.model):
            self.outputs = [
                predict(self.answering, examples, self.run.tasks, self.config)
                for _, examples in self.validation
            ]
            logs.update(validation_logs(self.run, self.validation, self.outputs, self.judges))
            monitored = f"val_{self.run.config.train.monitor}"
            if self._is_best(logs[monitored], monitored):
                keep(self.run, self.network)
        now = time.perf_counter()
        entry = {
            "epoch": epoch + 1,
            "seconds": round(seconds, 3),
            "validation_seconds": round(now - self.started - seconds, 3),
            # with what came before the first epoch, or the files and pictures of the one before
            "wall_seconds": round(now - self.counted, 3),
            "learning_rate": float(ops.convert_to_numpy(self.model.optimizer.learning_rate)),
        }
        self.counted = now
        self.history.append(entry | {name: float(value) for name, value in logs.items()})
        self.run.record(history=self.history)
        save_state(self.run.checkpoint, self.model, self.history)

    def _is_best(self, value: float, name: str) -> bool:
        sign = -1 if is_error(name) else 1
        return all(sign * value > sign * entry[name] for entry in self.history)


class WholeTiles(keras.callbacks.Callback):
    """Leaves out no token in the last epochs, as prediction does not.

    The unmasked tuning of Li et al., "Scaling language-image pre-training via masking", CVPR 2023.

    Args:
        encoder: Of the image.
        first: Which of the epochs is the first of these, counted from 0.
    """

    def __init__(self, encoder: keras.Model, first: int):
        super().__init__()
        self.dropping = [each for each in encoder.layers if isinstance(each, TokenDropout)]
        self.first = first

    def on_epoch_begin(self, epoch, logs=None):
        """Has the step compiled anew, of all tokens."""
        if epoch < self.first or not any(each.rate for each in self.dropping):
            return
        for layer in self.dropping:
            layer.rate = 0.0
        self.model.make_train_function(force=True)


class AnswerSheet(keras.callbacks.Callback):
    """Shows some validation tiles with truths and answers in TensorBoard, each epoch.

    Args:
        run: The run.
        epoch: The callback that predicts on the validation split, earlier in the list.
    """

    def __init__(self, run: Run, epoch: Epoch):
        super().__init__()
        self.run = run
        self.epoch = epoch

    def on_train_begin(self, logs=None):
        """Opens the event file."""
        self.writer = EventFileWriter(str(folder(self.run) / "validation"))

    def on_epoch_end(self, epoch, logs=None):
        """Writes one picture a data set."""
        for (part, _), outputs in zip(self.epoch.validation, self.epoch.outputs, strict=True):
            picture = answer_sheet(part, outputs, self.run.tasks)
            tag = f"answers/{part.records.name}"
            self.writer.add_event(picture_event(tag, picture, epoch))
        self.writer.flush()

    def on_train_end(self, logs=None):
        """Closes the event file."""
        self.writer.close()


class ShortBar(keras.callbacks.ProgbarLogger):
    """Keras' progress bar with a few numbers: five tasks have thirty, and a bar must fit a line.

    Args:
        scores: Per task, the name of its main score.
    """

    def __init__(self, scores: dict[str, str]):
        super().__init__()
        self.scores = scores

    def on_train_batch_end(self, batch, logs=None):
        """Shows the loss."""
        super().on_train_batch_end(batch, {"loss": logs["loss"]})

    def on_epoch_end(self, epoch, logs=None):
        """Shows losses and each task's main score on the validation split."""
        shown = {"loss": logs["loss"], "val_loss": logs["val_loss"]}
        shown |= {task: logs[f"val_{task}_{name}"] for task, name in self.scores.items()
                  if f"val_{task}_{name}" in logs}  # fmt: skip
        super().on_epoch_end(epoch, shown)


def _name_all(logs: dict, outputs: list[str]) -> None:
    """Puts the task before its scores where it is the only one: Keras leaves it out there."""
    if len(outputs) == 1:
        for name in [each for each in logs if each != "loss"]:
            logs[f"{outputs[0]}_{name}"] = logs.pop(name)


def check_finite(epoch: int, logs: dict) -> None:
    """Ends a training that makes no sense any more.

    Raises:
        ConfigError: If the loss is no number.
    """
    if not np.isfinite(logs["loss"]):
        raise ConfigError(
            f"The loss is {logs['loss']} after epoch {epoch + 1}: training fell apart. "
            f"Choose a lower --train.learning_rate or --train.dtype float32."
        )


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Lends the model the running mean of its weights, if its optimizer keeps one."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    # before the first step that a scaled loss did not skip there is no mean
    if not optimizer.use_ema or not int(ops.convert_to_numpy(optimizer.iterations)):
        yield
        return
    own = _copies(model)
    optimizer.finalize_variable_values(model.trainable_variables)
    # JAX would share the mean's own buffers, and prediction gives its buffers away
    _assign(model, _copies(model))
    yield
    _assign(model, own)


def _copies(model: keras.Model) -> list[np.ndarray]:
    return [np.array(ops.convert_to_numpy(each)) for each in model.trainable_variables]


def _assign(model: keras.Model, values: list[np.ndarray]) -> None:
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)
