"""Exports a run of any backend, for servers and devices that have no Keras.

python -m spatialnet_keras.export RUN                  a SavedModel: images in, words out
python -m spatialnet_keras.export RUN --format onnx    the network alone, for onnxruntime
"""

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pipelines import commands
from pipelines.records import DataError, unknown
from spatialnet_keras.backend import importing_keras
from spatialnet_keras.config import ConfigError

PROGRAM = "python -m spatialnet_keras.export"
FORMATS = {"tf_saved_model": "saved_model", "onnx": "model.onnx", "litert": "model.tflite"}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = commands.Parser(prog=PROGRAM, description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN", help="a run directory, as train.py writes it")
    parser.add_argument(
        "--format", default="tf_saved_model", help=f"{', '.join(FORMATS)} (default: tf_saved_model)"
    )
    parser.add_argument("--quantize", help="int8: weights of 8 bits, for onnx and litert")
    parser.add_argument("--tasks", metavar="NAME,...", help="only these, for onnx and litert")
    parser.add_argument("--out", metavar="PATH", help="where to (default: in RUN)")
    flags = parser.parse_args(arguments)
    if flags.format not in FORMATS:
        raise ConfigError(unknown("format", flags.format, FORMATS))
    if flags.quantize not in (None, "int8"):
        raise ConfigError(f"--quantize knows int8. Received: {flags.quantize!r}.")
    if flags.quantize and flags.format == "tf_saved_model":
        raise ConfigError("--quantize int8 needs --format onnx or litert.")
    if flags.tasks and flags.format == "tf_saved_model":
        raise ConfigError("--tasks needs --format onnx or litert; a SavedModel has signatures.")
    if not _in_tensorflow():
        _go_on_in_tensorflow(sys.argv[1:] if arguments is None else arguments)
        return
    with importing_keras():
        from spatialnet_keras.export import portable, saved_model
        from spatialnet_keras.run import Run
    run, out = Run.open(flags.run), Path(flags.out) if flags.out else _place(flags)
    if flags.format == "tf_saved_model":
        saved_model.export(run, out)
    else:
        tasks = tuple(flags.tasks.split(",")) if flags.tasks else ()
        portable.export(run, flags.format, out, bool(flags.quantize), tasks)


def _place(flags: Namespace) -> Path:
    place = Path(flags.run) / FORMATS[flags.format]
    return place.with_stem(f"{place.stem}_{flags.quantize}") if flags.quantize else place


def _in_tensorflow() -> bool:
    """Whether Keras runs on TensorFlow here, or can still be made to."""
    if "keras" in sys.modules:
        import keras

        return keras.config.backend() == "tensorflow"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    return True


def _go_on_in_tensorflow(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", "spatialnet_keras.export", *arguments]
    finished = subprocess.run(
        command,
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    print(finished.stdout, end="")
    if finished.returncode == commands.BAD_INPUT:
        raise ConfigError(finished.stderr.strip().splitlines()[-1].removeprefix("export: "))
    if finished.returncode:
        raise RuntimeError(f"The export in a TensorFlow process failed:\n{finished.stderr}")


if __name__ == "__main__":
    commands.run("export", main, DataError, ConfigError)
