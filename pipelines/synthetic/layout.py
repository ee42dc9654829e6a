"""What stands where: one recipe for each land use, and the laying out of a tile by it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipelines.synthetic import zones
from pipelines.synthetic.plan import CENTRE, FAR, Plan, blob, rectangle
from pipelines.synthetic.scene import BUILDINGS, RURAL, URBAN, Scene, Thing

# Units a side. At 64 pixels the smallest is 5 pixels wide, and no two sizes are a close call.
SIZES = {"small": (9.5, 11.0), "medium": (13.5, 16.0), "large": (19.5, 24.0)}


@dataclass(frozen=True)
class Recipe:
    """How a land use is laid out.

    Attributes:
        ground: What lies under everything, see `Scene`.
        zone: What makes the land use.
        urban: Share of urban tiles; half of all tiles are.
        buildings: Least and most buildings of an urban tile.
        few: Numbers of buildings of a rural tile, equally likely.
        mix: Weights of residential buildings only, commercial ones only, both.
        sizes: Weights of small, medium and large buildings.
        roads: Weights of no, one, two and three roads.
        tanks: Most storage tanks.
    """

    ground: str
    zone: Callable[[Plan], zones.Zone] = zones.nothing
    urban: float = 0.5
    buildings: tuple[int, int] = (11, 22)
    few: tuple[int, ...] = (0, 0, 1, 2, 3, RURAL)
    mix: tuple[float, float, float] = (0.35, 0.3, 0.35)
    sizes: tuple[float, float, float] = (0.6, 0.3, 0.1)
    roads: tuple[float, float, float, float] = (0.5, 0.25, 0.2, 0.05)
    tanks: int = 0


@dataclass(frozen=True)
class Patch:
    """What any land use may have besides buildings, roads and pools.

    Attributes:
        kind: See `Thing`.
        share: Share of tiles that try to have some; crowded ones fail.
        most: Most of them.
        widths: Least and most units of its one side.
        heights: Least and most units of its other side.
        gap: Free units around; areas need more than pieces to be told apart.
        look: See `Thing`.
        is_round: Whether it is a blob, not a rectangle.
    """

    kind: str
    share: float
    most: int
    widths: tuple[float, float]
    heights: tuple[float, float]
    gap: float = 3.5
    look: str = ""
    is_round: bool = False


PATCHES = (
    Patch("farmland", 0.55, 2, (28, 35), (21, 25)),
    Patch("forest", 0.55, 2, (26, 34), (24, 28), is_round=True),
    Patch("water area", 0.35, 2, (22, 30), (18, 24), look="pond", is_round=True),
    Patch("parking", 0.5, 2, (27, 34), (19, 21)),
    Patch("tennis court", 0.6, 4, (16, 18), (11, 12), gap=2),
)

_STREETS = (0.2, 0.25, 0.35, 0.2)

RECIPES = {
    "agricultural": Recipe("dry", zones.fields),
    "beach": Recipe("grass", zones.sea_and_sand),
    "denseresidential": Recipe(
        "grass",
        urban=1,
        buildings=(22, 40),
        mix=(0.85, 0, 0.15),
        sizes=(0.9, 0.08, 0.02),
        roads=_STREETS,
    ),
    "forest": Recipe("grass", zones.wood, urban=0.3),
    "golfcourse": Recipe("grass", zones.fairways),
    "harbor": Recipe("concrete", zones.piers),
    "industrial": Recipe(
        "concrete",
        urban=0.7,
        buildings=(11, 18),
        mix=(0, 0.7, 0.3),
        sizes=(0.35, 0.4, 0.25),
        roads=_STREETS,
        tanks=6,
    ),
    "parkinglot": Recipe("concrete", zones.lot),
    "river": Recipe("grass", zones.river),
    "sparseresidential": Recipe(
        "grass", urban=0, few=(2, 3, RURAL), mix=(1, 0, 0), sizes=(0.1, 0.5, 0.4)
    ),
}
LAND_USES = tuple(RECIPES)


def imagine(seed: int, index: int) -> Scene:
    """The scene of tile `index` of the city of `seed`; its land use is that of `index % 10`."""
    rng = random.Random(f"scene {seed} {index}")
    land_use = LAND_USES[index % len(LAND_USES)]
    recipe = RECIPES[land_use]
    urban = rng.random() < recipe.urban
    least = URBAN if urban else min(recipe.few)
    while True:
        things = _lay_out(rng, recipe, urban)
        scene = Scene((seed, index), land_use, recipe.ground, things)
        if len(scene.of("building")) >= least:  # where fields and woods left room for them
            return scene


def _lay_out(rng: random.Random, recipe: Recipe, urban: bool) -> tuple[Thing, ...]:
    plan = Plan(rng)
    zone = recipe.zone(plan)
    _roads(plan, zone, rng.choices(range(4), recipe.roads)[0])
    plan.fit_some(zone.boats, zone.moorings, gap=1)
    if zone.outline:
        plan.take(zone.outline)
    _patches(plan, urban)
    if recipe.tanks:
        tanks = (Thing("storage tank", rectangle(x, y, 14, 14)) for x, y in plan.spots(40))
        plan.fit_some(rng.randint(1, recipe.tanks), tanks, gap=2)
    _buildings(plan, recipe, urban)
    pools = 0 if rng.random() < 0.45 else rng.randint(1, 5)
    plan.fit_some(pools, _pool_offers(plan), gap=1)
    for x, y in plan.spots(rng.randint(4, 14)):
        width = rng.uniform(4, 7)
        plan.fit(Thing("tree", rectangle(x, y, width, width)), gap=0)
    return tuple(plan.things)


def _roads(plan: Plan, zone: zones.Zone, number: int) -> None:
    """Puts roads along the zone's edge or across the rest, well apart."""
    rng, low, high = plan.rng, CENTRE - FAR, CENTRE + FAR
    nearest, farthest = max(zone.edge, 4) + 8, 117
    along = [nearest, farthest]
    if farthest - nearest > 50:
        along.append((nearest + farthest) / 2)
    ways = [(False, y) for y in along] + [(True, x) for x in (14, 64, 114)]
    for across, place in rng.sample(ways, number):
        middle, half = place + rng.uniform(-3, 3), rng.uniform(4.5, 5.5)
        first, last = middle - half, middle + half
        if across:
            start = zone.roads_from
            outline = (first, high), (first, start), (last, start), (last, high)
        else:
            outline = (low, first), (high, first), (high, last), (low, last)
        plan.put(Thing("road", outline))


