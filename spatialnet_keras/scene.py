"""Scenes: land use, captions and answers for a GeoTIFF larger than memory, as maps for a GIS.

python -m spatialnet_keras.scene RUN SCENE.tif OUT --question "How many roads are there?"
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from pipelines import commands
from pipelines.images import MINIMUM_SIDE
from pipelines.pixels import resize
from pipelines.records import DataError
from spatialnet_keras.backend import importing_keras
from spatialnet_keras.config import ConfigError, DecodeConfig
from spatialnet_keras.flags import add_flags, add_question_flags, check_question_flags, decoding

if TYPE_CHECKING:
    from pipelines.scenes import Grid, Scene, Tile
    from spatialnet_keras.prediction.predictor import Prediction, Predictor
    from spatialnet_keras.prediction.questions import Questions

NAME = "scene"
MAP, TILES = "land_use.tif", "tiles.gpkg"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    flags = parser().parse_args(arguments)
    check_question_flags(flags)
    if flags.tile is not None:
        check_tiles(flags.tile, flags.overlap)
    try:
        from pipelines.scenes import Grid, open_scene
    except ImportError as error:
        raise ConfigError(
            f"Scenes need {error.name}. Install it: python -m pip install -e '.[geo]'"
        ) from None
    with importing_keras():
        from spatialnet_keras.prediction.predictor import Predictor

    out = Path(flags.out)
    if Path(flags.scene).resolve() == (out / MAP).resolve():
        raise ConfigError(f"{flags.scene} would be written over. Choose another folder for OUT.")
    predictor = Predictor.load(flags.run, **decoding(flags))
    pixels = predictor.run.config.pixels
    side = flags.tile or pixels.side
    check_tiles(side, flags.overlap)
    with open_scene(flags.scene, pixels.bands) as scene:
        if scene.dtype != pixels.dtype:
            stored = ", ".join(dict.fromkeys(scene.source.dtypes))
            raise DataError(
                f"{flags.scene} holds {stored} pixels, the run was trained on {pixels.dtype}. "
                "Convert it."
            )
        width, height = scene.source.width, scene.source.height
        if flags.tile and flags.tile > 2 * max(width, height):  # all but mirrored
            raise ConfigError(
                f"--tile {flags.tile} is more than twice as long as {flags.scene}, "
                f"{width}x{height} pixels. Choose a smaller one."
            )
        questions = predictor.prepare(flags.question, flags.type) if flags.question else None
        for note in questions.notes if questions else ():
            commands.say(NAME, note)
        if not scene.source.crs:
            commands.say(NAME, f"{flags.scene} has no coordinate system, so the maps have none.")
        grid = Grid(width, height, side, flags.overlap)
        try:
            if "land_use" not in predictor.tasks:
                commands.say(
                    NAME, f"{flags.run} was not trained on land_use, so there is no {MAP}."
                )
            answered, left_out = write_maps(predictor, scene, grid, questions, out)
        except OSError as error:
            raise DataError(f"{out} cannot be written: {error}.") from error
    print(f"{answered:,} tiles are in {out}; {left_out:,} without data were left out.")


def parser() -> commands.Parser:
    """All flags."""
    parser = commands.Parser(
        prog="python -m spatialnet_keras.scene", description=__doc__.splitlines()[0]
    )
    parser.add_argument("run", metavar="RUN", help="a run directory, as train.py writes it")
    parser.add_argument("scene", metavar="SCENE", help="a GeoTIFF of any size")
    parser.add_argument("out", metavar="OUT", help=f"folder for {MAP} and {TILES}")
    parser.add_argument(
        "--tile",
        type=int,
        help="pixels a side (default: as the tiles of the run's training data, before resizing)",
    )
    parser.add_argument(
        "--overlap",
        type=int,
        default=0,
        help="pixels that neighbours share, their probabilities are averaged; TILE - OVERLAP "
        "divides TILE (0)",
    )
    add_question_flags(parser)
    add_flags(parser, "decode", DecodeConfig, "as the run was trained")
    return parser


def check_tiles(side: int, overlap: int) -> None:
    """Refuses tiles that no grid can be made of.

    Raises:
        ConfigError: With the nearest overlap that can.
    """
    if side < MINIMUM_SIDE:
        raise ConfigError(f"--tile must be at least {MINIMUM_SIDE}. Received: {side}.")
    possible = [side - stride for stride in range(1, side + 1) if side % stride == 0]
    if overlap not in possible:
        nearest = min(possible, key=lambda each: abs(each - overlap))
        raise ConfigError(
            f"TILE - OVERLAP must divide TILE. Received: --tile {side} --overlap {overlap}. "
            f"The nearest is --overlap {nearest}."
        )


def write_maps(
    predictor: "Predictor",
    scene: "Scene",
    grid: "Grid",
    questions: "Questions | None",
    out: Path,
) -> tuple[int, int]:
    """Writes both maps, whole or not at all; gives the tiles answered and left out."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".scene-") as folder:
        counts = _write_into(Path(folder), predictor, scene, grid, questions)
        if not counts[0]:
            raise DataError(f"{scene.path} holds no data: every tile is empty.")
        made = os.listdir(folder)
        for name in {MAP, f"{MAP}.aux.xml"}.difference(made):
            (out / name).unlink(missing_ok=True)  # of another run
        for name in made:
            os.replace(Path(folder) / name, out / name)
    return counts


