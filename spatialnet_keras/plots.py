"""Pictures of a run, drawn with matplotlib and returned as PNG bytes."""

import io
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from spatialnet_keras.data import Part
from spatialnet_keras.inference import Outputs
from spatialnet_keras.tasks import Task

RIGHT, WRONG = "#1a7f37", "#cf222e"
_DPI = 110
_TILE, _LINE = 3.1, 0.15  # inches: side of a tile, height of a line of text
_LETTERS = 56  # that fit under a tile


class Picture(NamedTuple):
    """A PNG, and its height and width in pixels."""

    png: bytes
    height: int
    width: int


def answer_sheet(
    part: Part, outputs: Outputs, tasks: Sequence[Task], count: int = 12, columns: int = 4
) -> Picture:
    """Tiles with what the model says of them: green where it is right, red where it is wrong.

    Args:
        part: One split of one data set.
        outputs: Of `inference.predict` on it.
        tasks: Fitted tasks.
        count: How many tiles, spread evenly over the split.
        columns: Tiles side by side.
    """
    rows = np.unique(np.linspace(0, len(part.images) - 1, count).astype(int))
    lines = [answer_lines(part, row, outputs, tasks) for row in rows]
    depth = max(len(each) for each in lines)
    cell = _TILE + 0.3, _TILE + 0.2 + _LINE * depth  # inches
    width, height = columns * cell[0], -(-len(rows) // columns) * cell[1]
    figure = Figure(figsize=(width, height), dpi=_DPI)
    for place, (row, said) in enumerate(zip(rows, lines, strict=True)):
        left = (place % columns) * cell[0] + 0.15
        top = height - (place // columns) * cell[1] - 0.1
        box = (left / width, (top - _TILE) / height, _TILE / width, _TILE / height)
        axes = figure.add_axes(box)
        axes.set_axis_off()
        axes.imshow(viewable(part.images[row]))
        for number, (text, right) in enumerate(said):
            y = top - _TILE - 0.06 - _LINE * number
            figure.text(
                left / width, y / height, text, va="top", fontsize=7,
                color=RIGHT if right else WRONG, parse_math=False,
            )  # fmt: skip
    return png(figure)


def confusion_picture(title: str, names: Sequence[str], table: np.ndarray) -> Picture:
    """A confusion matrix: darker is a larger share of a row; the numbers are rows.

    Args:
        title: What is confused.
        names: K of them.
        table: int [K, K], what it is (row) by what it was called (column).
    """
    side = 1.9 + 0.3 * max(len(names), 6)  # inches
    figure = Figure(figsize=(side, side), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*table.nonzero(), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(
            column, row, table[row, column], color=colour, ha="center", va="center", fontsize=7
        )
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7, parse_math=False)
    axes.set_yticks(range(len(names)), names, fontsize=7, parse_math=False)
    axes.set_xlabel("called", fontsize=8)
    axes.set_ylabel("is", fontsize=8)
    axes.set_title(title, fontsize=9, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return png(figure)


def answer_lines(
    part: Part, row: int, outputs: Outputs, tasks: Sequence[Task]
) -> list[tuple[str, bool]]:
    """One line a task that has a label on an image: (text, whether the answer is right)."""
    questions = [(q.text, at) for at, record in enumerate(part.records) for q in record.questions]
    lines = []
    for task in tasks:
        truths = task.truths(part.records)
        own = [
            place
            for place, truth in enumerate(truths)
            if truth is not None
            and (place == row if task.answer_unit == "image" else questions[place][1] == row)
        ]
        if not own:
            continue
        place = own[0]
        answer = task.answer(outputs[task.name][place : place + 1])[0]
        if task.unit == "caption":
            lines += caption_lines(answer, truths[place])
            continue
        asked = task.name.replace("_", " ") if task.unit == "image" else questions[place][0]
        right = answer == truths[place]
        text = f"{_shortened(asked)}  {answer}"
        lines.append((text if right else f"{text}  (is {truths[place]})", right))
    return lines


def caption_lines(caption: str, references: Sequence[str]) -> list[tuple[str, bool]]:
    """The caption in lines that fit a tile, right if somebody said just that, and a reference."""
    right = caption in references
    lines = [(line, right) for line in textwrap.wrap(f"“{caption}”", _LETTERS)]
    if not right:
        lines += [(line, True) for line in textwrap.wrap(f"(one said: {references[0]})", _LETTERS)]
    return lines


def viewable(image: np.ndarray) -> np.ndarray:
    """Any stored image [H, W, C] as uint8 RGB: the first three bands, stretched if not 8 bits."""
    image = image[..., :3] if image.shape[-1] >= 3 else image[..., :1].repeat(3, axis=-1)
    if image.dtype == np.uint8:
        return image
    low, high = np.percentile(image, (2, 98))
    return ((image - low) / max(high - low, 1e-9) * 255).clip(0, 255).astype(np.uint8)


def png(figure: Figure) -> Picture:
    """A figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    width, height = Image.open(buffer).size
    return Picture(buffer.getvalue(), height, width)


def _shortened(text: str, length: int = 48) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