def _patches(plan: Plan, urban: bool) -> None:
    """Fits fields, woods, ponds, parkings and courts; in a town fewer, to leave room for it."""
    rng = plan.rng
    for patch in rng.sample(PATCHES, len(PATCHES)):
        most = (patch.most + 1) // 2 if urban else patch.most
        number = rng.randint(1, most) if rng.random() < patch.share else 0
        plan.fit_some(number, _patch_offers(plan, patch), patch.gap)


def _patch_offers(plan: Plan, patch: Patch) -> Iterator[Thing]:
    rng = plan.rng
    for x, y in plan.spots(40):
        sides = [rng.uniform(*patch.widths), rng.uniform(*patch.heights)]
        rng.shuffle(sides)
        outline = blob(rng, x, y, *sides) if patch.is_round else rectangle(x, y, *sides)
        yield Thing(patch.kind, outline, patch.look)


def _buildings(plan: Plan, recipe: Recipe, urban: bool) -> None:
    """Fits buildings in rows, the large ones first, while there is room."""
    rng = plan.rng
    number = rng.randint(*recipe.buildings) if urban else rng.choice(recipe.few)
    residential = rng.choices((1, 0, rng.uniform(0.4, 0.8)), recipe.mix)[0]
    sizes = rng.choices(tuple(SIZES), recipe.sizes, k=number)
    for size in reversed(SIZES):
        plan.fit_some(sizes.count(size), _building_offers(plan, size, residential), gap=1.5)


def _building_offers(plan: Plan, size: str, residential: float) -> Iterator[Thing]:
    rng, (least, most) = plan.rng, SIZES[size]
    for x, y in plan.rows(most + 2):
        kind = BUILDINGS[rng.random() >= residential]
        outline = rectangle(x, y, rng.uniform(least, most), rng.uniform(least, most))
        yield Thing(kind, outline, size=size)


def _pool_offers(plan: Plan) -> Iterator[Thing]:
    rng = plan.rng
    for x, y in plan.spots(60):
        outline = rectangle(x, y, rng.uniform(9.5, 12), rng.uniform(9.5, 11))
        yield Thing("swimming pool", outline, rng.choice(("square", "round")))
