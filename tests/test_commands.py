"""The commands as a user types them: whole runs, bad input, kill and resume."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import train
from spatialnet_keras import evaluate

ROOT = Path(__file__).parents[1]
# Dropout and a running mean of the weights: a resume must bring back their state too.
QUICK = (
    "--epochs 4 --model.image_size 32 --model.patch_size 16 --model.width 16 --model.layers 1 "
    "--model.question_layers 1 --model.caption_layers 1 --model.heads 2 "
    "--model.dropout 0.2 --train.ema 0.9 --train.batch_size 8 --train.questions_per_image 4 "
    "--decode.beams 1 --decode.consensus false"
).split()


def spawn(city: Path, run: Path) -> subprocess.Popen:
    command = [sys.executable, ROOT / "train.py", "--data", f"synthetic={city}", "--run", run]
    return subprocess.Popen(
        [*command, *QUICK], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def epochs_finished(run: Path) -> int:
    metrics = run / "metrics.json"
    return len(json.loads(metrics.read_text()).get("history", [])) if metrics.exists() else 0


def state(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "checkpoints" / "state.npz") as arrays:
        return {name: arrays[name] for name in arrays.files if name != "history"}


@pytest.fixture(scope="module")
def whole(city, tmp_path_factory):
    """A run of the command from start to end: its directory and what it printed."""
    run = tmp_path_factory.mktemp("runs") / "a whole"  # a blank, as in what users name
    process = spawn(city, run)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    return run, printed


def test_train_ends_with_scores_beside_floors_and_what_to_type_next(whole):
    run, printed = whole
    for word in ("land_use", "presence", "comparison", "rural_urban", "count", "majority", "blind"):
        assert word in printed
    assert f"tensorboard --logdir {run.parent}" in printed
    assert f"python -m spatialnet_keras.evaluate '{run}'" in printed
    assert "Traceback" not in printed
    assert "cuda" not in printed.lower()


def test_the_wall_time_holds_epochs_with_their_validation_and_the_files_between_them(whole):
    found = json.loads((whole[0] / "metrics.json").read_text())
    epochs = [e["seconds"] + e["validation_seconds"] for e in found["history"]]
    walls = [e["wall_seconds"] for e in found["history"]]
    assert all(wall > epoch for wall, epoch in zip(walls, epochs, strict=True))
    assert found["facts"]["wall_seconds"] > sum(walls)


def test_captions_are_written_by_beams_and_by_consensus_as_the_flags_say(whole, capsys):
    run, _ = whole
    recorded = json.loads((run / "metrics.json").read_text())["scores"]
    found = [[row for row in recorded if row["split"] == "test"]]
    near = "--decode.consensus true --decode.neighbours 8"
    for flags in ("--decode.beams 3", near, f"{near} --decode.temperature 2"):
        evaluate.main([str(run), "--json", *flags.split()])
        found.append(json.loads(capsys.readouterr().out))
    found = [{row["score"]: row for row in rows if row["task"] == "caption"} for rows in found]
    assert all({"bleu4", "cider"} <= set(rows) for rows in found)
    assert all(rows["cider"]["template"] is not None for rows in found)
    reached = [{name: row["value"] for name, row in rows.items()} for rows in found]
    assert len({tuple(each.values()) for each in reached}) == 4  # each writes in its own way
    assert (run / "memory.npz").is_file()
    apart = " ".join(json.loads((run / "metrics.json").read_text())["elsewhere"])
    assert "decode.beams=3" in apart
    assert "decode.neighbours=8" in apart
    assert "decode.temperature=2.0" in apart


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(whole, city, tmp_path):
    run = tmp_path / "killed"
    process = spawn(city, run)
    deadline = time.monotonic() + 300
    while epochs_finished(run) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 2 <= epochs_finished(run) < 4
    printed, _ = (again := spawn(city, run)).communicate(timeout=300)
    assert again.returncode == 0, printed
    assert "Going on with" in printed
    expected, found = state(whole[0]), state(run)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert np.array_equal(value, found[name])
    scores = [json.loads((each / "metrics.json").read_text())["scores"] for each in (whole[0], run)]
    assert scores[0] == scores[1]


def test_evaluate_repeats_the_scores_of_training(whole, exit_code, capsys):
    run, _ = whole
    assert exit_code(evaluate.main, str(run), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    recorded = json.loads((run / "metrics.json").read_text())["scores"]
    assert found == [row for row in recorded if row["split"] == "test"]


def test_the_same_command_again_trains_nothing(whole, city, exit_code, capsys):
    before = state(whole[0])
    assert exit_code(train.main, "--data", f"synthetic={city}", "--run", str(whole[0]), *QUICK) == 0
    assert all(np.array_equal(before[name], value) for name, value in state(whole[0]).items())


def test_other_settings_do_not_overwrite_a_run(whole, city, exit_code, capsys):
    flags = ["--data", f"synthetic={city}", "--run", str(whole[0]), *QUICK, "--seed", "1"]
    assert exit_code(train.main, *flags) == 2
    assert "train.seed (0, now 1)" in capsys.readouterr().err


def test_the_two_layouts_train_jointly_with_labels_missing_in_each(city, exit_code, tmp_path):
    data = [f"--data={name}={city / name}" for name in ("ucm_captions", "rsvqa_lr")]
    assert (
        exit_code(train.main, *data, "--run", str(tmp_path / "run"), *QUICK, "--epochs", "1") == 0
    )
    rows = json.loads((tmp_path / "run" / "metrics.json").read_text())["scores"]
    assert {row["task"] for row in rows if row["data"] == "ucm_captions"} == {
        "land_use", "caption",
    }  # fmt: skip
    assert {row["task"] for row in rows if row["data"] == "rsvqa_lr"} == {
        "presence", "comparison", "rural_urban", "count", "question_type", "questions",
    }  # fmt: skip


def test_a_folder_of_own_images_trains(city, exit_code, tmp_path):
    for index, path in enumerate(sorted((city / "ucm_captions" / "imgs").iterdir())):
        kind = path.name.split("_")[0]
        split = ("train", "train", "val", "test")[index % 4]
        (tmp_path / "tiles" / split / kind).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "tiles" / split / kind)
    flags = ["--data", f"folder={tmp_path / 'tiles'}", "--run", str(tmp_path / "run"), *QUICK]
    assert exit_code(train.main, *flags, "--epochs", "1") == 0
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert found["scores"]
    assert {"land_use_accuracy", "val_land_use_accuracy"} <= set(found["history"][0])


def test_a_run_starts_from_another(whole, city, exit_code, capsys, tmp_path):
    flags = ["--data", f"synthetic={city}", "--run", str(tmp_path / "run"), *QUICK]
    assert exit_code(train.main, *flags, "--epochs", "1", "--init", str(whole[0])) == 0
    assert "weights fit" in capsys.readouterr().out


def test_bad_images_can_be_left_out(city, exit_code, capsys, tmp_path):
    shutil.copytree(city / "ucm_captions", tmp_path / "data")
    (tmp_path / "data" / "imgs" / "agricultural_0.tif").unlink()
    flags = ["--data", f"ucm_captions={tmp_path / 'data'}", "--run", str(tmp_path / "run"), *QUICK]
    flags += ["--tasks", "land_use=1", "--epochs", "1", "--skip-bad-images"]
    assert exit_code(train.main, *flags) == 0
    said = capsys.readouterr()
    assert "1 " in said.out + said.err
    assert "left out" in said.out + said.err
