"""Reads captions in Karpathy's form: one JSON with the splits, sentences and names of all images.

UCM-captions, RSICD and Sydney-captions are published so; each has a module of its own, which says
where its files lie and what a file name tells.
"""

import os
from collections.abc import Callable
from pathlib import Path

from pipelines.reading import check_split, read_json
from pipelines.records import DataError, Record, Records


def load_captions(
    name: str,
    title: str,
    root: str | os.PathLike,
    split: str,
    land_use: Callable[[str], str],
    tables: tuple[str, ...] = ("dataset.json",),
    folders: tuple[str, ...] = ("imgs", "images"),
) -> Records:
    """Reads one split; opens no image.

    Sentences are the published `raw` ones, in their order: some `tokens` hold typos ("formland").

    Args:
        name: The data set's, in `DATASETS`.
        title: What people call it.
        root: The folder that holds the JSON and the folder of images.
        split: "train", "val" or "test".
        land_use: The class that a file name tells, or "".
        tables: Names that the JSON may have; the first that is there is read.
        folders: Likewise of the folder of images.

    Raises:
        DataError: The split is unknown or empty, or the folder or the JSON is not what it should
            be.
    """
    check_split(split)
    root = Path(root)
    table = next((root / each for each in tables if (root / each).is_file()), None)
    images = next((root / each for each in folders if (root / each).is_dir()), None)
    if not (table and images):
        raise DataError(
            f"No {title} in {root}. Put {tables[0]} and {folders[0]}/ there, "
            "or train on --data synthetic."
        )
    content = read_json(table)
    try:
        rows = tuple(
            Record(
                image=images / (file := _text(image, "filename")),
                land_use=land_use(file),
                captions=tuple(_text(each, "raw", f" of {file}") for each in image["sentences"]),
            )
            for image in content["images"]
            if image["split"] == split
        )
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{table} is not in Karpathy's form (at {error}). "
            "Each of its images needs filename, split and sentences with raw."
        ) from error
    if not rows:
        raise DataError(f"{table} has no image of the split {split}. Mark some with it.")
    return Records(name, split, rows)


def _text(entry: dict, name: str, where: str = "") -> str:
    if not isinstance(entry[name], str):
        raise TypeError(f"{name} {entry[name]!r}{where}")
    return entry[name]
