"""Benchmarks: what they compare is the same computation; no time is asserted."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

import pipelines
from benchmarks import accelerator, ceiling, memory, pipeline, questions, training
from pipelines.synthetic.captions import describe
from pipelines.synthetic.layout import imagine
from spatialnet_keras.config import override
from spatialnet_keras.model import build_model
from spatialnet_keras.presets import PRESETS
from spatialnet_keras.scores.captions import Cider, tokenise
from spatialnet_keras.tasks import task

torch = pytest.importorskip("torch")


def test_plain_pytorch_computes_what_the_keras_network_computes():
    from benchmarks.plain_torch import LandUseNetwork

    config = override(PRESETS["tiny"], {"model.layers": 2})
    land_use = replace(task("land_use"), classes=("a", "b", "c"))
    theirs = LandUseNetwork(config.model, config.pixels, 3)
    ours = build_model(config, (land_use,), words=1)
    state = theirs.state_dict()
    for path, value in torch_names(ours, config).items():
        state[path] = torch.as_tensor(np.ascontiguousarray(value))
    theirs.load_state_dict(state)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    with torch.no_grad():
        expected = theirs(torch.as_tensor(images)).numpy()
    logits = ops.convert_to_numpy(ours({"image": images})["land_use"])
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_plain_tensorflow_computes_what_plain_pytorch_computes():
    import tensorflow as tf

    from benchmarks import plain_tensorflow, plain_torch

    config = override(PRESETS["tiny"], {"model.layers": 2})
    theirs = plain_torch.LandUseNetwork(config.model, config.pixels, 3)
    ours = plain_tensorflow.LandUseNetwork(config.model, config.pixels, 3)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)

    def put(layer, module):
        weight, bias = (each.detach().numpy() for each in (module.weight, module.bias))
        if weight.ndim == 1:
            layer.gamma.assign(weight)
            layer.beta.assign(bias)
            return
        if weight.ndim == 4:  # of a convolution: channels are TensorFlow's last
            weight = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
        layer.kernel.assign(weight.T)
        layer.bias.assign(bias)

    put(ours.patches, theirs.patches)
    ours.positions.assign(theirs.positions.detach().numpy())
    for our, their in zip(ours.blocks, theirs.blocks, strict=True):
        for name in ("norm_1", "norm_2", "query_key_value", "out"):
            put(getattr(our, name), getattr(their, name))
        put(our.mlp_1, their.mlp[0])
        put(our.mlp_2, their.mlp[2])
    put(ours.norm, theirs.norm)
    put(ours.head, theirs.head)
    with torch.no_grad():
        expected = theirs(torch.as_tensor(images)).numpy()
    np.testing.assert_allclose(ours(tf.constant(images)).numpy(), expected, atol=1e-4)


def test_the_operations_of_a_step_are_those_of_its_matrices():
    from benchmarks.plain_torch import LandUseNetwork, Trainer

    config = override(PRESETS["tiny"], {"train.batch_size": 2})
    model, pixels = config.model, config.pixels
    images = np.zeros((2, 64, 64, 3), np.uint8)
    network = LandUseNetwork(model, pixels, 3)
    block = (4 + 2 * model.mlp_ratio) * model.width**2 + 2 * model.tokens * model.width
    inner = 2 * model.tokens * model.layers * block + 2 * model.width * 3
    patches = 2 * model.tokens * model.patch_size**2 * 3 * model.width
    # backwards is twice forwards, but that nobody asks for the gradient of the pixels
    expected = 2 * (3 * inner + 2 * patches)
    found = Trainer(network, config, images, np.zeros(2, np.int32)).operations()
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="of a machine without a GPU")
@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_without_a_gpu_there_is_no_peak_and_no_memory_to_tell_of(library):
    pytest.importorskip(library)
    assert accelerator.matrix_rate() is None
    assert accelerator.Memory(library).peak() is None


def torch_names(model, config) -> dict[str, np.ndarray]:
    """The network's weights under the names and in the layouts of the plain one."""
    encoder, head = model.get_layer("image_encoder"), model.get_layer("land_use")
    width = config.model.width

    def norm(layer, name):
        gamma, beta = encoder.get_layer(layer).get_weights()
        return {f"{name}.weight": gamma, f"{name}.bias": beta}

    def linear(kernel, bias, name):
        return {f"{name}.weight": kernel.T, f"{name}.bias": bias}

    kernel, bias = encoder.get_layer("patch_embedding").get_weights()
    found = {"patches.weight": kernel.transpose(3, 2, 0, 1), "patches.bias": bias}
    (found["positions"],) = encoder.get_layer("patch_positions").get_weights()
    for block in range(config.model.layers):
        ours, theirs = f"block_{block + 1}", f"blocks.{block}"
        query, qb, key, kb, value, vb, out, ob = encoder.get_layer(
            f"{ours}_attention"
        ).get_weights()
        joint = np.concatenate([each.reshape(width, width) for each in (query, key, value)], 1)
        found |= linear(
            joint,
            np.concatenate([b.reshape(-1) for b in (qb, kb, vb)]),
            f"{theirs}.query_key_value",
        )
        found |= linear(out.reshape(width, width), ob, f"{theirs}.out")
        found |= norm(f"{ours}_1_norm", f"{theirs}.norm_1")
        found |= norm(f"{ours}_3_norm", f"{theirs}.norm_2")
        for place, layer in ((0, "mlp_1"), (2, "mlp_2")):
            weights = encoder.get_layer(f"{ours}_{layer}").get_weights()
            found |= linear(*weights, f"{theirs}.mlp.{place}")
    return found | norm("last_norm", "norm") | linear(*head.get_weights(), "head")


