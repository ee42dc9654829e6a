"""UCM-captions: aerial orthophotos of the USGS National Map, RGB, 0.3 m a pixel, 256x256.

- 2,100 images of 21 land uses, 100 each; train 1,680, val 210, test 210; five sentences an image.
- Licence: images public domain (USGS); for the sentences ask their publisher.
- Sentences: Qu, Li, Tao and Lu, "Deep semantic understanding of high resolution remote sensing
  image", CITS 2016. Images: Yang and Newsam, "Bag-of-visual-words and spatial extensions for
  land-use classification", ACM GIS 2010.

Layout, as published: dataset.json (Karpathy's form, with the splits) and imgs/1.tif to
imgs/2100.tif.
"""

import os
import re

from pipelines.karpathy import load_captions
from pipelines.records import Records

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
    """Reads one split; see `load_captions`."""
    return load_captions("ucm_captions", "UCM captions", root, split, land_use)


def land_use(filename: str) -> str:
    """The class that a file name tells, or "".

    UC Merced's own names begin with the class: "harbor12.tif", "harbor_12.tif".
    UCM-captions numbers the images through: "1.tif" to "2100.tif", a hundred a class.
    """
    stem, suffix = os.path.splitext(filename)
    if named := _NAMED.fullmatch(stem):
        return named[1]
    # a nameless "00623.jpg" is no UC Merced image, hence the look at zeros and suffix
    if suffix == ".tif" and re.fullmatch(r"[1-9]\d{0,3}", stem):
        place = (int(stem) - 1) // _IMAGES_PER_CLASS
        return CLASSES[place] if place < len(CLASSES) else ""
    return ""
