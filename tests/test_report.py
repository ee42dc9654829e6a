"""Reports: what stands on the page, in the model card and beside other runs."""

import dataclasses
import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import pipelines
from spatialnet_keras import report
from spatialnet_keras.evaluation.scoreboard import Score, floors_of, from_json
from spatialnet_keras.presets import PRESETS
from spatialnet_keras.reporting.charts import Line, chart
from spatialnet_keras.reporting.gallery import answers_by_row
from spatialnet_keras.reporting.pages import Row, duration
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import task

OUTSIDE = re.compile(r"""(?:src|href)\s*=\s*["'](?!data:|#)|url\((?!#)|@import|<script""")


@pytest.fixture(scope="module")
def page(trained_run) -> str:
    return (trained_run / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def other(trained_run, tmp_path):
    """A copy of the run with another learning rate, on another path."""
    path = tmp_path / "other"
    shutil.copytree(trained_run, path)
    run = Run.open(path)
    train = dataclasses.replace(run.config.train, learning_rate=0.5)
    (path / "config.json").write_text(dataclasses.replace(run.config, train=train).to_json())
    return path


def test_training_ends_with_a_page_that_needs_no_network(page):
    assert not OUTSIDE.search(page)
    assert page.count("<svg") >= 3
    assert page.count("data:image/jpeg;base64,") >= 6


def test_every_recorded_score_stands_on_the_page_and_in_the_card(trained_run, page):
    card = (trained_run / "model_card.md").read_text(encoding="utf-8")
    for score in from_json(Run.open(trained_run).metrics["scores"]):
        for number in (score.value, score.majority, score.shuffled):
            if number is not None and "accuracy" in score.score:
                assert f"{number:.1%}" in page
                assert f"{number:.1%}" in card


def test_only_floors_that_scores_have_are_explained():
    score = Score("ucm", "test", "land_use", "accuracy", 0.9, 0.05, 210)
    assert list(floors_of([score])) == ["majority"]
    assert list(floors_of([score, dataclasses.replace(score, blind=0.5)])) == ["majority", "blind"]


def test_page_and_card_say_what_repeats_the_run(trained_run, page):
    facts = Run.open(trained_run).metrics["facts"]
    card = (trained_run / "model_card.md").read_text(encoding="utf-8")
    prints = [each["fingerprint"] for each in facts["data"]]
    assert len(set(prints)) == 3
    known = [*prints, facts["machine"]["processor"], facts["versions"]["keras"]]
    for word in [*known, f"{facts['parameters']['trained']:,}", facts["backend"]]:
        assert word in page
        assert word in card


def test_the_page_shows_confusions_and_categories(trained_run, page):
    classes = Run.open(trained_run).tasks[0].classes
    for name in (*classes, "11-100"):
        assert f"<th>{name}</th>" in page.replace("&gt;", ">")
    assert "the weakest class first" in page


def test_the_command_writes_the_page_of_one_run(trained_run, exit_code, capsys, tmp_path):
    out = tmp_path / "page.html"
    assert exit_code(report.main, str(trained_run), "--out", str(out)) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert "<h1>run</h1>" in out.read_text(encoding="utf-8")


def test_two_runs_stand_side_by_side_with_what_differs(trained_run, other, exit_code, tmp_path):
    out = tmp_path / "both.html"
    assert exit_code(report.main, str(trained_run), str(other), "--out", str(out)) == 0
    text = out.read_text(encoding="utf-8")
    assert not OUTSIDE.search(text)
    differs = text[text.index("What differs") : text.index("<h2>Runs</h2>")]
    assert re.findall(r"<code>(.*?)</code>", differs) == ["train.learning_rate"]
    assert f"<td>{PRESETS['tiny'].train.learning_rate}</td><td>0.5</td>" in differs
    assert text.index(">run<") < text.index(">other<")


def test_beside_other_runs_each_score_stands_over_the_best_of_its_own_floors(
    trained_run, other, exit_code, tmp_path
):
    metrics = json.loads((other / "metrics.json").read_text())
    for entry in metrics["scores"]:
        if (entry["split"], entry["task"], entry["score"]) == ("test", "presence", "accuracy"):
            entry |= {"value": 0.5, "interval": [0.4, 0.6], "blind": 0.987, "shuffled": 0.3}
    (other / "metrics.json").write_text(json.dumps(metrics))
    out = tmp_path / "both.html"
    assert exit_code(report.main, str(trained_run), str(other), "--out", str(out)) == 0
    text = out.read_text(encoding="utf-8")
    assert "blind 98.7%" in text
    assert "blind: a model of the question&#39;s words alone" in text


def test_of_many_runs_no_two_have_lines_alike_and_one_legend_tells_them_apart(
    trained_run, exit_code, tmp_path
):
    runs = [tmp_path / f"run_{number}" for number in range(9)]
    for run in runs:
        shutil.copytree(trained_run, run)
    out = tmp_path / "nine.html"
    assert exit_code(report.main, *map(str, runs), "--out", str(out)) == 0
    text = out.read_text(encoding="utf-8")
    training = text[text.index("<h2>Training</h2>") : text.index("<h2>What differs</h2>")]
    lines = re.findall(r"border-top: 2px (\w+ var\(--series-\d\))\"></i> (\w+)", training)
    assert [name for _, name in lines] == [run.name for run in runs]
    assert len({drawn for drawn, _ in lines}) == 9
    assert training.count("run_0") == 1


def test_a_run_without_scores_is_one_line(trained_run, other, exit_code, capsys):
    metrics = json.loads((other / "metrics.json").read_text())
    del metrics["scores"]
    (other / "metrics.json").write_text(json.dumps(metrics))
    assert exit_code(report.main, str(trained_run), str(other)) == 2
    assert f"{other} has no scores yet" in capsys.readouterr().err


def test_a_missing_folder_for_the_page_is_one_line(trained_run, exit_code, capsys, tmp_path):
    for out in (tmp_path / "no" / "x.html", tmp_path):
        assert exit_code(report.main, str(trained_run), "--out", str(out)) == 2
        assert "needs a file in a folder that exists" in capsys.readouterr().err


def test_gains_are_measured_from_the_best_floor():
    accuracy = Score("d", "test", "count", "accuracy", 0.7, 0.4, 100, 0.5, 0.6, (0.65, 0.75))
    assert Row.of(accuracy).gain == pytest.approx(0.1)
    assert Row.of(accuracy).sure
    unsure = dataclasses.replace(accuracy, interval=(0.59, 0.8))
    assert not Row.of(unsure).sure
    error = Score("d", "test", "count", "mae", 2.0, 3.0, 100, 2.5, 4.0)
    assert Row.of(error).gain == pytest.approx(0.5)


def test_the_bin_of_a_count_stands_with_its_probability(city):
    records = pipelines.load("synthetic", city, "test")
    chances = np.array([0.9, 0.7, 0.2, 0.1])
    asked = sum(len(record.questions) for record in records)
    found = SimpleNamespace(
        part=SimpleNamespace(records=records),
        outputs={"count": np.tile(np.log(chances / (1 - chances)), (asked, 1))},
    )
    count = dataclasses.replace(task("count"), ordinal=True, bin_medians=(0, 4, 30, 400, 2000))
    answers = [answer for given in answers_by_row(found, [count]) for answer in given]
    assert {answer.said for answer in answers} == {"30"}
    assert [answer.probability for answer in answers] == pytest.approx([0.5] * len(answers))


def test_a_chart_takes_its_colours_from_the_page():
    svg = chart("a < b", [Line("x", [1.0, 2.0], 1), Line("y", [2.0, 3.0], 2)], floor=1.5)
    assert svg.startswith('<svg role="img" aria-label="a &lt; b"')
    for css in ("currentColor", "var(--muted)", "var(--series-1)", "var(--series-2)"):
        assert css in svg
    assert not re.search(r"#0[0-9a-f]0[0-9a-f]{3}", svg)
    assert "font-family" not in svg


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, ""), (7.4, "7 s"), (276, "4 min 36 s"), (7260, "2 h 1 min")]
)
def test_durations_are_written_for_people(seconds, said):
    assert duration(seconds) == said


def test_names_are_drawn_as_they_are():
    names = ("_first", "a$_{$b")
    drawn = chart("${ loss", [Line(name, [1.0, 2.0], series=1) for name in names])
    assert all(name in drawn for name in ("${ loss", *names))


def test_a_card_shows_where_the_network_looked_for_its_land_use_and_a_question(page):
    card = re.search(r'<figure class="card">.*?</figure>', page, re.DOTALL)[0]
    assert card.count("<img") == 3
    _, question = re.findall(r"<dt>(.*?) <span class=\"muted\">\(picture \d\)</span></dt>", card)
    assert f'title="where it looked for: {question}"' in card
    pictures = re.findall(r'src="(data:[^"]+)"', card)
    assert len(set(pictures)) == 3
