"""What an evaluation leaves in the run: scores for programs, and pictures."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from spatialnet_keras import evaluate
from spatialnet_keras.evaluation.scoreboard import Score, by_task
from spatialnet_keras.run import Run

MAIN = ("test", "land_use", "accuracy")


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy that a test may write to."""
    shutil.copytree(trained_run, tmp_path / "run")
    return Run.open(tmp_path / "run")


def test_scores_are_nested_for_programs(trained_run):
    metrics = Run.open(trained_run).metrics
    assert {"val", "test"} <= set(metrics)
    for row in metrics["scores"]:
        assert metrics[row["split"]][row["task"]][row["score"]] == row["value"]
    land_use = metrics["test"]["land_use"]
    assert 0 <= land_use["accuracy"] <= 1
    assert land_use["rows"] == metrics["facts"]["data"][-1]["images"]
    (row,) = (r for r in metrics["scores"] if (r["split"], r["task"], r["score"]) == MAIN)
    assert land_use["floor"] == row["majority"]
    assert {"blind", "shuffled"} <= set(metrics["test"]["count"])


def test_two_data_sets_have_a_level_of_their_own():
    scores = [
        Score(data, "test", "land_use", "accuracy", value, 0.1, 10)
        for data, value in (("a", 0.5), ("b", 0.7))
    ]
    assert by_task(scores[:1]) == {"land_use": {"accuracy": 0.5, "rows": 10, "floor": 0.1}}
    assert by_task(scores)["b"]["land_use"]["accuracy"] == 0.7


def test_the_command_prints_each_class_and_draws_the_confusion(run, capsys):
    picture = run.path / "confusion_land_use_test.png"
    picture.unlink()
    evaluate.main([str(run.path)])
    said = capsys.readouterr().out
    classes = next(task.classes for task in run.tasks if task.name == "land_use")
    assert "land use by class" in said
    assert sum(name in said for name in classes) >= 3
    assert str(picture) in said.replace("\n", "")
    with Image.open(picture) as image:
        assert min(image.size) > 300


def test_other_captions_are_recorded_apart(run, capsys):
    before = run.metrics
    evaluate.main([str(run.path), "--decode.beams", "2", "--json"])
    after = run.metrics
    assert {name: after[name] for name in before} == before
    ((key, found),) = after["elsewhere"].items()
    assert "decode.beams=2" in key
    assert set(found["test"]["caption"]) >= {"bleu4", "rows", "floor"}


def test_the_same_data_in_another_folder_are_the_runs_own(run, city, capsys, tmp_path):
    shutil.copytree(city, tmp_path / "moved")
    evaluate.main([str(run.path), "--json", "--data", f"synthetic={tmp_path / 'moved'}"])
    assert "elsewhere" not in run.metrics
    assert json.loads(capsys.readouterr().out) == [
        row for row in run.metrics["scores"] if row["split"] == "test"
    ]


def test_evaluating_an_unfinished_run_does_not_finish_it(run, capsys):
    metrics = run.metrics
    del metrics["scores"]
    (run.path / "metrics.json").write_text(json.dumps(metrics))
    evaluate.main([str(run.path), "--split", "val"])
    assert "scores" not in run.metrics
    assert run.metrics["val"]["land_use"]["rows"] > 0


