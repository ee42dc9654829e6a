"""Training speed of the image encoder with its land-use head, beside plain PyTorch.

KERAS_BACKEND=tensorflow python -m benchmarks.training --preset small

They train on one batch of random tiles that lies in memory, in turns, and the best turn of each
counts. Token dropout is off, or they would not compute the same. On TensorFlow and in float32 the
same network in TensorFlow's own operations stands beside them: what Keras costs, and what
TensorFlow's kernels do. On a GPU the table has two columns more: the share of what this GPU does in
one large product of bfloat16 matrices, and the most memory that a network takes in its first steps.
"""

import importlib
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.accelerator import Memory, matrix_rate
from benchmarks.machine import Watch, title
from pipelines import commands
from spatialnet_keras.config import Config, ConfigError, override
from spatialnet_keras.presets import PRESETS, preset

PROGRAM = "python -m benchmarks.training"
CLASSES = 21  # of UC Merced
TURNS = 3
# Steps a turn and images a batch where the command line does not say: seconds, not hours.
STEPS = {"tiny": 30, "small": 8, "paper": 3}
BATCH = {"paper": 8}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints one table."""
    watch = Watch()
    flags = _parser().parse_args(arguments)
    config = _config(preset(flags.preset), flags.batch_size, flags.dtype)
    steps = STEPS.get(flags.preset, 8) if flags.steps is None else flags.steps
    if steps < 1:
        raise ConfigError(f"--steps must be at least 1. Received: {steps}.")
    # two frameworks in one process must share an accelerator
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    with commands.quiet_stderr():
        import keras
        import torch

        import pipelines.batches  # noqa: F401 (finds or hides the GPU)
        from spatialnet_keras.facts import cores

    torch.set_num_threads(cores())
    images, labels = _batch(config)
    backend = keras.config.backend()
    contestants = {
        "Keras": _contestant(backend, lambda: _keras(config, images, labels)),
        "PyTorch": _contestant("torch", lambda: _plain("torch", config, images, labels)),
    }
    if backend == "tensorflow" and flags.dtype == "float32":
        contestants["TensorFlow"] = _contestant(
            "tensorflow", lambda: _plain("tensorflow", config, images, labels)
        )
    for _ in range(TURNS):
        for each in contestants.values():
            each.seconds.append(each.run(steps))
    _show(config, steps, contestants, _operations(config, images, labels), watch)


@dataclass
class Contestant:
    """A network and how quick it is.

    Attributes:
        size: Trained parameters.
        run: From steps to the median of the seconds that one of them takes.
        memory: GiB of the GPU in the first steps, None on a CPU.
        seconds: Of each turn.
    """

    size: int
    run: Callable[[int], float]
    memory: float | None
    seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """Seconds a step in the best turn."""
        return min(self.seconds)


def _parser() -> commands.Parser:
    parser = commands.Parser(prog=PROGRAM, description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--preset", default="tiny", help=f"{', '.join(PRESETS)} (default: tiny)")
    add("--steps", metavar="N", type=int, help=f"steps a turn, of {TURNS} turns ({STEPS})")
    add("--batch-size", metavar="B", type=int, help="images (the preset's; 8 for paper)")
    add("--dtype", default="float32", choices=("float32", "mixed_bfloat16"), help="(float32)")
    return parser


def _config(config: Config, batch_size: int | None, dtype: str) -> Config:
    """The preset without what only one of the two would do."""
    usual = BATCH.get(config.preset, config.train.batch_size)
    return override(
        config,
        {
            "model.token_dropout": 0.0,
            "model.positions": "learned",
            "train.optimizer": "adamw",
            "train.l2": 0.0,
            "train.batch_size": usual if batch_size is None else batch_size,
            "train.dtype": dtype,
        },
    )


def _batch(config: Config) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    size, count = config.model.image_size, config.train.batch_size
    images = rng.integers(0, 256, (count, size, size, config.pixels.bands), np.uint8)
    return images, rng.integers(0, CLASSES, count, np.int32)


def _contestant(library: str, make: Callable[[], tuple[int, Callable]]) -> Contestant:
    memory = Memory(library)
    size, run = make()
    run(1)  # compiles
    return Contestant(size, run, memory.peak())


def _keras(config: Config, images: np.ndarray, labels: np.ndarray):
    """Size of the network, and a function from steps to the seconds that one of them takes."""
    with commands.quiet_stderr():
        import keras
        import tensorflow as tf

        from spatialnet_keras.model import build_model
        from spatialnet_keras.tasks import task
        from spatialnet_keras.training.compiling import compile_model

    class Clock(keras.callbacks.Callback):
        """The time after each step; keras hands over the loss, so the device has finished."""

        def on_train_begin(self, logs=None):
            self.times = []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())

    keras.config.set_dtype_policy(config.train.dtype)
    land_use = replace(task("land_use"), classes=tuple(map(str, range(CLASSES))))
    config = replace(config, tasks=(("land_use", 1.0),))
    model = build_model(config, (land_use,), words=1)
    compile_model(model, config, (land_use,), steps=1000)
    weight = np.ones(len(labels), np.float32)
    example = ({"image": images}, {"land_use": labels}, {"land_use": weight})
    batches = tf.data.Dataset.from_tensors(example).repeat()

    def run(steps: int) -> float:
        clock = Clock()
        # one step more: the first of a fit opens the data set
        model.fit(batches, steps_per_epoch=steps + 1, shuffle=False, verbose=0, callbacks=[clock])
        return statistics.median(np.diff(clock.times))

    return sum(math.prod(each.shape) for each in model.trainable_variables), run


def _plain(library: str, config: Config, images: np.ndarray, labels: np.ndarray):
    """As `_keras`."""
    plain = importlib.import_module(f"benchmarks.plain_{library}")
    network = plain.LandUseNetwork(config.model, config.pixels, CLASSES)
    trainer = plain.Trainer(network, config, images, labels)

    def run(steps: int) -> float:
        times = []
        for _ in range(steps + 1):
            trainer.step()
            times.append(time.perf_counter())
        return statistics.median(np.diff(times))

    weights = network.parameters() if library == "torch" else network.trainable_variables
    return sum(math.prod(each.shape) for each in weights), run


def _operations(config: Config, images: np.ndarray, labels: np.ndarray) -> int:
    """Floating-point operations of a step."""
    from benchmarks import plain_torch

    network = plain_torch.LandUseNetwork(config.model, config.pixels, CLASSES)
    return plain_torch.Trainer(network, config, images, labels).operations()


def _show(
    config: Config, steps: int, contestants: dict[str, Contestant], operations: int, watch: Watch
) -> None:
    import keras
    from rich.console import Console
    from rich.table import Table

    backend = keras.config.backend()
    count = config.train.batch_size
    what = f"Training, {config.preset}, batch {count}, {config.train.dtype}, {steps} steps a turn"
    packages = ("torch",) if backend == "torch" else (backend, "torch")
    peak = matrix_rate()
    table = Table(title=title(what, watch, *packages))
    table.add_column("network")
    for column in ("ms a step", "images/s", "over PyTorch", "TFLOP/s"):
        table.add_column(column, justify="right")
    for column in ("of peak", "GiB") if peak else ():
        table.add_column(column, justify="right")
    for name, each in contestants.items():
        rate = operations / each.best
        on_gpu = (f"{rate / peak:.1%}", f"{each.memory:.2f}" if each.memory else "") if peak else ()
        table.add_row(
            f"Keras on {backend}" if name == "Keras" else f"plain {name}",
            f"{each.best * 1000:,.1f}",
            f"{count / each.best:,.1f}",
            f"{each.best / contestants['PyTorch'].best:.3f}",
            f"{rate / 1e12:,.3g}",
            *on_gpu,
        )
    sizes = " and ".join(f"{size:,}" for size in sorted({e.size for e in contestants.values()}))
    table.caption = f"{sizes} parameters, {operations / 1e12:,.3g} TFLOP a step"
    table.caption += f"; peak: a bfloat16 product, {peak / 1e12:,.0f} TFLOP/s" if peak else ""
    Console().print(table)


if __name__ == "__main__":
    commands.run(PROGRAM, main, ConfigError)
