"""RSVQA-LR: questions about Sentinel-2 tiles of the Netherlands, RGB, 10 m a pixel, 256x256.

- 772 images and 77,232 questions: train 572 / 57,223, val 100 / 10,005, test 100 / 10,004.
- Four types: presence and comp ("yes", "no"), rural_urban ("rural", "urban"), count (an integer).
- Licence: CC BY 4.0.
- Lobry, Marcos, Murray and Tuia, "RSVQA: Visual question answering for remote sensing data",
  IEEE TGRS 2020. https://rsvqa.sylvainlobry.com

Layout, as published: Images_LR/<id>.tif and LR_split_<split>_{images,questions,answers}.json.
"""

import os

from pipelines import rsvqa
from pipelines.records import Records

PUBLISHED = rsvqa.Layout("rsvqa_lr", "RSVQA-LR", "LR_split", "Images_LR")


def load(root: str | os.PathLike, split: str) -> Records:
    """Reads one split; see `rsvqa.load`."""
    return rsvqa.load(PUBLISHED, root, split)


def original_names(root: str | os.PathLike, split: str) -> list[str]:
    """The Sentinel-2 product and tile that each row was cut from; see `rsvqa.original_names`."""
    return rsvqa.original_names(PUBLISHED, root, split)
