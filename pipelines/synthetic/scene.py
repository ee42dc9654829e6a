"""What can be seen in a tile: its things as named outlines, before any pixel or sentence."""

from dataclasses import dataclass

SIDE = 128.0  # units a tile is wide; shown at 64 pixels, a pixel is 2 units
RURAL, URBAN = 4, 10  # most and least buildings; no tile has 5 to 9, so none is a close call
BUILDINGS = ("residential building", "commercial building")

Point = tuple[float, float]


@dataclass(frozen=True)
class Thing:
    """Something that can be seen in a tile.

    Attributes:
        kind: What it is: "road", "residential building", "swimming pool", ...
        outline: Its corners (x, y) in units, y down. Areas and roads may reach past the tile;
            what is counted by the piece (buildings, pools, courts, boats) never does.
        look: Which of its kind, where that shows: "sea", "river", "pond", "lot".
        size: "small", "medium" or "large" for a building, else "".
    """

    kind: str
    outline: tuple[Point, ...]
    look: str = ""
    size: str = ""

    def reach(self, axis: int) -> tuple[float, float]:
        """Its first and last unit along x (axis 0) or y (axis 1)."""
        values = [point[axis] for point in self.outline]
        return min(values), max(values)


@dataclass(frozen=True)
class Scene:
    """A tile: its land use and its things, in drawing order.

    Attributes:
        key: (seed, index), which is all that a tile depends on.
        land_use: One of `LAND_USES`.
        ground: What lies under everything: "grass", "dry" or "concrete".
        things: All that stands on it.
    """

    key: tuple[int, int]
    land_use: str
    ground: str
    things: tuple[Thing, ...]

    def of(self, subject: str) -> list[Thing]:
        """The things a subject names: a kind, "building", or a size and "building"."""
        if not subject.endswith("building") or subject in BUILDINGS:
            return [thing for thing in self.things if thing.kind == subject]
        size = subject.removesuffix("building").strip()
        return [
            thing
            for thing in self.things
            if thing.kind in BUILDINGS and (not size or thing.size == size)
        ]

    def is_urban(self) -> bool:
        """Whether it has at least `URBAN` buildings."""
        return len(self.of("building")) >= URBAN
