"""Maps: what is known of a scene's tiles, as files that a GIS opens. Needs the extra `geo`.

A class map (GeoTIFF, on the pixels of the scene) and a layer of tiles (GeoPackage), both in the
scene's own coordinate system and written piece by piece.
"""

import colorsys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyogrio
import rasterio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from pipelines.scenes import Grid, Scene, Tile

NO_DATA = 255
LAYER = "tiles"
_TONES = (0.85, 0.9), (0.4, 1.0), (0.9, 0.5)  # saturation, value


@dataclass(frozen=True)
class ClassMap:
    """An open class map, filled from top to bottom, one row of cells after the other."""

    target: rasterio.io.DatasetWriter
    grid: Grid

    def write(self, row: int, classes: np.ndarray) -> None:
        """Writes a row of cells.

        Args:
            row: Counted from the top.
            classes: uint8, one a cell; `NO_DATA` where nothing is known.
        """
        top, stride = row * self.grid.stride, self.grid.stride
        height = min(stride, self.grid.height - top)
        line = classes.astype(np.uint8).repeat(stride)[: self.grid.width]
        pixels = np.broadcast_to(line, (height, self.grid.width))
        self.target.write(pixels, 1, window=Window(0, top, self.grid.width, height))


@contextmanager
def class_map(path: Path, scene: Scene, grid: Grid, names: Sequence[str]) -> Iterator[ClassMap]:
    """Opens a new class map.

    Args:
        path: The file; `path.aux.xml` beside it holds the names where a GIS looks for them.
        scene: Gives the coordinate system.
        grid: How the scene is cut.
        names: Of the classes, 255 at most.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=grid.width,
            height=grid.height,
            count=1,
            dtype="uint8",
            nodata=NO_DATA,
            crs=scene.source.crs,
            transform=scene.source.transform,
            tiled=True,
            compress="deflate",
            bigtiff="if_safer",
        ) as target:
            target.write_colormap(1, {place: rgb for place, rgb in enumerate(colours(len(names)))})
            target.set_band_description(1, "land use")
            target.update_tags(1, **{f"class_{place}": name for place, name in enumerate(names)})
            yield ClassMap(target, grid)
    _write_categories(path.with_name(f"{path.name}.aux.xml"), names)


def colours(count: int) -> list[tuple[int, int, int, int]]:
    """RGBA of classes: hues around the circle in three tones, so that next ones differ."""
    found = []
    for place in range(count):
        turn, tone = divmod(place, len(_TONES))
        hue = turn / -(-count // len(_TONES)) + tone / count
        rgb = colorsys.hsv_to_rgb(hue % 1, *_TONES[tone])
        found.append((*(round(255 * each) for each in rgb), 255))
    return found


def write_tiles(
    path: Path,
    scene: Scene,
    tiles: Sequence[Tile],
    columns: dict[str, np.ndarray],
    about: dict[str, str],
) -> None:
    """Adds tiles to a GeoPackage, which is made by the first of them.

    Args:
        path: The file.
        scene: Gives the coordinate system.
        tiles: Their outlines, as far as they lie within the scene.
        columns: By name, one value a tile: numbers, or text as objects.
        about: Kept with the layer.

    Raises:
        OSError: It cannot be written.
    """
    corners = np.array([_corners(tile) for tile in tiles], float)
    to_ground = np.array(scene.source.transform, float).reshape(3, 3)[:2]
    corners = corners @ to_ground[:, :2].T + to_ground[:, 2]
    crs = scene.source.crs
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*crs.*")  # a scene without one is told once
        try:
            pyogrio.raw.write(
                path,
                shapely.to_wkb(shapely.polygons(corners)),
                list(columns.values()),
                list(columns),
                layer=LAYER,
                driver="GPKG",
                geometry_type="Polygon",
                crs=crs.to_wkt() if crs else None,
                append=path.exists(),
                layer_metadata=None if path.exists() else about,
            )
        except (DataSourceError, DataLayerError) as error:  # a full disk, for one
            raise OSError(str(error)) from error


def _corners(tile: Tile) -> list[tuple[int, int]]:
    right, bottom = tile.left + tile.width, tile.top + tile.height
    return [(tile.left, tile.top), (right, tile.top), (right, bottom), (tile.left, bottom)]


def _write_categories(path: Path, names: Sequence[str]) -> None:
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    categories = ElementTree.SubElement(band, "CategoryNames")
    for name in names:
        ElementTree.SubElement(categories, "Category").text = name
    ElementTree.ElementTree(root).write(path, encoding="utf-8")
