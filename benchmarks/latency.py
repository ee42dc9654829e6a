"""How long an answer takes: the SavedModel beside Keras and onnxruntime, for 1 and 32 images.

python -m benchmarks.latency RUN

Each gets PNG files of the run's own test tiles and gives words: the SavedModel decodes and resizes
in its graph, for the other two Pillow does. They are called in turns, and every call counts.
"""

import contextlib
import dataclasses
import io
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import Watch, title
from pipelines import commands
from pipelines.records import DataError
from spatialnet_keras.config import ConfigError

PROGRAM = "python -m benchmarks.latency"
BATCHES = (1, 32)
CALLS = {"classify": ("land_use",), "describe": ("caption",), "ask": ()}

Answer = Callable[[list[bytes], list[str]], list[str]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints one table."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    watch = Watch()
    parser = commands.Parser(prog=PROGRAM, description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN", help="a run directory, as train.py writes it")
    parser.add_argument("--turns", type=int, default=50, help="calls of each (50)")
    flags = parser.parse_args(arguments)
    if flags.turns < 1:
        raise ConfigError("--turns must be at least 1.")
    with commands.quiet_stderr():
        import keras

        from spatialnet_keras.export import portable, saved_model
        from spatialnet_keras.export.networks import without_consensus
        from spatialnet_keras.run import Run

    # it warns of each batch size that Keras traces anew
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if keras.config.backend() != "tensorflow":
        raise ConfigError("An export is measured with KERAS_BACKEND=tensorflow.")
    run = without_consensus(Run.open(flags.run))
    files, questions = requests(run)
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(io.StringIO()):
            saved_model.export(run, Path(folder, "saved_model"))
        contestants = {
            "SavedModel": _served(Path(folder, "saved_model")),
            "Keras": _by_keras(run),
        }
        with contextlib.suppress(ConfigError):  # onnxruntime is an extra
            portable.require("onnx")
            contestants["onnxruntime"] = _by_onnxruntime(run, Path(folder))
        found = {
            (call, batch): _measured(
                {name: calls[call] for name, calls in contestants.items()},
                files[:batch],
                questions[:batch],
                flags.turns,
            )
            for call in contestants["SavedModel"]
            for batch in BATCHES
        }
    _show(run, list(contestants), found, watch)


def requests(run) -> tuple[list[bytes], list[str]]:
    """PNG files of test tiles in their own size, and a question for each; 32 of both.

    Raises:
        DataError: If the data of the run are not there, or not 8-bit RGB.
    """
    from pipelines.images import read_image
    from spatialnet_keras import data

    if (run.config.pixels.bands, run.config.pixels.dtype) != (3, "uint8"):
        raise DataError("Files are sent as 8-bit RGB; this run reads other images.")
    rows = [row for each in data.read_records(run.config, "test") for row in each]
    files = []
    for row in rows[: max(BATCHES)]:
        written = io.BytesIO()
        Image.fromarray(read_image(row.image)).save(written, "PNG")
        files.append(written.getvalue())
    questions = [question.text for row in rows for question in row.questions] or [""]
    return (files * max(BATCHES))[: max(BATCHES)], (questions * max(BATCHES))[: max(BATCHES)]


def _served(folder: Path) -> dict[str, Answer]:
    import tensorflow as tf

    signatures = tf.saved_model.load(str(folder)).signatures

    def call(name: str, output: str) -> Answer:
        def answer(files, questions):
            sent = {"question": tf.constant(questions)} if name == "ask" else {}
            found = signatures[name](image_bytes=tf.constant(files), **sent)[output]
            return [each.decode() for each in found.numpy()]

        return answer

    outputs = {"classify": "land_use", "describe": "caption", "ask": "answer"}
    return {name: call(name, each) for name, each in outputs.items() if name in signatures}


def _by_keras(run) -> dict[str, Answer]:
    from spatialnet_keras.export.networks import Networks

    def network(part):
        return Networks.of(part).answering().predict_on_batch

    return {name: _answering(part, network(part)) for name, part in _parts(run).items()}


def _by_onnxruntime(run, folder: Path) -> dict[str, Answer]:
    from spatialnet_keras.export import portable

    def network(part, name):
        path, tasks = folder / f"{name}.onnx", [each.name for each in part.tasks]
        with contextlib.redirect_stdout(io.StringIO()):
            portable.export(part, "onnx", path, tasks=tasks)
        return portable.FORMATS["onnx"].load(path)

    return {name: _answering(part, network(part, name)) for name, part in _parts(run).items()}


def _parts(run) -> dict[str, object]:
    """The run reduced to the tasks of each call that it can answer."""
    asked = tuple(each.name for each in run.tasks if each.unit == "question")
    found = {}
    for name, wanted in CALLS.items():
        tasks = tuple(each for each in run.tasks if each.name in (wanted or asked))
        if tasks:
            found[name] = dataclasses.replace(run, tasks=tasks)
    return found


def _answering(run, network: Callable) -> Answer:
    """Files and questions -> words, with Pillow before the network and the tasks after it."""
    from pipelines.pixels import resize

    tasks = {each.name: each for each in run.tasks}
    heads = {each.question_type: each for each in run.tasks if getattr(each, "question_type", "")}
    size, length = run.config.model.image_size, run.config.model.question_words

    def answer(files, questions):
        decoded = [np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]
        inputs = {"image": np.stack([resize(image, size) for image in decoded])}
        if heads:
            inputs["question"] = run.vocabulary.encode(questions, length)[:, None]
        outputs = {name: np.asarray(value) for name, value in network(inputs).items()}
        if not heads:
            ((name, task),) = tasks.items()
            return task.answer(outputs[name][:, 0] if task.unit == "caption" else outputs[name])
        said = {kind: task.answer(outputs[task.name][:, 0]) for kind, task in heads.items()}
        kinds = [next(iter(heads))] * len(files)
        if "question_type" in tasks:
            kinds = tasks["question_type"].answer(outputs["question_type"][:, 0])
        return [said[kind][row] if kind in said else "" for row, kind in enumerate(kinds)]

    return answer


def _measured(
    contestants: dict[str, Answer], files: list[bytes], questions: list[str], turns: int
) -> dict[str, np.ndarray]:
    """Seconds of every call.

    Raises:
        RuntimeError: If they do not say the same.
    """
    answers = {name: answer(files, questions) for name, answer in contestants.items()}
    _agree(answers)
    seconds = {name: [] for name in contestants}
    for _ in range(turns):
        for name, answer in contestants.items():
            started = time.perf_counter()
            answer(files, questions)
            seconds[name].append(time.perf_counter() - started)
    return {name: np.array(found) for name, found in seconds.items()}


def _agree(answers: dict[str, list[str]]) -> None:
    first, *others = answers.values()
    same = [np.mean([a == b for a, b in zip(first, other, strict=True)]) for other in others]
    # a resized tile may differ by a grey level, which turns an answer that stands on the edge
    if min(same) < 0.9:
        raise RuntimeError(f"Too few answers are the same: {min(same):.0%}.")


def _show(run, names: list[str], found: dict, watch: Watch) -> None:
    from rich.console import Console
    from rich.table import Table

    model = run.config.model
    what = (
        f"Milliseconds a call, p50 / p95: {run.config.preset}, {model.image_size} pixels, "
        f"{model.layers} layers of {model.width}, {run.config.decode.beams} beam(s)"
    )
    packages = ("tensorflow", "onnxruntime") if "onnxruntime" in names else ("tensorflow",)
    table = Table(title=title(what, watch, *packages))
    table.add_column("call", no_wrap=True)
    for column in ("batch", *names):
        table.add_column(column, justify="right")
    for (call, batch), seconds in found.items():
        values = [1e3 * np.percentile(seconds[name], (50, 95)) for name in names]
        table.add_row(call, str(batch), *(f"{p50:,.1f} / {p95:,.1f}" for p50, p95 in values))
    Console().print(table)


if __name__ == "__main__":
    commands.run(PROGRAM, main, DataError, ConfigError)
