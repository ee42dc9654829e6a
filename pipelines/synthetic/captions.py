"""Five true sentences about a scene, in the manner of UCM-captions; none names a side."""

import random

from pipelines.synthetic.scene import Scene, Thing

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
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
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
    forms = (_ONE, _TWO, _THREE)[: len(seen)]
    sentences = [rng.choice(_BARE).format(**words)]
    while len(sentences) < CAPTIONS:
        picked = rng.sample(seen, min(3, len(seen)))
        names = dict(zip("xyz", (rng.choice(phrases) for phrases in picked), strict=False))
        is_x = "is" if names["x"].startswith("a ") else "are"
        form = rng.choice(rng.choice(forms))
        sentence = form.format(**words, **names, X=_capital(names["x"]), is_x=is_x)
        if sentence not in sentences:
            sentences.append(sentence)
    rng.shuffle(sentences)
    return tuple(sentences)


def _seen(scene: Scene) -> list[tuple[str, ...]]:
    """What stands in a scene besides its land use: for each kind, the ways to say how many."""
    seen = []
    for kind, (single, plural) in _NAMES.items():
        number = sum(not _is_the_place(scene, thing) for thing in scene.of(kind))
        if number == 1:
            seen.append((_one(single),))
        elif 1 < number < len(_NUMBERS):
            seen.append((f"{_NUMBERS[number]} {plural}",))
        elif number:
            seen.append((f"many {plural}", f"lots of {plural}"))
    return seen or [("no buildings",)]


def _is_the_place(scene: Scene, thing: Thing) -> bool:
    """Whether a thing is the forest, lot, sea or river that the land use names already."""
    main = {"forest": "forest", "parkinglot": "parking"}.get(scene.land_use) == thing.kind
    return thing.look in ("sea", "river", "lot") or (main and thing is scene.of(thing.kind)[0])


def _one(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
