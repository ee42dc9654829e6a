"""Inference: the mean over symmetries."""

import dataclasses

import numpy as np
import pytest

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
