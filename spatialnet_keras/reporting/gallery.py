"""Gallery: tiles with what a model says of them and what is true, for a report."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipelines.images import read_image
from pipelines.pixels import resize
from spatialnet_keras.evaluation.findings import Evaluation
from spatialnet_keras.plots import viewable
from spatialnet_keras.tasks import Task

# a stored tile [S, S, C] and a question or None -> what was looked for ("land use" or the question)
# and pictures uint8 [H, W, 3] of where, as far as the network tells
Look = Callable[[np.ndarray, str | None], dict[str, np.ndarray]]

_SIDE = 224  # pixels a side of a tile in a report: 10 to 20 KB as JPEG


@dataclass(frozen=True)
class Answer:
    """What a model says to one task on one tile.

    Attributes:
        asked: "land use", or the question in its own words.
        said: The answer.
        truth: What is true; for captions, the sentence of a person.
        right: Whether they are equal; None for captions, where that is no measure.
        probability: Of the answer, where the task gives one.
    """

    asked: str
    said: str
    truth: str
    right: bool | None
    probability: float | None


@dataclass(frozen=True)
class Card:
    """One tile.

    Attributes:
        row: Of the split.
        name: Of its file.
        pictures: (what it shows, data URI); the tile itself comes first.
        looked_for: What the other pictures show the looking for, as `Answer.asked` has it.
        answers: One a task.
    """

    row: int
    name: str
    pictures: tuple[tuple[str, str], ...]
    looked_for: tuple[str, ...]
    answers: tuple[Answer, ...]


def cards(
    found: Evaluation, tasks: Sequence[Task], look: Look | None = None, count: int = 6
) -> dict[str, list[Card]]:
    """Tiles with all answers right, and tiles with wrong ones, spread evenly over the split.

    Args:
        found: One split of one data set, evaluated.
        tasks: Fitted tasks.
        look: Draws where the network looked on a tile: for the land use, and for a question, the
            first one that is answered wrong, or else the first.
        count: How many of a kind.

    Returns:
        "right" and "wrong"; "tiles" where nothing is right or wrong: a run of captions alone.
    """
    answers = answers_by_row(found, tasks)
    kinds: dict[str, list[int]] = {}
    for row, given in enumerate(answers):
        judged = [each.right for each in given if each.right is not None]
        if given:
            kind = "tiles" if not judged else "right" if all(judged) else "wrong"
            kinds.setdefault(kind, []).append(row)
    order = [kind for kind in ("right", "wrong", "tiles") if kind in kinds]
    return {
        kind: [_card(found, row, answers[row], look) for row in _spread(kinds[kind], count)]
        for kind in order
    }


def answers_by_row(found: Evaluation, tasks: Sequence[Task]) -> list[list[Answer]]:
    """For each tile, an answer a task that has a label on it: its first question of each type."""
    records = found.part.records
    asked = [(each.text, row) for row, record in enumerate(records) for each in record.questions]
    answers: list[list[Answer]] = [[] for _ in records]
    for task in tasks:
        if not task.headline:
            continue
        first: dict[int, tuple[int, str]] = {}  # row -> (place of its answer, what is asked)
        for place, truth in enumerate(task.truths(records)):
            if truth is None:
                continue
            image = task.answer_unit == "image"
            text, row = (task.name.replace("_", " "), place) if image else asked[place]
            first.setdefault(row, (place, text))
        truths = task.truths(records)
        for row, (place, text) in first.items():
            answers[row].append(_answer(task, found.outputs[task.name], place, text, truths[place]))
    return answers


def data_uri(image: np.ndarray) -> str:
    """A tile [H, W, C] of any dtype as a JPEG that a page carries with it."""
    buffer = io.BytesIO()
    Image.fromarray(viewable(image)).save(buffer, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _answer(task: Task, outputs: np.ndarray, place: int, asked: str, truth) -> Answer:
    output = outputs[place : place + 1]
    said = task.answer(output)[0]
    if task.unit == "caption":
        # data sets write "at the river ."
        return Answer(asked, said, truth[0].replace(" .", ".").replace(" ,", ","), None, None)
    return Answer(asked, said, truth, said == truth, task.probability(output)[0])


def _card(found: Evaluation, row: int, answers: Sequence[Answer], look: Look | None) -> Card:
    record = found.part.records.rows[row]
    texts = {question.text for question in record.questions}
    asked = sorted((each for each in answers if each.asked in texts), key=lambda each: each.right)
    question = asked[0].asked if asked else None
    looked = look(np.array(found.part.images[row]), question) if look else {}
    tile = resize(read_image(record.image), _SIDE)
    pictures = {"tile": tile} | {f"where it looked for: {name}": at for name, at in looked.items()}
    uris = tuple((shows, data_uri(picture)) for shows, picture in pictures.items())
    return Card(row, record.image.name, uris, tuple(looked), tuple(answers))


def _spread(rows: Sequence[int], count: int) -> list[int]:
    places = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))
    return [rows[place] for place in places]