def own_captions(city, to, tiles=9):
    """The city's tiles with another caption, land use alone, in a folder of their own."""
    shutil.copytree(city / "ucm_captions" / "imgs", to / "imgs")
    rows = [
        {"image": f"imgs/{path.name}", "land_use": path.name.rpartition("_")[0],
         "caption": "there is a zebra", "split": "test"}
        for path in sorted((to / "imgs").iterdir())[:tiles]
    ]  # fmt: skip
    (to / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return to


def test_other_data_have_the_floors_and_the_memory_of_the_training_data(
    run, city, capsys, tmp_path
):
    before = run.metrics
    other = own_captions(city, tmp_path / "other")  # which have no training split
    flags = ["--data", f"folder={other}", "--decode.consensus", "true", "--decode.neighbours", "5"]
    evaluate.main([str(run.path), *flags, "--json"])
    found = {(row["task"], row["score"]): row for row in json.loads(capsys.readouterr().out)}
    assert found["caption", "cider"]["template"] == 0  # no tile of the city has a zebra
    assert {name: run.metrics[name] for name in before} == before
    with np.load(run.memory) as memory:
        assert "zebra" not in memory["words"]


def test_one_captioned_tile_has_all_scores_but_cider_and_no_other_tile_to_be_shown(
    run, city, capsys, tmp_path
):
    other = own_captions(city, tmp_path / "other", tiles=1)
    evaluate.main([str(run.path), "--data", f"folder={other}", "--json"])
    rows = [row for row in json.loads(capsys.readouterr().out) if row["task"] == "caption"]
    assert {row["score"] for row in rows} == {"bleu1", "bleu2", "bleu3", "bleu4", "rouge_l"}
    assert all(row["majority"] is not None and row["shuffled"] is None for row in rows)


def test_where_the_training_data_are_gone_the_scores_have_only_the_floors_that_need_none(
    run, city, capsys, tmp_path
):
    config = (run.path / "config.json").read_text()
    (run.path / "config.json").write_text(config.replace(str(city), str(tmp_path / "gone")))
    other = own_captions(city, tmp_path / "other")
    evaluate.main([str(run.path), "--data", f"folder={other}", "--json"])
    said = capsys.readouterr()
    assert json.loads(said.out)
    assert "are gone: there are no floors of words or templates" in said.err
    ((_, found),) = run.metrics["elsewhere"].items()
    assert "floor" in found["test"]["caption"] and "template" not in found["test"]["caption"]


def test_moved_training_data_are_known_though_a_bad_image_was_left_out(run, city, capsys, tmp_path):
    shutil.copytree(city, tmp_path / "moved")
    description = tmp_path / "moved" / "ucm_captions" / "dataset.json"
    content = json.loads(description.read_text())
    gone = next(each for each in content["images"] if each["split"] == "train")
    content["images"].append(gone | {"filename": "gone_0.tif"})
    description.write_text(json.dumps(content))
    (description.parent / "imgs" / "gone_0.tif").symlink_to(tmp_path / "nowhere.tif")
    config = (run.path / "config.json").read_text()
    (run.path / "config.json").write_text(config.replace(str(city), str(tmp_path / "old")))
    evaluate.main([str(run.path), "--json", "--data", f"synthetic={tmp_path / 'moved'}"])
    said = capsys.readouterr()
    assert "are gone" not in said.err
    assert json.loads(said.out) == [row for row in run.metrics["scores"] if row["split"] == "test"]


def test_one_of_two_data_sets_is_recorded_apart_and_two_of_one_name_are_told_apart(
    run, city, capsys
):
    twice = [f"--data=synthetic={city}", f"--data=synthetic={city}"]
    evaluate.main([str(run.path), *twice, "--json"])
    assert {row["data"] for row in json.loads(capsys.readouterr().out)} == {
        "synthetic", "synthetic-2",
    }  # fmt: skip
    assert len(run.metrics["elsewhere"]) == 1


def test_pixels_of_another_kind_are_refused(run, city, exit_code, capsys, tmp_path):
    other = own_captions(city, tmp_path / "other")
    for path in (other / "imgs").iterdir():
        deeper = tifffile.imread(path).astype("uint16") * 100
        tifffile.imwrite(path, deeper, photometric="rgb")
    assert exit_code(evaluate.main, str(run.path), "--data", f"folder={other}") == 2
    assert "hold uint16 pixels, the run was trained on uint8" in capsys.readouterr().err


def test_scores_are_shown_where_the_run_cannot_be_written(run, exit_code, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "metrics.json")

    monkeypatch.setattr(Path, "write_text", full)
    monkeypatch.setattr(Path, "write_bytes", full)
    assert exit_code(evaluate.main, str(run.path), "--decode.beams", "2") == 2
    said = capsys.readouterr()
    assert "land_use" in said.out
    assert "metrics.json: No space left on device" in said.err
