"""A run taught by another one: what it learns of it, what it does not keep, what is refused."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

import train
from pipelines.augment import Augmentation
from pipelines.batches import training_batches
from pipelines.examples import Examples
from pipelines.pixels import apply_symmetries
from pipelines.records import DataError
from spatialnet_keras import data, training
from spatialnet_keras.config import ConfigError, TrainConfig, override
from spatialnet_keras.run import Run
from spatialnet_keras.training.callbacks import Epoch
from spatialnet_keras.training.compiling import compile_model
from spatialnet_keras.training.network import (
    _encode_beside,
    _softened_cross_entropy,
    training_model,
)
from spatialnet_keras.training.teacher import Distance, cosine_distance, teacher_of
from spatialnet_keras.training.teacher_maps import mean_over_symmetries
from tests.test_training import config

LAND_USE = (("land_use", 1.0),)
SIDE = 4  # tokens a side of the teacher


def student(city, teacher="", **values):
    made = config(city, train__teacher=str(teacher), **values)
    return dataclasses.replace(made, tasks=LAND_USE)


def weights(run: Run) -> list[np.ndarray]:
    return [np.array(ops.convert_to_numpy(each)) for each in run.model().weights]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def teacher(city, tmp_path_factory) -> Run:
    """Larger tiles than the student sees, and another width."""
    settings = {"model__image_size": 64, "model__width": 24, "train__epochs": 4}
    path = tmp_path_factory.mktemp("teacher") / "run"
    return training.train(student(city, **settings), path, verbose=0)


@pytest.fixture(scope="module")
def untaught(city, tmp_path_factory) -> Run:
    path = tmp_path_factory.mktemp("untaught") / "run"
    return training.train(student(city), path, verbose=0)


def test_the_softened_cross_entropy_by_hand():
    truth, said = np.log(np.float32([[16, 1], [1, 1]])), np.log(np.float32([[9, 1], [1, 1]]))
    found = ops.convert_to_numpy(_softened_cross_entropy(truth, said, 2.0))
    softly = -4 * (0.8 * np.log(0.75) + 0.2 * np.log(0.25))  # the roots of 16 and 9: 4 and 3
    assert found == pytest.approx([softly, 4 * np.log(2)], abs=1e-5)


def test_the_cosine_distance_by_hand():
    truth = np.float32([[[1, 0], [1, 0]], [[1, 0], [1, 0]]])
    said = np.float32([[[2, 0], [0, 3]], [[-1, 0], [-5, 0]]])
    found = ops.convert_to_numpy(cosine_distance(truth, said))
    assert found == pytest.approx([0.5, 2.0], abs=1e-5)


def test_a_distance_is_a_mean_over_the_weights_of_the_tiles():
    found = Distance()(np.zeros(3, "float32"), np.float32([1, 4, 9]), np.float32([1, 0.5, 0]))
    assert float(found) == pytest.approx((1 + 0.5 * 4) / 1.5)


def test_what_is_said_of_the_whole_tile_weighs_what_a_crop_keeps():
    tiles = np.zeros((6, 16, 16, 1), "uint8")
    known = {name: np.ones(6, "float32") for name in ("whole", "part")}
    part = Examples("tiles", tiles, known, known, of_whole=frozenset({"whole"}))

    def weights(**how):
        batches = training_batches([part], 6, {}, 0, 1, augmentation=Augmentation(**how))
        return next(batches.as_numpy_iterator())[2]

    assert (weights(symmetries=True)["whole"] == 1).all()
    weight = weights(crop=0.3)
    assert (weight["part"] == 1).all()
    assert ((weight["whole"] > 0.25) & (weight["whole"] < 1)).all()
    assert np.ptp(weight["whole"]) > 0.1


def test_what_a_teacher_makes_of_the_tiles_is_computed_once(city, teacher, tmp_path, monkeypatch):
    parts = data.read(student(city), "train")
    run = training.prepare(student(city, teacher.path), tmp_path, parts)
    examples = [part.encode(run.tasks, run.vocabulary, run.config) for part in parts]
    _, (first,) = teacher_of(run).teach(run, examples)
    # another process draws other seeds for layers that are not at work here
    keras.utils.set_random_seed(1234)
    monkeypatch.setattr("spatialnet_keras.training.features._compute", None)
    _, (second,) = teacher_of(run).teach(run, examples)
    assert np.array_equal(first.maps["teacher_map"], second.maps["teacher_map"])


def test_a_teacher_may_look_at_images_that_no_patch_of_the_student_fits(city, tmp_path):
    larger = {"model__image_size": 40, "model__patch_size": 20}
    teacher = training.train(student(city, **larger), tmp_path / "teacher", verbose=0)
    run = training.train(student(city, teacher.path), tmp_path / "run", verbose=0)
    assert "teacher_features_loss" in run.metrics["history"][0]


def test_a_teacher_that_always_looks_says_of_a_tile_what_is_kept_of_it(city, teacher, tmp_path):
    told = {}
    for looks in ("once", "always"):
        values = {"model__image_size": 64, "train__symmetries": False}
        asked = student(city, teacher.path, train__teacher_looks=looks, **values)
        parts = data.read(asked, "train")
        run = training.prepare(asked, tmp_path, parts)
        examples = [part.encode(run.tasks, run.vocabulary, run.config) for part in parts]
        told[looks] = teacher_of(run).teach(run, examples)
    tiles = np.array(parts[0].images)
    kept = told["once"][1][0].maps["teacher_map"]
    looking, (plain,) = told["always"]
    said = ops.convert_to_numpy(looking.look(ops.convert_to_tensor(tiles)))
    assert np.allclose(said, kept, atol=0.02)
    assert np.allclose(kept[..., looking.classes :].mean(axis=(0, 1, 2)), 0, atol=0.01)
    assert not plain.maps
    small = ops.convert_to_tensor(tiles[:, ::2, ::2])  # is brought to the teacher's own size
    assert np.abs(ops.convert_to_numpy(looking.look(small)) - said).mean() < said.std() / 2
    mixed = ops.convert_to_tensor(tiles // 2 + np.roll(tiles, 1, axis=0) // 2)
    means = (said + np.roll(said, 1, axis=0)) / 2
    assert np.abs(ops.convert_to_numpy(looking.look(mixed)) - means).mean() > 0.05


def test_maps_are_of_the_tile_as_it_is_however_the_teacher_saw_it():
    tiles = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype("float16")
    seen = [apply_symmetries(tiles, np.full(3, code)).reshape(3, 16, 2) for code in range(8)]
    assert np.allclose(mean_over_symmetries(np.stack(seen, axis=1)), tiles, atol=1e-3)


@pytest.mark.parametrize("how", [{}, {"crop": 0.3}, {"mix": 1.0}, {"crop": 0.5, "mix": 1.0}])
def test_what_is_told_of_a_tile_follows_its_pixels(how):
    tiles = np.random.default_rng(0).uniform(0, 255, (8, 4, 4, 1)).astype("float32")
    large = tiles.repeat(16, axis=1).repeat(16, axis=2)
    part = Examples("tiles", large, {}, {}, maps={"map": large})
    for seed in range(4):
        augmentation = Augmentation(symmetries=True, **how)
        batches = training_batches([part], 6, {}, seed, 1, augmentation=augmentation)
        x, _, _ = next(batches.as_numpy_iterator())
        assert np.abs(x["image"] - x["map"]).mean() < 6  # resized in two ways
        assert np.abs(x["image"] - x["map"][:, ::-1]).mean() > 20


def test_a_teacher_that_is_not_listened_to_changes_nothing(city, teacher, untaught, tmp_path):
    deaf = student(city, teacher.path, train__teacher_share=0.0, train__teacher_features=0.0)
    assert same(weights(training.train(deaf, tmp_path / "run", verbose=0)), weights(untaught))


@pytest.mark.parametrize("part", ["share", "features"])
def test_each_part_of_a_teaching_changes_the_weights(city, teacher, untaught, tmp_path, part):
    values = {"train__teacher_share": 0.0, "train__teacher_features": 0.0}
    values[f"train__teacher_{part}"] = 0.5
    made = training.train(student(city, teacher.path, **values), tmp_path / "run", verbose=0)
    assert not same(weights(made), weights(untaught))
    assert [each.path for each in made.model().weights] == [
        each.path for each in untaught.model().weights
    ]


@pytest.mark.parametrize("looks", ["once", "always"])
def test_a_student_comes_to_agree_with_its_teacher(city, teacher, tmp_path, looks):
    """The teacher says for each class another one, so no label helps to agree with it."""
    strange = dataclasses.replace(teacher, path=tmp_path / "strange")
    strange.start()
    network = teacher.model()
    for variable in network.get_layer("land_use").variables:
        variable.assign(8 * np.roll(ops.convert_to_numpy(variable), 1, axis=-1))
    network.save(strange.best)
    asked = student(city, strange.path, train__teacher_share=1.0, train__teacher_looks=looks)
    parts = data.read(asked, "train")
    run = training.prepare(asked, tmp_path / "student", parts)
    encoded = parts[0].encode(run.tasks, run.vocabulary, run.config)
    made, (examples,) = teacher_of(run).teach(run, [encoded])
    told = made.look(ops.convert_to_tensor(np.array(parts[0].images)))
    said = ops.convert_to_numpy(told)[..., : made.classes].mean(axis=(1, 2)).argmax(axis=-1)
    tiles, labels = {"image": parts[0].images}, examples.targets["land_use"].argmax(axis=-1)

    keras.utils.set_random_seed(0)
    model = training.build_model(run.config, run.tasks, 0)
    taught = training_model(model, run.config, run.tasks, {}, made)
    compile_model(taught, run.config, run.tasks, 100)
    batches = training_batches(
        [examples], 16, {}, 0, 40, augmentation=Augmentation(symmetries=True)
    )
    agreement = [(labels == said).mean()]  # all that labels could teach
    for _ in range(2):
        found = model.predict(tiles, verbose=0)["land_use"].argmax(axis=-1)
        agreement.append((found == said).mean())
        taught.fit(batches.take(100), shuffle=False, verbose=0)
    assert agreement[2] > max(agreement[:2]) + 0.2


@pytest.mark.parametrize("looks", ["once", "always"])
def test_a_stopped_teaching_goes_on_and_keeps_nothing_of_the_teacher(
    city, teacher, tmp_path, monkeypatch, looks
):
    class Stopped(Exception):
        pass

    def stop(self, epoch, logs=None):
        after(self, epoch, logs)
        if epoch == 0:
            raise Stopped

    after = Epoch.on_epoch_end
    values = {"train__epochs": 2, "train__mix": 0.5, "train__crop": 0.5}
    asked = student(city, teacher.path, train__teacher_looks=looks, **values)
    whole = training.train(asked, tmp_path / "whole", verbose=0)
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Epoch, "on_epoch_end", stop)
        training.train(asked, tmp_path / "stopped", verbose=0)
    assert same(weights(training.train(asked, tmp_path / "stopped", verbose=0)), weights(whole))
    assert "teacher_features_loss" in whole.metrics["history"][0]
    assert whole.model().output.keys() == {"land_use"}
    assert not [each for each in whole.model().weights if "teacher" in each.path]
    assert Run.open(whole.path).config.train.teacher == str(teacher.path)
    alone = override(asked, {"train.teacher": ""})
    with pytest.raises(ConfigError, match=r"another train\.teacher "):
        training.train(alone, whole.path, verbose=0)


@pytest.mark.parametrize(("pooling", "looks"), [("mean", "always"), ("cls", "once")])
def test_a_student_that_drops_tokens_is_taught(city, teacher, tmp_path, pooling, looks):
    values = {"model__token_dropout": 0.5, "model__pooling": pooling, "train__mix": 0.5}
    values["train__teacher_looks"] = looks
    made = training.train(student(city, teacher.path, **values), tmp_path / "run", verbose=0)
    assert made.model().output.keys() == {"land_use"}
    assert 0 < made.metrics["history"][-1]["teacher_features_loss"] < 2


def test_a_token_is_told_what_the_teacher_sees_at_its_place(city, teacher, tmp_path):
    """With positions for a map, what is left beside each token is of where it comes from."""
    parts = data.read(student(city), "train")
    asked = student(city, teacher.path, model__token_dropout=0.5)
    run = training.prepare(asked, tmp_path, parts)
    encoder = training.build_model(run.config, run.tasks, 0).get_layer("image_encoder")
    dropping = encoder.get_layer("token_dropout")
    side = round(dropping.input.shape[1] ** 0.5)
    places = np.indices((side, side)).transpose(1, 2, 0)[None].repeat(4, axis=0).astype("float32")
    image, maps = keras.Input(encoder.input.shape[1:], dtype="uint8"), keras.Input((side, side, 2))
    _, left = _encode_beside(encoder, image, maps)
    kept = keras.Model([image, maps], left)
    tiles = parts[0].images[:4]
    told = ops.convert_to_numpy(kept([tiles, places], training=True))
    assert told.shape[1] == side**2 // 2
    assert all(len({tuple(each) for each in tile}) == side**2 // 2 for tile in told)
    whole = ops.convert_to_numpy(kept([tiles, places], training=False))
    assert np.array_equal(whole, places.reshape(4, -1, 2))


def test_an_encoder_of_cached_features_is_taught(city, teacher, tmp_path):
    asked = student(city, teacher.path, train__encoder="cached", train__mix=0.5)
    made = training.train(asked, tmp_path / "run", verbose=0)
    assert made.model().output.keys() == {"land_use"}


def test_a_teacher_of_other_classes_is_refused_before_anything_is_written(city, teacher, tmp_path):
    (task,) = teacher.tasks
    other = dataclasses.replace(task, classes=("elsewhere", *task.classes[1:]))
    dataclasses.replace(teacher, path=tmp_path / "teacher", tasks=(other,)).start()
    asked = student(city, tmp_path / "teacher")
    with pytest.raises(ConfigError, match="differ in land uses: ") as caught:
        training.train(asked, tmp_path / "run", verbose=0)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_teacher_without_land_use_or_without_an_epoch_is_refused(city, tmp_path):
    parts = data.read(config(city), "train")
    silent = dataclasses.replace(config(city), tasks=(("count", 1.0),))
    training.prepare(silent, tmp_path / "counts", parts).start()
    training.prepare(student(city), tmp_path / "young", parts).start()
    with pytest.raises(ConfigError, match=r"counts does not tell land use"):
        training.train(student(city, tmp_path / "counts"), tmp_path / "run", verbose=0)
    with pytest.raises(DataError, match="No epoch"):
        training.train(student(city, tmp_path / "young"), tmp_path / "run", verbose=0)
    counting = dataclasses.replace(student(city, tmp_path / "young"), tasks=(("count", 1.0),))
    with pytest.raises(ConfigError, match="This run does not tell land use"):
        training.train(counting, tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"teacher_share": 1.5}, "teacher_share must be in"),
        ({"teacher_temperature": 0.0}, "teacher_temperature must be positive"),
        ({"teacher_features": -1.0}, "teacher_features must not be negative"),
        ({"teacher_looks": "twice"}, "teacher_looks"),
    ],
)
def test_settings_that_cannot_work_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        TrainConfig(**values)


def test_no_run_to_learn_from_is_one_line(exit_code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert exit_code(train.main, "--teacher", "nowhere") == 2
    error = capsys.readouterr().err
    assert "No run in nowhere" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_networks_own_start_does_not_depend_on_the_teacher(city, teacher, tmp_path):
    keras.utils.set_random_seed(3)
    parts = data.read(student(city), "train")
    run = training.prepare(student(city, teacher.path), tmp_path, parts)
    model, made = training.build_model(run.config, run.tasks, 0), teacher_of(run)
    starts = []
    for _ in range(2):
        keras.utils.set_random_seed(len(starts))
        taught = training_model(model, run.config, run.tasks, {}, made)
        kernel = taught.get_layer("teacher_projection").kernel
        starts.append(np.array(ops.convert_to_numpy(kernel)))
    assert np.array_equal(*starts)
