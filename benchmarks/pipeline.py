"""Speed and memory of the input pipeline: images a second, MiB by questions an image.

python -m benchmarks.pipeline [--data ucm_captions=DIR]

Without --data it draws a city into a temporary folder. Nothing is left behind.
"""

import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from benchmarks import memory
from benchmarks.machine import Watch, title
from pipelines import DataError, Records, commands, load
from spatialnet_keras.config import PRESETS, ConfigError, named_folder

PROGRAM = "python -m benchmarks.pipeline"
BATCH = 32  # images (paper, IV)
TURNS = 5  # the best one counts
BATCHES = 100  # a turn, from memory; decoding gets a tenth


@dataclass(frozen=True)
class Case:
    """One way to feed a network.

    Attributes:
        name: For the table.
        stored: Pixels a side in the store.
        size: Pixels a side in the batch.
        asked: Whether questions hang on the images.
        preset: Whose augmentation; "": none.
        crop: Whether its crop and its jitter count, or its symmetries alone.
    """

    name: str
    stored: int
    size: int
    asked: bool = False
    preset: str = ""
    crop: bool = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints a table."""
    watch = Watch()
    flags = _parser().parse_args(arguments)
    if flags.images < BATCH:
        raise ConfigError(f"--images must be at least {BATCH}. Received: {flags.images}.")
    with tempfile.TemporaryDirectory() as folder, commands.quiet_stderr():
        os.environ["SPATIALNET_CACHE"] = folder  # the user's own stays as it is
        records = _records(flags, Path(folder) / "city")
        rates = _rates(records, flags.size)
    _show_rates(records, rates, watch)
    if memory.can_measure():
        _show_memory([memory.measure_apart(questions) for questions in memory.QUESTIONS])
