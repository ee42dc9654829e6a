"""Facts that make a run repeatable: command, machine, versions, parameters, data by their hash."""

import hashlib
import json
import math
import os
import platform
import shlex
import subprocess
import sys
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras

from pipelines.records import Records

PACKAGES = ("spatialnet-keras", "keras", "keras-hub", "tensorflow", "jax", "torch", "numpy")

_CPUINFO = Path("/proc/cpuinfo")


def of_training(model: keras.Model) -> dict[str, Any]:
    """What is known when the training of a model starts, for metrics.json."""
    return {
        "started": datetime.now().isoformat(sep=" ", timespec="minutes"),
        "command": command(),
        "backend": keras.config.backend(),
        "machine": machine(),
        "versions": versions(),
        "parameters": parameters(model),
    }


def command() -> str | None:
    """The command line that trains, with its backend, or None for a training from Python."""
    program = Path(sys.argv[0])
    if program.name != "train.py":
        return None
    words = shlex.join(["python", os.path.relpath(program), *sys.argv[1:]])
    return f"KERAS_BACKEND={keras.config.backend()} {words}"


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, accelerators that it sees, system."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "accelerators": _accelerators(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Python and the packages that decide numbers, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def parameters(model: keras.Model) -> dict[str, int]:
    """Numbers in the weights: those that training changes, and all."""
    return {
        "trained": sum(math.prod(each.shape) for each in model.trainable_weights),
        "total": sum(math.prod(each.shape) for each in model.weights),
    }


def of_records(records: Records) -> dict[str, Any]:
    """How many rows a split has, and its fingerprint."""
    return {
        "data": records.name,
        "split": records.split,
        "images": len(records),
        "questions": sum(len(row.questions) for row in records),
        "captions": sum(len(row.captions) for row in records),
        "fingerprint": fingerprint(records),
    }


def fingerprint(records: Records) -> str:
    """A hash over what is said about the images and over the bytes of their files.

    It does not depend on the folder, so that a moved copy has the same.

    Returns:
        The first 16 hexadecimal digits of a SHA-256.
    """
    digest = hashlib.sha256()
    for row in records:
        asked = [(each.text, each.type, each.answer) for each in row.questions]
        said = [row.image.name, row.land_use, row.captions, asked]
        digest.update(json.dumps(said).encode())
        with row.image.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _processor() -> str:
    if _CPUINFO.exists():  # platform.processor() is "x86_64" or empty on Linux
        for line in _CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _accelerators() -> list[str]:
    """Names of NVIDIA GPUs; a machine without the driver's own tool has none."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return said.stdout.split("\n")[:-1]
