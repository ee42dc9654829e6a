"""`--init RUN`: what a new network takes over, as it is or resized."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from spatialnet_keras import data, training
from spatialnet_keras.config import override
from spatialnet_keras.model import build_model
from spatialnet_keras.run import Run
from spatialnet_keras.text import Vocabulary


@pytest.fixture(scope="module")
def parts(run_config):
    return data.read(run_config, "train")


def test_a_run_starts_from_the_weights_of_another(run_config, trained_run, parts, tmp_path, capsys):
    source = Run.open(trained_run)
    run = training.prepare(override(run_config, {"train.seed": 5}), tmp_path / "target", parts)
    model = build_model(run.config, run.tasks, len(run.vocabulary))
    training.initialise(model, run, source)
    theirs = {each.path: ops.convert_to_numpy(each) for each in source.model().weights}
    for variable in model.weights:
        assert np.array_equal(ops.convert_to_numpy(variable), theirs[variable.path])
    assert "weights fit" in capsys.readouterr().out


def test_a_run_starts_from_the_mean_of_others(run_config, trained_run, parts, tmp_path):
    first = Run.open(trained_run)
    run = training.prepare(override(run_config, {"train.seed": 5}), tmp_path / "target", parts)
    other, model = (build_model(run.config, run.tasks, len(run.vocabulary)) for _ in range(2))
    second = SimpleNamespace(
        path="there", model=lambda: other, vocabulary=run.vocabulary, tasks=run.tasks
    )
    training.initialise(model, run, first, second)
    for mean, *both in zip(model.weights, first.model().weights, other.weights, strict=True):
        wanted = sum(ops.convert_to_numpy(each) for each in both) / 2
        np.testing.assert_allclose(ops.convert_to_numpy(mean), wanted, atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_words_of_captions_keep_their_vectors(run_config, parts, tmp_path, tied):
    config = override(run_config, {"model.tied_embeddings": tied})
    run = training.prepare(config, tmp_path, parts)
    (caption,) = (each for each in run.tasks if each.unit == "caption")
    gone, words = caption.words[10], (*caption.words[:10], *caption.words[11:], "zzz")
    changed = dataclasses.replace(caption, words=words)
    tasks = tuple(changed if each is caption else each for each in run.tasks)
    other = dataclasses.replace(run, tasks=tasks)
    source, model = (
        build_model(run.config, each.tasks, len(run.vocabulary)) for each in (run, other)
    )
    start = SimpleNamespace(
        path="there", model=lambda: source, vocabulary=run.vocabulary, tasks=run.tasks
    )
    training.initialise(model, other, start)
    for ending, axis in (("words/embeddings", 0), ("words/reverse_embeddings", 1)):
        found = [
            np.moveaxis(ops.convert_to_numpy(each), axis, 0)
            for network in (source, model)
            for each in network.weights
            if each.path.endswith(f"caption_decoder/{ending}")
        ]
        assert len(found) == (2 if axis == 0 or not tied else 0)
        for place, word in enumerate(words if found else ()):
            if word != "zzz":
                old = caption.words.index(word)
                np.testing.assert_array_equal(found[1][place], found[0][old])
    assert gone not in words


def test_a_word_is_the_mean_of_the_runs_that_know_it(run_config, parts, tmp_path):
    run = training.prepare(run_config, tmp_path, parts)
    known, mine, yours, new = "river", "lagoon", "marina", "zzz"

    def made(value: float, *words: str) -> SimpleNamespace:
        vocabulary = Vocabulary.fit([" ".join(words)])
        model = build_model(run.config, run.tasks, len(vocabulary))
        table(model).assign(np.full(table(model).shape, value))
        return SimpleNamespace(
            path="there", model=lambda: model, vocabulary=vocabulary, tasks=run.tasks,
            config=run.config,
        )  # fmt: skip

    def table(model: keras.Model) -> keras.Variable:
        (found,) = (each for each in model.weights if each.path == "words/embeddings")
        return found

    target = made(9.0, known, mine, yours, new)
    training.initialise(target.model(), target, made(1.0, known, mine), made(2.0, known, yours))
    found = ops.convert_to_numpy(table(target.model()))
    for word, value in {known: 1.5, mine: 1.0, yours: 2.0, new: 9.0}.items():
        assert (found[target.vocabulary.words.index(word)] == value).all()


@pytest.mark.parametrize("factor", [2, 3])
def test_a_network_that_looks_closer_begins_by_seeing_the_same(
    run_config, trained_run, parts, tmp_path, factor
):
    source, model = Run.open(trained_run), run_config.model
    closer = {"image_size": model.image_size * factor, "patch_size": model.patch_size * factor}
    closer = override(run_config, {f"model.{name}": value for name, value in closer.items()})
    run = training.prepare(closer, tmp_path / "target", parts)
    made = build_model(run.config, run.tasks, len(run.vocabulary))
    training.initialise(made, run, source)
    size = model.image_size
    tiles = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), "uint8")
    larger = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    found = made.get_layer("image_encoder")(larger)
    wanted = source.model().get_layer("image_encoder")(tiles)
    for name, value in wanted.items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(found[name]), ops.convert_to_numpy(value), atol=1e-4
        )


def test_learned_positions_keep_their_places_in_a_finer_grid(run_config, parts, tmp_path):
    def made(size: int) -> tuple[Run, keras.Model]:
        settings = {"model.positions": "learned", "model.image_size": size}
        run = training.prepare(override(run_config, settings), tmp_path / str(size), parts)
        return run, build_model(run.config, run.tasks, len(run.vocabulary))

    def table(model: keras.Model) -> keras.Variable:
        (found,) = (each for each in model.weights if "patch_positions" in each.path)
        return found

    size, patch = run_config.model.image_size, run_config.model.patch_size
    (run, source), (other, model) = made(size), made(2 * size)
    side, width = size // patch, run_config.model.width
    rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    places = np.stack([rows, columns] * (width // 2), axis=-1).astype("float32")
    table(source).assign(places.reshape(side * side, width))
    start = SimpleNamespace(
        path="there", model=lambda: source, vocabulary=run.vocabulary, tasks=run.tasks
    )
    training.initialise(model, other, start)
    grown = ops.convert_to_numpy(table(model)).reshape(2 * side, 2 * side, width)
    inner = grown[2:-2, 2:-2]
    along = (np.arange(2 * side) + 0.5) / 2 - 0.5  # of the old places
    np.testing.assert_allclose(inner[..., 0], np.tile(along[2:-2, None], inner.shape[1]), atol=0.1)
    np.testing.assert_allclose(inner[..., 1], np.tile(along[2:-2], (len(inner), 1)), atol=0.1)
