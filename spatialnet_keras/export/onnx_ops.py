"""TensorFlow ops that tf2onnx does not know, in ops that ONNX has.

tf2onnx calls `version_9` of a class for a node of that name in a graph of opset 9 or later.
"""

import functools

import numpy as np


@functools.cache
def teach_tf2onnx() -> None:
    """Registers the classes below."""
    from tf2onnx.handler import tf_op

    tf_op("Erfc")(Erfc)
    tf_op("XlaDynamicUpdateSlice")(UpdateOnePlace)


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


class UpdateOnePlace:
    """`keras.ops.slice_update` at one place of one axis: how the decoder fills its caches."""

    @classmethod
    def version_9(cls, graph, node, **kwargs):
        """Replaces the node: the update where the place is, else what was there."""
        old, update, start = node.input
        kind, shape = graph.get_dtype(old), graph.get_shape(old)
        axes = [
            axis
            for axis, (size, new) in enumerate(zip(shape, graph.get_shape(update), strict=True))
            if size != new
        ]
        if len(axes) > 1 or any(graph.get_shape(update)[axis] != 1 for axis in axes):
            raise ValueError(f"Only one place of one axis can be updated. Received: {node.name}.")
        target = node.output
        graph.remove_node(node.name)
        if not axes:  # there is but one place
            graph.make_node("Identity", [update], outputs=target, dtypes=[kind], shapes=[shape])
            return
        (axis,) = axes
        places = np.arange(shape[axis], dtype=np.int64)
        places = places.reshape([-1 if each == axis else 1 for each in range(len(shape))])
        places = graph.make_const(f"{node.name}_places", places).output[0]
        axis = graph.make_const(f"{node.name}_axis", np.array(axis, np.int64)).output[0]
        start = graph.make_node("Cast", [start], attr={"to": _INT64}).output[0]
        start = graph.make_node("Gather", [start, axis], attr={"axis": 0}).output[0]
        here = graph.make_node("Equal", [places, start]).output[0]
        graph.make_node("Where", [here, update, old], outputs=target, dtypes=[kind], shapes=[shape])


_INT64 = 7  # onnx.TensorProto.INT64
