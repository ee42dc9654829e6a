"""Overlays: a tile beside what the network says of it, and where it looked for that."""

import textwrap
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image

from spatialnet_keras.plots import png, viewable
from spatialnet_keras.prediction.attention import caption_maps
from spatialnet_keras.prediction.predictor import Answer, Prediction, Predictor
from spatialnet_keras.prediction.questions import Questions

_SIDE, _GAP, _LINE = 2.3, 0.2, 0.155  # inches: side of a tile, space between, height of a line
_COLUMNS, _WORD_COLUMNS = 4, 8
_PIXELS = 256  # a side of a drawn tile


@dataclass(frozen=True)
class Panel:
    """A tile to draw: what is written below it, and the map [side, side] over it, if any."""

    text: str
    looked: np.ndarray | None = None

    @property
    def caption(self) -> str:
        """The text, and how uneven the map is: 1.0 would be no more than noise."""
        if self.looked is None:
            return self.text
        return f"{self.text}\n(at most {self.looked.max() * self.looked.size:.1f} times the mean)"


def attention_sheet(
    predictor: Predictor,
    image: np.ndarray,
    said: Prediction,
    questions: Questions | None = None,
) -> tuple[bytes, list[str]]:
    """Draws where the network looked.

    Args:
        predictor: Who said it.
        image: As the network took it, [S, S, C].
        said: What it said.
        questions: What it was asked.

    Returns:
        A PNG, and a line for each kind of map that this network cannot give.
    """
    large, small, notes = panels(predictor, image, said, questions)
    return _draw(viewable(image), large, small), notes


def panels(
    predictor: Predictor, image: np.ndarray, said: Prediction, questions: Questions | None
) -> tuple[list[Panel], list[Panel], list[str]]:
    """The large panels (tile, land use, questions), the small ones (words), and the notes."""
    looks, notes = predictor.looks, []
    large, small = (
        [Panel("the tile as the network sees it; beside it, what it looked at most is bright")],
        [],
    )
    if said.land_use:
        looked = looks.for_land_use(image)
        large.append(Panel(f"land use: {_shown(said.land_use)}", looked))
        if looked is None:
            notes.append("this image encoder has no self-attention, so no map of the land use")
    if questions:
        maps = looks.for_questions(image, questions.ids)
        if maps is None:
            notes.append("no word of a question looks at the image (model.fusion), so no maps")
        for place, (text, answer) in enumerate(zip(questions.texts, said.answers, strict=True)):
            looked = None if maps is None else maps[place]
            large.append(Panel(f"{text[:150]}\n{_shown(answer)}", looked))
    if said.caption:
        task = predictor.tasks["caption"]
        decoder = predictor.model.get_layer("caption").get_layer("beam_search").decoder
        maps = caption_maps(decoder, task.inputs([said.caption])[0], looks.encoded(image)[0])
        ids = task.encode([said.caption])[0][0]
        words = [task.words[place] for place in ids if place > 0]
        small = [
            Panel("(end)" if word == "[END]" else word, looked)
            for word, looked in zip(words, maps, strict=False)
        ]
    return large, small, notes


def _draw(tile: np.ndarray, large: list[Panel], small: list[Panel]) -> bytes:
    columns = -(-len(large) // -(-len(large) // _COLUMNS))  # as even as the rows can be
    width = (_COLUMNS if small else columns) * (_SIDE + _GAP) + _GAP
    rows = [large[at : at + columns] for at in range(0, len(large), columns)]
    little = (width - _GAP) / _WORD_COLUMNS - _GAP / 2
    word_rows = [small[at : at + _WORD_COLUMNS] for at in range(0, len(small), _WORD_COLUMNS)]
    texts = [[_wrapped(panel.caption, _SIDE) for panel in row] for row in rows]
    heights = [_SIDE + _LINE * (max(text.count("\n") for text in row) + 1) + _GAP for row in texts]
    title = 0.35 if small else 0.0
    height = sum(heights) + title + len(word_rows) * (little + _LINE + _GAP) + _GAP
    figure = Figure(figsize=(width, height))
    top = height - _GAP
    for row, said, depth in zip(rows, texts, heights, strict=True):
        for place, (panel, text) in enumerate(zip(row, said, strict=True)):
            box = (_GAP + place * (_SIDE + _GAP), top, _SIDE)
            _draw_panel(figure, tile, panel.looked, text, box, 8.5)
        top -= depth
    if small:
        figure.text(
            _GAP / width, (top - 0.05) / height, "caption, word by word", va="top", fontsize=8.5
        )
        top -= title
    for row in word_rows:
        for place, panel in enumerate(row):
            box = (_GAP + place * (little + _GAP / 2), top, little)
            _draw_panel(figure, tile, panel.looked, panel.text, box, 8.5)
        top -= little + _LINE + _GAP
    return png(figure)[0]


def _draw_panel(figure: Figure, tile, looked, text: str, box, size: float) -> None:
    """One panel; the box is left, top and side in inches."""
    (left, top, side), (width, height) = box, figure.get_size_inches()
    axes = figure.add_axes((left / width, (top - side) / height, side / width, side / height))
    axes.set_axis_off()
    axes.imshow(heat(tile, looked))
    y = (top - side - 0.06) / height
    figure.text(left / width, y, text, va="top", fontsize=size, parse_math=False)


def heat(tile: np.ndarray, looked: np.ndarray | None) -> np.ndarray:
    """Lays a map [side, side] over a tile, uint8 [S, S, 3]: uint8 [256, 256, 3].

    The tile goes grey and keeps its light; where the network looked more than anywhere, it glows.
    """
    picture = Image.fromarray(tile).resize((_PIXELS, _PIXELS), Image.Resampling.BILINEAR)
    if looked is None:
        return np.asarray(picture)
    spread = looked - looked.min()
    spread = (spread / max(spread.max(), 1e-12)).astype(np.float32)
    glow = Image.fromarray(spread).resize((_PIXELS, _PIXELS), Image.Resampling.BICUBIC)
    glow = np.asarray(glow).clip(0, 1)
    grey = np.asarray(picture.convert("L"))[..., None] / 255.0
    colour = colormaps["inferno"](glow)[..., :3]
    share = 0.25 + 0.45 * glow[..., None]
    return ((grey * (1 - share) + colour * share) * 255).round().astype(np.uint8)


def _wrapped(text: str, inches: float) -> str:
    letters = int(inches * 15)
    return "\n".join(line for part in text.split("\n") for line in textwrap.wrap(part, letters))


def _shown(answer: Answer) -> str:
    return answer.text + ("" if answer.probability is None else f" ({answer.probability:.0%})")
