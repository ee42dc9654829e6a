"""Questions a second in training: G questions on one encoded image against one image each.

KERAS_BACKEND=tensorflow python -m benchmarks.questions --preset small --questions 32

The same network trains on the same questions in both rows, in turns; the best turn counts. Grouped,
a batch is B images with G questions each, packed as in training. Ungrouped, as the field usually
does it, every question comes with an image of its own: B images with one question.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.machine import Watch, title
from pipelines import commands
from pipelines.packing import pack
from spatialnet_keras.config import Config, ConfigError, override
from spatialnet_keras.presets import PRESETS, preset

PROGRAM = "python -m benchmarks.questions"
WORDS = 60  # of the vocabulary
LONGEST, USUAL = 25, 10  # words of RSVQA-LR's training questions: to the first all are filled up
TURNS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints one table."""
    watch = Watch()
    parser = commands.Parser(prog=PROGRAM, description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="small", help=f"{', '.join(PRESETS)} (default: small)")
    parser.add_argument("--questions", type=int, default=32, metavar="G", help="an image (32)")
    parser.add_argument("--images", type=int, default=8, metavar="B", help="a batch (8)")
    parser.add_argument("--steps", type=int, default=5, metavar="N", help=f"of {TURNS} turns (5)")
    flags = parser.parse_args(arguments)
    if min(flags.questions, flags.images, flags.steps) < 1:
        raise ConfigError("--questions, --images and --steps must be at least 1.")
    config = preset(flags.preset)
    slots = {"grouped": flags.questions, "one image a question": 1}
    runs = {name: _run(config, flags.images, each) for name, each in slots.items()}
    seconds = {name: [] for name in runs}
    for turn in range(TURNS + 1):
        for name, run in runs.items():
            found = run(flags.steps if turn else 1)
            seconds[name] += [found] if turn else []  # the first turn compiles
    _show(config, flags.images, slots, {name: min(each) for name, each in seconds.items()}, watch)


def _run(config: Config, images: int, questions: int):
    """A function from steps to the seconds that one of them takes."""
    with commands.quiet_stderr():
        import keras
        import tensorflow as tf

        from spatialnet_keras.model import build_model
        from spatialnet_keras.tasks import task
        from spatialnet_keras.training.compiling import compile_model
        from spatialnet_keras.training.network import training_model

    presence = replace(task("presence"), classes=("no", "yes"))
    sizes = {"model.question_words": LONGEST, "train.questions_per_image": questions}
    config = override(config, sizes)
    config = replace(config, tasks=(("presence", 1.0),))
    keras.utils.set_random_seed(0)
    model = build_model(config, (presence,), WORDS)
    rows = -(-questions // (LONGEST // USUAL))
    if rows < questions:
        model = training_model(model, config, (presence,), {}, rows=rows)
    compile_model(model, config, (presence,), steps=1000)
    rng = np.random.default_rng(0)
    size = config.model.image_size
    x = {
        "image": rng.integers(0, 256, (images, size, size, config.pixels.bands), np.uint8),
        "question": rng.integers(4, WORDS, (images, questions, LONGEST), np.int32),
    }
    x["question"][..., USUAL:] = 0
    if rows < questions:
        x["question"], _ = pack(x["question"], rows)
    y = {"presence": rng.integers(0, 2, (images, questions), np.int32)}
    weight = {"presence": np.ones((images, questions), np.float32)}
    batches = tf.data.Dataset.from_tensors((x, y, weight)).repeat()

    class Clock(keras.callbacks.Callback):
        """The time after each step; keras hands over the loss, so the device has finished."""

        def on_train_begin(self, logs=None):
            self.times = []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())

    def run(steps: int) -> float:
        clock = Clock()
        model.fit(batches, steps_per_epoch=steps + 1, shuffle=False, verbose=0, callbacks=[clock])
        return float(np.median(np.diff(clock.times)))

    return run


def _show(config: Config, images: int, slots: dict, seconds: dict, watch: Watch) -> None:
    from rich.console import Console
    from rich.table import Table

    rates = {name: images * slots[name] / seconds[name] for name in slots}
    view = Table(title=title(f"Questions in training, {config.preset}, {images} images", watch))
    for column in ("batch", "ms a step", "questions/s", "ratio"):
        view.add_column(column, justify="left" if column == "batch" else "right")
    for name, rate in rates.items():
        ratio = rate / rates["one image a question"]
        view.add_row(name, f"{1e3 * seconds[name]:,.0f}", f"{rate:,.0f}", f"{ratio:.1f}")
    Console().print(view)


if __name__ == "__main__":
    commands.run(PROGRAM, main, ConfigError)
