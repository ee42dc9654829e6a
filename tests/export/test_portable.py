"""ONNX and LiteRT compute what Keras computes; eight bits say what they cost."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from spatialnet_keras.config import ConfigError, override
from spatialnet_keras.export import onnx, portable
from spatialnet_keras.export.__main__ import main
from spatialnet_keras.export.networks import Networks
from spatialnet_keras.model import build_model
from tests.export.helpers import by_name, needs_tensorflow

RUNTIMES = {"onnx": ("model.onnx", "onnxruntime"), "litert": ("model.tflite", "ai_edge_litert")}


@pytest.mark.parametrize(("kind", "name", "package"), [(k, *v) for k, v in RUNTIMES.items()])
def test_other_runtimes_give_the_tensors_of_the_keras_network(
    kind, name, package, run, tensors, expected, capsys
):
    pytest.importorskip(package)
    main([str(run.path), "--format", kind])
    assert "Largest difference from Keras" in capsys.readouterr().out
    found = runtime(kind, run.path / name)(tensors)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=1e-4)
    explained = json.loads((run.path / "model.onnx.json").read_text())
    assert explained["outputs"]["land_use"]["classes"] == list(by_name(run)["land_use"].classes)
    assert explained["question"]["words"] == list(run.vocabulary.words)


@pytest.mark.parametrize(("kind", "name", "package"), [(k, *v) for k, v in RUNTIMES.items()])
def test_eight_bits_say_what_they_cost(kind, name, package, run, tensors, expected, capsys):
    pytest.importorskip(package)
    flags = ["--format", kind, "--quantize", "int8", "--tasks", "land_use"]
    out = run.path / f"reduced_{name}"
    main([str(run.path), *flags, "--out", str(out)])
    printed = capsys.readouterr().out
    for word in ("float32", "int8", "land_use, 6 rows", "size", "time, batch 32"):
        assert word in printed
    found = runtime(kind, out)({"image": tensors["image"]})
    assert found.keys() == {"land_use", "image_vector"}
    difference = np.abs(found["land_use"] - expected["land_use"]).max()
    assert 1e-4 < difference < 0.2 * np.ptp(expected["land_use"])


def runtime(kind: str, path: Path):
    return portable.FORMATS[kind].load(path)


@pytest.mark.parametrize(("kind", "package"), [("onnx", "tf2onnx"), ("litert", "ai_edge_litert")])
def test_a_missing_package_is_one_line_that_says_what_to_type(kind, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf'{package}.*pip install -e "\.\[{kind}\]"'):
        portable.require(kind)


def test_a_run_in_half_precision_is_exported_in_full(run, tensors, tmp_path):
    config = override(run.config, {"train.dtype": "mixed_bfloat16"})
    half = replace(run, path=tmp_path, config=config)
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = build_model(config, run.tasks, len(run.vocabulary))
    finally:
        keras.config.set_dtype_policy(policy)
    model.save(half.best)
    exact = build_model(run.config, run.tasks, len(run.vocabulary))
    exact.set_weights(model.get_weights())
    exact = keras.Model(exact.input["image"], exact.output["land_use"])
    expected = keras.ops.convert_to_numpy(exact.predict_on_batch(tensors["image"]))
    found = Networks.of(half, in_float32=True).answering().predict_on_batch(tensors)["land_use"]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, atol=1e-5)
    found = Networks.of(half).answering().predict_on_batch(tensors)["land_use"]
    assert np.abs(keras.ops.convert_to_numpy(found) - expected).max() > 1e-5


@needs_tensorflow
def test_the_exact_gelu_of_pretrained_encoders_is_exported_to_onnx(tmp_path):
    pytest.importorskip("tf2onnx")
    x = keras.Input((4,), name="x")
    model = keras.Model({"x": x}, {"y": keras.layers.Activation("gelu", name="y")(x)})
    onnx.write(model, tmp_path / "gelu.onnx")
    values = np.linspace(-4, 4, 12, dtype=np.float32).reshape(3, 4)
    found = onnx.load(tmp_path / "gelu.onnx")({"x": values})["y"]
    np.testing.assert_allclose(found, keras.activations.gelu(values, approximate=False), atol=1e-6)
