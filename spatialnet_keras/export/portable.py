"""A run's network as one file for onnxruntime or LiteRT, and a JSON file that explains it.

Tensors in, tensors out: pixels and word ids to the outputs of the heads and the words of captions,
in float32; all dimensions of batches are free.
"""

import dataclasses
import json
import os
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipelines.commands import quiet_stderr
from pipelines.records import unknown
from spatialnet_keras.config import ConfigError
from spatialnet_keras.export import litert, onnx
from spatialnet_keras.export.agreement import largest_difference
from spatialnet_keras.export.networks import Networks, left_out_of_decoding, without_consensus
from spatialnet_keras.export.precision import compare
from spatialnet_keras.run import Run

FORMATS = {"onnx": onnx, "litert": litert}


def export(run: Run, kind: str, out: Path, int8: bool = False, tasks: Sequence[str] = ()) -> None:
    """Writes a network, checked against Keras, and says what was left out.

    Args:
        run: Of any backend and precision.
        kind: "onnx" or "litert".
        out: The file; one that is there is replaced.
        int8: Whether to store weights in 8 bits; what that costs is measured and printed.
        tasks: Names of those to export; all by default. A runtime computes every output of a file.

    Raises:
        ConfigError: If a package is missing, or the file does not compute what Keras computes.
        DataError: If the run cannot be read.
    """
    form = FORMATS[kind]
    require(kind)
    run = _reduced(run, tasks)
    left_out = tuple(left_out_of_decoding(run))
    run = without_consensus(run)
    if out.is_dir():
        raise ConfigError(f"{out} is a folder. Choose a file for --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with quiet_stderr():
        network = Networks.of(run, in_float32=True).answering()
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
        exact, small = Path(folder, f"exact{out.suffix}"), Path(folder, f"small{out.suffix}")
        with quiet_stderr():
            form.write(network, exact)
        difference = largest_difference(run, network, form.load(exact))
        print(f"{out}: {', '.join(network.output)}")
        print(f"Largest difference from Keras in {form.RUNTIME}: {difference:.1e}")
        if int8:
            with quiet_stderr():
                form.quantize(network, exact, small)
            compare(run, network, {"float32": exact, "int8": small}, form.load)
        os.replace(small if int8 else exact, out)
    Path(f"{out}.json").write_text(json.dumps(_explained(run), indent=2), "utf-8")
    for line in left_out:
        print(f"Left out: {line}")


def require(kind: str) -> None:
    """Looks for the packages of a format.

    Raises:
        ConfigError: If one is missing; it says what to type.
    """
    missing = [name for name in FORMATS[kind].PACKAGES if not _is_there(name)]
    if missing:
        raise ConfigError(
            f"--format {kind} needs {', '.join(missing)}. Install it with: "
            f'python -m pip install -e ".[{kind}]"'
        )


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # marked as missing in sys.modules
        return False


def _reduced(run: Run, names: Sequence[str]) -> Run:
    known = {each.name: each for each in run.tasks}
    for name in names:
        if name not in known:
            raise ConfigError(unknown("task of this run", name, known))
    return dataclasses.replace(run, tasks=tuple(known[name] for name in names)) if names else run


def _explained(run: Run) -> dict[str, Any]:
    """What a program needs to know to call the file and to read its outputs."""
    found: dict[str, Any] = {
        "image": {
            "size": run.config.model.image_size,
            "bands": run.config.pixels.bands,
            "dtype": run.config.pixels.dtype,
        },
        "outputs": {
            each.name: {k: v for k, v in each.to_dict().items() if k in _READ_BY_PROGRAMS}
            for each in run.tasks
        },
    }
    if any(each.unit == "question" for each in run.tasks):
        found["question"] = {
            "words": list(run.vocabulary.words),
            "length": run.config.model.question_words,
        }
    return found


_READ_BY_PROGRAMS = ("classes", "question_type", "ordinal", "bin_medians", "words", "length")
