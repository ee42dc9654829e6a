"""Five true sentences about a scene, in the manner of UCM-captions; none names a side.

One sentence says the land use alone, the others name two or three kinds of things that stand there:
most often those that cover most of the tile, as people who describe it agree on what stands out.
Numbers are exact up to four; five to ten are "several", more are "many".
"""

import random

from PIL import Image, ImageDraw

from pipelines.synthetic.scene import SIDE, Scene, Thing

CAPTIONS = 5

_PLACES = {
    "agricultural": ("agricultural area", "in"),
    "beach": ("beach", "at"),
    "denseresidential": ("dense residential area", "in"),
    "forest": ("forest", "near"),
    "golfcourse": ("golf course", "at"),
    "harbor": ("harbor", "in"),
    "industrial": ("industrial area", "in"),
    "parkinglot": ("parking lot", "at"),
    "river": ("river", "at"),
    "sparseresidential": ("sparse residential area", "in"),
}
_NAMES = {
    "residential building": ("house", "houses"),
    "commercial building": ("commercial building", "commercial buildings"),
    "swimming pool": ("swimming pool", "swimming pools"),
    "tennis court": ("tennis court", "tennis courts"),
    "boat": ("boat", "boats"),
    "road": ("road", "roads"),
    "water area": ("pond", "ponds"),
    "forest": ("patch of trees", "patches of trees"),
    "farmland": ("field", "fields"),
    "parking": ("parking with cars", "parkings with cars"),
    "storage tank": ("storage tank", "storage tanks"),
    "bunker": ("bunker", "bunkers"),
}
_NUMBERS = {2: "two", 3: "three", 4: "four"}
_MANY = 11  # from here on "many"; "several" between
_NEXT = 0.2  # odds of a kind against the one that covers the next larger part of the tile
_BARE = ("This is {a} .", "It is {a} .", "There is {a} .", "Here is {a} .")
_ONE = (
    "{A} with {x} .",
    "This is {a} with {x} .",
    "It is {a} with {x} .",
    "There {is_x} {x} {where} .",
    "{X} {where} .",
)
_TWO = (
    "{A} with {x} and {y} .",
    "This is {a} with {x} and {y} .",
    "It is {a} with {x} and {y} .",
    "There is {a} with {x} and {y} beside .",
    "There {is_x} {x} and {y} {where} .",
    "{X} and {y} are {where} .",
)
_THREE = (
    "{A} with {x} , {y} and {z} .",
    "It is {a} with {x} , {y} and {z} .",
    "There {is_x} {x} , {y} and {z} {where} .",
)


def describe(scene: Scene) -> tuple[str, ...]:
    """Writes `CAPTIONS` different sentences; their choice depends on the scene's key alone."""
    rng = random.Random(f"captions {scene.key}")
    place, at = _PLACES[scene.land_use]
    words = {"a": _one(place), "A": _capital(_one(place)), "where": f"{at} the {place}"}
    seen = _seen(scene)
    sentences = [rng.choice(_BARE).format(**words)]
    while len(sentences) < CAPTIONS:
        names = dict(zip("xyz", _pick(rng, seen, rng.choice((2, 3))), strict=False))
        is_x = "is" if names["x"].startswith("a ") else "are"
        form = rng.choice((_ONE, _TWO, _THREE)[len(names) - 1])
        sentence = form.format(**words, **names, X=_capital(names["x"]), is_x=is_x)
        if sentence not in sentences:
            sentences.append(sentence)
    rng.shuffle(sentences)
    return tuple(sentences)


def _seen(scene: Scene) -> list[str]:
    """What stands in a scene besides its land use, the kind that covers most of it first."""
    covered = {}
    for kind in _NAMES:
        things = [thing for thing in scene.of(kind) if not _is_the_place(scene, thing)]
        if things:
            covered[_how_many(kind, len(things))] = _area(things)
    return sorted(covered, key=covered.get, reverse=True) or ["no buildings"]


def _how_many(kind: str, number: int) -> str:
    single, plural = _NAMES[kind]
    if number == 1:
        return _one(single)
    return f"{_NUMBERS.get(number) or ('many' if number >= _MANY else 'several')} {plural}"


def _area(things: list[Thing]) -> int:
    """How many square units of the tile some things cover."""
    plan = Image.new("L", (int(SIDE), int(SIDE)))
    pen = ImageDraw.Draw(plan)
    for thing in things:
        pen.polygon(thing.outline, fill=1)
    return plan.histogram()[1]


def _pick(rng: random.Random, seen: list[str], number: int) -> list[str]:
    """Some of what is seen, in its order, each `_NEXT` times as readily as the one before."""
    left, picked = list(seen), []
    while left and len(picked) < number:
        weights = [_NEXT**rank for rank in range(len(left))]
        picked += rng.choices(left, weights)
        left.remove(picked[-1])
    return sorted(picked, key=seen.index)


def _is_the_place(scene: Scene, thing: Thing) -> bool:
    """Whether a thing is the forest, lot, sea or river that the land use names already."""
    main = {"forest": "forest", "parkinglot": "parking"}.get(scene.land_use) == thing.kind
    return thing.look in ("sea", "river", "lot") or (main and thing is scene.of(thing.kind)[0])


def _one(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
