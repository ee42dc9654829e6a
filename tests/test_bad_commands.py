"""Commands with bad flags and bad files: one line, and nothing left; their help."""

import contextlib
import dataclasses
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import spatialnet_keras
import train
from spatialnet_keras import evaluate
from spatialnet_keras.backend import importing_keras
from spatialnet_keras.config import ConfigError, DecodeConfig, ModelConfig, TrainConfig

ROOT = Path(__file__).parents[1]


BAD_FLAGS = {
    "unknown flag": (["--presett", "tiny"], "Did you mean --preset?"),
    "unknown model flag": (["--model.widht", "32"], "Did you mean --model.width?"),
    "unknown preset": (["--preset", "smal"], "Did you mean small?"),
    "unknown data set": (["--data", "ucm_caption=x"], "Did you mean ucm_captions?"),
    "data without folder": (["--data", "rsvqa_lr"], "NAME=DIR"),
    "missing folder": (["--data", "ucm_captions=nowhere"], "nowhere"),
    "not a number": (["--epochs", "ten"], "'ten'"),
    "no epochs": (["--epochs", "0"], "epochs must be at least 1"),
    "patches that do not fit": (["--model.patch_size", "7"], "patch_size must divide image_size"),
    "bad lambda": (["--tasks", "count=much"], "count=much"),
    "init of nothing": (["--init", "nowhere"], "nowhere"),
    "class token behind a preset": (
        ["--preset", "transfer", "--model.pooling", "cls"],
        "pooling must be mean",
    ),
    "large seed": (["--seed", "4294967296"], "seed must be below"),
}


