"""Seconds to score captions, ours against pycocoevalcap, on the same captions in the same run.

python -m benchmarks.scores [--python PYTHON] [--images 1000] [--data ucm_captions=DIR]

METEOR is left out on both sides, and so is the start of Python; that of Java is not, as the
reference cannot be used without. Ours have nothing cached. Both take turns; of each the fastest
round counts. Seconds of CPU say more where other processes run.
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
from spatialnet_keras.scores.captions import caption_scores, tokeniser
from spatialnet_keras.scores.captions.grams import grams


def main(arguments: Sequence[str] | None = None) -> None:
    parser = commands.Parser(prog="benchmarks.scores", description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="one that has pycocoevalcap")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--data", help="NAME=DIR; the procedural city's captions without")
    chosen = parser.parse_args(arguments)
    references, hypotheses = captions(chosen.images, chosen.data)
    watch = machine.Watch()
    ours, theirs = [], []
    try:
        for _ in range(chosen.rounds):
            ours.append(_ours(references, hypotheses))
            theirs.append(scored(chosen.python, references, hypotheses))
    except RuntimeError as error:
        raise DataError(str(error)) from None
    scores, expected = ours[0]["scores"], theirs[0]["scores"]
    difference = max(abs(scores[name] - expected[name]) for name in scores)
    what = f"{len(references):,} images, {sum(map(len, references)):,} references"
    table = Table(title=machine.title(what, watch, "numpy"))
    for column in ("", "seconds", "times as fast", "seconds of CPU", "times as little"):
        table.add_column(column, justify="right" if column else "left")
    slow, fast = (_best(each) for each in (theirs, ours))
    for name, each in (("pycocoevalcap", slow), ("ours", fast)):
        pairs = zip(slow, each, strict=True)
        cells = [cell for a, b in pairs for cell in (f"{b:.2f}", f"{a / b:.1f}")]
        table.add_row(name, *cells)
    Console().print(table)
    print(f"largest difference of a score: {difference:.1e}")


def _ours(references: list[list[str]], hypotheses: list[str]) -> dict:
    grams.cache_clear()
    tokeniser._words.cache_clear()
    started, busy = time.perf_counter(), time.process_time()
    scores = caption_scores(references, hypotheses)
    seconds = time.perf_counter() - started, time.process_time() - busy
    return {"scores": scores, "seconds": seconds}


def _best(rounds: list[dict]) -> list[float]:
    return [min(times) for times in zip(*(each["seconds"] for each in rounds), strict=True)]


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
