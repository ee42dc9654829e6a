"""Zones: the part of a tile that makes its land use, from its first side down to an edge."""

import itertools
from dataclasses import dataclass

from pipelines.synthetic.plan import CENTRE, FAR, Plan, blob, rectangle, straight, up_to, wave
from pipelines.synthetic.scene import SIDE, Point, Thing

_TOP = CENTRE - FAR


@dataclass(frozen=True)
class Zone:
    """What a zone leaves to others. All is upright, in units.

    Attributes:
        edge: The y where free ground begins.
        outline: The ground that is not free.
        roads_from: The y where roads across the tile begin: the edge, or before a bridge.
        moorings: Where boats may lie.
        boats: Boats at most.
    """

    edge: float = _TOP
    outline: tuple[Point, ...] = ()
    roads_from: float = _TOP
    moorings: tuple[Thing, ...] = ()
    boats: int = 0


def nothing(plan: Plan) -> Zone:
    """No zone: all the tile is free."""
    return Zone()


def sea_and_sand(plan: Plan) -> Zone:
    """A beach, wavy, with a boat or two offshore."""
    rng = plan.rng
    shore = wave(rng, rng.uniform(32, 44), 3)
    sand = [(x, y + rng.uniform(13, 16)) for x, y in shore]
    plan.put(Thing("sand", up_to(sand)), take=False)
    plan.put(Thing("water area", up_to(shore), "sea"), take=False)
    deep, edge = min(y for _, y in shore) - 9, max(y for _, y in sand)
    boats = tuple(_boat(x, rng.uniform(0, deep)) for x in range(10, 128, 22))
    return Zone(edge, up_to(sand), edge, boats, rng.choice((0, 0, 1, 2, 3)))


def piers(plan: Plan) -> Zone:
    """A quay with three piers and boats along them."""
    rng = plan.rng
    edge = rng.uniform(48, 56)
    quay = up_to(straight(edge + 7))
    plan.put(Thing("quay", quay), take=False)
    plan.put(Thing("water area", up_to(straight(edge)), "sea"), take=False)
    first, boats = rng.uniform(12, 24), []
    for x in (first, first + 42, first + 84):
        length = rng.uniform(36, 46)
        plan.put(Thing("pier", rectangle(x, edge - length / 2 + 1, 5, length + 2)))
        rows = range(int((length - 4) // 12))
        boats += [_boat(x + side, edge - 9 - 12 * row) for row in rows for side in (-12.5, 12.5)]
    rng.shuffle(boats)
    return Zone(edge + 7, quay, edge + 7, tuple(boats), rng.randint(4, 14))


def river(plan: Plan) -> Zone:
    """A winding river, free ground on both banks; roads bridge it."""
    rng = plan.rng
    width = rng.uniform(20, 26)
    bank = wave(rng, rng.uniform(26, 44), 5)
    outline = (*bank, *((x, y + width) for x, y in reversed(bank)))
    plan.put(Thing("water area", outline, "river"), take=False)
    boats = tuple(_boat(x, y + width / 2) for x, y in rng.sample(bank, 12))
    edge = max(y for _, y in bank) + width
    return Zone(edge, outline, _TOP, boats, rng.choice((0, 0, 1, 2, 3)))


def wood(plan: Plan) -> Zone:
    """One large forest."""
    line = wave(plan.rng, plan.rng.uniform(44, 60), 4)
    plan.put(Thing("forest", up_to(line)))
    edge = max(y for _, y in line) + 2
    return Zone(edge, up_to(line), edge)


def fields(plan: Plan) -> Zone:
    """One to three fields side by side, a track between them."""
    edge = plan.rng.uniform(42, 54)
    cuts = plan.rng.choice(((0, 128), (0, 64, 128), (0, 64, 128), (0, 44, 86, 128)))
    for first, last in itertools.pairwise(cuts):
        first = first + 2.5 if first else CENTRE - FAR
        last = last - 2.5 if last < SIDE else CENTRE + FAR
        middle = (first + last) / 2, (_TOP + edge) / 2
        plan.put(Thing("farmland", rectangle(*middle, last - first, edge - _TOP)))
    return Zone(edge + 4, up_to(straight(edge)), edge + 4)


def fairways(plan: Plan) -> Zone:
    """Two fairways in the rough, with bunkers."""
    rng = plan.rng
    line = wave(rng, rng.uniform(52, 60), 2)
    plan.put(Thing("rough", up_to(line)), take=False)
    for y in (8, 38):
        place = rng.uniform(46, 82), y + rng.uniform(-3, 3)
        plan.put(Thing("fairway", blob(rng, *place, rng.uniform(80, 110), 25)), take=False)
    for x in rng.sample(range(4, 128, 14), rng.randint(2, 5)):
        plan.fit(Thing("bunker", blob(rng, x, rng.uniform(4, 44), 15, 12)), gap=2)
    edge = max(y for _, y in line) + 2
    return Zone(edge, up_to(line), edge)


def lot(plan: Plan) -> Zone:
    """One large parking lot."""
    edge = plan.rng.uniform(44, 58)
    asphalt = rectangle(CENTRE, (edge + _TOP) / 2, 2 * FAR, edge - _TOP)
    plan.put(Thing("parking", asphalt, "lot"))
    return Zone(edge + 3, asphalt, edge + 3)


def _boat(x: float, y: float) -> Thing:
    return Thing("boat", rectangle(x, y, 14, 8))
