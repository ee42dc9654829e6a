import json
import subprocess
import sys
from collections import Counter

import pytest
from PIL import Image

from pipelines import synthetic
from pipelines.records import SPLITS, DataError
from pipelines.synthetic.__main__ import main
from pipelines.synthetic.layout import LAND_USES

TILES = 100


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    root = tmp_path_factory.mktemp("cities") / "city"
    synthetic.write_city(root, TILES)
    return root


def files(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}


def test_two_runs_with_one_seed_write_the_same_bytes(city, tmp_path):
    synthetic.write_city(tmp_path / "again", TILES)
    assert files(tmp_path / "again") == files(city)


def test_a_tile_depends_on_the_seed_and_its_index_alone(city, tmp_path):
    synthetic.write_city(tmp_path / "small", 30, workers=2)
    synthetic.write_city(tmp_path / "other", 30, seed=1)
    name = "ucm_captions/imgs/harbor_2.tif"
    assert (tmp_path / "small" / name).read_bytes() == (city / name).read_bytes()
    assert (tmp_path / "other" / name).read_bytes() != (city / name).read_bytes()
    known = {
        record.image.name: record for split in SPLITS for record in synthetic.load(city, split)
    }
    for record in synthetic.load(tmp_path / "small", "train"):
        assert record.captions == known[record.image.name].captions
        assert record.questions == known[record.image.name].questions


def test_the_real_readers_read_a_city_back(city):
    for split, rows in zip(SPLITS, (80, 10, 10), strict=True):
        records = synthetic.load(city, split)
        assert (records.name, records.split, len(records)) == ("synthetic", split, rows)
        assert {record.land_use for record in records} == set(LAND_USES)
        for record in records:
            assert len(record.captions) == 5
            assert Counter(question.type for question in record.questions)["rural_urban"] == 1
            assert len(record.questions) == 20
            with Image.open(record.image) as image:
                assert (image.mode, image.size) == ("RGB", (128, 128))
                assert image.tag_v2[259] == 1  # uncompressed


def test_both_layouts_hold_the_same_tiles_as_one_file(city):
    for index in (0, 37):
        name = f"{LAND_USES[index % 10]}_{index // 10}.tif"
        first = city / "ucm_captions" / "imgs" / name
        assert first.samefile(city / "rsvqa_lr" / "Images_LR" / f"{index}.tif")


def test_the_files_have_the_published_keys(city):
    captions = json.loads((city / "ucm_captions" / "dataset.json").read_text())
    image = captions["images"][1]
    assert set(captions) == {"images", "dataset"}
    assert set(image) == {"sentids", "imgid", "sentences", "split", "filename"}
    assert set(image["sentences"][0]) == {"tokens", "raw", "imgid", "sentid"}
    assert image["sentids"] == [5, 6, 7, 8, 9]
    for split in SPLITS:
        path = city / "rsvqa_lr" / f"LR_split_{split}_questions.json"
        questions = json.loads(path.read_text())["questions"]
        assert [question["id"] for question in questions] == list(range(20 * TILES))
        stub = next(question for question in questions if not question["active"])
        assert set(stub) == {"id", "active"}


def test_no_tile_is_in_two_splits(city):
    tiles = {
        split: {record.image.read_bytes() for record in synthetic.load(city, split)}
        for split in SPLITS
    }
    assert [len(tiles[split]) for split in SPLITS] == [80, 10, 10]
    assert len(set.union(*tiles.values())) == TILES


def test_pictures_and_questions_do_not_depend_on_captions(city, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.synthetic.write.describe", lambda scene: ("A tile .",))
    synthetic.write_city(tmp_path / "mute", TILES, workers=1)
    mute = files(tmp_path / "mute")
    changed = [str(name) for name, content in files(city).items() if mute[name] != content]
    assert changed == ["ucm_captions/dataset.json"]


def test_the_same_city_is_not_drawn_twice(city):
    before = files(city)
    assert not synthetic.write_city(city, TILES)
    assert files(city) == before


def test_another_city_in_the_folder_is_refused_and_kept(city):
    with pytest.raises(DataError, match=r"another city .*tiles=100.*new folder"):
        synthetic.write_city(city, 30)
    assert len(synthetic.load(city, "train")) == 80


def test_a_folder_with_something_else_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(DataError, match="something else than a city"):
        synthetic.write_city(tmp_path, 30)
    assert (tmp_path / "thesis.txt").read_text() == "three years"


def test_a_killed_run_leaves_nothing_that_the_next_one_trips_over(tmp_path):
    remains = tmp_path / ".city.part"
    (remains / "ucm_captions" / "imgs").mkdir(parents=True)
    (remains / "city.json").write_text("{}")
    with pytest.raises(DataError, match="No city in"):
        synthetic.load(tmp_path / "city", "train")
    assert synthetic.write_city(tmp_path / "city", 30)
    assert [path.name for path in tmp_path.iterdir()] == ["city"]


def test_an_interrupted_run_leaves_nothing_and_exits_130(tmp_path, monkeypatch, capsys, exit_code):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.synthetic.write.draw", interrupt)
    assert exit_code(main, str(tmp_path / "city"), "--tiles", "30") == 130
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "--tiles"),
        (("--tiles", "29"), "tiles=29"),
        (("--tiles", "many"), "many"),
        (("--tiles", "30", "--size", "63"), "size=63"),
        (("--tiles", "30", "--seed", "-1"), "seed=-1"),
        (("--tiles", "30", "--questions", "0"), "questions=0"),
        (("--tiles", "30", "--workers", "0"), "workers=0"),
        (("--tiles", "30", "--colour"), "--colour"),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_code_2(tmp_path, capsys, exit_code, flags, said):
    assert exit_code(main, str(tmp_path / "city"), *flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_to_type_next(tmp_path):
    command = [sys.executable, "-m", "pipelines.synthetic", tmp_path / "city", "--tiles", "30"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "30 tiles of 128x128 pixels" in result.stdout
    assert f"python train.py --data synthetic={tmp_path / 'city'}" in result.stdout
    assert result.stderr == ""
