"""LiteRT: written by TensorFlow's converter, run by ai-edge-litert."""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from spatialnet_keras.export.agreement import Arrays

RUNTIME = "LiteRT"
PACKAGES = ("ai_edge_litert",)


def write(network: keras.Model, path: Path) -> None:
    """Writes a network; the first dimension of each input, and that of the questions, is free."""
    network.export(path, format="litert", verbose=False)


def load(path: Path) -> Callable[[Arrays], Arrays]:
    """The network as a function of arrays by name."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner()
    return lambda inputs: runner(**inputs)


def quantize(network: keras.Model, exact: Path, small: Path) -> None:
    """Stores weights in 8 bits; activations are scaled as they come (dynamic range)."""
    network.export(small, format="litert", verbose=False, optimizations=[tf.lite.Optimize.DEFAULT])
