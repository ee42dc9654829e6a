import pytest

from spatialnet_keras.scores.subjects import subjects


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Are there more grass areas than small water areas?", ("grass area", "water area")),
        ("Is a large residential building present?", ("residential building",)),
        ("How many place of worships are there?", ("place of worship",)),
        ("Is it a rural or an urban area", ()),
        ("Are there less roads than roads next to a forest?", ("road", "forest")),
    ],
)
def test_the_land_cover_words_of_a_question(question, expected):
    assert subjects(question) == expected
