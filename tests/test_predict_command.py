"""`predict` as a command: files in, tables, JSON and pictures out."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from pipelines.records import DataError
from spatialnet_keras import predict
from spatialnet_keras.prediction.inputs import each_image, find_images
from spatialnet_keras.prediction.overlays import panels
from spatialnet_keras.prediction.predictor import Predictor

ASKED = ("How many roads are there?", "Is a building present?", "Is it a rural or an urban area?")


def test_images_are_files_globs_and_folders(city, tiles, tmp_path):
    folder = city / "ucm_captions" / "imgs"
    assert find_images([str(folder)]) == sorted(folder.iterdir())
    assert find_images([str(city / "**" / tiles[0].name), str(tiles[0])]) == [tiles[0]]
    found = find_images([str(city / "ucm_captions" / "**")])  # which fits folders, too
    assert set(folder.iterdir()) < set(found) and all(each.is_file() for each in found)
    with pytest.raises(DataError, match="has no name"):
        find_images([""])
    with pytest.raises(DataError, match="No file fits"):
        find_images([str(city / "*.png")])
    with pytest.raises(DataError, match="No images in"):
        find_images([str(tmp_path)])
    assert len(each_image([np.zeros((2, 8, 8, 3)), "a.png"])) == 3


def test_the_command_answers_the_good_images_and_names_the_bad(
    trained_run, tiles, exit_code, capsys, tmp_path
):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG cut off")
    arguments = [str(trained_run), str(tiles[0]), str(bad), str(tmp_path / "gone.tif")]
    questions = [part for text in ASKED[:2] for part in ("--question", text)]
    assert exit_code(predict.main, *arguments, *map(str, tiles[1:]), *questions, "--json") == 2
    said = capsys.readouterr()
    rows = {row["image"]: row for row in map(json.loads, said.out.splitlines())}
    assert len(rows) == 5
    for path in (bad, tmp_path / "gone.tif"):
        assert str(path) in rows[str(path)]["error"]
        assert sum(str(path) in line for line in said.err.splitlines()) == 1
    for path in tiles:
        row = rows[str(path)]
        assert 0 < row["land_use"]["probability"] <= 1
        assert isinstance(row["caption"], str)
        assert [answer["question"] for answer in row["answers"]] == list(ASKED[:2])
        assert all(answer["type"] and answer["answer"] for answer in row["answers"])
    assert "2 of 5 images could not be read" in said.err


def test_the_command_prints_a_table_for_people(trained_run, tiles, exit_code, capsys):
    flags = ["--question", ASKED[0], "--type", "count", "--decode.beams", "2"]
    assert exit_code(predict.main, str(trained_run), *map(str, tiles), *flags) == 0
    said = capsys.readouterr().out
    for words in (*map(str, tiles), "land use", "caption", ASKED[0], "%"):
        assert words in said


def test_a_name_that_is_not_utf8_is_printed(
    trained_run, predictor, tiles, exit_code, capfdbinary, monkeypatch, tmp_path
):
    monkeypatch.setattr(Predictor, "load", lambda path: predictor)
    path = tmp_path / os.fsdecode(b"caf\xe9.tif")
    path.write_bytes(tiles[0].read_bytes())
    for flags in ([], ["--json"]):
        assert exit_code(predict.main, str(trained_run), str(path), *flags) == 0
        said = capfdbinary.readouterr().out.decode("utf-8")
        assert "caf" in said
    assert json.loads(said)["image"] == str(path)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--question", ""], "needs words"),
        (["--type", "count"], "Ask some by --question"),
        (["--attention", "map.jpg"], "map.jpg"),
        (["--questoin", "How many?"], "Did you mean --question?"),
        (["--decode.beams", "0"], "beams must be at least 1"),
    ],
)
def test_bad_flags_are_one_line(trained_run, tiles, exit_code, capsys, flags, said):
    assert exit_code(predict.main, str(trained_run), str(tiles[0]), *flags) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_attention_is_drawn_for_land_use_each_question_and_each_word(
    trained_run, predictor, tiles, stored, exit_code, monkeypatch, tmp_path
):
    monkeypatch.setattr(Predictor, "load", lambda path: predictor)
    out = tmp_path / "map.png"
    flags = ["--question", ASKED[0], "--attention", str(out)]
    assert exit_code(predict.main, str(trained_run), *map(str, tiles[:2]), *flags) == 0
    for number, path in enumerate(tiles[:2], 1):
        assert Image.open(tmp_path / f"map-{number}-{path.stem}.png").width > 400
    asked = predictor.prepare(ASKED)
    (said,), _ = predictor.predict(stored[:1], asked)
    large, small, notes = panels(predictor, stored[0], said, asked)
    assert not notes
    assert [panel.looked is None for panel in large] == [True, False, False, False, False]
    words = predictor.tasks["caption"].encode([said.caption])[0][0]
    assert len(small) == (words > 0).sum()
    for panel in large[1:] + small:
        assert panel.looked.shape == (4, 4)
        assert panel.looked.sum() == pytest.approx(1)
    pixels = np.asarray(Image.open(tmp_path / f"map-1-{tiles[0].stem}.png").convert("RGB"))
    assert 0.2 < (pixels < 250).any(axis=-1).mean() < 0.95
