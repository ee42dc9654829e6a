"""RSVQA-LR: questions about Sentinel-2 tiles of the Netherlands, RGB, 10 m a pixel, 256x256.

- 772 images and 77,232 questions: train 572 / 57,223, val 100 / 10,005, test 100 / 10,004.
- Four types: presence and comp ("yes", "no"), rural_urban ("rural", "urban"), count (an integer).
- Licence: CC BY 4.0.
- Lobry, Marcos, Murray and Tuia, "RSVQA: Visual question answering for remote sensing data",
  IEEE TGRS 2020. https://rsvqa.sylvainlobry.com

Layout, as published: Images_LR/<id>.tif and, for each split, LR_split_<split>_images.json,
_questions.json and _answers.json. In each list the index is the id; an entry of another split is
a stub that is not active.
"""

import os
from collections import defaultdict
from pathlib import Path

from pipelines.reading import check_split, read_json
from pipelines.records import DataError, Question, Record, Records


def load(root: str | os.PathLike, split: str) -> Records:
    """Reads one split; opens no image.

    Rows stand in the order of the images' ids, questions in the order of their own. Answers are
    the raw ones: a count is "37", not a bin.

    Args:
        root: The folder that holds Images_LR/ and the JSON files.
        split: "train", "val" or "test".

    Raises:
        DataError: The split is unknown or empty, or the folder or a JSON file is not what it
            should be.
    """
    images = _active(root, split, "images")
    questions = _active(root, split, "questions")
    answers = {answer["id"]: answer for answer in _active(root, split, "answers")}
    asked: dict[int, list[Question]] = defaultdict(list)
    for question in questions:
        asked[_field(question, "img_id")].append(_question(question, answers))
    folder = Path(root) / "Images_LR"
    rows = (
        Record(folder / f"{image['id']}.tif", questions=tuple(asked[image["id"]]))
        for image in images
    )
    return Records("rsvqa_lr", split, tuple(rows))


def original_names(root: str | os.PathLike, split: str) -> list[str]:
    """The Sentinel-2 product and tile that each row of `load` was cut from; "" where not told.

    Raises:
        DataError: As `load`.
    """
    return [image.get("original_name", "") for image in _active(root, split, "images")]


def _active(root: str | os.PathLike, split: str, kind: str) -> list[dict]:
    """The active entries of one JSON file, in the order of their ids."""
    check_split(split)
    path = Path(root) / f"LR_split_{split}_{kind}.json"
    if not path.is_file():
        raise DataError(
            f"No RSVQA-LR in {root}: {path.name} is missing. Put Images_LR/ and the "
            "LR_split_*.json files there, or train on --data synthetic."
        )
    content = read_json(path)
    try:
        active = [entry for entry in content[kind] if entry["active"]]
        active.sort(key=lambda entry: entry["id"])
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not in RSVQA's form (at {error}). "
            f"It needs a list {kind!r} whose entries have id and active."
        ) from error
    if not active:
        raise DataError(f"{path} has no active entry. Copy the published file again.")
    return active


def _question(question: dict, answers: dict[int, dict]) -> Question:
    number = question["id"]
    given = [answers[key] for key in _field(question, "answers_ids") if key in answers]
    if not given:
        raise DataError(f"RSVQA-LR question {number} has no answer. Copy the answers file again.")
    return Question(
        text=_field(question, "question"),
        type=_field(question, "type"),
        answer=str(_field(given[0], "answer")),
    )


def _field(entry: dict, name: str):
    try:
        return entry[name]
    except KeyError:
        raise DataError(
            f"RSVQA-LR entry {entry['id']} lacks {name!r}. Copy the published files again."
        ) from None
