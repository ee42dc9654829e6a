"""What PyTorch is told by hand: traced functions, steps of all weights at once, TF32, profiles.

On PyTorch Keras finds its way to each operation anew, every time. That is little beside a batch of
images and much beside one word of a caption, or one bias of a hundred.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

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
        _simplify(graph, keras.tree.flatten(tensors))

    def run(*tensors):
        with torch.no_grad():
            return graph(*tensors)

    return run


def _simplify(traced, tensors: list) -> None:
    """Takes out what changes nothing and adds biases within products, to PyTorch's own kernels.

    For a single word each operation costs more than what it does.
    """
    import torch
    from torch.fx.passes.shape_prop import ShapeProp

    aten, graph = torch.ops.aten, traced.graph
    ShapeProp(traced).propagate(*tensors)
    for node in graph.nodes:
        if node.target in (aten.expand.default, aten.lift_fresh_copy.default):
            if _shape(node) == _shape(node.args[0]):
                node.replace_all_uses_with(node.args[0])
        elif node.target == aten.add.Tensor and _is_product_and_bias(*node.args):
            product, bias = node.args
            with graph.inserting_before(node):
                fused = graph.call_function(aten.addmm.default, (bias, *product.args))
            fused.meta = node.meta
            node.replace_all_uses_with(fused)
    graph.eliminate_dead_code()
    traced.recompile()


def _is_product_and_bias(product, bias) -> bool:
    import torch

    if torch.ops.aten.mm.default != getattr(product, "target", None) or len(product.users) > 1:
        return False
    return getattr(bias, "op", None) == "get_attr" and len(_shape(bias)) == 1


def _shape(node) -> tuple[int, ...]:
    return tuple(node.meta["tensor_meta"].shape)


def allow_tf32() -> None:
    """Lets PyTorch multiply float32 matrices as TF32 on a GPU; TensorFlow and JAX do it unasked."""
    if keras.config.backend() == "torch":
        import torch

        if torch.cuda.is_available():
            torch.set_float32_matmul_precision("high")


def scale(variables: Sequence[keras.Variable], factor) -> None:
    """Multiplies each by a scalar tensor."""
    import torch

    with torch.no_grad():
        torch._foreach_mul_(_values(variables), factor)


def subtract(variables: Sequence[keras.Variable], steps: Sequence, rate) -> None:
    """Takes from each its step, times a scalar tensor."""
    import torch

    with torch.no_grad():
        torch._foreach_sub_(_values(variables), torch._foreach_mul(list(steps), rate))


def nesterov(momentums: Sequence[keras.Variable], gradients: Sequence, kept: float) -> list:
    """Adds gradients to momentums, of which a share is kept; gradients with what they become."""
    import torch

    with torch.no_grad():
        moving, gradients = _values(momentums), list(gradients)
        torch._foreach_mul_(moving, kept)
        torch._foreach_add_(moving, gradients)
        return list(torch._foreach_add(gradients, moving, alpha=kept))


def adamw(
    variables: Sequence[keras.Variable],
    gradients: Sequence,
    means: Sequence[keras.Variable],
    squares: Sequence[keras.Variable],
    rate,
    step,
    decays: tuple[float, float],
    epsilon: float,
    shares: Sequence[float] = (),
) -> None:
    """A step of Adam as Keras takes it, for all variables together.

    Args:
        variables: To be moved.
        gradients: Theirs.
        means: Running means of gradients.
        squares: And of their squares.
        rate: Learning rate, a scalar tensor.
        step: Its number, from 1, a scalar tensor.
        decays: How much of both means is kept.
        epsilon: Beside the root of the squares.
        shares: Of the rate, one a variable; all of it if there are none.
    """
    import torch

    with torch.no_grad():
        first, second = decays
        means, squares, gradients = _values(means), _values(squares), list(gradients)
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        length = rate * torch.sqrt(1 - second**step) / (1 - first**step)
        below = torch._foreach_add(torch._foreach_sqrt(squares), epsilon)
        steps = torch._foreach_div(torch._foreach_mul(means, length), below)
        if shares:
            torch._foreach_mul_(steps, list(shares))
        torch._foreach_sub_(_values(variables), steps)


class Profile(keras.callbacks.Callback):
    """Traces some steps of a training, as Keras' TensorBoard does on the other backends.

    Args:
        folder: Where `HOST_PROCESS.TIME.pt.trace.json` goes, for Perfetto and chrome://tracing.
        steps: How many, from the second on.
    """

    def __init__(self, folder: Path, steps: int):
        super().__init__()
        self.folder, self.steps = folder, steps

    def on_train_begin(self, logs=None):
        """Waits for the second step."""
        from torch import profiler

        self.profile = profiler.profile(
            schedule=profiler.schedule(wait=0, warmup=1, active=self.steps, repeat=1),
            on_trace_ready=profiler.tensorboard_trace_handler(str(self.folder)),
        )
        self.profile.start()

    def on_train_batch_end(self, batch, logs=None):
        """Counts."""
        self.profile.step()

    def on_train_end(self, logs=None):
        """Ends, if the training was shorter."""
        self.profile.stop()


def _values(variables: Sequence[keras.Variable]) -> list:
    return [each.value for each in variables]
