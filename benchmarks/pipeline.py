"""The input pipeline: images a second, and memory by the number of questions an image has.

python -m benchmarks.pipeline [--data ucm_captions=DIR]

Without --data it draws a city into a temporary folder. Nothing stays behind.
"""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import memory
from benchmarks.machine import Watch, title
from pipelines import DataError, Records, commands, load
from pipelines.augment import Augmentation
from spatialnet_keras.config import ConfigError
from spatialnet_keras.flags import named_folder
from spatialnet_keras.presets import PRESETS

PROGRAM = "python -m benchmarks.pipeline"
BATCH = 32  # images (paper, IV)
TURNS = 5  # the best one counts
SECONDS = 1.0  # of a turn

_AS_STORED = Augmentation()
_SMALL = PRESETS["small"].train
_AS_SMALL = Augmentation(
    symmetries=_SMALL.symmetries, crop=_SMALL.crop, jitter=_SMALL.jitter, gain=_SMALL.gain
)


@dataclass(frozen=True)
class Case:
    """One way to feed a network from the store.

    Attributes:
        name: For the table.
        stored: Pixels a side in the store.
        size: Pixels a side in the batch.
        how: Augmentation.
        questions: Drawn for an image.
    """

    name: str
    stored: int
    size: int
    how: Augmentation
    questions: int = 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints two tables."""
    watch = Watch()
    flags = _parser().parse_args(arguments)
    if flags.images < BATCH:
        raise ConfigError(f"--images must be at least {BATCH}. Received: {flags.images}.")
    with commands.quiet_stderr():
        import pipelines.batches  # noqa: F401 (TensorFlow, with its notes)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SPATIALNET_CACHE"] = folder  # the user's own stays as it is
        records = _records(flags, Path(folder) / "city")
        rates = {
            f"{case.name}, {case.stored} -> {case.size} pixels": _rate(_stored(records, case))
            for case in _cases(records, flags.size)
        }
        decoded = _rate(_decoded(records, flags.size))
    rates[f"every file decoded each time, {flags.size} pixels"] = decoded
    _show_rates(f"Input pipeline, {len(records)} images of {records.name}", rates, watch)
    if memory.can_measure():
        _show_memory([memory.measure_apart(questions) for questions in memory.QUESTIONS])


def _parser() -> commands.Parser:
    parser = commands.Parser(prog=PROGRAM, description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", metavar="NAME=DIR", help="a data set and its folder (default: a drawn city)")
    add("--images", metavar="N", type=int, default=512, help="the first N of its training (512)")
    add("--size", metavar="N", type=int, default=256, help="pixels a side (256)")
    return parser


def _records(flags, city: Path) -> Records:
    if flags.data:
        records = load(*named_folder(flags.data), "train")
    else:
        from pipelines.synthetic import write_city

        write_city(city, tiles=-(-flags.images * 10 // 8) + 10, size=flags.size)
        records = load("synthetic", city, "train")
    return replace(records, rows=records.rows[: flags.images])


def _cases(records: Records, size: int) -> list[Case]:
    cases = [
        Case("from the store", size, size, _AS_STORED),
        Case("flipped and turned", size, size, Augmentation(symmetries=True)),
        Case("augmented as `small`", size, size, _AS_SMALL),
        Case("augmented as `small`", 128, 64, _AS_SMALL),
    ]
    if any(record.questions for record in records):
        cases.insert(1, Case("with 16 questions an image", size, size, _AS_STORED, 16))
    return cases


def _stored(records: Records, case: Case) -> Iterable[Any]:
    """Training batches without end, as `training` makes them."""
    from pipelines.batches import training_batches
    from pipelines.store import stored_images
    from spatialnet_keras.data import Part
    from spatialnet_keras.encode import questions
    from spatialnet_keras.tasks import TASKS
    from spatialnet_keras.text import Vocabulary

    units = ("image", "question") if case.questions else ("image",)
    tasks = [task.fit([records]) for task in TASKS if task.unit in units]
    vocabulary = Vocabulary.fit(questions(records))
    part = Part(*stored_images(records, case.stored))
    examples = part.encode(
        [task for task in tasks if task.floor_answers], vocabulary, PRESETS["paper"]
    )
    slots = {"question": case.questions} if case.questions else {}
    return training_batches(
        [examples], BATCH, slots, seed=0, epochs=10**6, augmentation=case.how, size=case.size
    )


def _decoded(records: Records, size: int) -> Iterable[Any]:
    """What a tf.data pipeline without a store does."""
    import tensorflow as tf

    from pipelines.images import read_image
    from pipelines.pixels import resize

    def decode(path):
        (image,) = tf.numpy_function(
            lambda name: resize(read_image(name.decode()), size), [path], [tf.uint8]
        )
        image.set_shape((size, size, 3))
        return image

    paths = [str(record.image) for record in records]
    return (
        tf.data.Dataset.from_tensor_slices(paths)
        .shuffle(len(paths), seed=0)
        .repeat()
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(BATCH)
        .prefetch(4)
    )


def _rate(batches: Iterable[Any]) -> float:
    """Images a second, the best of some turns; the first, with batches read ahead, is left out."""
    iterator = iter(batches)
    return max([_turn(iterator) for _ in range(TURNS + 1)][1:])


def _turn(iterator: Iterator[Any]) -> float:
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS:
        next(iterator)
        count += 1
    return count * BATCH / (time.perf_counter() - started)


def _show_rates(what: str, rates: dict[str, float], watch: Watch) -> None:
    table = Table(title=title(what, watch, "tensorflow", "numpy", "pillow"))
    table.add_column(f"batches of {BATCH}")
    table.add_column("images/s", justify="right")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}")
    Console().print(table)


def _show_memory(found: list[memory.Growth]) -> None:
    table = Table(title=f"MiB for {memory.IMAGES} images, by the questions that each of them has")
    for column in ("questions", "records", "encoding, peak", "encoded table", "batches, peak"):
        table.add_column(column, justify="right")
    for each in found:
        sizes = (each.records, each.encoding, each.table, each.batches)
        table.add_row(f"{each.questions:,}", *(f"{size:,.1f}" for size in sizes))
    Console().print(table)


if __name__ == "__main__":
    commands.run(PROGRAM, main, DataError, ConfigError)
