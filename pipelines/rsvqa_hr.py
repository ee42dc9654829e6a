"""RSVQA-HR: questions about USGS aerial tiles of US cities, RGB, 0.15 m a pixel, 512x512.

- 10,659 images and 1,066,316 questions in the splits train, val, test, and a second test set of
  another city (`test_phili`), which is not read.
- Four types: presence and comp ("yes", "no"), count (an integer), area ("0m2", ...), which no
  task here answers.
- Licence: CC BY 4.0.
- Lobry, Marcos, Murray and Tuia, "RSVQA: Visual question answering for remote sensing data",
  IEEE TGRS 2020. https://rsvqa.sylvainlobry.com

Layout, as published: Data/<id>.tif and USGS_split_<split>_{images,questions,answers}.json.
"""

import os

from pipelines import rsvqa
from pipelines.records import Records

PUBLISHED = rsvqa.Layout("rsvqa_hr", "RSVQA-HR", "USGS_split", "Data")


def load(root: str | os.PathLike, split: str) -> Records:
    """Reads one split; see `rsvqa.load`."""
    return rsvqa.load(PUBLISHED, root, split)
