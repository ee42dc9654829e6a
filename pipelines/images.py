"""Image files as arrays: decodes PNG, JPEG and TIFF.

Every complaint about a file is a `DataError` of one line; no decoder's own traceback or log line
gets through.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import tifffile
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from pipelines.records import DataError

MINIMUM_SIDE = 8  # pixels; less is a thumbnail's ghost, not a tile
MAXIMUM_SIDE = 16_384  # pixels
MAXIMUM_PIXELS = 100_000_000  # 300 MB of RGB a decoding thread

# tifffile logs what it also raises, or what _decode_tiff checks itself.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_LOADING = Lock()  # Pillow reads a file late, and one picture may be asked for by two threads


class TooLargeError(DataError):
    """A scene, not a tile: more pixels than are decoded at once."""


def read_image(
    path: str | Path, bands: Sequence[int] = (0, 1, 2), dtype: str | None = None
) -> np.ndarray:
    """Decodes one PNG, JPEG or TIFF file.

    Reads 8 and 16 bits, integers and floats, chunky and planar, uncompressed, LZW, deflate and
    JPEG (YCbCr comes out as RGB). An alpha band is left out, unless `bands` asks for it by number.
    A grey image is repeated to the number of bands. A colour PNG of 16 bits comes out with 8,
    which is what Pillow reads; a TIFF keeps its 16.

    Args:
        path: The file. Its first bytes decide what it is, not its name.
        bands: Which bands to keep, counted from 0, in this order.
        dtype: What the pixels must come out as, if not just any.

    Returns:
        [H, W, len(bands)], uint8 or uint16 as stored, any other number as float32.

    Raises:
        DataError: The file is missing, empty, cut off, no image, too small, too large, lacks a
            band, or is of another dtype.
    """
    path = Path(path)
    decode = _decoder(path)
    return _decoded(path, lambda: decode(path), bands, dtype)


def from_pillow(
    name: str, picture: Image.Image, bands: Sequence[int] = (0, 1, 2), dtype: str | None = None
) -> np.ndarray:
    """What `read_image` makes of a file with this picture; a complaint opens with the name."""

    def decode() -> np.ndarray:
        with _LOADING:
            return _decode_with_pillow(name, picture)

    return _decoded(name, decode, bands, dtype)


def in_stored_dtype(name: str | Path, pixels: np.ndarray, wanted: str | None = None) -> np.ndarray:
    """Any numbers as they are stored: uint8, uint16 or float32.

    Raises:
        DataError: They are no numbers, not finite, or come out in another dtype than is wanted; it
            opens with the name.
    """
    given = pixels.dtype
    if given.kind == "b":
        pixels = pixels.astype(np.uint8) * 255
    elif given.kind == "u" and given.itemsize <= 2:
        pixels = pixels.astype(given.newbyteorder("="), copy=False)
    elif given.kind in "iuf":
        pixels = pixels.astype(np.float32)
        if not np.isfinite(pixels).all():  # one NaN would make every weight NaN
            raise DataError(f"{name} holds NaN or infinite pixels. Fill its no-data pixels first.")
    else:
        raise DataError(f"{name} holds {given} numbers. Save it as integers or floats.")
    if wanted not in (None, str(pixels.dtype)):
        raise DataError(
            f"{name} holds {given} pixels, the run was trained on {wanted}. Convert it."
        )
    return pixels


def _decoded(
    name: str | Path,
    decode: Callable[[], np.ndarray],
    bands: Sequence[int],
    dtype: str | None,
) -> np.ndarray:
    try:
        pixels = decode()
    except DataError:
        raise
    except Exception as error:  # on bad bytes decoders raise anything: struct.error, KeyError, ...
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{name} is damaged or cut off ({reason}). Copy it again.") from error
    picked = _pick_bands(name, pixels, tuple(bands))
    return np.ascontiguousarray(in_stored_dtype(name, picked, dtype))


def _decoder(path: Path) -> Callable[[Path], np.ndarray]:
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror}. Check the path.") from error
    except ValueError as error:  # a zero byte in the name
        raise DataError(f"{str(path)!r} cannot be opened: {error}. Check the path.") from error
    if not head:
        raise DataError(f"{path} is empty (0 bytes). Copy it again.")
    for first_bytes, decode in _DECODERS.items():
        if head.startswith(first_bytes):
            return decode
    raise DataError(f"{path} is not a PNG, JPEG or TIFF image. Convert or remove it.")


def _decode_png(path: Path) -> np.ndarray:
    with PngImageFile(path) as image:
        return _decode_with_pillow(path, image)


def _decode_jpeg(path: Path) -> np.ndarray:
    with JpegImageFile(path) as image:
        return _decode_with_pillow(path, image)


def _decode_with_pillow(path: str | Path, image: Image.Image) -> np.ndarray:
    _check_size(path, *image.size)
    if image.mode.startswith("I"):  # 16-bit grey
        return np.asarray(image).astype(np.uint16)[..., None]
    if image.mode in ("1", "L", "LA"):
        return np.array(image.convert("L"))[..., None]
    if image.mode == "F":  # of a TIFF that Pillow opened
        return np.asarray(image)[..., None]
    if image.mode == "RGBA":
        return np.array(image)  # `bands` leaves alpha out
    if image.mode == "P":
        image = image.convert("RGBA")  # straight to RGB, Pillow warns about transparency
    return np.array(image.convert("RGB"))


def _decode_tiff(path: Path) -> np.ndarray:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        _check_size(path, page.imagewidth, page.imagelength)
        _check_whole(path, page)
        _check_form(path, tiff)
        pixels = page.asarray(maxworkers=1)  # the store has one thread an image already
    if pixels.shape != page.shape:  # tifffile's answer to some contradictory headers is no pixels
        raise DataError(f"{path} is damaged: its header contradicts itself. Copy it again.")
    if page.axes == "YX":
        return pixels[..., None]
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    # Alpha beyond the third band is left to `bands`: GDAL marks a near-infrared band as alpha too.
    grey_and_alpha = pixels.shape[-1] == 2 and set(page.extrasamples) & {1, 2}
    return pixels[..., :1] if grey_and_alpha else pixels


_DECODERS = {
    b"\x89PNG": _decode_png,
    b"\xff\xd8\xff": _decode_jpeg,
    b"II*\0": _decode_tiff,
    b"MM\0*": _decode_tiff,
    b"II+\0": _decode_tiff,  # BigTIFF
    b"MM\0+": _decode_tiff,
}


def _check_size(path: str | Path, width: int, height: int) -> None:
    if min(width, height) < MINIMUM_SIDE:
        raise DataError(
            f"{path} is {width}x{height} pixels; a side needs {MINIMUM_SIDE} at least. Remove it."
        )
    if max(width, height) > MAXIMUM_SIDE or width * height > MAXIMUM_PIXELS:
        raise TooLargeError(
            f"{path} is {width}x{height} pixels; the most is {MAXIMUM_SIDE:,} a side and "
            f"{MAXIMUM_PIXELS // 1_000_000} million in all. Cut the scene into tiles first."
        )


def _check_whole(path: Path, page: tifffile.TiffPage) -> None:
    # tifffile fills a strip that lies behind the end of the file with zeros, silently.
    spans = zip(page.dataoffsets, page.databytecounts, strict=True)
    if max(offset + count for offset, count in spans) > path.stat().st_size:
        raise DataError(f"{path} is cut off. Copy it again.")
    if not any(page.databytecounts):  # some empty tiles are GDAL's way to say no data; all are not
        raise DataError(f"{path} is damaged: its strips are empty. Copy it again.")


def _check_form(path: Path, tiff: tifffile.TiffFile) -> None:
    page = tiff.pages.first
    colours = tifffile.PHOTOMETRIC(page.photometric).name
    decoded_to_rgb = colours == "YCBCR" and page.compression == tifffile.COMPRESSION.JPEG
    if colours not in ("MINISBLACK", "RGB") and not decoded_to_rgb:
        raise DataError(f"{path} stores its colours as {colours}. Save it as grey or RGB.")
    if page.axes not in ("YX", "YXS", "SYX"):
        raise DataError(f"{path} is not a flat image (axes {page.axes}). Save it as one.")
    if page.axes == "YX" and len(tiff.pages) > 1 and _is_band(tiff.pages[1], page):
        raise DataError(f"{path} has a page for each band. Save all bands in one page.")


def _is_band(other: tifffile.TiffPage, page: tifffile.TiffPage) -> bool:
    """Tells a further band from an overview (smaller) and from a mask (marked as one)."""
    return other.shape == page.shape and not other.subfiletype


def _pick_bands(path: str | Path, pixels: np.ndarray, bands: tuple[int, ...]) -> np.ndarray:
    count = pixels.shape[-1]
    if count == 1:
        return np.repeat(pixels, len(bands), axis=-1)
    if not set(bands) <= set(range(count)):
        raise DataError(
            f"{path} has {count} bands, 0 to {count - 1}. Received bands {bands}: choose others."
        )
    return pixels if bands == tuple(range(count)) else pixels[..., list(bands)]
