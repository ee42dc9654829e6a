"""Which flips and turns keep a sentence true."""

import pytest

from pipelines.records import ALL_SYMMETRIES, IDENTITY_ONLY, symmetries


@pytest.mark.parametrize(
    "sentence",
    [
        "A lake in the upper left corner .",
        "A horizontal road beside a lake .",
        "Is there a vertical road?",
        "The river runs vertically through the image .",
        "A road crosses the image vertically .",
        "Two roads vertical to each other at the left .",
        "A horizontally aligned runway .",
        "Cars drive counter-clockwise around the roundabout .",
        "Cars drive counterclockwise around the roundabout .",
    ],
)
def test_a_sentence_that_names_a_side_or_a_direction_is_true_of_the_tile_as_it_lies(sentence):
    assert symmetries(sentence) == IDENTITY_ONLY


@pytest.mark.parametrize(
    "sentence",
    [
        "There are many cars in the parking lot .",
        "An intersection with two roads vertical to each other .",  # UCM-captions, as the next
        "An intersection with two roads are not vertical to each other .",
        "An overpass cross two roads vertically with some cars on the roads .",
        "A road go across another two vertically with lots of cars on the roads .",
        "An overpass with a road go across another roads diagonally .",
    ],
)
def test_roads_at_right_angles_stay_so_however_the_tile_is_turned(sentence):
    assert symmetries(sentence) == ALL_SYMMETRIES
