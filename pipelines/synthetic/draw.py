"""The pixels of a scene, as from an aeroplane."""

import math
from collections.abc import Callable

import numpy as np

from pipelines.synthetic.brush import FINE, Brush, Colour, at, clouds, part, within
from pipelines.synthetic.scene import SIDE, Scene, Thing

_TILES = ((184, 86, 60), (154, 68, 52), (204, 114, 76), (136, 78, 60))
_FLAT = ((228, 228, 230), (196, 206, 220), (214, 210, 200), (160, 174, 196))
_CROPS = ((208, 180, 92), (160, 116, 74), (122, 172, 66), (182, 132, 96), (190, 196, 96))
_CARS = ((224, 226, 230), (190, 40, 40), (40, 60, 130), (30, 30, 34), (170, 174, 180))
_DECKS = ((196, 160, 112), (200, 80, 60), (70, 100, 160))
_WATERS = {"sea": (32, 88, 128), "river": (52, 92, 104), "pond": (38, 78, 116)}
_SHORES = {"sea": (206, 222, 222), "river": (128, 134, 96), "pond": (140, 140, 96)}
_WHITE = (236, 236, 240)


def draw(scene: Scene, size: int) -> np.ndarray:
    """Draws a scene, under a light of its own, with noise.

    Args:
        scene: What stands where; its key decides all that is random.
        size: Pixels a side.

    Returns:
        uint8 [size, size, 3], RGB.
    """
    noise = np.random.default_rng(scene.key)
    brush = Brush(scene, size, noise)
    for thing in scene.things:
        _PAINT[thing.kind](brush, thing)
    pixels = np.asarray(brush.canvas.reduce(FINE), np.float32)
    light = noise.uniform(0.84, 1.1) * noise.uniform(0.97, 1.03, 3).astype(np.float32)
    haze = 1 + 0.07 * clouds(noise, 5, size)[..., None]
    grain = 4 * noise.standard_normal((size, size, 1), np.float32)
    return np.clip(pixels * light * haze + grain, 0, 255).astype(np.uint8)


def _house(brush: Brush, thing: Thing) -> None:
    """A tiled roof of four slopes, those away from the shadows lighter."""
    a, b, c, d = thing.outline
    brush.cast(thing.outline, 1.6)
    roof = brush.shade(brush.rng.choice(_TILES), 0.1)
    first, last = at(thing.outline, 0.3, 0.5), at(thing.outline, 0.7, 0.5)
    middle = at(thing.outline, 0.5, 0.5)
    for slope in ((a, b, last, first), (b, c, last), (c, d, first, last), (d, a, first)):
        down = [(slope[0][axis] + slope[1][axis]) / 2 - middle[axis] for axis in (0, 1)]
        lee = (down[0] * brush.lee[0] + down[1] * brush.lee[1]) / math.hypot(*down)
        brush.fill(slope, brush.shade(roof, 0.02, 1 - 0.13 * lee))


def _hall(brush: Brush, thing: Thing) -> None:
    """A flat roof with a parapet and machines."""
    brush.cast(thing.outline, 2.6)
    roof = brush.shade(brush.rng.choice(_FLAT), 0.05)
    brush.fill(thing.outline, brush.shade(roof, 0, 0.8))
    brush.fill(within(thing.outline, 0.8), roof)
    machine = 2.6 / math.dist(*thing.outline[:2])
    for _ in range({"small": 1, "medium": 2, "large": 5}[thing.size]):
        u, v = brush.rng.uniform(0.15, 0.7), brush.rng.uniform(0.15, 0.7)
        brush.fill(part(thing.outline, u, v, u + machine, v + machine), (128, 132, 138))


def _road(brush: Brush, thing: Thing) -> None:
    brush.fill(thing.outline, brush.shade((98, 98, 102)))
    dashes = int(math.dist(*thing.outline[:2]) / 6)
    for dash in range(dashes):
        ends = [at(thing.outline, (dash + share) / dashes, 0.5) for share in (0, 0.5)]
        brush.line(ends, (226, 222, 206))


