"""TensorBoard: what the event files hold, and what a real browser shows of them."""

import contextlib
import dataclasses
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from spatialnet_keras import data, evaluate, training
from spatialnet_keras.config import override
from spatialnet_keras.evaluation import board
from spatialnet_keras.evaluation.scoreboard import from_json
from spatialnet_keras.presets import PRESETS
from spatialnet_keras.run import Run
from tests.browser import browser
from tests.test_training import CANNOT_PROFILE, config


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy that a test may write to."""
    shutil.copytree(trained_run, tmp_path / "copy")
    return Run.open(tmp_path / "copy")


@contextlib.contextmanager
def tensorboard_of(folder: Path) -> Iterator[str]:
    """`tensorboard --logdir FOLDER`: its address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
    process = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while not _answers(port):
            assert time.monotonic() < deadline and process.poll() is None, "no TensorBoard"
            time.sleep(0.5)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("localhost", port)) == 0


def events(run: Run, *folders: str) -> EventAccumulator:
    return EventAccumulator(str(board.folder(run).joinpath(*folders))).Reload()


def test_settings_can_be_compared_between_runs(trained_run):
    run = Run.open(trained_run)
    content = events(run).PluginTagToContent(metadata.PLUGIN_NAME)
    assert set(content) == {metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG}
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    assert start.group_name == "run"
    rate = PRESETS["tiny"].train.learning_rate
    assert start.hparams["train.learning_rate"].number_value == pytest.approx(rate)
    assert start.hparams["train.symmetries"].bool_value is True
    assert start.hparams["backend"].string_value == keras.config.backend()
    assert start.hparams["lambda.land_use"].number_value == 1


def test_curves_and_pictures_of_epochs_are_there(trained_run):
    run = Run.open(trained_run)
    tags = {
        tag
        for each in (events(run, "train"), events(run, "validation"))
        for kind in ("scalars", "tensors")
        for tag in each.Tags()[kind]
    }
    assert {"epoch_learning_rate", "epoch_land_use_loss", "epoch_count_mae", "epoch_score"} <= tags
    validation = events(run, "validation")
    assert validation.Tags()["images"] == ["answers/synthetic"]
    picture = validation.Images("answers/synthetic")[0].encoded_image_string
    assert picture.startswith(b"\x89PNG")


def test_final_scores_and_confusions_are_there_once_after_two_evaluations(run, capsys):
    evaluate.main([str(run.path)])
    found = events(run, "evaluation", "synthetic_test")
    for score in from_json(run.metrics["scores"]):
        if score.split == "test":
            (event,) = found.Scalars(f"{score.task}_{score.score}")
            assert event.value == pytest.approx(score.value, rel=1e-6)
            assert event.step == 2
    (picture,) = found.Images("confusion/land_use")
    assert picture.width > 200
    assert set(found.Tags()["images"]) == {"confusion/land_use", "confusion/count"}


def test_test_tiles_can_be_projected(trained_run):
    run = Run.open(trained_run)
    place = board.folder(run) / "evaluation" / "synthetic_test"
    (part,) = data.read(run.config, "test")
    vectors = np.loadtxt(place / "vectors.tsv")
    head, *lines = (place / "tiles.tsv").read_text().splitlines()
    assert head.split("\t") == ["file", "land_use", "answer", "right"]
    assert vectors.shape == (len(part.images), run.config.model.width)
    assert [line.split("\t")[0] for line in lines] == [row.image.name for row in part.records]
    with Image.open(place / "tiles.png") as sheet:
        assert sheet.width == sheet.height >= board.SPRITE * np.sqrt(len(lines))
    said = (place / "projector_config.pbtxt").read_text()
    for name in ("vectors.tsv", "tiles.tsv", "tiles.png"):
        assert f'"{name}"' in said


@pytest.mark.slow
def test_histograms_and_a_profile_are_written_where_asked_for(city, tmp_path):
    profile = {} if CANNOT_PROFILE else {"train.profile": 1}
    settings = override(config(city), {"train.histograms": 1} | profile)
    land_use = dataclasses.replace(settings, tasks=(("land_use", 1.0),))
    run = training.train(land_use, tmp_path / "run")
    tags = events(run, "train").Tags()["tensors"]
    assert any(tag.endswith("/histogram") for tag in tags)
    kind = "*.pt.trace.json" if keras.config.backend() == "torch" else "*.xplane.pb"
    traces = list(board.folder(run).rglob(kind))
    assert len(traces) == bool(profile)


@pytest.mark.slow
def test_a_real_browser_shows_runs_in_tensorboard_and_in_the_report(trained_run, tmp_path):
    """Names on the page come from the run; that they are there says that the files are read."""
    runs = tmp_path / "runs"
    shutil.copytree(trained_run, runs / "first")
    shutil.copytree(trained_run, runs / "second")
    with browser(tmp_path / "profile") as page, tensorboard_of(runs) as address:
        page.open(f"{address}/#scalars")
        page.wait_for("epoch_land_use_accuracy", "land_use_accuracy", "first/tensorboard/train")
        page.open(f"{address}/#images")
        page.wait_for("answers/synthetic", "confusion/land_use", "confusion/count")
        page.open(f"{address}/#hparams")
        page.wait_for("train.learning_rate", "Trial ID", "lambda.land_use")
        page.open(f"{address}/#projector")
        page.wait_for("image vectors, synthetic test", "2 runs found", "land_use")
        page.open((trained_run / "report.html").as_uri(), width=1100)
        page.wait_for("Scores", "Training", "What is confused", "Model card", "land use")
        loaded = "[...document.images].every(each => each.complete && each.naturalWidth > 0)"
        assert page.evaluate("document.images.length") >= 4
        assert page.evaluate(loaded)
        assert page.evaluate("document.querySelectorAll('svg path').length") > 10
        fits = "document.documentElement.scrollWidth <= window.innerWidth"
        assert page.evaluate(fits)
        asked = "performance.getEntriesByType('resource').map(each => each.name)"
        assert all(name.startswith("data:") for name in page.evaluate(asked))
        for width in (320, 600):
            page.open((trained_run / "report.html").as_uri(), width=width)
            page.wait_for("Model card")
            assert page.evaluate(fits), width
