"""Data of a run: records and stored images of a split, of all its data sets."""

import contextlib
import dataclasses
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import pipelines
from pipelines.augment import Augmentation
from pipelines.examples import Examples
from pipelines.images import read_image
from pipelines.pixels import band_statistics
from pipelines.records import DataError, Records
from pipelines.store import stored_images
from pipelines.views import Drawn
from spatialnet_keras.config import Config, Pixels, TrainConfig
from spatialnet_keras.encode import encode
from spatialnet_keras.tasks import Task
from spatialnet_keras.text import Vocabulary


@dataclass(frozen=True)
class Part:
    """One split of one data set: its records and their stored images [n, S, S, C]."""

    records: Records
    images: np.ndarray

    def encode(self, tasks: Sequence[Task], vocabulary: Vocabulary, config: Config) -> Examples:
        """As arrays for batches."""
        return encode(self.records, self.images, tasks, vocabulary, config)


def read(
    config: Config,
    split: str,
    skip_bad: bool = False,
    to_crop: bool = False,
    size: int | None = None,
) -> list[Part]:
    """Reads a split of every data set of a run.

    Args:
        config: Names the data sets and the size of the images.
        split: "train", "val" or "test".
        skip_bad: Whether to go on without images that cannot be read.
        to_crop: Whether to read up to twice as many pixels a side, as many as the tiles have, so
            that a crop still has some to show.
        size: Pixels a side, where another network than the run's own looks.

    Raises:
        DataError: If there is nothing in the split, or an image cannot be read.
    """
    parts = []
    for records, (_, root) in zip(read_records(config, split), config.data, strict=True):
        side = size or config.model.image_size
        if to_crop:
            side = max(side, min(2 * side, _side(records)))
        kept, images = stored_images(records, side, skip_bad=skip_bad)
        if left_out := len(records) - len(kept):
            line = f"{left_out} of {len(records)} {split} images of {root} were left out."
            print(line, file=sys.stderr)  # stdout may be JSON
        parts.append(Part(kept, images))
    return parts


def _side(records: Records) -> int:
    """Pixels of the longer side of the first image that can be read; 0 if none can."""
    for row in records:
        with contextlib.suppress(DataError):
            return max(read_image(row.image).shape[:2])
    return 0


def read_records(config: Config, split: str) -> list[Records]:
    """Reads what is said in a split of every data set of a run; opens no image.

    Raises:
        DataError: If there is nothing in the split.
    """
    found, names = [], Counter()
    for name, root in config.data:
        records = pipelines.load(name, root, split)
        if not len(records):
            raise DataError(f"No images in the {split} split of {root}. Each split needs some.")
        names[name] += 1
        if names[name] > 1:  # two folders of one reader are told apart
            records = dataclasses.replace(records, name=f"{name}-{names[name]}")
        found.append(records)
    return found


def augmentation(settings: TrainConfig) -> Augmentation:
    """What is done to the tiles of a training."""
    names = [field.name for field in dataclasses.fields(Augmentation)]
    return Augmentation(**{name: getattr(settings, name) for name in names})


def views(config: Config) -> Drawn | None:
    """The views at which a teacher looks once, if there are to be some; mixed they are later."""
    settings = config.train
    if not settings.teacher_views:
        return None
    how = dataclasses.replace(augmentation(settings), mix=0.0)
    return Drawn(settings.teacher_views, how, config.model.image_size, settings.seed)


def check_pixels(part: Part, trained_on: Pixels) -> None:
    """Images of another kind would be read as what they are not.

    Raises:
        DataError: If a split's images have another dtype than those a run was trained on.
    """
    if (dtype := str(part.images.dtype)) != trained_on.dtype:
        raise DataError(
            f"The {part.records.split} images in {part.records.rows[0].image.parent} hold {dtype} "
            f"pixels, the run was trained on {trained_on.dtype}. Convert them."
        )


def pixels(parts: Sequence[Part]) -> Pixels:
    """Bands, dtype, mean and deviation of training images; data sets count by their images.

    The side is that of the first image of the first data set.

    Raises:
        DataError: If data sets of different bands or dtypes are to be trained jointly.
    """
    kinds = {(part.images.shape[-1], str(part.images.dtype)) for part in parts}
    if len(kinds) > 1:
        raise DataError(
            f"Data sets that are trained jointly need the same bands and dtype. Received: {kinds}."
        )
    (bands, dtype), rows = kinds.pop(), [len(part.images) for part in parts]
    means, deviations = zip(*(band_statistics(part.images) for part in parts), strict=True)
    return Pixels(
        bands=bands,
        dtype=dtype,
        mean=tuple(round(float(m), 3) for m in np.average(means, axis=0, weights=rows)),
        deviation=tuple(round(float(d), 3) for d in np.average(deviations, axis=0, weights=rows)),
        side=_side(parts[0].records),
    )
