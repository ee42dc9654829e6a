"""Pictures of a run, drawn with matplotlib and returned as PNG bytes."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from spatialnet_keras.data import Part
from spatialnet_keras.evaluate import Outputs
from spatialnet_keras.tasks import Task

RIGHT, WRONG = "#1a7f37", "#cf222e"
_DPI = 80


def answer_sheet(
    part: Part, outputs: Outputs, tasks: Sequence[Task], count: int = 12, columns: int = 4
) -> tuple[bytes, int, int]:
    """Tiles with what the model says of them: green where it is right, red where it is wrong.

    Args:
        part: One split of one data set.
        outputs: Of `evaluate.predict` on it.
        tasks: Fitted tasks.
        count: How many tiles, spread evenly over the split.
        columns: Tiles side by side.

    Returns:
        A PNG, its height and its width in pixels.
    """
    rows = np.unique(np.linspace(0, len(part.images) - 1, count).astype(int))
    lines = [answer_lines(part, row, outputs, tasks) for row in rows]
    depth = max(len(each) for each in lines)
    height = -(-len(rows) // columns) * (2.6 + 0.2 * depth)
    figure = Figure(figsize=(3.2 * columns, height), dpi=_DPI, layout="constrained")
    axes = figure.subplots(-(-len(rows) // columns), columns, squeeze=False).flat
    for axis in axes:
        axis.set_axis_off()
    for axis, row, said in zip(axes, rows, lines, strict=False):
        axis.imshow(viewable(part.images[row]))
        for place, (text, right) in enumerate(said):
            axis.annotate(
                text, (0.5, 0), (0, -6 - 13 * place), "axes fraction", "offset points",
                color=RIGHT if right else WRONG, fontsize=8, ha="center", va="top",
                annotation_clip=False,
            )  # fmt: skip
        axis.set_title("\n" * depth, y=-0.1, fontsize=7, va="top")  # keeps room for the lines
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
            and (place == row if task.unit == "image" else questions[place][1] == row)
        ]
        if not own:
            continue
        place = own[0]
        answer = task.answer(outputs[task.name][place : place + 1])[0]
        asked = task.name.replace("_", " ") if task.unit == "image" else questions[place][0]
        right = answer == truths[place]
        text = f"{_shortened(asked)}  {answer}"
        lines.append((text if right else f"{text}  (is {truths[place]})", right))
    return lines


def viewable(image: np.ndarray) -> np.ndarray:
    """Any stored image [H, W, C] as uint8 RGB: the first three bands, stretched if not 8 bits."""
    image = image[..., :3] if image.shape[-1] >= 3 else image[..., :1].repeat(3, axis=-1)
    if image.dtype == np.uint8:
        return image
    low, high = np.percentile(image, (2, 98))
    return ((image - low) / max(high - low, 1e-9) * 255).clip(0, 255).astype(np.uint8)


def png(figure: Figure) -> tuple[bytes, int, int]:
    """A figure as a PNG, with its height and width in pixels."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    width, height = (round(inches * _DPI) for inches in figure.get_size_inches())
    return buffer.getvalue(), height, width


def _shortened(text: str, length: int = 42) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