def test_the_training_benchmark_prints_a_ratio(capsys, monkeypatch):
    monkeypatch.setattr(training, "TURNS", 1)
    training.main(["--steps", "1", "--batch-size", "2"])
    printed = capsys.readouterr().out
    assert "plain PyTorch" in printed
    assert ("plain TensorFlow" in printed) == (keras.config.backend() == "tensorflow")


@pytest.mark.parametrize("flags", [["--images", "3"], ["--data", "ucm_captions"]])
def test_the_pipeline_benchmark_refuses_bad_input(flags, exit_code, capsys):
    assert exit_code(pipeline.main, *flags) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("flags", [["--steps", "0"], ["--preset", "tinny"], ["--batch-size", "0"]])
def test_the_training_benchmark_refuses_bad_input(flags, exit_code, capsys):
    assert exit_code(training.main, *flags) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_pipeline_benchmark_measures_store_files_and_memory(city, capsys, monkeypatch):
    monkeypatch.setattr(pipeline, "TURNS", 1)
    monkeypatch.setattr(pipeline, "SECONDS", 0.01)
    monkeypatch.setattr(memory, "QUESTIONS", (2,))
    monkeypatch.setenv("SPATIALNET_CACHE", "another while it measures")
    pipeline.main(["--data", f"synthetic={city}"])
    printed = capsys.readouterr().out
    for words in ("from the store", "every file decoded each time", "batches, peak"):
        assert words in printed


@pytest.mark.slow
def test_the_questions_benchmark_prints_a_ratio(capsys, monkeypatch):
    monkeypatch.setattr(questions, "TURNS", 1)
    questions.main("--preset tiny --questions 2 --images 1 --steps 1".split())
    assert "one image a question" in capsys.readouterr().out


def test_the_ceiling_is_a_sentence_that_agrees_with_what_could_be_said(city, capsys):
    ceiling.main([str(city), "--times", "6"])
    assert "one who knows each scene" in capsys.readouterr().out
    training = pipelines.load("synthetic", city, "train")
    cider = Cider.of([tokenise(row.captions) for row in training])
    chosen, drawn = [], []
    for index in range(10):
        scene = imagine(0, index)
        words = tokenise(
            [text for key in range(40) for text in describe(replace(scene, key=(key, 0)))]
        )
        (best,) = tokenise([ceiling.best_of(scene, cider, times=20)])
        agreement = cider.pairwise([best, *words], words).mean(axis=1)
        chosen.append(agreement[0])
        drawn.append(agreement[1:].mean())
    assert np.mean(chosen) > 1.2 * np.mean(drawn)
