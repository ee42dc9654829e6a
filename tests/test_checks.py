"""What would end a training late is said before it starts, and leaves nothing behind."""

import csv
import dataclasses
import shutil

import pytest

import train
from pipelines.records import DataError
from spatialnet_keras import training
from spatialnet_keras.config import ConfigError
from spatialnet_keras.run import Run
from tests.test_training import SMALLEST, config


@pytest.fixture
def table(city, tmp_path):
    """Writes a table of twelve tiles, four a split, with a class and a count each."""
    tiles = sorted((city / "ucm_captions" / "imgs").iterdir())[:12]

    def write(**test_split):
        path = tmp_path / "tiles.csv"
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            columns = ("image", "split", "land_use", "question", "question_type", "answer")
            rows.writerow(columns)
            for number, tile in enumerate(tiles):
                split = ("train", "val", "test")[number % 3]
                row = {"land_use": "ab"[number % 2], "answer": str(number)}
                row |= test_split if split == "test" else {}
                question = ("How many?", "count") if row["answer"] else ("", "")
                rows.writerow((tile, split, row["land_use"], *question, row["answer"]))
        return dataclasses.replace(config(city), data=(("folder", str(path)),))

    return write


@pytest.mark.parametrize(
    ("test_split", "words"),
    [
        ({"land_use": "", "answer": ""}, "The test split has no label that training knows for"),
        ({"land_use": "c", "answer": ""}, "The test split has no label that training knows for"),
        ({"answer": "many"}, "folder, test split: The answer to a count question must be"),
    ],
    ids=["no labels", "labels of their own", "a count in words"],
)
def test_a_test_split_that_cannot_be_scored_is_refused_first(table, tmp_path, test_split, words):
    with pytest.raises(DataError) as caught:
        training.train(table(**test_split), tmp_path / "run", verbose=0)
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_counts_of_a_column_with_gaps_are_read(table, tmp_path):
    run = training.train(table(answer="3.0"), tmp_path / "run", verbose=0)
    assert run.metrics["test"]["count"]["rows"] == 4


def test_a_run_that_broke_off_in_its_first_epoch_is_replaced(city, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise DataError("no weights fit")

    with monkeypatch.context() as patch, pytest.raises(DataError):
        patch.setattr(training, "initialise", broken)
        training.train(config(city), tmp_path / "run", verbose=0)
    assert (tmp_path / "run" / "config.json").exists()
    run = training.train(config(city, train__learning_rate=1e-4), tmp_path / "run", verbose=0)
    assert run.config.train.learning_rate == 1e-4
    with pytest.raises(ConfigError, match=r"another train\.learning_rate"):
        training.train(config(city), tmp_path / "run", verbose=0)


def test_a_run_remembers_what_it_started_from(trained_run, city, tmp_path, exit_code, capsys):
    flags = [word for name, value in SMALLEST.items() for word in (f"--{name}", str(value))]
    flags += ["--data", f"synthetic={city}", "--run", str(tmp_path / "run")]
    first, other = tmp_path / "first", tmp_path / "other"
    for each in (first, other):
        shutil.copytree(trained_run, each)
    train.main([*flags, "--init", str(first)])
    assert Run.open(tmp_path / "run").config.init == (str(first),)
    assert exit_code(train.main, *flags, "--init", str(other)) == 2
    assert "holds a run with another init" in capsys.readouterr().err
    train.main([*flags, "--init", str(first)])
    assert "finished already" in capsys.readouterr().out
