"""Fixtures for all tests: a cache of their own, and the real data where it is to hand."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from pipelines import commands
from pipelines.images import read_image
from pipelines.pixels import resize
from pipelines.records import DataError
from pipelines.synthetic import write_city
from spatialnet_keras.config import Config, ConfigError, override
from spatialnet_keras.presets import PRESETS

ROOT = Path(__file__).parents[1]
# they train: the two workers begin with them, and neither waits long for the other at the end
LONGEST = (
    "commands",
    "training",
    "encoders",
    "regimes",
    "pretraining",
    "teacher",
    "portable",
    "saved_model",
)


def pytest_collection_modifyitems(items):
    """The longest files first."""
    items.sort(key=lambda item: item.path.stem.removeprefix("test_") not in LONGEST)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """No test reads or fills the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("SPATIALNET_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; skips the test where there is none."""
    folder = Path(os.environ.get("SPATIALNET_DATA") or ROOT / ".." / "shared" / "data").resolve()
    if not (folder / "ucm_captions").is_dir() or not (folder / "rsvqa_lr").is_dir():
        pytest.skip(f"no real data in {folder}; set SPATIALNET_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Makes a folder by a name in one worker of pytest-xdist, for all of them."""
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = common / "shared" / name, common / f"{name}.made"
        folder.parent.mkdir(exist_ok=True)
        with FileLock(common / f"{name}.lock"):
            if not done.exists():
                make(folder)
                done.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def city(made_once) -> Path:
    """A small procedural city: 60 tiles of 64 x 64 pixels, eight questions each."""
    return made_once("city", lambda to: write_city(to, tiles=60, size=64, questions=8, workers=1))


@pytest.fixture(scope="session")
def tiles(city) -> list[Path]:
    """Three files of its tiles."""
    return sorted((city / "ucm_captions" / "imgs").iterdir())[:3]


@pytest.fixture(scope="session")
def run_config(city) -> Config:
    """Of a run on all tasks for two epochs: 4 x 4 tokens, 16 channels."""
    smallest = {
        "model.image_size": 32, "model.patch_size": 8, "model.width": 16, "model.layers": 2,
        "model.question_layers": 1, "model.caption_layers": 1, "model.heads": 2,
        "train.questions_per_image": 4, "train.epochs": 2,
        "decode.beams": 1, "decode.consensus": False,
    }  # fmt: skip
    config = override(PRESETS["tiny"], smallest)
    return dataclasses.replace(config, data=(("synthetic", str(city)),))


@pytest.fixture(scope="session")
def trained_run(run_config, made_once) -> Path:
    """The directory of that run, trained. Copy it before you change anything in it."""
    from spatialnet_keras.training import train

    return made_once("run", lambda to: train(run_config, to))


@pytest.fixture(scope="session")
def predictor(trained_run):
    """That run, loaded to be used."""
    import spatialnet_keras

    return spatialnet_keras.load(trained_run)


@pytest.fixture(scope="session")
def stored(predictor, tiles) -> np.ndarray:
    """The three tiles as it takes them."""
    return np.stack([resize(read_image(path), 32) for path in tiles])


@pytest.fixture
def exit_code():
    """Runs the main function of a command as its `__main__` does; gives its exit code."""

    def run(main, *arguments) -> int:
        with pytest.raises(SystemExit) as caught:
            commands.run("test", lambda: main(arguments), DataError, ConfigError)
        return caught.value.code

    return run
