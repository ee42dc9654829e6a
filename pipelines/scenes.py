"""Scenes: images larger than memory, read tile by tile. Needs rasterio (the extra `geo`)."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from pipelines.records import DataError

LEAST_VALID = 0.5  # share of a tile's pixels that must hold data, or it is left out
_CACHE = 256  # MB of decoded blocks that GDAL keeps: a row of tiles, however the file is laid out


@dataclass(frozen=True)
class Tile:
    """A square of a scene.

    Attributes:
        row: Its place among the tiles, from the top.
        column: The same, from the left.
        left: Pixels of the scene left of it.
        top: Pixels of the scene above it.
        width: Pixels of it that lie within the scene.
        height: The same, from its top down.
    """

    row: int
    column: int
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Grid:
    """How a scene is cut into tiles. Cells are the squares between which the tiles change.

    Attributes:
        width: Of the scene, in pixels.
        height: Of the scene.
        side: Of a tile.
        overlap: Pixels that neighbours share; what is left of the side divides it.
    """

    width: int
    height: int
    side: int
    overlap: int = 0

    @property
    def stride(self) -> int:
        """Pixels from one tile to the next, and the side of a cell."""
        return self.side - self.overlap

    @property
    def tiles_of_side(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return tuple(
            -(-max(length - self.overlap, 1) // self.stride) for length in (self.height, self.width)
        )

    @property
    def cells_of_side(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return -(-self.height // self.stride), -(-self.width // self.stride)

    def row_of_tiles(self, row: int) -> list[Tile]:
        """Its tiles, from left to right; the last may reach beyond the scene."""
        top = row * self.stride
        height = min(self.side, self.height - top)
        lefts = [column * self.stride for column in range(self.tiles_of_side[1])]
        return [
            Tile(row, column, left, top, min(self.side, self.width - left), height)
            for column, left in enumerate(lefts)
        ]


@dataclass(frozen=True)
class Scene:
    """An open scene.

    Attributes:
        path: The file.
        source: rasterio's handle.
        bands: The bands that are read, counted from 1; one of a grey scene, repeated.
    """

    path: Path
    source: rasterio.DatasetReader
    bands: tuple[int, ...]

    @property
    def dtype(self) -> str:
        """Of the pixels that come out: uint8 or uint16 as stored, any other number as float32."""
        stored = set(self.source.dtypes)
        return stored.pop() if stored in ({"uint8"}, {"uint16"}) else "float32"

    def read(self, tile: Tile, side: int, fill: Sequence[float]) -> np.ndarray | None:
        """The pixels of a tile; beyond the scene it is mirrored.

        Args:
            tile: Of the scene's grid.
            side: Of the tiles.
            fill: What stands, per band, where there is no data.

        Returns:
            [side, side, C]; None if less than `LEAST_VALID` of it is data.

        Raises:
            DataError: The file is damaged.
        """
        window = Window(tile.left, tile.top, tile.width, tile.height)
        try:
            pixels = self.source.read(self.bands, window=window, out_dtype=self.dtype)
            valid = self._valid(window)
        except RasterioError as error:
            raise DataError(f"{self.path} is damaged ({error}). Copy it again.") from error
        if self.dtype == "float32":
            valid &= np.isfinite(pixels).all(axis=0)
        if valid.mean() < LEAST_VALID:
            return None
        pixels = np.where(valid, pixels, np.array(fill, pixels.dtype)[:, None, None])
        beyond = (0, side - tile.height), (0, side - tile.width), (0, 0)
        return np.pad(np.moveaxis(pixels, 0, -1), beyond, mode="symmetric")

    def _valid(self, window: Window) -> np.ndarray:
        if all(MaskFlags.all_valid in flags for flags in self.source.mask_flag_enums):
            return np.ones((window.height, window.width), bool)
        return self.source.dataset_mask(window=window) > 0


@contextmanager
def open_scene(path: str | Path, bands: int) -> Iterator[Scene]:
    """Opens a scene of any size: GeoTIFF, or whatever else rasterio reads.

    Args:
        path: The file.
        bands: How many are read, the first ones; a grey scene is repeated.

    Raises:
        DataError: It cannot be opened, or has too few bands.
    """
    path = Path(path)
    with rasterio.Env(GDAL_CACHEMAX=_CACHE), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            source = rasterio.open(path)
        except RasterioError as error:
            raise DataError(f"{path} cannot be opened as a scene: {error}.") from None
        with source:
            if source.colorinterp[:1] == (ColorInterp.palette,):
                raise DataError(f"{path} holds places in a palette. Save its colours as RGB.")
            grey = source.count == 1 or source.colorinterp[1:] == (ColorInterp.alpha,)
            if not source.count or (source.count < bands and not grey):
                raise DataError(f"{path} has {source.count} bands, the run was trained on {bands}.")
            if np.dtype(source.dtypes[0]).kind not in "uif":
                raise DataError(f"{path} holds {source.dtypes[0]} numbers. Save it as integers.")
            chosen = (1,) * bands if grey else tuple(range(1, bands + 1))
            yield Scene(path, source, chosen)
