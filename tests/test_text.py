import pytest

from spatialnet_keras.text import PAD, SPECIAL_WORDS, UNKNOWN, Vocabulary, longest

VOCABULARY = Vocabulary.fit(["Is there a road, here?", "How many tennis-courts?"])


def test_words_are_whole_lower_case_and_sorted():
    words = VOCABULARY.words
    assert words[:4] == SPECIAL_WORDS
    assert words[4:] == tuple(sorted(words[4:]))
    assert {"road", "tennis", "courts", "-", "?", ",", "how"} <= set(words)


def test_ids_are_the_words_places():
    ids = VOCABULARY.encode(["Is there a ROAD?"], 8)
    assert [VOCABULARY.words[i] for i in ids[0] if i != PAD] == ["is", "there", "a", "road", "?"]


def test_every_word_that_was_fitted_is_known():
    text = " ".join(VOCABULARY.words[4:])
    ids = VOCABULARY.encode([text], 50)[0]
    assert [VOCABULARY.words[i] for i in ids if i != PAD] == list(VOCABULARY.words[4:])


def test_a_part_of_a_known_word_is_unknown():
    assert VOCABULARY.encode(["roads roa xyz"], 3)[0].tolist() == [UNKNOWN] * 3


def test_long_sentences_are_cut_and_short_ones_padded():
    ids = VOCABULARY.encode(["a a a a a", "a"], 3)
    assert (ids != PAD).sum(axis=1).tolist() == [3, 1]


def test_a_word_that_is_too_long_is_unknown_and_the_others_are_not():
    endless = "ป่า" * 40  # a script without spaces: a sentence is a word, here of 360 bytes
    vocabulary = Vocabulary.fit([f"a forest {endless}", "a river"])
    assert vocabulary.words[4:] == ("a", "forest", "river")
    ids = vocabulary.encode([f"a {endless} river"], 4)[0]
    assert ids.tolist() == [4, UNKNOWN, 6, PAD]


def test_repeated_and_no_sentences():
    assert VOCABULARY.encode([], 5).shape == (0, 5)
    ids = VOCABULARY.encode(["a road", "how", "a road"], 4)
    assert ids[0].tolist() == ids[2].tolist() != ids[1].tolist()


def test_a_vocabulary_survives_its_file(tmp_path):
    VOCABULARY.write(tmp_path / "vocabulary.txt")
    assert Vocabulary.read(tmp_path / "vocabulary.txt") == VOCABULARY


def test_sentences_come_back_with_spaces_where_a_writer_puts_them():
    said = ["a man-made lake, with boats (two) .", "it 's the city's edge"]
    vocabulary = Vocabulary.fit(said)
    ids = vocabulary.encode(said, 12, end=True)
    assert vocabulary.decode(ids) == ["a man-made lake, with boats (two).", "it's the city's edge"]


def test_what_stands_after_the_end_is_not_said():
    vocabulary = Vocabulary.fit(["a road"])
    ids = vocabulary.encode(["a road"], 4, end=True)
    ids[0, 3] = ids[0, 0]
    assert vocabulary.decode(ids) == ["a road"]


def test_the_longest_sentence_decides_how_many_words_are_read():
    assert longest(["a road", "is there a road?", "a road"]) == 5
    assert longest([]) == 0


@pytest.mark.parametrize(
    ("sentence", "written"),
    [
        ("Straße und Häuser", "strasse und häuser"),
        ("a tennis_court", "a tennis _ court"),
        ("water at 5° north…", "water at 5° north. . ."),
        ("20 m² for 5 €", "20 m2 for 5 €"),
        ("森林和河", "森 林 和 河"),
        ("नदी और\u00a0जंगल", "नदी और जंगल"),
    ],
)
def test_words_of_any_language_are_learned_and_written(sentence, written):
    vocabulary = Vocabulary.fit([sentence])
    ids = vocabulary.encode([sentence], 20)
    assert UNKNOWN not in ids
    assert (ids != PAD).sum() == longest([sentence])
    assert vocabulary.decode(ids)[0].replace(".", "") == written.replace(".", "").rstrip()
