"""Seconds to score captions, ours against pycocoevalcap, on the same captions in the same run.

python -m benchmarks.scores [--python PYTHON] [--images 1000] [--data ucm_captions=DIR]

METEOR is left out on both sides, and so is the start of Python; that of Java is not, as the
reference cannot be used without. The first of our times has nothing cached.
"""

import random
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

import pipelines
from benchmarks import machine
from benchmarks.reference import scored
from pipelines import commands
from pipelines.records import DataError
from pipelines.synthetic.captions import describe
from pipelines.synthetic.layout import imagine
from spatialnet_keras.scores.captions import caption_scores


def main(arguments: Sequence[str] | None = None) -> None:
    parser = commands.Parser(prog="benchmarks.scores", description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="one that has pycocoevalcap")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--data", help="NAME=DIR; the procedural city's captions without")
    chosen = parser.parse_args(arguments)
    references, hypotheses = captions(chosen.images, chosen.data)
    watch = machine.Watch()
    times = []
    for _ in range(2):
        started = time.perf_counter()
        ours = caption_scores(references, hypotheses)
        times.append(time.perf_counter() - started)
    try:
        theirs = scored(chosen.python, references, hypotheses)
    except RuntimeError as error:
        raise DataError(str(error)) from None
    difference = max(abs(ours[name] - theirs["scores"][name]) for name in ours)
    what = f"{len(references):,} images, {sum(map(len, references)):,} references"
    table = Table(title=machine.title(what, watch, "numpy"))
    for column in ("", "seconds", "times as fast"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("pycocoevalcap", f"{theirs['seconds']:.2f}", "1.0")
    for name, seconds in zip(("ours", "ours, same references again"), times, strict=True):
        table.add_row(name, f"{seconds:.2f}", f"{theirs['seconds'] / seconds:.1f}")
    Console().print(table)
    print(f"largest difference of a score: {difference:.1e}")


def captions(images: int, data: str | None) -> tuple[list[list[str]], list[str]]:
    """References, and as hypotheses captions of other images and of the same ones."""
    if data:
        name, _, folder = data.partition("=")
        rows = pipelines.load(name, folder, "train").rows[:images]
        references = [list(row.captions) for row in rows]
    else:
        references = [list(describe(imagine(0, index))) for index in range(images)]
    draw = random.Random(0)
    anything = [text for texts in references for text in texts]
    return references, [
        draw.choice(texts if draw.random() < 0.5 else anything) for texts in references
    ]


if __name__ == "__main__":
    commands.run("benchmarks.scores", main, DataError)
