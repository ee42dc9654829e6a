"""Sydney-captions: tiles of one Google Earth picture of Sydney, RGB, 0.5 m a pixel, 500x500.

- 613 images of 7 land uses; train 497, val 58, test 58; five sentences an image. The names are
  numbers, which tell no land use.
- Licence: none stated; the picture belongs to Google Earth, the use is research.
- Sentences: Qu, Li, Tao and Lu, "Deep semantic understanding of high resolution remote sensing
  image", CITS 2016. Images: Zhang, Du and Zhang, "Saliency-guided unsupervised feature learning
  for scene classification", IEEE Transactions on Geoscience and Remote Sensing 53(4), 2015.

Layout, as published: dataset.json (Karpathy's form, with the splits) and imgs/1.tif to
imgs/613.tif.
"""

import os

from pipelines.karpathy import load_captions
from pipelines.records import Records


def load(root: str | os.PathLike, split: str) -> Records:
    """Reads one split; see `load_captions`."""
    return load_captions("sydney_captions", "Sydney captions", root, split, land_use)


def land_use(filename: str) -> str:
    """Nothing: the published names are numbers."""
    return ""
