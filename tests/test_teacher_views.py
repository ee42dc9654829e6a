"""Views of a tile, drawn once: the teacher looks once at each, the student sees no others."""

import dataclasses

import numpy as np
import pytest
from keras import ops

import train
from pipelines.augment import Augmentation
from pipelines.batches import training_batches
from pipelines.views import Drawn, Resized, Symmetries
from spatialnet_keras import data, training
from spatialnet_keras.config import ConfigError
from spatialnet_keras.run import Run
from spatialnet_keras.training.pretraining import pretrain
from spatialnet_keras.training.teacher import teacher_of
from tests.test_training import config

HOW = Augmentation(symmetries=True, crop=0.3, jitter=0.3)
AUGMENTED = {"train__crop": 0.3, "train__jitter": 0.3, "train__turn": 20.0}


def asked(city, teacher="", **values):
    values = AUGMENTED | {"train__teacher_views": 3 if teacher else 0} | values
    made = config(city, train__teacher=str(teacher), **values)
    return dataclasses.replace(made, tasks=(("land_use", 1.0),))


@pytest.fixture(scope="module")
def teacher(city, tmp_path_factory) -> Run:
    path = tmp_path_factory.mktemp("teacher") / "run"
    return training.train(asked(city, train__epochs=3), path, verbose=0)


def lesson(wanted, path):
    """The teacher and the examples that it has prepared."""
    parts = data.read(wanted, "train", to_crop=True)
    run = training.prepare(wanted, path, parts)
    encoded = [part.encode(run.tasks, run.vocabulary, run.config) for part in parts]
    return teacher_of(run).teach(run, encoded)


@pytest.fixture
def tiles():
    return np.random.default_rng(0).integers(0, 255, (6, 24, 24, 3)).astype("uint8")


@pytest.mark.parametrize(
    "views", [Drawn(4, HOW, 16, 0), Resized(Drawn(4, HOW, 16, 0), 20), Symmetries(8)]
)
def test_a_view_is_decided_by_its_tile_its_row_and_its_number(tiles, views):
    rows, numbers = np.arange(6), np.array([0, 1, 2, 3, 0, 1])
    seen = views.of(tiles, rows, numbers)
    assert seen.dtype == tiles.dtype
    alone = [views.of(tiles[[row]], rows[[row]], numbers[[row]])[0] for row in (3, 5)]
    assert np.array_equal(seen[[3, 5]], alone)
    other = views.of(tiles, rows, numbers[::-1].copy())
    assert all(not np.array_equal(*each) for each in zip(seen, other, strict=True))


def test_rows_and_seeds_draw_their_own_views(tiles):
    same, rows, first = tiles[[0, 0]], np.arange(2), np.zeros(2, int)
    one, two = Drawn(1, HOW, 16, 0).of(same, rows, first)
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, Drawn(1, HOW, 16, 1).of(same, rows, first)[0])


@pytest.mark.parametrize("tokens", [{}, {"model__token_dropout": 0.5}])
def test_a_batch_holds_what_the_teacher_makes_of_the_very_pixels(city, teacher, tmp_path, tokens):
    wanted = asked(city, teacher.path, **tokens)
    made, (examples,) = lesson(wanted, tmp_path)
    how = data.augmentation(wanted.train)
    batches = training_batches([examples], 16, {}, 0, 30, augmentation=how, size=32)
    drawn = [x for x, _, _ in batches.take(9).as_numpy_iterator()]
    for x in drawn:
        told = ops.convert_to_numpy(made.look(ops.convert_to_tensor(x["image"])))
        assert np.allclose(x["teacher_map"], told, atol=0.02)
        assert np.abs(x["teacher_map"] - np.roll(told, 1, axis=0)).mean() > 0.05
    seen = np.concatenate([x["image"] for x in drawn])
    assert len(examples) < len(np.unique(seen, axis=0)) <= 3 * len(examples)


def test_mixed_views_are_told_of_what_they_are_mixed(city, teacher, tmp_path):
    made, (examples,) = lesson(asked(city, teacher.path), tmp_path)
    plain = {view.tobytes() for view in _all_views(examples)}
    batches = training_batches([examples], 16, {}, 0, 1, augmentation=Augmentation(mix=1.0))
    x, _, _ = next(batches.as_numpy_iterator())
    assert sum(each.tobytes() not in plain for each in x["image"]) > 8
    told = ops.convert_to_numpy(made.look(ops.convert_to_tensor(x["image"])))
    apart = np.abs(x["teacher_map"] - told).mean()
    assert 1e-3 < apart < np.abs(x["teacher_map"] - np.roll(told, 1, axis=0)).mean()


def _all_views(examples):
    rows = np.arange(len(examples))
    tiles = np.array(examples.images)
    return np.concatenate([examples.views.of(tiles, rows, 0 * rows + view) for view in range(3)])


def test_the_looks_are_kept_on_disk_for_these_views_alone(city, teacher, tmp_path, monkeypatch):
    _, (first,) = lesson(asked(city, teacher.path), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("spatialnet_keras.training.features._compute", None)
        _, (again,) = lesson(asked(city, teacher.path), tmp_path)
    assert np.array_equal(first.maps["teacher_map"], again.maps["teacher_map"])
    _, (other,) = lesson(asked(city, teacher.path, train__seed=1), tmp_path)
    assert not np.array_equal(first.maps["teacher_map"], other.maps["teacher_map"])


def test_a_student_learns_of_views(city, teacher, tmp_path):
    wanted = asked(city, teacher.path, train__epochs=4, train__mix=0.5)
    made = training.train(wanted, tmp_path / "run", verbose=0)
    history = made.metrics["history"]
    assert history[-1]["teacher_features_loss"] < 0.9 * history[0]["teacher_features_loss"]
    assert made.model().output.keys() == {"land_use"}


def test_a_pretraining_looks_at_views(city, teacher, tmp_path):
    wanted = dataclasses.replace(asked(city, teacher.path, train__epochs=3), tasks=())
    history = pretrain(wanted, tmp_path / "run", verbose=0).metrics["history"]
    assert history[-1]["loss"] < history[0]["loss"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"teacher": ""}, "give --teacher, and teacher_looks once. Received: teacher=''"),
        ({"teacher_looks": "always"}, "teacher_looks='always', teacher_views=3"),
        ({"encoder": "cached", "crop": 1.0, "jitter": 0.0, "turn": 0.0}, "teacher_views must be 0"),
    ],
)
def test_views_that_no_teacher_looks_at_are_refused(city, teacher, tmp_path, values, words):
    values = {"teacher": str(teacher.path), "teacher_views": 3} | values
    given = {f"train__{name}": value for name, value in values.items() if name != "teacher"}
    with pytest.raises(ConfigError) as caught:
        training.train(asked(city, values["teacher"], **given), tmp_path / "run", verbose=0)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_views_where_something_is_asked_are_one_line(city, teacher, exit_code, capsys, tmp_path):
    flags = (
        f"--data synthetic={city} --run {tmp_path / 'run'} --preset tiny --teacher {teacher.path} "
        "--tasks land_use,count --train.teacher_views 2"
    )
    assert exit_code(train.main, *flags.split()) == 2
    error = capsys.readouterr().err
    assert "teacher_views must be 0 with count. Received: 2." in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()
