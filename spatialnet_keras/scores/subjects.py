"""What a question asks about: the land-cover words of RSVQA (OpenStreetMap's), longest first."""

import re

SUBJECTS = (
    "residential building", "commercial building", "place of worship", "swimming pool",
    "tennis court", "water area", "grass area", "residential area", "commercial area",
    "industrial area", "building", "road", "forest", "farmland", "orchard", "wetland", "heath",
    "construction area", "parking", "boat",
)  # fmt: skip

_NAMES = "|".join(re.escape(name).replace("place", "places?") for name in SUBJECTS)
_SUBJECT = re.compile(rf"\b({_NAMES})(?:s|es)?\b", re.IGNORECASE)


def subjects(question: str) -> tuple[str, ...]:
    """The land-cover words that a question names, each once, in the order of the question."""
    found = (match.lower().replace("places", "place") for match in _SUBJECT.findall(question))
    return tuple(dict.fromkeys(found))
