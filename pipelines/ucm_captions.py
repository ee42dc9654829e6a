"""UCM-captions: aerial orthophotos of the USGS National Map, RGB, 0.3 m a pixel, 256x256.

- 2,100 images of 21 land uses, 100 each; train 1,680, val 210, test 210; five sentences an image.
- Licence: images public domain (USGS); for the sentences ask their publisher.
- Sentences: Qu, Li, Tao and Lu, "Deep semantic understanding of high resolution remote sensing
  image", CITS 2016. Images: Yang and Newsam, "Bag-of-visual-words and spatial extensions for
  land-use classification", ACM GIS 2010.

Layout, as published: dataset.json (Karpathy's form, with the splits) and imgs/1.tif to
imgs/2100.tif. RSICD and Sydney-captions have the same form, once their files are named so.
"""

import os
import re
from pathlib import Path

from pipelines.reading import check_split, read_json
from pipelines.records import DataError, Record, Records

CLASSES = (
    "agricultural",
    "airplane",
    "baseballdiamond",
    "beach",
    "buildings",
    "chaparral",
    "denseresidential",
    "forest",
    "freeway",
    "golfcourse",
    "harbor",
    "intersection",
    "mediumresidential",
    "mobilehomepark",
    "overpass",
    "parkinglot",
    "river",
    "runway",
    "sparseresidential",
    "storagetanks",
    "tenniscourt",
)

_IMAGES_PER_CLASS = 100
_NAMED = re.compile(r"([A-Za-z][A-Za-z _-]*?)[ _-]*\d*")  # harbor_12, harbor12, dense_forest_3


def load(root: str | os.PathLike, split: str) -> Records:
    """Reads one split; opens no image.

    Sentences are the published `raw` ones, in their order: some `tokens` hold typos ("formland").

    Args:
        root: The folder that holds dataset.json and imgs/.
        split: "train", "val" or "test".

    Raises:
        DataError: The split is unknown or empty, or the folder or the JSON is not what it should
            be.
    """
    check_split(split)
    root = Path(root)
    table = root / "dataset.json"
    if not (table.is_file() and (root / "imgs").is_dir()):
        raise DataError(
            f"No UCM captions in {root}. Put dataset.json and imgs/ there, "
            "or train on --data synthetic."
        )
    content = read_json(table)
    try:
        rows = tuple(_record(root, image) for image in content["images"] if image["split"] == split)
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{table} is not in Karpathy's form (at {error}). "
            "Each of its images needs filename, split and sentences with raw."
        ) from error
    if not rows:
        raise DataError(f"{table} has no image of the split {split}. Mark some with it.")
    return Records("ucm_captions", split, rows)


def land_use(filename: str) -> str:
    """The class that a file name tells, or "".

    UC Merced's own names and RSICD's begin with the class: "harbor12.tif", "harbor_12.tif".
    UCM-captions numbers the images through: "1.tif" to "2100.tif", a hundred a class.
    """
    stem, suffix = os.path.splitext(filename)
    if named := _NAMED.fullmatch(stem):
        return named[1]
    # RSICD's nameless "00623.jpg" is no UC Merced image, hence the look at zeros and suffix.
    if suffix == ".tif" and re.fullmatch(r"[1-9]\d{0,3}", stem):
        place = (int(stem) - 1) // _IMAGES_PER_CLASS
        return CLASSES[place] if place < len(CLASSES) else ""
    return ""


def _record(root: Path, image: dict) -> Record:
    return Record(
        image=root / "imgs" / image["filename"],
        land_use=land_use(image["filename"]),
        captions=tuple(sentence["raw"] for sentence in image["sentences"]),
    )
