"""Synthetic: a procedural city seen from the air, RGB, 128x128, about 1 m a pixel.

- Any number of tiles: train, val and test 80 %, 10 % and 10 %, the ten land uses even in each.
- A tile has a land use, five sentences and, as a rule, twenty questions; every answer is exact and
  can be seen in the pixels, at 64x64 too.
- Licence: none needed; drawn by `python -m pipelines.synthetic DIR --tiles N`.

Layout: ucm_captions/ and rsvqa_lr/, each as its data set is published, over the same tiles.
"""

import os
import shlex
from pathlib import Path

from pipelines import rsvqa_lr, ucm_captions
from pipelines.records import DataError, Record, Records
from pipelines.synthetic.write import write_city

__all__ = ["load", "write_city"]


def load(root: str | os.PathLike, split: str) -> Records:
    """Reads one split of both layouts and joins them: a row has all that is said about its tile.

    Args:
        root: The folder that `write_city` wrote.
        split: "train", "val" or "test".

    Raises:
        DataError: There is no city in the folder, or one of its files is not what it should be.
    """
    root = Path(root)
    if not (root / "city.json").is_file():
        folder = shlex.quote(str(root))
        raise DataError(
            f"No city in {root}. Draw one: python -m pipelines.synthetic {folder} --tiles 2000"
        )
    captions = ucm_captions.load(root / "ucm_captions", split)
    questions = rsvqa_lr.load(root / "rsvqa_lr", split)
    names = rsvqa_lr.original_names(root / "rsvqa_lr", split)
    asked = {name: record.questions for name, record in zip(names, questions, strict=True)}
    rows = tuple(
        Record(row.image, row.land_use, row.captions, asked.get(row.image.name, ()))
        for row in captions
    )
    return Records("synthetic", split, rows)
