"""RSVQA's published form, which its data sets share.

Each split has three JSON files. In each list the index is the id; an entry of another split is a
stub that is not active.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pipelines.reading import check_split, read_json
from pipelines.records import DataError, Question, Record, Records

_ID = (int, str)
_FIELDS = {
    "images": {"id": _ID},
    "questions": {
        "id": _ID, "img_id": _ID, "type": (str,), "question": (str,), "answers_ids": (list,),
    },
    "answers": {"id": _ID, "answer": (str, int)},
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """What one data set calls its files.

    Attributes:
        name: Of the reader.
        title: Of the data set, for messages.
        prefix: Of its JSON files: `<prefix>_<split>_questions.json`.
        images: Its folder of `<id>.tif`.
    """

    name: str
    title: str
    prefix: str
    images: str


def load(layout: Layout, root: str | os.PathLike, split: str) -> Records:
    """Reads one split; opens no image.

    Rows stand in the order of the images' ids, questions in the order of their own. Answers are
    the raw ones: a count is "37", not a bin.

    Args:
        layout: What the data set calls its files.
        root: The folder that holds the images' folder and the JSON files.
        split: "train", "val" or "test".

    Raises:
        DataError: The split is unknown or empty, or the folder or a JSON file is not what it
            should be.
    """
    images = _active(layout, root, split, "images")
    questions = _active(layout, root, split, "questions")
    answers = {answer["id"]: answer for answer in _active(layout, root, split, "answers")}
    asked: dict[int | str, list[Question]] = {image["id"]: [] for image in images}
    lost = [question["img_id"] for question in questions if question["img_id"] not in asked]
    if lost:
        some = ", ".join(map(str, dict.fromkeys(lost[:3])))
        raise DataError(
            f"{len(lost)} of {len(questions)} questions in "
            f"{_path(layout, root, split, 'questions')} are about images that are not active "
            f"there, such as {some}. Copy the published files again."
        )
    for question in questions:
        asked[question["img_id"]].append(_question(layout, question, answers))
    folder = Path(root) / layout.images
    rows = (
        Record(folder / f"{image['id']}.tif", questions=tuple(asked[image["id"]]))
        for image in images
    )
    return Records(layout.name, split, tuple(rows))


def original_names(layout: Layout, root: str | os.PathLike, split: str) -> list[str]:
    """The `original_name` of each row of `load`; "" where not told.

    Raises:
        DataError: As `load`.
    """
    return [image.get("original_name", "") for image in _active(layout, root, split, "images")]


def _active(layout: Layout, root: str | os.PathLike, split: str, kind: str) -> list[dict]:
    """The active entries of one JSON file, in the order of their ids."""
    check_split(split)
    path = _path(layout, root, split, kind)
    if not path.is_file():
        raise DataError(
            f"No {layout.title} in {root}: {path.name} is missing. Put {layout.images}/ and the "
            f"{layout.prefix}_*.json files there, or train on --data synthetic."
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
    for entry in active:
        for name, types in _FIELDS[kind].items():
            # bool is an int to isinstance
            if name not in entry or type(entry[name]) not in types:
                found = f"has {name!r} {entry[name]!r}" if name in entry else f"lacks {name!r}"
                raise DataError(
                    f"{path} is not in RSVQA's form: entry {entry['id']} {found}. "
                    "Copy the published file again."
                )
    return active


def _path(layout: Layout, root: str | os.PathLike, split: str, kind: str) -> Path:
    return Path(root) / f"{layout.prefix}_{split}_{kind}.json"


def _question(layout: Layout, question: dict, answers: dict[int | str, dict]) -> Question:
    ids = [each for each in question["answers_ids"] if type(each) in _ID]
    given = [answers[each] for each in ids if each in answers]
    if not given:
        raise DataError(
            f"{layout.title} question {question['id']} has no answer. Copy the answers file again."
        )
    return Question(question["question"], question["type"], str(given[0]["answer"]))
