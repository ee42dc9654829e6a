"""Checkpoints: the best network, and all that the next epoch needs, whole or not there.

`.keras` files leave out the state of the seed generators (Dropout), so a run resumed from one
differs; here every variable of the model and of the optimizer is kept.
"""

import json
import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
from keras import ops

from pipelines.records import DataError
from spatialnet_keras.run import Run


def save_state(path: Path, model: keras.Model, history: list[dict[str, Any]]) -> None:
    """Saves model, optimizer and the history of the finished epochs."""
    arrays = {f"{i:05}": ops.convert_to_numpy(v) for i, v in enumerate(_variables(model))}
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        np.savez(file, history=json.dumps(history), **arrays)
    os.replace(temporary, path)


def load_state(path: Path, model: keras.Model) -> list[dict[str, Any]]:
    """Puts a saved state into a compiled model of the same configuration.

    Returns:
        The history, one entry a finished epoch.

    Raises:
        DataError: If the file is broken or of another model.
    """
    variables = _variables(model)
    try:
        with np.load(path) as arrays:
            found = [arrays[f"{i:05}"] for i in range(len(arrays.files) - 1)]
            history = json.loads(str(arrays["history"]))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {error}. Delete it to start anew.") from None
    if [each.shape for each in found] != [tuple(each.shape) for each in variables]:
        raise DataError(f"{path} is of another network. Choose another --run, or delete it.")
    for variable, value in zip(variables, found, strict=True):
        variable.assign(value)
    return history


def keep(run: Run, network: keras.Model) -> None:
    """Writes best.keras whole or not at all, without optimizer."""
    temporary = run.path / ".best.keras"
    keras.Model(network.inputs, network.output).save(temporary)
    temporary.replace(run.best)


def _variables(model: keras.Model) -> list[keras.Variable]:
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
