"""Inference: the mean over symmetries."""

import dataclasses

import numpy as np
import pytest

import spatialnet_keras
from spatialnet_keras import data
from spatialnet_keras.config import override
from spatialnet_keras.inference import predict
from spatialnet_keras.run import Run


@pytest.fixture(scope="module")
def predicted(trained_run):
    """Outputs on test tiles as they are and mirrored, with and without the mean."""
    run = Run.open(trained_run)
    (part,) = data.read(run.config, "test")
    examples = part.encode(run.tasks, run.vocabulary, run.config)
    # every third question is told to name a side
    asked = examples.slots["question"]
    asked = dataclasses.replace(asked, symmetric=np.arange(len(asked.symmetric)) % 3 > 0)
    examples = dataclasses.replace(examples, slots=examples.slots | {"question": asked})
    mirrored = dataclasses.replace(examples, images=examples.images[:, :, ::-1])
    model = run.answering_model()
    found = {
        (averaged, name): predict(
            model, tiles, run.tasks, override(run.config, {"decode.symmetries": averaged})
        )
        for averaged in (True, False)
        for name, tiles in (("upright", examples), ("mirrored", mirrored))
    }
    return found, asked.symmetric


def test_the_mean_over_symmetries_does_not_care_how_a_tile_lies(predicted):
    found, symmetric = predicted
    for task, rows in {"land_use": slice(None), "presence": symmetric}.items():
        upright, mirrored = (found[True, name][task][rows] for name in ("upright", "mirrored"))
        assert np.abs(upright - mirrored).max() < 1e-4
        alone = (found[False, name][task][rows] for name in ("upright", "mirrored"))
        assert np.abs(np.subtract(*alone)).max() > 1e-3


def test_a_question_that_names_a_side_is_answered_by_the_tile_as_it_lies(predicted):
    found, symmetric = predicted
    plain, averaged = found[False, "upright"]["presence"], found[True, "upright"]["presence"]
    assert np.array_equal(plain[~symmetric], averaged[~symmetric])
    assert np.abs(plain[symmetric] - averaged[symmetric]).max() > 1e-4


def test_a_loaded_run_takes_the_mean_too(predicted, trained_run):
    found, _ = predicted
    predictor = spatialnet_keras.load(trained_run, symmetries=True)
    (part,) = data.read(predictor.run.config, "test")
    asked = part.records.rows[0].questions[0].text, "Is a road at the left of a pool present?"
    questions = predictor.prepare(asked, "presence")
    upright, mirrored = (
        predictor.predict(tiles, questions)[1] for tiles in (part.images, part.images[:, :, ::-1])
    )
    np.testing.assert_allclose(upright["land_use"], found[True, "upright"]["land_use"], atol=1e-4)
    difference = np.abs(upright["presence"] - mirrored["presence"]).max(axis=(0, 2))
    assert difference[0] < 1e-4
    assert difference[1] > 1e-3
