import functools
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict

import numpy as np
import pytest
from PIL import Image

from pipelines import synthetic
from pipelines.records import ALL_SYMMETRIES, IDENTITY_ONLY, SPLITS, DataError, symmetries
from pipelines.synthetic.__main__ import main
from pipelines.synthetic.captions import describe
from pipelines.synthetic.draw import draw
from pipelines.synthetic.layout import LAND_USES, PATCHES, SIZES, imagine
from pipelines.synthetic.questions import SUBJECTS, Matter, ask
from pipelines.synthetic.scene import RURAL, SIDE, URBAN, Scene, Thing

TILES = 100
NAMED = {
    "houses?": "residential building",
    "commercial buildings?": "commercial building",
    "swimming pools?": "swimming pool",
    "tennis courts?": "tennis court",
    "boats?": "boat",
    "roads?": "road",
    "ponds?": "water area",
    "patch(?:es)? of trees": "forest",
    "fields?": "farmland",
    "parkings? with cars": "parking",
    "storage tanks?": "storage tank",
    "bunkers?": "bunker",
}


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    root = tmp_path_factory.mktemp("cities") / "city"
    synthetic.write_city(root, TILES)
    return root


@functools.cache
def scenes(number):
    return [imagine(7, index) for index in range(number)]


def files(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}


def square(kind, x, y, side=10.0, **more):
    corners = ((x, y), (x + side, y), (x + side, y + side), (x, y + side))
    return Thing(kind, corners, **more)


def pieces(mask):
    """The number of connected pieces of at least 9 pixels of a boolean picture."""
    left, sizes = {tuple(place) for place in np.argwhere(mask).tolist()}, []
    while left:
        edge, size = [left.pop()], 1
        while edge:
            y, x = edge.pop()
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            size += len(near)
            edge += near
        sizes.append(size)
    return sum(size >= 9 for size in sizes)


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


def test_answers_are_what_a_hand_counts():
    things = (
        square("swimming pool", 10, 10),
        square("swimming pool", 100, 10),
        square("residential building", 10, 50, size="small"),
        square("commercial building", 60, 50, size="large"),
        square("boat", 100, 100),
    )
    scene = Scene((0, 0), "beach", "grass", things)
    assert Matter("presence", "swimming pool").answer(scene) == "yes"
    assert Matter("presence", "tennis court").answer(scene) == "no"
    assert Matter("count", "building").answer(scene) == "2"
    assert Matter("count", "large building").answer(scene) == "1"
    assert Matter("count", "residential building").answer(scene) == "1"
    assert Matter("comp", "building", "more", "boat").answer(scene) == "yes"
    assert Matter("comp", "building", "less", "boat").answer(scene) == "no"
    assert Matter("comp", "swimming pool", "equal", "building").answer(scene) == "yes"
    assert Matter("count", "swimming pool", side="left").answer(scene) == "1"
    assert Matter("count", "swimming pool", side="bottom").answer(scene) == "0"
    assert Matter("count", "building", side="left").answer(scene) is None  # one lies across
    assert not scene.is_urban()


def test_the_answers_of_a_tile_agree_with_its_scene():
    plurals = {plural: single for single, plural in SUBJECTS.items()}
    checked = 0
    for scene in scenes(60):
        for question in ask(scene, 20):
            text = question.text.removesuffix("?").removesuffix(" in the image")
            if question.type == "rural_urban" or " half" in text:
                continue
            named = [single for plural, single in plurals.items() if f" {plural} " in f"{text} "]
            if question.type == "count":
                number = len(scene.of(max(named, key=len)))
                assert question.answer == str(number), question
                checked += 1
            elif question.type == "presence":
                name = text.removeprefix("Is there a ").removeprefix("Is a ")
                present = bool(scene.of(name.removesuffix(" present")))
                assert question.answer == ("yes" if present else "no"), question
                checked += 1
            elif text.startswith("Are there more "):
                first, second = text.removeprefix("Are there more ").split(" than ")
                more = len(scene.of(plurals[first])) > len(scene.of(plurals[second]))
                assert question.answer == ("yes" if more else "no"), question
                checked += 1
    assert checked > 600


def test_the_pools_in_the_pixels_are_as_many_as_the_scene_says():
    for scene in scenes(50):
        red, green, blue = np.moveaxis(draw(scene, 128).astype(int), -1, 0)
        turquoise = (green - red > 75) & (blue - red > 85) & (green > 120)
        assert pieces(turquoise) == len(scene.of("swimming pool")), scene.key


