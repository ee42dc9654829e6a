"""Features: what a frozen encoder makes of every tile, computed once and kept on disk.

An epoch over features takes seconds on a CPU. They stand beside the decoded images in the cache
folder (see `pipelines.store`) and are safe to delete at any time. They are found by pixels and
weights, so that nothing is computed twice where a data set was copied or a run has moved.
"""

import hashlib
import os
from pathlib import Path

import keras
import numpy as np
from keras import ops

from pipelines.commands import progress
from pipelines.pixels import apply_symmetries
from pipelines.store import cache_folder, cache_written

BATCH = 32  # images
_DTYPE = np.float16  # twice as many fit on the disk; its rounding is far below what dropout does


def stored_features(below: keras.Model, images: np.ndarray, symmetries: int) -> np.ndarray:
    """Opens the features of stored images; computes them if no earlier run has.

    Args:
        below: Stored pixels [B, S, S, C] to features [B, N, F]; not trained any more.
        images: Memory-mapped images of `pipelines.store`, [n, S, S, C].
        symmetries: 8 for every flip and turn of each tile, 1 for the tile as it is.

    Returns:
        float16 [n, symmetries, N, F], read-only, memory-mapped.

    Raises:
        DataError: If the cache folder cannot be written.
    """
    path = cache_folder() / f"{_fingerprint(below, images, symmetries)}.features.npy"
    if not path.is_file():
        _compute(path, below, images, symmetries)
    return np.load(path, mmap_mode="r")


def _fingerprint(below: keras.Model, images: np.ndarray, symmetries: int) -> str:
    with Path(images.filename).open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
    # what is computed, and with which weights
    found.update(f"{symmetries} {below.to_json()}".encode())
    for variable in below.variables:
        if variable.name == "seed_generator_state":  # of dropout, which is off here
            continue
        found.update(np.ascontiguousarray(ops.convert_to_numpy(variable)).tobytes())
    return found.hexdigest()[:32]


def _compute(path: Path, below: keras.Model, images: np.ndarray, symmetries: int) -> None:
    shape = (len(images), symmetries, *below.output.shape[1:])
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    header = {"descr": np.dtype(_DTYPE).str, "fortran_order": False, "shape": shape}
    with cache_written():
        try:
            with (
                temporary.open("xb") as file,
                progress(len(images) * symmetries, "Features", "image") as bar,
            ):
                np.lib.format.write_array_header_1_0(file, header)
                for start in range(0, len(images), BATCH):
                    tiles = images[start : start + BATCH]
                    # not a writable memory map: on a full disk that would be a SIGBUS, no error
                    file.write(_of_batch(below, tiles, shape[1:]).data)
                    bar.update(symmetries * len(tiles))
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _of_batch(below: keras.Model, tiles: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Features of some tiles, of each symmetry: [b, *shape]."""
    found = np.empty((len(tiles), *shape), _DTYPE)
    for code in range(shape[0]):
        turned = apply_symmetries(tiles, np.full(len(tiles), code))
        found[:, code] = below.predict_on_batch(_full(turned))[: len(tiles)]
    return found


def _full(tiles: np.ndarray) -> np.ndarray:
    """The last batch filled up: another shape would be compiled anew."""
    return np.concatenate([tiles, np.repeat(tiles[-1:], BATCH - len(tiles), axis=0)])