class Average:
    """The mean class probabilities of cells, over the tiles that cover each, row after row."""

    def __init__(self, grid: "Grid", classes: int):
        self.side = grid.side // grid.stride  # cells
        self.sums = np.zeros((self.side, grid.cells_of_side[1], classes), np.float32)

    def add(self, column: int, probabilities: np.ndarray) -> None:
        """A tile of the row of tiles that begins at this row of cells: [K]."""
        self.sums[:, column : column + self.side] += probabilities

    def next_row(self, no_data: int) -> np.ndarray:
        """The classes of the first row of cells, that no later tile covers; goes on to the next."""
        row = self.sums[0]
        # a mean and a sum have the same largest class
        classes = np.where(row.any(axis=-1), row.argmax(axis=-1), no_data)
        self.sums = np.concatenate([self.sums[1:], np.zeros_like(self.sums[:1])])
        return classes


def attributes(
    tiles: Sequence["Tile"], said: Sequence["Prediction"], questions: "Questions | None"
) -> dict[str, np.ndarray]:
    """The columns of the layer of tiles, one value a tile."""
    columns = {"row": [tile.row for tile in tiles], "column": [tile.column for tile in tiles]}
    if said[0].land_use:
        columns["land_use"] = [each.land_use.text for each in said]
        columns["probability"] = [each.land_use.probability for each in said]
    if said[0].caption is not None:
        columns["caption"] = [each.caption for each in said]
    for place, text in enumerate(questions.texts if questions else ()):
        name = re.sub(r"\W+", "_", text.lower()).strip("_")[:50]
        if name in columns:
            name = f"{name}_{place + 1}"
        answers = [each.answers[place] for each in said]
        counted = questions.tasks[place].name == "count"
        columns[name] = [int(each.text) if counted else each.text for each in answers]
        if answers[0].probability is not None:
            columns[f"{name}_probability"] = [each.probability for each in answers]
    return {
        name: np.array(values, object if isinstance(values[0], str) else None)
        for name, values in columns.items()
    }


def _write_into(
    folder: Path,
    predictor: "Predictor",
    scene: "Scene",
    grid: "Grid",
    questions: "Questions | None",
) -> tuple[int, int]:
    from pipelines.maps import NO_DATA, class_map, write_tiles

    use = predictor.tasks.get("land_use")
    about = {
        "run": predictor.run.path.name,
        "scene": scene.path.name,
        "tile": str(grid.side),
        "overlap": str(grid.overlap),
        "questions": json.dumps(questions.texts if questions else []),
    }
    average = Average(grid, len(use.classes) if use else 0)
    rows, columns = grid.tiles_of_side
    answered = 0
    with ExitStack() as stack:
        target = use and stack.enter_context(class_map(folder / MAP, scene, grid, use.classes))
        progress = stack.enter_context(commands.progress(rows * columns, "Tiles", "tile"))
        for row in range(grid.cells_of_side[0]):
            for tiles, pixels in _batches(predictor, scene, grid, questions, row, progress):
                said, outputs = predictor.predict(pixels, questions)
                write_tiles(folder / TILES, scene, tiles, attributes(tiles, said, questions), about)
                if use:
                    for tile, each in zip(
                        tiles, use.probabilities(outputs["land_use"]), strict=True
                    ):
                        average.add(tile.column, each)
                answered += len(tiles)
            if target:
                target.write(row, average.next_row(NO_DATA))
    return answered, rows * columns - answered


def _batches(
    predictor: "Predictor",
    scene: "Scene",
    grid: "Grid",
    questions: "Questions | None",
    row: int,
    progress: tqdm,
) -> Iterator[tuple[list["Tile"], np.ndarray]]:
    """The tiles of a row that hold data, with their pixels as the network takes them."""
    config, size = predictor.run.config, predictor.batch_size(questions)
    tiles = grid.row_of_tiles(row) if row < grid.tiles_of_side[0] else []
    for start in range(0, len(tiles), size):
        batch = tiles[start : start + size]
        read = [scene.read(tile, grid.side, config.pixels.mean) for tile in batch]
        kept = [place for place, pixels in enumerate(read) if pixels is not None]
        if kept:
            stored = np.stack([resize(read[place], config.model.image_size) for place in kept])
            yield [batch[place] for place in kept], stored
        progress.update(len(batch))


if __name__ == "__main__":
    commands.run(NAME, main, DataError, ConfigError)
