import functools
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from pipelines.records import ALL_SYMMETRIES, IDENTITY_ONLY, symmetries
from pipelines.synthetic.captions import describe
from pipelines.synthetic.draw import draw
from pipelines.synthetic.layout import PATCHES, SIZES, imagine
from pipelines.synthetic.questions import SUBJECTS, Matter, ask
from pipelines.synthetic.scene import RURAL, SIDE, URBAN, Scene, Thing

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


@functools.cache
def scenes(number):
    return [imagine(7, index) for index in range(number)]


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


@pytest.mark.parametrize("size", [64, 100, 256])
def test_a_scene_can_be_drawn_at_any_size(size):
    pixels = draw(imagine(0, 5), size)
    assert (pixels.shape, pixels.dtype) == ((size, size, 3), np.uint8)
    assert pixels.std() > 10
