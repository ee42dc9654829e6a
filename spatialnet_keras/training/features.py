"""Features: what a frozen network makes of every tile, computed once and kept on disk.

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
from pipelines.store import cache_folder, cache_written
from pipelines.views import Views
from spatialnet_keras.training.reduction import Reduction

BATCH = 32  # images
_DTYPE = np.float16  # twice as many fit on the disk; its rounding is far below what dropout does


def stored_features(
    below: keras.Model, images: np.ndarray, views: Views, reduction: Reduction | None = None
) -> np.ndarray:
    """Opens the features of stored images; computes them if no earlier run has.

    Args:
        below: Pixels [B, S, S, C] to features [B, N, F]; not trained any more.
        images: Memory-mapped images of `pipelines.store`, [n, S', S', C].
        views: What of each tile is looked at, K views of S pixels a side.
        reduction: Which of the features are kept; all of them by default.

    Returns:
        float16 [n, K, N, F'], read-only, memory-mapped.

    Raises:
        DataError: If the cache folder cannot be written.
    """
    found = _fingerprint(below, images, views, reduction)
    path = cache_folder() / f"{found}.features.npy"
    if not path.is_file():
        _compute(path, below, images, views, reduction)
    return np.load(path, mmap_mode="r")


def _fingerprint(
    below: keras.Model, images: np.ndarray, views: Views, reduction: Reduction | None
) -> str:
    with Path(images.filename).open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
    # what is computed, and with which weights
    found.update(f"{views} {below.to_json()}".encode())
    for variable in below.variables:
        if variable.name == "seed_generator_state":  # of dropout, which is off here
            continue
        found.update(np.ascontiguousarray(ops.convert_to_numpy(variable)).tobytes())
    if reduction:
        found.update(reduction.key())
    return found.hexdigest()[:32]


def _compute(
    path: Path,
    below: keras.Model,
    images: np.ndarray,
    views: Views,
    reduction: Reduction | None,
) -> None:
    *places, width = below.output.shape[1:]
    shape = (len(images), views.number, *places, reduction.width if reduction else width)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    header = {"descr": np.dtype(_DTYPE).str, "fortran_order": False, "shape": shape}
    with cache_written():
        try:
            with (
                temporary.open("xb") as file,
                progress(len(images) * views.number, "Features", "image") as bar,
            ):
                np.lib.format.write_array_header_1_0(file, header)
                for start in range(0, len(images), BATCH):
                    rows = np.arange(start, min(start + BATCH, len(images)))
                    found = np.empty((len(rows), *shape[1:]), _DTYPE)
                    for view in range(views.number):
                        seen = views.of(images[rows], rows, np.full(len(rows), view))
                        told = below.predict_on_batch(_full(seen))[: len(rows)]
                        found[:, view] = reduction.of(told) if reduction else told
                    # not a writable memory map: on a full disk that would be a SIGBUS, no error
                    file.write(found.data)
                    bar.update(views.number * len(rows))
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _full(tiles: np.ndarray) -> np.ndarray:
    """The last batch filled up: another shape would be compiled anew."""
    return np.concatenate([tiles, np.repeat(tiles[-1:], BATCH - len(tiles), axis=0)])
