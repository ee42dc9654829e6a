"""What an epoch's validation says of captions."""

import dataclasses

import numpy as np
import pytest

from spatialnet_keras import data
from spatialnet_keras.model import likelihood_model
from spatialnet_keras.run import Run
from spatialnet_keras.text import END, PAD, START, UNKNOWN
from spatialnet_keras.training.validation import caption_loss


@pytest.fixture(scope="module")
def run(trained_run) -> Run:
    return Run.open(trained_run)


@pytest.fixture(scope="module")
def examples(run):
    (part,) = data.read(run.config, "val")
    return part.encode(run.tasks, run.vocabulary, run.config)


@pytest.fixture(scope="module")
def task(run):
    return next(each for each in run.tasks if each.unit == "caption")


def by_hand(run: Run, task, examples, counted: np.ndarray) -> float:
    """Mean over the words that count, by the logits of the trained network."""
    slots, model = examples.slots["caption"], run.model()
    tiles = np.repeat(np.arange(len(examples)), np.diff(slots.starts))
    features = model.get_layer("image_encoder").predict(examples.images, verbose=0)
    words = slots.targets[task.name]
    read = np.concatenate([np.full((len(words), 1), START), words[:, :-1]], axis=1)
    tokens = features["image_tokens"][tiles]
    logits = model.get_layer(task.name).predict([read[:, None], tokens], verbose=0)[:, 0]
    logits[..., [PAD, START, UNKNOWN]] = -np.inf
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    said = np.take_along_axis(odds, words[..., None], axis=-1)[..., 0] / odds.sum(axis=-1)
    return -np.log(said[counted]).mean()


def test_the_loss_of_captions_is_of_the_words_that_people_wrote(run, examples, task):
    judge = likelihood_model(run.answering_model(), task)
    words = examples.slots["caption"].targets[task.name]
    assert (words == END).any(axis=1).all()
    found = caption_loss(judge, task, [examples], 16)
    assert found == pytest.approx(by_hand(run, task, examples, words != PAD), rel=1e-4)
    assert caption_loss(judge, task, [examples, examples], 7) == pytest.approx(found, rel=1e-5)
    entry = run.metrics["history"][-1]
    assert 0 < entry["val_caption_loss"] < entry["val_loss"]


def test_words_that_the_network_cannot_know_do_not_count(run, examples, task):
    slots = examples.slots["caption"]
    words = slots.targets[task.name].copy()
    words[::2, 1] = UNKNOWN
    changed = dataclasses.replace(slots, targets={task.name: words})
    changed = dataclasses.replace(examples, slots={"caption": changed})
    judge = likelihood_model(run.answering_model(), task)
    expected = by_hand(run, task, changed, (words != PAD) & (words != UNKNOWN))
    assert caption_loss(judge, task, [changed], 16) == pytest.approx(expected, rel=1e-4)
    assert expected < 20
