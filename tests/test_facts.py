"""Facts of a run: the command line, the weights, and data by their hash."""

import dataclasses
import shutil
import sys

import keras

import pipelines
from spatialnet_keras import facts


def test_a_moved_copy_has_the_same_fingerprint_and_a_changed_one_another(city, tmp_path):
    shutil.copytree(city, tmp_path / "moved")
    here, there = (pipelines.load("synthetic", root, "val") for root in (city, tmp_path / "moved"))
    assert facts.fingerprint(here) == facts.fingerprint(there)
    said = dataclasses.replace(there.rows[0], land_use="somewhere")
    changed = dataclasses.replace(there, rows=(said, *there.rows[1:]))
    assert facts.fingerprint(changed) != facts.fingerprint(there)
    pixels = bytearray(there.rows[0].image.read_bytes())
    pixels[-1] ^= 1
    there.rows[0].image.write_bytes(pixels)
    assert facts.fingerprint(there) != facts.fingerprint(here)


def test_rows_of_a_split_are_counted(city):
    records = pipelines.load("synthetic", city, "train")
    found = facts.of_records(records)
    assert (found["images"], found["questions"]) == (len(records), 8 * len(records))
    assert found["captions"] == sum(len(row.captions) for row in records)


def test_parameters_that_training_changes_are_told_from_the_others():
    frozen = keras.layers.Dense(3, trainable=False)
    model = keras.Sequential([keras.Input((2,)), frozen, keras.layers.Dense(1)])
    assert facts.parameters(model) == {"trained": 4, "total": 13}


def test_the_command_is_repeated_with_its_backend_and_its_quotes(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--data", "folder=my tiles"])
    said = f"KERAS_BACKEND={keras.config.backend()} python train.py --data 'folder=my tiles'"
    assert facts.command() == said
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "x.json"])
    assert facts.command() is None
