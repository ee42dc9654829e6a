"""A canvas measured in units, with a pen and dice of its own, and the shapes drawn on it."""

import functools
import math
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from pipelines.synthetic.scene import SIDE, Point, Scene

Colour = tuple[int, int, int]

FINE = 2  # drawn twice as large, then averaged: smooth edges

_SHADOW = (58, 62, 58)
_GROUNDS = {
    "grass": ((104, 134, 72), (134, 152, 88)),
    "dry": ((148, 146, 98), (176, 162, 116)),
    "concrete": ((166, 162, 154), (148, 148, 144)),
}


class Brush:
    """Draws on the ground of a scene.

    Attributes:
        rng: Dice for colours and details.
        canvas: RGB, `FINE` times the size of the tile.
        lee: Where shadows fall, as -1 or 1 along x and y.
    """

    def __init__(self, scene: Scene, size: int, noise: np.random.Generator):
        """Lays the ground of a tile `size` pixels wide."""
        self.rng = random.Random(f"draw {scene.key}")
        self.lee = self.rng.choice((-1, 1)), self.rng.choice((-1, 1))
        first, second = (np.float32(tone) for tone in _GROUNDS[scene.ground])
        blend = 0.5 + 0.35 * clouds(noise, 4, size) + 0.3 * clouds(noise, 24, size)
        ground = first + np.clip(blend, 0, 1)[..., None] * (second - first)
        self.canvas = Image.fromarray(ground.astype(np.uint8)).resize(
            (FINE * size, FINE * size), Image.Resampling.NEAREST
        )
        self._pen = ImageDraw.Draw(self.canvas)
        self._scale = FINE * size / SIDE

    def shade(self, colour: Colour, spread: float = 0.08, by: float = 1.0) -> Colour:
        """A colour `by` a factor as light, give or take `spread`."""
        factor = by * self.rng.uniform(1 - spread, 1 + spread)
        return tuple(min(255, int(channel * factor)) for channel in colour)

    def fill(self, points: Sequence[Point], colour: Colour) -> None:
        """Fills a polygon."""
        self._pen.polygon(self._pixels(points), fill=colour)

    def line(self, points: Sequence[Point], colour: Colour, width: float = 0.8) -> None:
        """Draws a line `width` units wide."""
        self._pen.line(self._pixels(points), colour, max(1, round(width * self._scale)))

    def disc(self, square: Sequence[Point], colour: Colour, part: float = 1.0) -> None:
        """Fills a round in the middle of a square, `part` as wide as the square."""
        x, y = at(square, 0.5, 0.5)
        radius = part * math.dist(square[0], square[1]) / 2
        box = self._pixels([(x - radius, y - radius), (x + radius, y + radius)])
        self._pen.ellipse(box, fill=colour)

    def cast(self, points: Sequence[Point], height: float, is_round: bool = False) -> None:
        """Draws the shadow of a thing `height` units tall."""
        for reach in (height / 2, height):
            moved = [(x + reach * self.lee[0], y + reach * self.lee[1]) for x, y in points]
            (self.disc if is_round else self.fill)(moved, _SHADOW)

    def cover(self, points: Sequence[Point]) -> None:
        """Lets a piece of wood show through a polygon."""
        side = self.canvas.width
        wood = _wood(side)
        x, y = self.rng.randrange(side), self.rng.randrange(side)
        stencil = Image.new("L", (side, side))
        ImageDraw.Draw(stencil).polygon(self._pixels(points), fill=255)
        self.canvas.paste(wood.crop((x, y, x + side, y + side)), mask=stencil)

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        scale = self._scale
        return [(x * scale, y * scale) for x, y in points]


def clouds(noise: np.random.Generator, cells: int, size: int) -> np.ndarray:
    """Smooth noise of about -1 to 1, float32 [size, size], `cells` lumps across."""
    lumps = Image.fromarray(noise.uniform(-1, 1, (cells, cells)).astype(np.float32))
    return np.asarray(lumps.resize((size, size), Image.Resampling.BICUBIC))


def at(corners: Sequence[Point], u: float, v: float) -> Point:
    """The point of a rectangle at a share `u` of its first side and `v` of its second."""
    (ax, ay), (bx, by), _, (dx, dy) = corners
    return ax + u * (bx - ax) + v * (dx - ax), ay + u * (by - ay) + v * (dy - ay)


def part(corners: Sequence[Point], u: float, v: float, u2: float, v2: float) -> list[Point]:
    """The rectangle from (u, v) to (u2, v2) in a rectangle."""
    return [at(corners, *place) for place in ((u, v), (u2, v), (u2, v2), (u, v2))]


def within(points: Sequence[Point], share: float) -> list[Point]:
    """A polygon drawn in towards its middle."""
    x, y = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    return [(x + share * (px - x), y + share * (py - y)) for px, py in points]


@functools.cache
def _wood(side: int) -> Image.Image:
    """Tree crowns, two tiles wide; drawn once, as drawing them for each forest took 4 ms."""
    rng, unit = random.Random("wood"), side / SIDE
    wood = Image.new("RGB", (2 * side, 2 * side), (30, 56, 32))
    pen = ImageDraw.Draw(wood)
    for _ in range(5000):
        x, y = rng.uniform(0, 2 * side), rng.uniform(0, 2 * side)
        radius, light = rng.uniform(1.6, 3.4) * unit, rng.uniform(0.75, 1.3)
        for share, by in ((1.0, 0.8), (0.7, 1.0), (0.35, 1.2)):
            reach = share * radius
            colour = tuple(int(channel * light * by) for channel in (48, 84, 44))
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
    return wood
