import dataclasses

import pytest

from spatialnet_keras.evaluation.scoreboard import (
    Score,
    from_json,
    over_all_questions,
    show,
    table,
    to_json,
    with_interval,
)


def accuracy(task: str, value: float, rows: int, blind: float | None = 0.5) -> Score:
    return Score("rsvqa_lr", "test", task, "accuracy", value, 0.4, rows, blind, 0.6)


SCORES = [
    accuracy("land_use", 1.0, 500, blind=None),
    accuracy("presence", 0.9, 100),
    accuracy("comparison", 0.8, 300),
    accuracy("count", 0.5, 200),
]


def test_means_over_questions_with_and_without_counting():
    means = {score.score: score for score in over_all_questions(SCORES)}
    assert means["overall_accuracy"].value == pytest.approx((90 + 240 + 100) / 600)
    assert means["average_accuracy"].value == pytest.approx(2.2 / 3)
    assert means["overall_accuracy_without_count"].value == pytest.approx(330 / 400)
    assert means["average_accuracy_without_count"].value == pytest.approx(0.85)
    assert means["overall_accuracy"].rows == 600
    assert means["overall_accuracy"].majority == pytest.approx(0.4)
    assert means["overall_accuracy"].shuffled == pytest.approx(0.6)


def test_one_type_of_question_has_no_mean():
    assert over_all_questions(SCORES[:2]) == []


def test_only_shares_of_rows_have_an_interval():
    low, high = with_interval(SCORES[1]).interval
    assert low < 0.9 < high
    mean_error = Score("x", "test", "count", "mae", 3.0, 4.0, 10)
    assert with_interval(mean_error).interval is None


def test_scores_survive_json():
    scores = [with_interval(score) for score in SCORES]
    assert from_json(to_json(scores)) == scores


def test_a_score_is_never_shown_without_its_floor():
    columns = [column.header for column in table(SCORES).columns]
    assert columns[2:] == ["model", "95 %", "majority", "blind", "shuffled", "rows"]


def test_a_floor_that_no_score_has_is_no_column(capsys):
    show([dataclasses.replace(SCORES[0], shuffled=None)])
    printed = capsys.readouterr().out
    assert "majority: the best constant answer of the training split" in printed
    assert "blind" not in printed and "shuffled" not in printed


def test_the_table_fits_a_terminal_of_eighty_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    scores = [dataclasses.replace(with_interval(s), rows=57_223) for s in SCORES]
    wide = [
        Score("rsvqa_lr", "test", "count", "rmse", 1363.117, 1380.76, 57_223, 1354.4, 2493.3),
        Score("rsvqa_lr", "test", "question_type", "accuracy", 1.0, 0.4, 57_223),
    ]
    show(scores + [with_interval(s) for s in wide] + over_all_questions(scores))
    printed = capsys.readouterr().out
    assert "…" not in printed
    for words in ("AA, no count", "57,223", "question_type", "1363.1", "rsvqa_lr, test split"):
        assert words in printed


def test_captions_have_a_table_of_their_own_in_the_units_of_papers(capsys):
    captions = [
        Score("ucm", "test", "caption", "bleu4", 0.753, 0.1, 210, shuffled=0.2, template=0.7),
        Score("ucm", "test", "caption", "cider", 3.985, 0.1, 210, shuffled=0.2, template=3.1),
    ]
    show([*SCORES, *captions])
    printed = capsys.readouterr().out
    bleu, cider = (next(r for r in printed.splitlines() if n in r) for n in ("BLEU-4", "CIDEr"))
    assert bleu.split() == ["BLEU-4", "75.3", "10.0", "70.0", "20.0", "210"]
    assert cider.split() == ["CIDEr", "3.98", "0.10", "3.10", "0.20", "210"]
    assert max(map(len, printed.splitlines())) <= 80
    told = "template: the best training caption of the land use that this model sees"
    assert told in printed
    show([dataclasses.replace(each, template=None) for each in captions])
    assert "template" not in capsys.readouterr().out
