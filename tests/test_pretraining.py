"""The masked autoencoder: what the encoder sees, what is drawn, what a run starts from."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

import train
from spatialnet_keras import evaluate, training
from spatialnet_keras.config import Config, ConfigError, ModelConfig, Pixels, TrainConfig
from spatialnet_keras.run import Run
from spatialnet_keras.training.autoencoder import (
    ERROR,
    RandomOrder,
    _drawn,
    encoder_without_dropout,
    masked_autoencoder,
)
from spatialnet_keras.training.pretraining import KeepEncoder, pretrain
from tests.test_board import events
from tests.test_training import CANNOT_PROFILE, config

MODEL = ModelConfig(image_size=32, patch_size=8, width=16, heads=2, layers=1, mlp_ratio=2)
VALUES = {"model__patch_size": 8, "model__layers": 2, "train__batch_size": 8}


def autoencoder(**values) -> keras.Model:
    keras.utils.set_random_seed(0)
    made = Config(model=dataclasses.replace(MODEL, **values), train=TrainConfig())
    return masked_autoencoder(encoder_without_dropout(made), made)


def tiles(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def weights(run: Run) -> dict[str, np.ndarray]:
    return {each.path: np.array(ops.convert_to_numpy(each)) for each in run.model().weights}


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_hidden_patches_do_not_reach_the_encoder_and_seen_ones_do(pooling):
    model = autoencoder(pooling=pooling)
    layer = model.get_layer("order")
    parts = keras.Model(model.input, [layer.output, model.get_layer("seen_tokens").output])
    state = np.array(ops.convert_to_numpy(layer.generator.state))

    def read(image):
        layer.generator.state.assign(state)  # the same patches once more
        order, tokens = parts({"image": image}, training=True)
        return ops.convert_to_numpy(order)[0], ops.convert_to_numpy(tokens)

    def changed(image, place):
        other, (row, column) = image.copy(), divmod(int(place), 4)
        other[0, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] ^= 255
        return other

    image = tiles(2)
    order, before = read(image)
    assert before.shape == (2, 4 + (pooling == "cls"), 16)  # 4 of 16 patches
    assert sorted(order) == list(range(16))
    for place in order[4:]:
        assert np.array_equal(read(changed(image, place))[1], before)
    for place in order[:4]:
        assert np.abs(read(changed(image, place))[1][0] - before[0]).max() > 1e-3


def test_every_tile_and_every_step_hides_other_patches():
    layer = RandomOrder()
    first, second = (ops.convert_to_numpy(layer(np.zeros((3, 20, 4)))) for _ in range(2))
    assert len({tuple(row) for row in [*first, *second]}) == 6


def test_only_hidden_patches_are_drawn_and_scored():
    """A decoder that draws 0 everywhere errs by the variance of a normalised patch, 1."""
    model = autoencoder()
    for variable in model.get_layer("decoder_pixels").variables:
        variable.assign(np.zeros(variable.shape))
    error = ops.convert_to_numpy(model({"image": tiles()})[ERROR])
    assert error.shape == (4,)
    assert np.allclose(error, 1, atol=1e-3)


def test_patches_are_cut_as_the_encoder_cuts_them():
    image = np.arange(32 * 32 * 3, dtype="float32").reshape(1, 32, 32, 3)
    patches = ops.convert_to_numpy(_drawn(image, MODEL))[0]
    for place, patch in enumerate(patches):
        row, column = divmod(place, 4)
        cut = image[0, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].reshape(-1)
        assert np.allclose(patch, (cut - cut.mean()) / cut.std(), atol=1e-3)


@pytest.mark.parametrize(
    "values",
    [{"positions": "sine"}, {"norm": "post"}, {"heads": 1, "width": 7}, {"stochastic_depth": 0.2}],
    ids=str,
)
def test_every_shape_of_the_vit_is_pretrained(values):
    error = ops.convert_to_numpy(autoencoder(**values)({"image": tiles()}, training=True)[ERROR])
    assert ((error > 0.5) & (error < 9)).all()


def test_the_encoder_is_that_of_a_supervised_run():
    made = Config(model=dataclasses.replace(MODEL, token_dropout=0.5), pixels=Pixels())
    pretrained = encoder_without_dropout(made)
    land_use = dataclasses.replace(training.TASKS[0], classes=("a", "b"))
    network = training.build_model(made, (land_use,), 0)
    theirs = [each.path for each in network.get_layer("image_encoder").weights]
    assert [each.path for each in pretrained.weights] == theirs


@pytest.fixture(scope="module")
def pretrained(city, tmp_path_factory) -> Run:
    path = tmp_path_factory.mktemp("pretrained") / "run"
    asked = config(city, train__epochs=2, train__crop=0.5, **VALUES)
    return pretrain(asked, path, verbose=0)


def test_the_error_falls(pretrained):
    losses = [entry["loss"] for entry in pretrained.metrics["history"]]
    assert len(losses) == 2
    assert losses[1] < losses[0]


def test_waves_are_drawn_on_from_a_quarter_of_their_patches():
    """Who draws nothing errs by 1."""
    rng, (row, column) = np.random.default_rng(0), np.mgrid[:32, :32]
    pitch, angle, phase = (rng.uniform(*each, (64, 1, 1)) for each in ((0.1, 0.5), (0, 3), (0, 6)))
    waves = np.sin(pitch * (row * np.cos(angle) + column * np.sin(angle)) + phase)
    images = np.repeat((127 + 120 * waves)[..., None], 3, axis=-1).astype("uint8")
    model = autoencoder(width=32, layers=2)
    model.compile(keras.optimizers.Adam(4e-3), {ERROR: keras.losses.MeanAbsoluteError()})
    for _ in range(300):
        loss = model.train_on_batch({"image": images}, {ERROR: np.zeros(64, "float32")})
    assert float(loss) < 0.98


def test_a_run_starts_from_the_pretrained_encoder(pretrained, city, tmp_path, capsys):
    start = dataclasses.replace(config(city, **VALUES), tasks=(("land_use", 1.0),))
    run = training.prepare(start, tmp_path, training.data.read(start, "train"))
    model = training.build_model(run.config, run.tasks, len(run.vocabulary))
    training.initialise(model, run, Run.open(pretrained.path, answers=False))
    encoder = weights(pretrained)
    taken = model.get_layer("image_encoder").weights
    assert len(taken) == len(encoder)
    for variable in taken:
        assert np.array_equal(ops.convert_to_numpy(variable), encoder[variable.path])
    assert f"{len(encoder)} of {len(model.weights)} weights fit" in capsys.readouterr().out


def test_a_pretraining_that_was_stopped_ends_with_the_same_weights(
    pretrained, city, tmp_path, monkeypatch
):
    class Stopped(Exception):
        pass

    def stop(self, epoch, logs=None):
        after(self, epoch, logs)
        if epoch == 0:
            raise Stopped

    after = KeepEncoder.on_epoch_end
    asked = config(city, train__epochs=2, train__crop=0.5, **VALUES)
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(KeepEncoder, "on_epoch_end", stop)
        pretrain(asked, tmp_path / "run", verbose=0)
    run = pretrain(asked, tmp_path / "run", verbose=0)
    expected, found = weights(pretrained), weights(run)
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[path], found[path]) for path in expected)
    changed = run.best.stat().st_mtime_ns
    pretrain(asked, tmp_path / "run", verbose=0)  # once more: nothing is trained again
    assert run.best.stat().st_mtime_ns == changed


def test_the_flags_pretrain_and_start_from_it(city, exit_code, capsys, tmp_path):
    flags = (
        f"--data synthetic={city} --epochs 1 --model.image_size 32 --model.patch_size 8 "
        "--model.width 16 --model.heads 2 --model.layers 1 --run"
    ).split()
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    assert exit_code(train.main, "--pretrain", *flags, first) == 0
    (printed,) = (line.split() for line in capsys.readouterr().out.splitlines() if "--init" in line)
    assert printed[:2] == ["python", "train.py"]
    # what is printed can be typed
    rest = "--epochs", "1", "--run", second, "--tasks", "land_use"
    assert exit_code(train.main, *printed[2:], *rest) == 0
    assert f"Started from {first}" in capsys.readouterr().out
    assert exit_code(train.main, *flags, first, "--tasks", "land_use") == 2
    assert "Choose another --run" in capsys.readouterr().err
    assert exit_code(evaluate.main, first) == 2
    error = capsys.readouterr().err
    assert "answers nothing" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model__encoder": "cnn"}, "--pretrain needs encoder vit. Received: 'cnn'"),
        ({"model__encoder": "preset:x"}, "--pretrain needs encoder vit"),
        ({"model__stem": "convolutions"}, "model.stem must be patches"),
        ({"model__positions": "conditional"}, "model.positions must be learned or sine"),
        ({"train__encoder": "frozen"}, "train.encoder must be full"),
        ({"train__teacher": "x", "train__teacher_features": 0.0}, "must be above 0. Or leave out"),
        ({"model__image_size": 16}, "at least two patches"),
    ],
)
def test_what_cannot_be_pretrained_is_one_line(city, tmp_path, values, words):
    with pytest.raises(ConfigError, match=words) as caught:
        pretrain(config(city, **values), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_share_that_hides_all_or_nothing_is_refused():
    for masked in (0.0, 1.0):
        with pytest.raises(ConfigError, match="masked must be in"):
            TrainConfig(masked=masked)


def test_histograms_and_a_profile_are_written_as_in_other_trainings(city, tmp_path):
    asked = {"train__histograms": 1} | ({} if CANNOT_PROFILE else {"train__profile": 1})
    run = pretrain(config(city, **asked, **VALUES), tmp_path / "run", verbose=0)
    tags = events(run, "train").Tags()["tensors"]
    assert any(tag.endswith("/histogram") for tag in tags)
    kind = "*.pt.trace.json" if keras.config.backend() == "torch" else "*.xplane.pb"
    assert len(list(run.path.rglob(kind))) == (not CANNOT_PROFILE)