@pytest.mark.parametrize(("flags", "said"), BAD_FLAGS.values(), ids=BAD_FLAGS)
def test_bad_flags_are_one_line_and_exit_code_2(
    flags, said, exit_code, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert exit_code(train.main, *flags) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BAD_FILES = {
    "image missing": ("imgs/agricultural_0.tif", lambda path: path.unlink()),
    "image cut": ("imgs/agricultural_0.tif", cut),
    "image empty": ("imgs/agricultural_0.tif", lambda path: path.write_bytes(b"")),
    "no image": ("imgs/agricultural_0.tif", lambda path: path.write_text("hello")),
    "JSON cut": ("dataset.json", cut),
    "JSON missing": ("dataset.json", lambda path: path.unlink()),
}


@pytest.mark.parametrize(("name", "spoil"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_files_are_named_and_nothing_is_left(name, spoil, city, exit_code, capsys, tmp_path):
    shutil.copytree(city / "ucm_captions", tmp_path / "data")
    spoil(tmp_path / "data" / name)
    flags = ["--data", f"ucm_captions={tmp_path / 'data'}", "--run", str(tmp_path / "run")]
    assert exit_code(train.main, *flags) == 2
    error = capsys.readouterr().err
    assert (name if "imgs" in name else str(tmp_path / "data")) in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_backend_that_keras_cannot_import_is_one_line(exit_code, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "pytorch")
    assert exit_code(evaluate.main, str(tmp_path)) == 2
    said = "test: No KERAS_BACKEND is called 'pytorch'. Did you mean torch?"
    assert (error := capsys.readouterr().err).startswith(said)
    assert error.count("\n") == 1
    with pytest.raises(ConfigError, match="Did you mean torch"):
        spatialnet_keras.load(str(tmp_path))


def test_a_backend_that_is_not_installed_says_how_to_install_it(
    exit_code, capsys, tmp_path, monkeypatch
):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert exit_code(evaluate.main, str(tmp_path)) == 2
    assert "needs jax. Install it: python -m pip install -e '.[jax]'" in capsys.readouterr().err


def test_ctrl_c_that_an_import_swallows_still_interrupts(exit_code, capsys, monkeypatch):
    def main(_):
        with importing_keras(), contextlib.suppress(BaseException):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)  # where Python raises what it was sent
        raise AssertionError("went on")

    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    # a job in the background is started with it ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert exit_code(main) == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert "interrupted" in capsys.readouterr().err


def test_a_test_split_that_cannot_be_read_is_told_before_training(
    city, exit_code, capsys, tmp_path
):
    shutil.copytree(city / "ucm_captions", tmp_path / "data")
    description = json.loads((tmp_path / "data" / "dataset.json").read_text())
    name = next(each["filename"] for each in description["images"] if each["split"] == "test")
    cut(tmp_path / "data" / "imgs" / name)
    flags = ["--data", f"ucm_captions={tmp_path / 'data'}", "--run", str(tmp_path / "run")]
    assert exit_code(train.main, *flags) == 2
    assert name in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_batch_too_small_for_the_data_sets_leaves_nothing(city, exit_code, capsys, tmp_path):
    data = [f"ucm_captions={city / 'ucm_captions'}", f"rsvqa_lr={city / 'rsvqa_lr'}"]
    flags = ["--data", data[0], "--data", data[1], "--run", str(tmp_path / "run")]
    assert exit_code(train.main, *flags, "--train.batch_size", "1") == 2
    assert "batch_size must be 2 at least" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_that_cannot_be_made_is_one_line(city, exit_code, capsys, tmp_path):
    (tmp_path / "file").touch()
    flags = ["--data", f"synthetic={city}", "--run", str(tmp_path / "file" / "run")]
    assert exit_code(train.main, *flags) == 2
    assert f"{tmp_path / 'file'}" in (error := capsys.readouterr().err)
    assert error.count("\n") == 1


def test_a_city_named_by_its_folder_is_not_drawn_anew(exit_code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert exit_code(train.main, "--data", f"synthetic={train.CITY}") == 2
    assert str(train.CITY) in capsys.readouterr().err
    assert not train.CITY.exists()


def test_evaluating_what_is_no_run_is_one_line(exit_code, capsys, tmp_path):
    assert exit_code(evaluate.main, str(tmp_path / "my run")) == 2
    said = f"No run in {tmp_path}/my run. Train one: python train.py --run '{tmp_path}/my run'\n"
    assert capsys.readouterr().err == f"test: {said}"


def test_a_run_whose_metrics_are_cut_off_is_one_line(
    trained_run, city, exit_code, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained_run, tmp_path / "runs" / "tiny-synthetic")
    cut(metrics := tmp_path / "runs" / "tiny-synthetic" / "metrics.json")
    assert exit_code(evaluate.main, str(metrics.parent)) == 2
    assert exit_code(train.main, "--data", f"synthetic={city}") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(f"{Path('runs', 'tiny-synthetic', 'metrics.json')} is cut off" in x for x in lines)


def test_an_unknown_split_is_answered_with_the_nearest(trained_run, exit_code, capsys):
    assert exit_code(evaluate.main, str(trained_run), "--split", "tets") == 2
    assert "Did you mean test?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "module",
    [
        "train.py", "spatialnet_keras.evaluate", "spatialnet_keras.predict",
        "spatialnet_keras.scene", "spatialnet_keras.export", "spatialnet_keras.report",
        "spatialnet_keras.scores", "pipelines.synthetic",
    ],
)  # fmt: skip
def test_help_is_complete_and_quick(module):
    command = [str(ROOT / module)] if module.endswith(".py") else ["-m", module]
    result = subprocess.run(
        [sys.executable, "-X", "importtime", *command, "--help"],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"COLUMNS": "100"},
    )  # fmt: skip
    assert result.returncode == 0
    assert "usage" in result.stdout
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"keras", "tensorflow"}, "--help waits for them"
    sections = {"model": ModelConfig, "train": TrainConfig, "decode": DecodeConfig}
    for section, kind in sections.items() if module == "train.py" else ():
        for field in dataclasses.fields(kind):
            assert f"--{section}.{field.name} " in result.stdout


def test_both_packages_are_importable_from_any_folder(tmp_path):
    code = "import pipelines, spatialnet_keras; print(pipelines.DATASETS)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
