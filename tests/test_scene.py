"""Scenes larger than memory: what the maps say, where they lie, and bad input."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from spatialnet_keras import scene
from spatialnet_keras.prediction.predictor import Predictor

rasterio = pytest.importorskip("rasterio", reason="needs the extra geo")
pyogrio = pytest.importorskip("pyogrio", reason="needs the extra geo")
shapely = pytest.importorskip("shapely", reason="needs the extra geo")

from pipelines.images import read_image  # noqa: E402
from pipelines.maps import NO_DATA, colours  # noqa: E402
from pipelines.pixels import resize  # noqa: E402
from pipelines.scenes import Grid  # noqa: E402

HALF_METRE = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
QUESTIONS = "--question", "How many roads are there?", "--type", "count"


@pytest.fixture(autouse=True)
def loaded_once(predictor, monkeypatch):
    """Each command compiles the network anew; here they share one."""
    monkeypatch.setattr(Predictor, "load", lambda path: predictor)


@pytest.fixture(scope="module")
def pixels(city) -> np.ndarray:
    """160 rows and 200 columns of the city: 3 x 4 tiles of 64, cut at the right and the bottom."""
    paths = sorted((city / "ucm_captions" / "imgs").iterdir())[:60:5]
    tiles = [read_image(path) for path in paths]
    rows = [np.concatenate(tiles[at : at + 4], axis=1) for at in (0, 4, 8)]
    return np.concatenate(rows)[:160, :200]


def write(path, pixels, crs="EPSG:32631", transform=HALF_METRE, **profile):
    height, width, bands = pixels.shape
    profile |= {"width": width, "height": height, "count": bands, "dtype": pixels.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **profile) as to:
        to.write(np.moveaxis(pixels, -1, 0))
    return str(path)


def read_map(folder) -> np.ndarray:
    with rasterio.open(folder / scene.MAP) as source:
        return source.read(1)


def read_tiles(folder) -> tuple[dict, np.ndarray, dict]:
    about, _, shapes, values = pyogrio.raw.read(folder / scene.TILES)
    return dict(zip(about["fields"], values, strict=True)), shapely.from_wkb(shapes), about


def test_tiles_cover_a_scene_by_hand():
    grid = Grid(width=200, height=160, side=64)
    assert (grid.tiles_of_side, grid.cells_of_side) == ((3, 4), (3, 4))
    last = grid.row_of_tiles(2)[-1]
    assert (last.left, last.top, last.width, last.height) == (192, 128, 8, 32)
    halves = Grid(width=200, height=160, side=64, overlap=32)
    # tiles begin at 0, 32, 64, 96 (which ends at 160), and at 128 and 160 to the right
    assert (halves.tiles_of_side, halves.cells_of_side) == ((4, 6), (5, 7))
    assert Grid(width=10, height=10, side=64, overlap=32).tiles_of_side == (1, 1)


def test_each_tile_says_what_the_network_says_of_it(
    trained_run, predictor, pixels, exit_code, tmp_path
):
    path = write(tmp_path / "scene.tif", pixels)
    flags = [str(trained_run), path, str(tmp_path / "maps"), *QUESTIONS]
    assert exit_code(scene.main, *flags) == 0
    columns, shapes, about = read_tiles(tmp_path / "maps")
    classes = predictor.tasks["land_use"].classes
    drawn = read_map(tmp_path / "maps")
    assert len(columns["row"]) == 12
    for place in range(12):
        row, column = columns["row"][place], columns["column"][place]
        tile = pixels[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64]
        beyond = (0, 64 - tile.shape[0]), (0, 64 - tile.shape[1]), (0, 0)
        whole = np.pad(tile, beyond, mode="symmetric")
        (use,), (caption,) = predictor.classify(whole), predictor.describe(whole)
        ((count,),) = predictor.ask(whole, QUESTIONS[1], "count")
        assert columns["land_use"][place] == use.text
        assert columns["probability"][place] == pytest.approx(use.probability, abs=1e-5)
        assert columns["caption"][place] == caption
        assert columns["how_many_roads_are_there"][place] == int(count.text)
        part = drawn[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64]
        assert (part == classes.index(use.text)).all()
        left, bottom, right, top = shapes[place].bounds
        assert (left, top) == (500_000 + 32 * column, 5_400_000 - 32 * row)
        assert (right - left, top - bottom) == (tile.shape[1] / 2, tile.shape[0] / 2)
    assert about["crs"] == "EPSG:32631"
    info = pyogrio.read_info(tmp_path / "maps" / scene.TILES)
    assert info["layer_metadata"]["questions"] == '["How many roads are there?"]'


def test_the_class_map_lies_on_the_scene_with_names_and_colours(
    trained_run, predictor, pixels, exit_code, tmp_path
):
    path = write(tmp_path / "scene.tif", pixels)
    assert exit_code(scene.main, str(trained_run), path, str(tmp_path)) == 0
    names = predictor.tasks["land_use"].classes
    with rasterio.open(tmp_path / scene.MAP) as drawn, rasterio.open(path) as source:
        assert (drawn.crs, drawn.transform) == (source.crs, source.transform)
        assert (drawn.shape, drawn.dtypes, drawn.nodata) == (source.shape, ("uint8",), NO_DATA)
        assert [drawn.tags(1)[f"class_{place}"] for place in range(len(names))] == list(names)
        assert [drawn.colormap(1)[place] for place in range(len(names))] == colours(len(names))
    beside = (tmp_path / f"{scene.MAP}.aux.xml").read_text()
    assert all(f"<Category>{name}</Category>" in beside for name in names)


def test_colours_of_classes_differ():
    found = np.array(colours(45))[:, :3].astype(int)  # NWPU-RESISC45 has 45 classes
    apart = np.abs(found[:, None] - found[None]).sum(axis=-1) + 999 * np.eye(45, dtype=int)
    assert apart.min() > 15


def test_overlapping_tiles_average_their_probabilities(
    trained_run, predictor, pixels, exit_code, tmp_path
):
    path = write(tmp_path / "scene.tif", pixels[:128, :160])
    flags = [str(trained_run), path, str(tmp_path), "--tile", "64", "--overlap", "32"]
    assert exit_code(scene.main, *flags) == 0
    sums = np.zeros((4, 5, len(predictor.tasks["land_use"].classes)))
    for row in range(3):
        for column in range(4):
            tile = pixels[row * 32 : row * 32 + 64, column * 32 : column * 32 + 64]
            _, outputs = predictor.predict(resize(tile, 32)[None], None, {"land_use"})
            said = predictor.tasks["land_use"].probabilities(outputs["land_use"])[0]
            sums[row : row + 2, column : column + 2] += said
    expected = sums.argmax(axis=-1).repeat(32, axis=0).repeat(32, axis=1)
    assert (read_map(tmp_path) == expected).all()
    assert len(read_tiles(tmp_path)[0]["row"]) == 12


def test_tiles_without_data_are_left_out(trained_run, pixels, exit_code, capsys, tmp_path):
    holed = np.maximum(pixels, 1)
    holed[:64, :64] = 0
    holed[64:128, 64:110] = 0  # more than half of its tile
    path = write(tmp_path / "scene.tif", holed, nodata=0)
    assert exit_code(scene.main, str(trained_run), path, str(tmp_path), "--tile", "64") == 0
    assert "10 tiles are in" in (said := capsys.readouterr().out)
    assert "2 without data" in said
    drawn = read_map(tmp_path)
    assert (drawn[:64, :64] == NO_DATA).all()
    assert (drawn[64:128, 64:128] == NO_DATA).all()
    assert (drawn == NO_DATA).mean() == pytest.approx(2 * 64 * 64 / drawn.size)
    columns, _, _ = read_tiles(tmp_path)
    places = set(zip(columns["row"].tolist(), columns["column"].tolist(), strict=True))
    assert {(0, 0), (1, 1)}.isdisjoint(places)


def test_a_scene_without_coordinates_is_mapped_and_said_once(
    trained_run, pixels, exit_code, capsys, tmp_path
):
    path = write(tmp_path / "scene.tif", pixels, crs=None, transform=None)
    assert exit_code(scene.main, str(trained_run), path, str(tmp_path), "--tile", "64") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("scene:")]
    assert len(lines) == 1
    assert "no coordinate system" in lines[0]
    _, shapes, about = read_tiles(tmp_path)
    assert about["crs"] is None
    assert shapes[0].bounds == (0, 0, 64, 64)


def test_a_run_without_land_use_gives_its_tiles_and_says_so(
    trained_run, predictor, pixels, exit_code, capsys, monkeypatch, tmp_path
):
    tasks = tuple(task for task in predictor.run.tasks if task.name != "land_use")
    other = Predictor(dataclasses.replace(predictor.run, tasks=tasks))
    monkeypatch.setattr(Predictor, "load", lambda path: other)
    path = write(tmp_path / "scene.tif", pixels)
    assert exit_code(scene.main, str(trained_run), path, str(tmp_path / "m"), "--tile=64") == 0
    assert "not trained on land_use" in capsys.readouterr().err
    assert [each.name for each in (tmp_path / "m").iterdir()] == [scene.TILES]
    assert list(read_tiles(tmp_path / "m")[0]) == ["row", "column", "caption"]


def test_a_grey_scene_is_read_as_in_training(trained_run, pixels, exit_code, tmp_path):
    grey = pixels[..., :1]
    seen = np.concatenate([grey, np.full_like(grey, 255)], axis=-1)
    for name, image in (("grey", grey), ("rgb", grey.repeat(3, axis=-1)), ("alpha", seen)):
        path = write(tmp_path / f"{name}.tif", image, **({"alpha": "yes"} if image is seen else {}))
        assert exit_code(scene.main, str(trained_run), path, str(tmp_path / name), "--tile=64") == 0
    for name in ("grey", "alpha"):
        assert (read_map(tmp_path / name) == read_map(tmp_path / "rgb")).all()


def test_maps_are_written_again_over_the_old(trained_run, pixels, exit_code, tmp_path):
    path = write(tmp_path / "scene.tif", pixels)
    for side in ("64", "32"):
        flags = [str(trained_run), path, str(tmp_path / "maps"), "--tile", side]
        assert exit_code(scene.main, *flags) == 0
    assert len(read_tiles(tmp_path / "maps")[0]["row"]) == 35
    assert len(list((tmp_path / "maps").iterdir())) == 3


def test_a_run_without_land_use_leaves_no_map_of_another(
    trained_run, predictor, pixels, exit_code, monkeypatch, tmp_path
):
    path, flags = write(tmp_path / "scene.tif", pixels), [str(tmp_path / "maps"), "--tile=64"]
    assert exit_code(scene.main, str(trained_run), path, *flags) == 0
    run = predictor.run
    others = tuple(task for task in run.tasks if task.name != "land_use")
    reduced = Predictor(dataclasses.replace(run, tasks=others))
    monkeypatch.setattr(Predictor, "load", lambda path: reduced)
    assert exit_code(scene.main, str(trained_run), path, *flags) == 0
    assert [each.name for each in (tmp_path / "maps").iterdir()] == [scene.TILES]


def test_a_scene_is_not_written_over(trained_run, pixels, exit_code, capsys, tmp_path):
    path = write(tmp_path / scene.MAP, pixels)
    assert exit_code(scene.main, str(trained_run), path, str(tmp_path)) == 2
    assert "would be written over" in capsys.readouterr().err
    assert rasterio.open(path).count == 3


def write_in_palette(path, pixels):
    write(path, pixels[..., :1], photometric="palette")
    with rasterio.open(path, "r+") as to:
        to.write_colormap(1, {place: (place, 0, 255 - place, 255) for place in range(256)})


BAD_SCENES = {
    "palette": (write_in_palette, "places in a palette"),
    "no file": (lambda path, pixels: None, "cannot be opened"),
    "no image": (lambda path, pixels: path.write_text("hello"), "cannot be opened"),
    "two bands": (lambda path, pixels: write(path, pixels[..., :2]), "has 2 bands"),
    "16 bits": (
        lambda path, pixels: write(path, pixels.astype("uint16")),
        "uint16 pixels, the run was trained on uint8",
    ),
    "16 bits with a sign": (
        lambda path, pixels: write(path, pixels.astype("int16")),
        "int16 pixels, the run was trained on uint8",
    ),
    "much smaller than a tile": (
        lambda path, pixels: write(path, pixels[:20, :31]),
        "--tile 64 is more than twice as long as",
    ),
    "complex": (lambda path, pixels: write(path, pixels.astype("complex64")), "complex64"),
    "cut off": (
        lambda path, pixels: (
            write(path, pixels, compress="deflate"),
            path.write_bytes(path.read_bytes()[:-20_000]),
        ),
        "is damaged",
    ),
    "no data": (lambda path, pixels: write(path, pixels * 0, nodata=0), "every tile is empty"),
}


@pytest.mark.parametrize(("spoil", "said"), BAD_SCENES.values(), ids=BAD_SCENES)
def test_bad_scenes_are_one_line_and_leave_nothing(
    trained_run, pixels, exit_code, capfd, tmp_path, spoil, said
):
    spoil(tmp_path / "scene.tif", pixels)
    flags = [str(trained_run), str(tmp_path / "scene.tif"), str(tmp_path / "maps"), "--tile=64"]
    assert exit_code(scene.main, *flags) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("test:")]
    assert len(lines) == 1
    assert said in lines[0]
    assert str(tmp_path / "scene.tif") in lines[0]
    assert not (tmp_path / "maps").exists() or not list((tmp_path / "maps").iterdir())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--tile", "4"], "--tile must be at least 8"),
        (["--tile", "64", "--overlap", "30"], "The nearest is --overlap 32"),
        (["--tile", "256", "--overlap", "256"], "The nearest is --overlap 255"),
        (["--tiles", "64"], "Did you mean --tile?"),
    ],
)
def test_tiles_that_do_not_fit_are_one_line(exit_code, capsys, flags, said):
    assert exit_code(scene.main, "run", "scene.tif", "maps", *flags) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_without_rasterio_it_says_what_to_install(exit_code, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "pipelines.scenes")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert exit_code(scene.main, "run", "scene.tif", "maps") == 2
    assert "pip install -e '.[geo]'" in capsys.readouterr().err


PEAK = """
import resource, sys
from spatialnet_keras import scene
scene.main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_twenty_thousand_pixels_a_side_stay_under_two_gigabytes(trained_run, pixels, tmp_path):
    tile = np.moveaxis(np.maximum(np.pad(pixels, ((0, 96), (0, 56), (0, 0)), "wrap"), 1), -1, 0)
    shape = {"width": 20_000, "height": 20_000, "count": 3, "dtype": "uint8", "nodata": 0}
    form = {"tiled": True, "compress": "deflate", "crs": "EPSG:32631", "transform": HALF_METRE}
    with rasterio.open(tmp_path / "scene.tif", "w", driver="GTiff", **shape, **form) as target:
        for top in range(0, 19_000, 512):
            for left in range(0, 19_000, 512):
                target.write(tile, window=rasterio.windows.Window(left, top, 256, 256))
    flags = [trained_run, tmp_path / "scene.tif", tmp_path / "maps", "--tile", 256]
    result = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, flags)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "1,444 tiles are in" in result.stdout
    assert int(result.stdout.split("peak")[1]) < 2_000
