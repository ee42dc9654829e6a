from spatialnet_keras.scores.blind import BlindModel


def test_what_the_words_give_away_is_learned():
    questions = ["Is there a road?", "Is there a pool?"] * 20
    model = BlindModel(questions, ["yes", "no"] * 20)
    assert model.answer(["Is there a road?", "Is there a pool?"]) == ["yes", "no"]


def test_the_order_of_the_words_is_seen():
    questions = ["more roads than fields", "more fields than roads"] * 20
    model = BlindModel(questions, ["yes", "no"] * 20)
    assert model.answer(questions[:2]) == ["yes", "no"]


def test_repeated_questions_count_as_often_as_they_stand():
    model = BlindModel(["Is it a rural or an urban area"] * 10, ["rural"] * 7 + ["urban"] * 3)
    assert model.answer(["Is it a rural or an urban area"]) == ["rural"]


def test_one_answer_only_and_no_questions():
    model = BlindModel(["How many?"], ["3"])
    assert model.answer(["How many roads?"]) == ["3"]
    assert model.answer([]) == []


def test_questions_without_a_word_get_the_most_frequent_answer():
    model = BlindModel(["???", "\u200b", "???"], ["yes", "no", "no"])
    assert model.answer(["???", "Is there a road?"]) == ["no", "no"]
