"""Questions of RSVQA's four types about a scene, chosen so that words alone tell no answer.

Left to chance, "Is there a building?" would mostly be "yes". So the city is asked every question
beforehand, on tiles of a seed of its own, and a question is then put to a tile the more often the
rarer its answer is.
"""

import functools
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.records import Question
from pipelines.synthetic.layout import imagine
from pipelines.synthetic.scene import BUILDINGS, SIDE, Scene

RURAL_OR_URBAN = "Is it a rural or an urban area"
SUBJECTS = {
    "building": "buildings",
    "residential building": "residential buildings",
    "commercial building": "commercial buildings",
    "small building": "small buildings",
    "medium building": "medium buildings",
    "large building": "large buildings",
    "swimming pool": "swimming pools",
    "tennis court": "tennis courts",
    "boat": "boats",
    "road": "roads",
    "water area": "water areas",
    "forest": "forests",
    "farmland": "farmlands",
    "parking": "parkings",
}
SIDES = ("left", "right", "top", "bottom")

# May be asked of half a tile.
_BY_PIECE = (*BUILDINGS, "building", "swimming pool", "tennis court")
_RARE = 0.08  # an outcome that fewer tiles have is not worth waiting for
_TILES = 300  # asked beforehand: a share is then known to 0.03
_REHEARSAL = 2506_22501  # their seed
# RSVQA-LR: presence 0.29, comp 0.40, count 0.30, rural_urban 0.01. A half is presence or count.
_SHARES = {"half": 0.05, "presence": 0.26, "count": 0.26}

_WORDS = {
    "presence": ("Is there a {}", "Is a {} present"),
    "count": ("How many {} are there", "What is the number of {}", "What is the amount of {}"),
    "more": ("Are there more {} than {}",),
    "less": ("Are there less {} than {}",),
    "equal": ("Is the number of {} equal to the number of {}",),
}


@dataclass(frozen=True)
class Matter:
    """What a question is about, before it is put into words.

    Attributes:
        type: "presence", "comp" or "count".
        subject: One of `SUBJECTS`.
        relation: "more", "less" or "equal" for a comparison, else "".
        other: What a comparison compares with, else "".
        side: One of `SIDES` for a question about half a tile, else "".
    """

    type: str
    subject: str
    relation: str = ""
    other: str = ""
    side: str = ""

    @property
    def group(self) -> str:
        """What it is drawn among: its type, or "half" if it names a side."""
        return "half" if self.side else self.type

    def answer(self, scene: Scene) -> str | None:
        """The exact answer; None if a thing lies across the middle and the halves are unclear."""
        number = _count(scene, self.subject, self.side)
        if number is None:
            return None
        if self.type == "count":
            return str(number)
        if self.type == "presence":
            return _yes(number > 0)
        other = _count(scene, self.other)
        true = {"more": number > other, "less": number < other, "equal": number == other}
        return _yes(true[self.relation])

    def word(self, rng: random.Random) -> str:
        """The question in one of its wordings."""
        words = rng.choice(_WORDS[self.relation or self.type])
        if self.type == "presence":
            words = words.format(self.subject)
        else:
            words = words.format(SUBJECTS[self.subject], SUBJECTS.get(self.other))
        where = f" in the {self.side} half of the image" if self.side else ""
        return f"{words}{where or rng.choice(('', ' in the image'))}?"


Odds = dict[str, dict[Matter, dict[str, float]]]  # group, matter, usual outcome: how readily


def ask(scene: Scene, number: int, odds: Odds | None = None) -> tuple[Question, ...]:
    """Asks a scene questions in RSVQA-LR's proportions, first whether it is rural or urban.

    Args:
        scene: What the questions are about; its key decides which are asked.
        number: How many questions, 4 to 40.
        odds: `usual_odds()`, where it is to hand.
    """
    rng = random.Random(f"questions {scene.key}")
    odds = odds or usual_odds()
    wanted = {group: round(share * (number - 1)) for group, share in _SHARES.items()}
    wanted["comp"] = number - 1 - sum(wanted.values())
    asked: dict[str, Question] = {}
    for group, goal in wanted.items():
        goal += len(asked)
        matters, weights = list(odds[group]), _weights(odds[group])
        while len(asked) < goal:
            (matter,) = rng.choices(matters, cum_weights=weights)
            answer = matter.answer(scene)
            if answer and rng.random() < odds[group][matter].get(_outcome(answer), 1):
                text = matter.word(rng)
                asked[text] = Question(text, matter.type, answer)
    questions = list(asked.values())
    rng.shuffle(questions)
    area = "urban" if scene.is_urban() else "rural"
    return (Question(RURAL_OR_URBAN, "rural_urban", area), *questions)


@functools.cache
def usual_odds() -> Odds:
    """How readily to ask each matter so that its usual outcomes come up equally often."""
    scenes = [imagine(_REHEARSAL, index) for index in range(_TILES)]
    odds: Odds = {}
    for matter in _matters():
        answers = Counter(map(matter.answer, scenes))
        del answers[None]
        outcomes: Counter[str] = Counter()
        for answer, times in answers.items():
            outcomes[_outcome(answer)] += times
        least = _RARE * outcomes.total()
        usual = {outcome: times for outcome, times in outcomes.items() if times >= least}
        if len(usual) > 1:
            readily = {outcome: min(usual.values()) / times for outcome, times in usual.items()}
            odds.setdefault(matter.group, {})[matter] = readily
    return odds


def _weights(readily: dict[Matter, dict[str, float]]) -> list[int]:
    """Cumulative weights of matters: those that may exceed ten weigh 5, or few counts would."""
    return list(itertools.accumulate(5 if len(usual) > 2 else 1 for usual in readily.values()))


def _matters() -> Iterator[Matter]:
    """Everything that could be asked."""
    for type in ("presence", "count"):
        yield from (Matter(type, subject) for subject in SUBJECTS)
        yield from (Matter(type, subject, side=side) for subject in _BY_PIECE for side in SIDES)
    for subject, other in itertools.permutations(SUBJECTS, 2):
        # Two sorts of buildings overlap, except these two.
        overlap = subject.endswith("building") and other.endswith("building")
        if not overlap or {subject, other} == set(BUILDINGS):
            yield from (Matter("comp", subject, how, other) for how in ("more", "less", "equal"))


def _count(scene: Scene, subject: str, side: str = "") -> int | None:
    """How many there are, in the whole tile or half of it; None if one lies across the middle."""
    things = scene.of(subject)
    if not side:
        return len(things)
    reaches = [thing.reach(0 if side in ("left", "right") else 1) for thing in things]
    if any(first < SIDE / 2 < last for first, last in reaches):
        return None
    return sum((last <= SIDE / 2) == (side in ("left", "top")) for _, last in reaches)


def _outcome(answer: str) -> str:
    """An answer, a number by the bin of the official scores."""
    if not answer.isdigit():
        return answer
    return "0" if answer == "0" else "1-10" if int(answer) <= 10 else "11-100"


def _yes(true: bool) -> str:
    return "yes" if true else "no"
