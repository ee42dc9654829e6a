"""What batches cost in memory, by the number of questions an image has: one process a number.

python -m benchmarks.memory QUESTIONS prints one line of JSON; `benchmarks.pipeline` asks for it.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipelines import commands
from pipelines.records import DataError, Question, Record, Records

PROGRAM = "python -m benchmarks.memory"
QUESTIONS = (1, 100, 1000)
IMAGES, SIZE, BATCHES = 256, 64, 200

_STATUS = Path("/proc/self/status")
_MIB = 2**20


@dataclass(frozen=True)
class Growth:
    """Mebibytes.

    Attributes:
        questions: Of each of `IMAGES` images.
        records: What reading them as text takes.
        encoding: Peak of what encoding them takes on top.
        table: The part of it that stays: ids, targets, weights.
        batches: Peak of what drawing `BATCHES` training batches takes on top of all that.
    """

    questions: int
    records: float
    encoding: float
    table: float
    batches: float


def measure(questions: int) -> Growth:
    """In this process; it must not have done anything else before."""
    with commands.quiet_stderr():
        import tensorflow as tf

        from pipelines.batches import training_batches
        from spatialnet_keras import encode
        from spatialnet_keras.presets import PRESETS
        from spatialnet_keras.tasks import TASKS
        from spatialnet_keras.text import Vocabulary

    images = np.random.default_rng(0).integers(0, 256, (IMAGES, SIZE, SIZE, 3), np.uint8)
    for _ in tf.data.Dataset.range(64).map(lambda x: x, num_parallel_calls=2).prefetch(4):
        pass  # starts TensorFlow's threads
    begun = _reset_peak()
    records = _records(questions)
    read = _reset_peak()
    tasks = tuple(each.fit([records]) for each in TASKS)
    vocabulary = Vocabulary.fit(encode.questions(records))
    examples = encode.encode(records, images, tasks, vocabulary, PRESETS["paper"])
    encoding = _mebibytes("VmHWM") - read
    group = examples.slots["question"]
    arrays = [group.starts, group.symmetric, group.types]
    arrays += [
        each for part in (group.inputs, group.targets, group.weights) for each in part.values()
    ]
    encoded = _reset_peak()
    for _ in training_batches([examples], 32, {"question": 16}, 0, BATCHES).take(BATCHES):
        pass
    batches = _mebibytes("VmHWM") - encoded
    table = sum(each.nbytes for each in arrays) / _MIB
    return Growth(questions, read - begun, encoding, table, batches)


def measure_apart(questions: int) -> Growth:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", str(questions)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise DataError(f"The measurement of memory failed: {done.stderr.strip()[-300:]}")
    return Growth(**json.loads(done.stdout))


def can_measure() -> bool:
    """Whether the system tells a process its peak: Linux."""
    return _STATUS.exists()


def _records(questions: int) -> Records:
    """Questions and answers in the words of RSVQA-LR, as many distinct ones as it has."""
    rng = np.random.default_rng(0)
    nouns = ("a road", "a residential building", "a small commercial area", "a large farmland")
    sides = ("on the left of", "on the right of", "next to", "at the top of")
    texts = [
        f"Is {one} number {number} present {side} {other} in the image?"
        for one in nouns
        for side in sides
        for other in nouns
        for number in range(8)
    ]
    rows = tuple(
        Record(
            Path(f"{image}.tif"),
            "urban",
            (),
            tuple(
                Question(texts[at], "presence", "yes" if at % 2 else "no")
                for at in rng.integers(0, len(texts), questions)
            ),
        )
        for image in range(IMAGES)
    )
    return Records("memory", "train", rows)


def _reset_peak() -> float:
    """MiB in memory now; the peak counts from here on."""
    Path("/proc/self/clear_refs").write_text("5")
    return _mebibytes("VmRSS")


def _mebibytes(name: str) -> float:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


def main() -> None:
    """The command."""
    parser = commands.Parser(prog=PROGRAM, description=__doc__.splitlines()[0])
    parser.add_argument("questions", type=int, metavar="QUESTIONS", help="of each image")
    print(json.dumps(asdict(measure(parser.parse_args().questions))))


if __name__ == "__main__":
    commands.run(PROGRAM, main, DataError)