def _parking(brush: Brush, thing: Thing) -> None:
    """Asphalt with slots of 5 x 9 units and a car in most of them."""
    corners, rng = thing.outline, brush.rng
    brush.fill(corners, brush.shade((86, 86, 92)))
    width, height = math.dist(*corners[:2]), math.dist(*corners[1:3])
    across, down = int((width - 2) // 5), int((height - 1) // 9)
    full = rng.uniform(0.55, 0.9)
    for slot in range(across * down):
        u, v = (slot % across + 0.5) / across, (slot // across + 0.5) / down
        if not all(-4 < place < SIDE + 4 for place in at(corners, u, v)):
            continue
        line, high = u - 2.3 / width, 3.3 / height
        brush.line([at(corners, line, v - high), at(corners, line, v + high)], (170, 170, 172), 0.5)
        if rng.random() < full:
            u1, v1 = 1.5 / width, 2.8 / height
            car = part(corners, u - u1, v - v1, u + u1, v + v1)
            brush.fill(car, brush.shade(rng.choice(_CARS)))


def _field(brush: Brush, thing: Thing) -> None:
    crop = brush.shade(brush.rng.choice(_CROPS))
    brush.fill(thing.outline, crop)
    rows = int(math.dist(*thing.outline[:2]) // 3.2)
    for row in range(rows):
        u = (row + 0.5) / rows
        ends = [at(thing.outline, u, 0), at(thing.outline, u, 1)]
        brush.line(ends, brush.shade(crop, 0.02, 0.84), 1.1)


def _water(brush: Brush, thing: Thing) -> None:
    brush.fill(thing.outline, brush.shade(_WATERS[thing.look], 0.12))
    brush.line((*thing.outline, thing.outline[0]), _SHORES[thing.look], 1.6)


def _tree(brush: Brush, thing: Thing) -> None:
    brush.cast(thing.outline, 1, is_round=True)
    green = brush.shade((58, 96, 48), 0.15)
    brush.disc(thing.outline, brush.shade(green, 0, 0.8))
    brush.disc(thing.outline, green, 0.65)


def _pool(brush: Brush, thing: Thing) -> None:
    water = brush.shade((56, 204, 222), 0.06)
    brush.fill(thing.outline, (214, 208, 196))
    inner = within(thing.outline, 0.8)
    (brush.disc if thing.look == "round" else brush.fill)(inner, water)


def _court(brush: Brush, thing: Thing) -> None:
    corners = thing.outline
    brush.fill(corners, brush.shade((46, 122, 88)))
    brush.fill(within(corners, 0.76), brush.shade((92, 78, 168)))
    lines = within(corners, 0.62)
    brush.line([*lines, lines[0]], _WHITE)
    is_wide = math.dist(*corners[:2]) > math.dist(*corners[1:3])
    net = ((0.5, 0.12), (0.5, 0.88)) if is_wide else ((0.12, 0.5), (0.88, 0.5))
    brush.line([at(corners, *end) for end in net], _WHITE)


def _boat(brush: Brush, thing: Thing) -> None:
    """A white hull with a pointed bow and a coloured deck."""
    hull = ((0, 0.12), (0.62, 0), (1, 0.5), (0.62, 1), (0, 0.88))
    brush.fill([at(thing.outline, *place) for place in hull], brush.shade((240, 240, 238), 0.04))
    brush.fill(part(thing.outline, 0.16, 0.34, 0.5, 0.66), brush.rng.choice(_DECKS))


def _tank(brush: Brush, thing: Thing) -> None:
    top = brush.shade((222, 220, 212), 0.04)
    brush.cast(thing.outline, 2, is_round=True)
    brush.disc(thing.outline, brush.shade(top, 0, 0.8))
    brush.disc(thing.outline, top, 0.84)


def _plain(colour: Colour) -> Callable[[Brush, Thing], None]:
    return lambda brush, thing: brush.fill(thing.outline, brush.shade(colour, 0.05))


_PAINT = {
    "residential building": _house,
    "commercial building": _hall,
    "road": _road,
    "parking": _parking,
    "farmland": _field,
    "water area": _water,
    "forest": lambda brush, thing: brush.cover(thing.outline),
    "tree": _tree,
    "swimming pool": _pool,
    "tennis court": _court,
    "boat": _boat,
    "storage tank": _tank,
    "sand": _plain((226, 206, 160)),
    "quay": _plain((188, 182, 172)),
    "pier": _plain((150, 126, 98)),
    "rough": _plain((88, 130, 62)),
    "fairway": _plain((136, 184, 84)),
    "bunker": _plain((236, 220, 176)),
}
