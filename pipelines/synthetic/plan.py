"""The ground of a tile while it is laid out: what is taken, what fits, and the shapes of things."""

import dataclasses
import itertools
import math
import random
from collections.abc import Iterable, Iterator, Sequence

from PIL import Image, ImageDraw

from pipelines.synthetic.scene import SIDE, Point, Thing

CENTRE = SIDE / 2
LEAN = 0.22  # radians a tile is tilted at most, besides its quarter turns
FAR = 96.0  # units; a tilted tile reaches 91 from its centre


class Plan:
    """A tile being laid out: things come upright and are turned, all by one angle, or mirrored.

    Attributes:
        rng: The tile's dice.
        things: What stands so far, as it lies in the tile.
    """

    def __init__(self, rng: random.Random):
        """Starts a tile without anything, turned as `rng` says."""
        self.rng = rng
        self.things: list[Thing] = []
        angle = rng.uniform(-LEAN, LEAN) + rng.randrange(4) * math.pi / 2
        self._cosine, self._sine = math.cos(angle), math.sin(angle)
        self._mirror = rng.choice((-1, 1))
        self._taken = Image.new("L", (int(SIDE), int(SIDE)))
        self._pen = ImageDraw.Draw(self._taken)
        self._pixels = self._taken.load()

    def put(self, thing: Thing, take: bool = True) -> None:
        """Adds a thing whatever stands there; `take` keeps others off it."""
        outline = self._turned(thing.outline)
        self.things.append(dataclasses.replace(thing, outline=outline))
        if take:
            self._pen.polygon(outline, fill=1)

    def take(self, outline: Sequence[Point]) -> None:
        """Keeps what comes later off some ground."""
        self._pen.polygon(self._turned(outline), fill=1)

    def fit(self, thing: Thing, gap: float) -> bool:
        """Adds a thing if it is wholly inside with `gap` free units around; says if it did."""
        xs, ys = zip(*self._turned(thing.outline), strict=True)
        box = min(xs) - gap, min(ys) - gap, max(xs) + gap, max(ys) + gap
        if min(box) < 1 or max(box) > SIDE - 1:
            return False
        if self._taken.crop(tuple(map(round, box))).getbbox():
            return False
        self.put(thing)
        return True

    def fit_some(self, number: int, offers: Iterable[Thing], gap: float) -> None:
        """Fits things until there are `number` more or no more are offered."""
        if number:
            for thing in offers:
                number -= self.fit(thing, gap)
                if not number:
                    return

    def is_open(self, x: float, y: float) -> bool:
        """Whether a thing may have its middle here."""
        ((x, y),) = self._turned([(x, y)])
        return 4 < x < SIDE - 4 and 4 < y < SIDE - 4 and not self._pixels[int(x), int(y)]

    def spots(self, tries: int) -> Iterator[Point]:
        """Random open places."""
        for _ in range(tries):
            x, y = self.rng.uniform(0, SIDE), self.rng.uniform(0, SIDE)
            if self.is_open(x, y):
                yield x, y

    def rows(self, pitch: float) -> list[Point]:
        """Open places on rows `pitch` units apart, those around one random place first."""
        rng = self.rng
        start, home = rng.uniform(0, pitch), (rng.uniform(10, 118), rng.uniform(10, 118))
        steps = [start + pitch * step for step in range(int(-20 / pitch) - 1, int(150 / pitch) + 1)]
        places = (point for point in itertools.product(steps, steps) if self.is_open(*point))
        return sorted(places, key=lambda point: math.dist(point, home) + rng.uniform(0, 40))

    def _turned(self, points: Sequence[Point]) -> tuple[Point, ...]:
        cosine, sine, mirror = self._cosine, self._sine, self._mirror
        moved = (((x - CENTRE) * mirror, y - CENTRE) for x, y in points)
        return tuple(
            (CENTRE + cosine * x - sine * y, CENTRE + sine * x + cosine * y) for x, y in moved
        )


def rectangle(x: float, y: float, width: float, height: float) -> tuple[Point, ...]:
    """The corners around (x, y), from the least x and y on."""
    first_x, last_x, first_y, last_y = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    return (first_x, first_y), (last_x, first_y), (last_x, last_y), (first_x, last_y)


def blob(rng: random.Random, x: float, y: float, width: float, height: float) -> tuple[Point, ...]:
    """A round shape with a wobbly edge."""
    two, three = rng.uniform(0, math.tau), rng.uniform(0, math.tau)
    points = []
    for step in range(18):
        angle = step * math.tau / 18
        wobble = 0.88 + 0.07 * math.sin(2 * angle + two) + 0.05 * math.sin(3 * angle + three)
        across, down = wobble * width / 2, wobble * height / 2
        points.append((x + across * math.cos(angle), y + down * math.sin(angle)))
    return tuple(points)


def wave(rng: random.Random, y: float, swing: float) -> list[Point]:
    """A wavy line right across the tile at about `y`."""
    length, phase = rng.uniform(14, 26), rng.uniform(0, math.tau)
    places = range(int(CENTRE - FAR), int(CENTRE + FAR) + 1, 6)
    return [(x, y + swing * math.sin(x / length + phase)) for x in places]


def straight(y: float) -> list[Point]:
    """A straight line right across the tile."""
    return [(CENTRE - FAR, y), (CENTRE + FAR, y)]


def up_to(line: Sequence[Point]) -> tuple[Point, ...]:
    """All ground from the tile's first side to a line."""
    return (line[-1][0], CENTRE - FAR), (line[0][0], CENTRE - FAR), *line