def test_the_courts_in_the_pixels_are_as_many_as_the_scene_says():
    for scene in scenes(50):
        red, green, blue = np.moveaxis(draw(scene, 128).astype(int), -1, 0)
        purple = (blue - green > 45) & (blue - red > 40) & (red - green > -5)
        for axis in (0, 1):  # white lines cut a court in parts: bridge them
            purple |= np.roll(purple, 1, axis) | np.roll(purple, -1, axis)
        assert pieces(purple) == len(scene.of("tennis court")), scene.key


def test_what_is_counted_by_the_piece_is_whole_and_big_enough():
    pieces_of = ("residential building", "commercial building", "swimming pool", "tennis court")
    for scene in scenes(60):
        for thing in (thing for thing in scene.things if thing.kind in (*pieces_of, "boat")):
            for axis in (0, 1):
                first, last = thing.reach(axis)
                assert 0 < first < last < SIDE
                assert last - first >= 8  # units, 4 pixels at 64
    assert SIZES["small"][1] + 2 < SIZES["medium"][0]
    assert SIZES["medium"][1] + 2 < SIZES["large"][0]
    assert all(patch.gap >= 2 for patch in PATCHES)


def test_no_tile_is_nearly_urban():
    buildings = [len(scene.of("building")) for scene in scenes(300)]
    assert not any(RURAL < number < URBAN for number in buildings)
    assert 0.4 < np.mean([number >= URBAN for number in buildings]) < 0.6


def test_yes_and_no_are_even_for_each_subject_and_each_relation():
    answers = defaultdict(list)
    for scene in scenes(300):
        for question in ask(scene, 40):
            if question.type == "presence" and " half" not in question.text:
                name = question.text.split(" a ")[1].removesuffix("?").removesuffix(" in the image")
                answers[name.removesuffix(" present")].append(question.answer == "yes")
            elif question.type == "comp":
                answers[question.text.split()[2]].append(question.answer == "yes")
    assert set(SUBJECTS) | {"more", "less", "number"} == set(answers)
    for subject, said in answers.items():
        assert 0.35 < np.mean(said) < 0.65, (subject, len(said))


def test_counts_spread_over_the_official_bins():
    counts = [
        int(question.answer)
        for scene in scenes(300)
        for question in ask(scene, 20)
        if question.type == "count"
    ]
    bins = np.bincount(np.digitize(counts, (1, 11, 101)), minlength=4) / len(counts)
    assert bins.max() < 0.5
    assert bins[2] > 0.1
    assert bins[3] == 0


def test_some_questions_name_a_side_and_no_caption_does():
    asked = [question for scene in scenes(60) for question in ask(scene, 20)]
    sided = [question for question in asked if symmetries(question.text) == IDENTITY_ONLY]
    assert len(sided) == len(asked) // 20
    for scene in scenes(60):
        assert {symmetries(sentence) for sentence in describe(scene)} == {ALL_SYMMETRIES}


def test_captions_are_five_different_sentences_with_true_numbers():
    said = Counter()
    for scene in scenes(300):
        sentences = describe(scene)
        assert len(set(sentences)) == 5
        assert all(sentence.endswith(" .") for sentence in sentences)
        for pattern, kind in NAMED.items():
            number = sum(thing.look not in ("sea", "river", "lot") for thing in scene.of(kind))
            number -= (scene.land_use, kind) == ("forest", "forest")  # the wood that it is
            words = re.findall(rf"(\w+) {pattern} ", " ".join(sentences).lower())
            assert set(words) <= {in_words(number)}, (scene.key, sentences)
            said.update((kind, word) for word in words)
    assert {kind for kind, _ in said} == set(NAMED.values())
    assert {word for _, word in said} == {"a", "two", "three", "four", "several", "many"}


def in_words(number):
    few = ("no", "a", "two", "three", "four")
    return few[number] if number < len(few) else "several" if number <= 10 else "many"


def test_captions_agree_on_what_covers_most_of_a_tile():
    road = Thing("road", ((0, 60), (SIDE, 60), (SIDE, 72), (0, 72)))
    houses = [square("residential building", x, 20, size="small") for x in (10, 30, 50, 70, 90)]
    pool, boat = square("swimming pool", 10, 100, 9.8), square("boat", 40, 100, 9)
    things = (boat, pool, *houses, road)
    sentences = [
        sentence
        for key in range(100)
        for sentence in describe(Scene((key, 0), "river", "grass", things))
    ]
    road, houses, pool, boat = (
        sum(f" {name}" in sentence for sentence in sentences) / 100
        for name in ("road", "houses", "swimming pool", "boat")
    )
    assert road > houses > 2.5 > pool > boat > 0  # of five


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


@pytest.mark.parametrize("size", [64, 100, 256])
def test_a_scene_can_be_drawn_at_any_size(size):
    pixels = draw(imagine(0, 5), size)
    assert (pixels.shape, pixels.dtype) == ((size, size, 3), np.uint8)
    assert pixels.std() > 10
