"""RSICD: satellite and aerial tiles from Google Earth, Baidu Map, MapABC and Tianditu, RGB.

- Various resolutions, resized to 224x224 pixels.
- 10,921 images of 30 land uses; train 8,734, val 1,094, test 1,093; five sentences an image, many
  of them repeated.
- Licence: none stated; the images belong to the map services, the use is research.
- Lu, Wang, Zheng and Li, "Exploring models and data for remote sensing image caption generation",
  IEEE Transactions on Geoscience and Remote Sensing 56(4), 2018.

Layout, as published: dataset_rsicd.json (Karpathy's form, with the splits) and RSICD_images/.
"""

import os
import re

from pipelines.karpathy import load_captions
from pipelines.records import Records

_NAMED = re.compile(r"([A-Za-z]+)_\d+")


def load(root: str | os.PathLike, split: str) -> Records:
    """Reads one split; see `load_captions`."""
    return load_captions(
        "rsicd",
        "RSICD",
        root,
        split,
        land_use,
        tables=("dataset_rsicd.json", "dataset.json"),
        folders=("RSICD_images", "imgs", "images"),
    )


def land_use(filename: str) -> str:
    """The class before the number: "airport_348.jpg"; "" for a number alone ("00623.jpg")."""
    named = _NAMED.fullmatch(os.path.splitext(filename)[0])
    return named[1].lower() if named else ""
