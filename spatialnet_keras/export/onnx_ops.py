"""TensorFlow ops that tf2onnx does not know, in ops that ONNX has.

tf2onnx calls `version_9` of a class for a node of that name in a graph of opset 9 or later.
"""

import functools

import numpy as np


@functools.cache
def teach_tf2onnx() -> None:
    """Registers the class below."""
    from tf2onnx.handler import tf_op

    tf_op("Erfc")(Erfc)


class Erfc:
    """1 - erf: the exact GELU of some pretrained encoders."""

    @classmethod
    def version_9(cls, graph, node, **kwargs):
        """Replaces the node."""
        (source,), (target,) = node.input, node.output
        kind, shape = graph.get_dtype(target), graph.get_shape(target)
        graph.remove_node(node.name)
        one = graph.make_const(f"{node.name}_one", np.array(1, np.float32)).output[0]
        erf = graph.make_node("Erf", [source], dtypes=[kind], shapes=[shape]).output[0]
        graph.make_node("Sub", [one, erf], outputs=[target], dtypes=[kind], shapes=[shape])
