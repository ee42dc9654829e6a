"""Charts for HTML pages: SVG drawn by matplotlib that takes its colours and letters from the page.

The page gives `currentColor`, `--muted`, `--accent` and `--series-1` ... `--series-8`.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

SERIES = 8
# Colours that matplotlib writes into the SVG, and what the page reads in their place.
_INK, _MUTED, _ACCENT = "#010203", "#040506", "#070809"
_SERIES = [f"#0a0b{number:02x}" for number in range(1, SERIES + 1)]
_CSS = {_INK: "currentColor", _MUTED: "var(--muted)", _ACCENT: "var(--accent)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(_SERIES, 1)
}
_DASHES = "solid", "dashed", "dotted"  # in matplotlib's words and in those of CSS
_SIZE = 3.4, 2.0  # inches


@dataclass(frozen=True)
class Line:
    """One line of a chart: a number an epoch, the first epoch is 1."""

    name: str
    values: Sequence[float]
    series: int | None = None  # which `stroke`; None: the page's accent


def stroke(series: int) -> tuple[int, str]:
    """The page's colour of a line, from 1, and its dashes: in all 24 that differ."""
    turn, colour = divmod(series - 1, SERIES)
    return colour + 1, _DASHES[turn % len(_DASHES)]


def chart(
    title: str,
    lines: Sequence[Line],
    floor: float | None = None,
    mark: int | None = None,
    percent: bool = False,
    log: bool = False,
    legend: bool = True,
) -> str:
    """A small chart over epochs, as an <svg> element.

    Args:
        title: Above the chart.
        lines: What is drawn.
        floor: What a model must beat, as a dashed line.
        mark: Epoch whose point is marked: the one that was kept.
        percent: Whether values are shares.
        log: Whether to draw the logarithm, if the values span more than a factor of 10.
        legend: Whether the names of several lines stand in the chart.
    """
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    for line in lines:
        number, dashes = stroke(line.series or 1)
        colour = _SERIES[number - 1] if line.series else _ACCENT
        epochs = range(1, len(line.values) + 1)
        # matplotlib leaves names that begin with an underscore out of legends
        name = f"\u200b{line.name}" if line.name.startswith("_") else line.name
        axes.plot(epochs, line.values, color=colour, linestyle=dashes, linewidth=1.6, label=name)
        if mark and mark <= len(line.values) and line.series is None:
            axes.plot([mark], [line.values[mark - 1]], "o", color=colour, markersize=4.5)
    if floor is not None:
        axes.axhline(floor, color=_MUTED, linewidth=1, linestyle=(0, (3, 3)))
    values = [value for line in lines for value in line.values]
    if log and min(values) > 0 and max(values) > 10 * min(values):
        axes.set_yscale("log")
    elif not percent:
        axes.ticklabel_format(axis="y", scilimits=(-3, 4), useMathText=True)
        axes.yaxis.get_offset_text().set(color=_MUTED, fontsize=8)
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    if legend and len(lines) > 1:
        for text in axes.legend(frameon=False, fontsize=8, labelcolor=_INK).get_texts():
            text.set_parse_math(False)
    axes.set_title(title, fontsize=9, color=_INK, loc="left", parse_math=False)
    _plain(axes)
    return _svg(figure, title)


def _plain(axes: Axes) -> None:
    """Two thin axes, few ticks, whole epochs."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_MUTED)
    axes.tick_params(colors=_MUTED, labelsize=8, length=3, which="both")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.margins(x=0.03)


def _svg(figure: Figure, title: str) -> str:
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "spatialnet"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg)
    for colour, css in _CSS.items():
        svg = svg.replace(colour, css)
    words = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return svg.replace("<svg", f'<svg role="img" aria-label="{words}"', 1)
