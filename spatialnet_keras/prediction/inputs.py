"""Inputs: the images that a user names or holds, as the network takes them."""

import glob
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.folder import IMAGE_SUFFIXES, image_files
from pipelines.images import MINIMUM_SIDE, TooLargeError, from_pillow, in_stored_dtype, read_image
from pipelines.pixels import resize
from pipelines.records import DataError
from spatialnet_keras.config import Config, Pixels

Item = str | Path | Image.Image | np.ndarray  # one image: its file, Pillow's, or [H, W, C]

_SCENES = "`python -m spatialnet_keras.scene` reads a scene tile by tile."
_SHRUNK = 32  # times a side: a tile of 2,048 pixels at the 64 of the smaller presets


def find_images(named: Sequence[str]) -> list[Path]:
    """The files that a command line names, each once, in its order.

    Args:
        named: Files, globs ("tiles/**/*.tif") and folders, which are searched to their depth.

    Raises:
        DataError: A folder has no image, a glob fits nothing, or a name is empty.
    """
    found: dict[Path, None] = {}
    for name in named:
        if not name:
            raise DataError("An image has no name. Pass files, globs or folders.")
        path = Path(name)
        if path.is_dir():
            files = list(image_files(path))
            if not files:
                raise DataError(f"No images in {name}. They end with {', '.join(IMAGE_SUFFIXES)}.")
        elif not path.exists() and glob.has_magic(name):
            every = (Path(each) for each in glob.glob(name, recursive=True))
            files = [each for each in every if not each.is_dir()]
            if not files:
                raise DataError(f"No file fits {name}.")
        else:
            files = [path]  # whether it can be read shows when it is opened
        found |= dict.fromkeys(sorted(files))
    return list(found)


def each_image(images: Item | Sequence[Item]) -> list[Item]:
    """Splits what a caller passes into single images.

    Args:
        images: A path, a Pillow image, [H, W] in grey, [H, W, C], a batch [B, H, W, C], or a list
            of these.

    Raises:
        DataError: For an array of other dimensions.
    """
    if isinstance(images, str | Path | Image.Image):
        return [images]
    if isinstance(images, Iterable) and not hasattr(images, "__array__"):
        return [each for one in images for each in each_image(one)]
    array = np.asarray(images)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim not in (3, 4):
        raise DataError(
            "An image is a path, a Pillow image, an array [H, W] or [H, W, C], or a batch "
            f"[B, H, W, C]. Received: {type(images).__name__} of shape {array.shape}."
        )
    return [array] if array.ndim == 3 else list(array)


def as_stored(item: Item, config: Config) -> np.ndarray:
    """One image in the size, bands and dtype that the network was trained on: [S, S, C].

    A very large one is shrunk with a warning.

    Raises:
        DataError: It cannot be read, or is of another kind than the training images.
    """
    pixels, size, name = config.pixels, config.model.image_size, _name(item)
    wanted = range(pixels.bands), pixels.dtype
    try:
        if isinstance(item, np.ndarray):
            image = in_stored_dtype(name, _checked(item, pixels), pixels.dtype)
        elif isinstance(item, Image.Image):
            image = from_pillow(name, item, *wanted)
        else:
            image = read_image(item, *wanted)
    except TooLargeError as error:
        raise DataError(f"{error} {_SCENES}") from None
    height, width = image.shape[:2]
    if max(height, width) > _SHRUNK * size:
        warnings.warn(
            f"{name} was shrunk from {width}x{height} to {size}x{size} pixels. {_SCENES}",
            stacklevel=2,
        )
    return resize(image, size)


def _name(item: Item) -> str:
    if isinstance(item, np.ndarray):
        return "The array"
    if isinstance(item, Image.Image):
        return getattr(item, "filename", "") or "The picture"
    return str(item)


def _checked(image: np.ndarray, pixels: Pixels) -> np.ndarray:
    height, width, bands = image.shape
    if min(height, width) < MINIMUM_SIDE:
        raise DataError(
            f"An image needs {MINIMUM_SIDE} pixels a side at least. Received: shape {image.shape}."
        )
    if bands not in (1, pixels.bands):
        raise DataError(
            f"The run was trained on {pixels.bands} bands. Received: shape {image.shape}."
        )
    return image if bands == pixels.bands else np.repeat(image, pixels.bands, axis=-1)
