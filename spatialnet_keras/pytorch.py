"""What PyTorch is told by hand: functions of tensors run without Keras, and TF32.

On PyTorch Keras finds its way to each operation anew, every time. That is little beside a batch of
images and much beside one word of a caption.
"""

from collections.abc import Callable

import keras


class Traced:
    """A function of tensors that is run by its trace on PyTorch, and as it is elsewhere.

    A trace is of certain shapes and costs as much as it saves in several calls of a loop, so it is
    made when these shapes come for the second time. The weights in it are those of their layers,
    whatever these learn afterwards.

    Args:
        function: Of tensors, nested in tuples, without conditions on what they hold.
    """

    def __init__(self, function: Callable):
        self.function = function
        self.traces: dict[tuple, Callable | None] = {}  # None: of shapes that came once

    def for_those_like(self, *tensors) -> Callable:
        """The function for tensors of these shapes, dtypes and devices."""
        if keras.config.backend() != "torch":
            return self.function
        kind = tuple((tuple(x.shape), x.dtype, x.device) for x in keras.tree.flatten(tensors))
        if kind not in self.traces:
            self.traces[kind] = None
            return self.function
        if self.traces[kind] is None:
            self.traces[kind] = _trace(self.function, tensors)
        return self.traces[kind]


def _trace(function: Callable, tensors: tuple) -> Callable:
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    with torch.no_grad():
        # one that comes twice would be taken for one input
        tensors = keras.tree.map_structure(torch.clone, tensors)
        graph = make_fx(lambda *x: function(*x))(*tensors)  # no method: it counts `self`

    def run(*tensors):
        with torch.no_grad():
            return graph(*tensors)

    return run


def allow_tf32() -> None:
    """Lets PyTorch multiply float32 matrices as TF32 on a GPU; TensorFlow and JAX do it unasked."""
    if keras.config.backend() == "torch":
        import torch

        if torch.cuda.is_available():
            torch.set_float32_matmul_precision("high")
