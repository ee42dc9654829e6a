"""ONNX: written by tf2onnx, run by onnxruntime."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from spatialnet_keras.config import ConfigError
from spatialnet_keras.export.agreement import Arrays
from spatialnet_keras.export.onnx_ops import teach_tf2onnx

RUNTIME = "onnxruntime"
PACKAGES = ("onnx", "onnxruntime", "tf2onnx")


def write(network: keras.Model, path: Path) -> None:
    """Writes a network; the first dimension of each input, and that of the questions, is free."""
    teach_tf2onnx()
    network(_smallest_inputs(network))  # keras exports no model that was never called
    network.export(path, format="onnx", verbose=False)


def load(path: Path) -> Callable[[Arrays], Arrays]:
    """The network as a function of arrays by name.

    Raises:
        ConfigError: If onnxruntime does not take it.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception class of its own for each status
        line = str(error).strip().splitlines()[0]
        raise ConfigError(f"This network cannot be exported to ONNX: {line}") from error
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


def quantize(network: keras.Model, exact: Path, small: Path) -> None:
    """Stores the weights of matrix products in 8 bits; activations are scaled as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # convolutions stay: onnxruntime's integer ones are slower than its float ones
    quantize_dynamic(
        exact, small, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8
    )


def _smallest_inputs(network: keras.Model) -> Arrays:
    return keras.tree.map_structure(
        lambda each: np.zeros([size or 1 for size in each.shape], each.dtype), network.input
    )
