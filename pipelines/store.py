"""The image store: a split's images decoded once, into a file that later runs memory-map.

The file is a plain .npy in the cache folder: SPATIALNET_CACHE, else the user's own cache folder.
It is safe to delete at any time.
"""

import contextlib
import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import platformdirs

from pipelines.commands import progress
from pipelines.images import read_image
from pipelines.pixels import resize
from pipelines.records import DataError, Record, Records

_FORMAT = 1  # counted up when the same files would give other pixels
_OURS = re.compile(r"[0-9a-f]{32}\.")  # a fingerprint opens each name
_THREADS = min(8, os.cpu_count() or 1)
_ABANDONED = 24 * 3600  # seconds after which a temporary file belongs to no living run


def stored_images(
    records: Records, size: int, bands: Sequence[int] = (0, 1, 2), skip_bad: bool = False
) -> tuple[Records, np.ndarray]:
    """Opens the decoded, resized images of a split; decodes them if no earlier run has.

    The store is found by a hash over every file's path, byte size and modification time, and over
    `size` and `bands`: a changed image is decoded again.

    Args:
        records: The split; its n rows name the files.
        size: Side of the stored images in pixels.
        bands: Which bands to keep, counted from 0.
        skip_bad: Leave out images that cannot be read, instead of raising.

    Returns:
        The records without the rows left out, and their images: [n, size, size, len(bands)],
        read-only, memory-mapped, uint8, uint16 or float32.

    Raises:
        DataError: Images are missing or bad and `skip_bad` is false; none is left; they differ in
            dtype; or the cache folder cannot be written.
    """
    bands = tuple(bands)
    store = cache_folder() / f"{_fingerprint(records, size, bands)}.npy"
    left_out = _remembered(store)
    # A store with gaps does not answer a run that wants no gaps: the cause may have been mended.
    if left_out is None or (left_out and not skip_bad):
        images = _decoded(records, size, bands)
        left_out = _write(store, records, images, skip_bad)
    rows = tuple(row for i, row in enumerate(records) if i not in left_out)
    return replace(records, rows=rows), np.load(store, mmap_mode="r")


def cache_folder() -> Path:
    """SPATIALNET_CACHE, else the user's own cache folder."""
    return Path(
        os.environ.get("SPATIALNET_CACHE") or platformdirs.user_cache_dir("spatialnet_keras")
    )


@contextlib.contextmanager
def cache_written() -> Iterator[None]:
    """Makes the cache folder, clears it of what killed runs left, and tells what goes wrong there.

    Raises:
        DataError: If it cannot be written.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        yield
    except OSError as error:
        raise DataError(
            f"The image cache {folder} cannot be written: {error.strerror}. "
            "Set SPATIALNET_CACHE to a folder with room."
        ) from error


def _fingerprint(records: Records, size: int, bands: tuple[int, ...]) -> str:
    files = [_identity(record.image) for record in records]
    return hashlib.sha256(json.dumps([_FORMAT, size, bands, files]).encode()).hexdigest()[:32]


def _identity(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return os.path.abspath(path), -1, -1
    return os.path.abspath(path), status.st_size, status.st_mtime_ns


def _remembered(store: Path) -> dict[int, str] | None:
    """What a finished store left out, row -> reason; None if there is no finished store."""
    try:
        left_out = json.loads(store.with_suffix(".json").read_text(encoding="utf-8"))["left_out"]
    except (OSError, ValueError, KeyError):
        return None
    return {int(row): reason for row, reason in left_out.items()} if store.exists() else None


def _decoded(
    records: Records, size: int, bands: tuple[int, ...]
) -> Iterator[tuple[Record, np.ndarray | DataError]]:
    """Every record with its image, or with what is wrong with it, in order."""
    decode = partial(_decode_one, size=size, bands=bands)
    window = 8 * _THREADS  # images in memory: enough to keep the threads busy, however large n is
    with (
        ThreadPoolExecutor(_THREADS) as threads,
        progress(len(records), "Decoding images", "image") as bar,
    ):
        for start in range(0, len(records), window):
            rows = records.rows[start : start + window]
            yield from zip(rows, threads.map(decode, rows), strict=True)
            bar.update(len(rows))


def _decode_one(record: Record, size: int, bands: tuple[int, ...]) -> np.ndarray | DataError:
    try:
        return resize(read_image(record.image, bands), size)
    except DataError as error:
        return error


def _write(
    store: Path,
    records: Records,
    images: Iterator[tuple[Record, np.ndarray | DataError]],
    skip_bad: bool,
) -> dict[int, str]:
    """Writes the store and its side-car, or nothing at all; returns what was left out."""
    with cache_written():
        return _write_files(store, records, images, skip_bad)


def _write_files(
    store: Path,
    records: Records,
    images: Iterator[tuple[Record, np.ndarray | DataError]],
    skip_bad: bool,
) -> dict[int, str]:
    sidecar = store.with_suffix(".json")
    temporary = store.with_suffix(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            left_out = _write_images(file, images, len(records))
        _check_left_out(records, left_out, skip_bad)
        # The side-car goes first and comes last: it is what says that the store is finished.
        sidecar.unlink(missing_ok=True)
        os.replace(temporary, store)
        temporary.write_text(json.dumps({"left_out": left_out}, indent=1), encoding="utf-8")
        os.replace(temporary, sidecar)
    finally:
        temporary.unlink(missing_ok=True)
    return left_out


def _write_images(
    file: BinaryIO, images: Iterator[tuple[Record, np.ndarray | DataError]], count: int
) -> dict[int, str]:
    # Plain writes, not a writable memory map: on a full disk that would be a SIGBUS, no error.
    left_out: dict[int, str] = {}
    first: tuple[Record, np.ndarray] | None = None
    for row, (record, image) in enumerate(images):
        if isinstance(image, DataError):
            left_out[row] = str(image)
            continue
        if first is None:
            first = record, image
            _write_header(file, image, count)
        elif image.dtype != first[1].dtype:
            raise DataError(
                f"{first[0].image} holds {first[1].dtype} and {record.image} {image.dtype}. "
                "Convert one kind, or load them as two data sets."
            )
        file.write(image.data)
    if first is not None and left_out:
        file.seek(0)
        _write_header(file, first[1], count - len(left_out))
    return left_out


def _write_header(file: BinaryIO, image: np.ndarray, count: int) -> None:
    # numpy pads the header for a growing first axis, so its length does not depend on `count`.
    header = {"descr": image.dtype.str, "fortran_order": False, "shape": (count, *image.shape)}
    np.lib.format.write_array_header_1_0(file, header)


def _check_left_out(records: Records, left_out: dict[int, str], skip_bad: bool) -> None:
    split = f"{records.name} {records.split}"
    if not len(records):
        raise DataError(f"There are no {split} images.")
    if not left_out or (skip_bad and len(left_out) < len(records)):
        return
    reasons = " ".join(list(left_out.values())[:3])
    remedy = "None is left." if skip_bad else "To train without them: --skip-bad-images."
    some = "" if len(left_out) <= 3 else "The first: "
    raise DataError(
        f"{len(left_out)} of {len(records)} {split} images cannot be used. {some}{reasons} {remedy}"
    )


def _sweep(folder: Path) -> None:
    """Removes what killed runs left behind."""
    for temporary in folder.glob("*.tmp"):
        if not _OURS.match(temporary.name):
            continue
        try:
            if time.time() - temporary.stat().st_mtime > _ABANDONED:
                temporary.unlink()
        except OSError:  # another run was quicker
            continue
