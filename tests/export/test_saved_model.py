"""What a server answers is what Keras answers."""

import json
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from spatialnet_keras.config import Pixels
from spatialnet_keras.export import answers, pixels, saved_model
from spatialnet_keras.export.__main__ import main
from spatialnet_keras.export.networks import Networks
from spatialnet_keras.model import build_model
from spatialnet_keras.text import PAD
from tests.export.helpers import by_name, file, needs_tensorflow, softmax, strings


def test_serve_gives_the_tensors_of_the_keras_network(served, tensors, expected):
    found = served["serve"](**tensors)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4)


def test_classify_says_what_keras_says(run, served, tiles, expected):
    found = served["classify"](image_bytes=[file(tile) for tile in tiles])
    land_use, likely = by_name(run)["land_use"], softmax(expected["land_use"])
    assert strings(found["land_use"]) == land_use.answer(expected["land_use"])
    assert set(strings(found["status"])) == {"ok"}
    np.testing.assert_allclose(found["probability"], likely.max(axis=-1), atol=1e-4)
    np.testing.assert_allclose(found["probabilities"], np.sort(likely)[:, ::-1], atol=1e-4)
    first = [name.decode() for name in found["classes"][0]]
    assert sorted(first) == list(land_use.classes)
    places = [land_use.classes.index(name) for name in first]
    np.testing.assert_allclose(found["probabilities"][0], likely[0, places], atol=1e-4)


def test_describe_writes_what_keras_writes(run, served, tiles, expected):
    found = served["describe"](image_bytes=[file(tile) for tile in tiles])
    assert strings(found["caption"]) == by_name(run)["caption"].answer(expected["caption"][:, 0])
    assert ((found["probability"] > 0) & (found["probability"] <= 1)).all()


def test_the_probability_of_a_caption_is_its_words_product(run, served, tiles, expected):
    found = served["describe"](image_bytes=[file(tile) for tile in tiles])
    captions, model = expected["caption"][:, :1], run.model()
    read = by_name(run)["caption"].inputs([""] * len(tiles))[:, None]
    read[:, :, 1:] = captions[:, :, :-1]
    ids = np.zeros((len(tiles), 1, run.config.model.question_words), np.int32)
    sent = {"image": tiles, "question": ids, "caption_in": read}
    logits = keras.ops.convert_to_numpy(model.predict_on_batch(sent)["caption"])[:, 0].copy()
    logits[..., [0, 1, 2]] = -1e9  # words that are never written
    likely = np.take_along_axis(softmax(logits), captions[:, 0, :, None], axis=-1)[..., 0]
    product = np.where(captions[:, 0] == PAD, 1, likely).prod(axis=-1)
    np.testing.assert_allclose(found["probability"], product, rtol=1e-2)


def test_ask_sends_each_question_to_its_head(run, served, tiles, asked, expected):
    found = served["ask_many"](image_bytes=[file(tile) for tile in tiles], question=asked)
    tasks, count = by_name(run), len(asked[0])
    kinds = tasks["question_type"].answer(expected["question_type"].reshape(len(tiles) * count, -1))
    assert strings(found["question_type"]) == kinds
    assert len(set(kinds)) > 1
    heads = {each.question_type: each for each in run.tasks if getattr(each, "question_type", "")}
    flat = {name: value.reshape(len(kinds), -1) for name, value in expected.items()
            if name in {each.name for each in heads.values()}}  # fmt: skip
    for place, (kind, said) in enumerate(zip(kinds, strings(found["answer"]), strict=True)):
        assert said == heads[kind].answer(flat[heads[kind].name][place : place + 1])[0]
        sure = found["probability"].reshape(-1)[place]
        if kind == "count":
            assert said.isdigit() and sure == answers.UNSTATED
        else:
            assert sure == pytest.approx(softmax(flat[heads[kind].name][place]).max(), abs=1e-4)


def test_one_question_an_image_is_answered_as_many_are(served, tiles, asked):
    files = [file(tile) for tile in tiles]
    many = served["ask_many"](image_bytes=files, question=asked)
    one = served["ask"](image_bytes=files, question=[row[1] for row in asked])
    assert one["answer"].tolist() == many["answer"][:, 1].tolist()
    assert one["status"].tolist() == many["status"][:, 1].tolist()
    np.testing.assert_allclose(one["probability"], many["probability"][:, 1], atol=1e-5)


@pytest.mark.parametrize("name", ["classify", "describe", "ask", "ask_many"])
def test_pixels_and_files_are_answered_alike(name, served, tiles, asked):
    questions = {"ask": [row[0] for row in asked], "ask_many": asked}
    more = {"question": questions[name]} if name in questions else {}
    files = served[name](image_bytes=[file(tile) for tile in tiles], **more)
    found = served[f"{name}_pixels"](image=tiles, **more)
    assert found.keys() == files.keys()
    for key, value in files.items():
        if value.dtype == object:
            assert found[key].tolist() == value.tolist()
        else:
            np.testing.assert_allclose(found[key], value, atol=1e-6)


BLOCKED = """
import sys
for name in ("keras", "keras_hub", "spatialnet_keras", "pipelines", "tensorflow_text"):
    sys.modules[name] = None
import json
import tensorflow as tf
signatures = tf.saved_model.load(sys.argv[1]).signatures
image = tf.io.read_file(sys.argv[2])
sent = {
    "image_bytes": tf.stack([image, tf.constant(b"x")]),
    "image": tf.io.decode_png(image, 3)[None],
}
found = {}
for name, call in signatures.items():
    read = call.structured_input_signature[1]
    if name in ("serve", "serving_default"):
        values = {k: tf.zeros([2 if d is None else d for d in s.shape], s.dtype)
                  for k, s in read.items()}
    else:
        values = {k: sent[k] for k in read if k != "question"}
        rows = len(next(iter(values.values())))
        if "question" in read:
            row = "Is it a rural or an urban area?"
            values["question"] = tf.fill([rows, 3][: read["question"].shape.rank], row)
    found[name] = {k: v.numpy().tolist() for k, v in call(**values).items()}
print(json.dumps(found, default=lambda each: each.decode()))
"""


def test_a_process_without_keras_and_our_packages_answers(exported, served, tiles, tmp_path):
    path = tmp_path / "tile.png"
    path.write_bytes(file(tiles[0]))
    result = subprocess.run(
        [sys.executable, "-c", BLOCKED, exported, path],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    found = json.loads(result.stdout)
    assert found.keys() == served.keys()
    here = served["classify"](image_bytes=[file(tiles[0]), b"x"])
    assert found["classify"]["land_use"] == strings(here["land_use"])
    assert found["ask"]["status"] == ["ok", pixels.UNKNOWN]
    assert found["describe"]["caption"][0]


@needs_tensorflow
@pytest.mark.parametrize(
    ("tasks", "signatures"),
    [
        (("land_use",), {"classify"}),
        (("caption",), {"describe"}),
        (("presence",), {"ask", "ask_many"}),
        (("presence", "count"), set()),  # no question finds its head
    ],
)
def test_a_run_has_the_signatures_of_its_tasks(tasks, signatures, run):
    reduced = replace(run, tasks=tuple(each for each in run.tasks if each.name in tasks))
    service = saved_model.Service(Networks.of(reduced))
    pixels_too = {f"{name}_pixels" for name in signatures}
    assert service.endpoints.keys() == signatures | pixels_too | {"serve", "serving_default"}


@needs_tensorflow
def test_questions_of_a_type_without_a_head_are_not_answered(run, tiles):
    tasks = tuple(each for each in run.tasks if each.name in ("presence", "question_type"))
    service = saved_model.Service(Networks.of(replace(run, tasks=tasks)))
    asked = tf.constant([["Is it a rural or an urban area?", "Are there roads?", "How many?"]])
    found = service.endpoints["ask_many_pixels"](image=tf.constant(tiles[:1]), question=asked)
    kinds, said, status = (
        strings(found[name].numpy()) for name in ("question_type", "answer", "status")
    )
    for kind, each, complaint in zip(kinds, said, status, strict=True):
        assert bool(each) == (kind == "presence")
        assert (complaint == "ok") == (kind == "presence")


@needs_tensorflow
def test_images_of_other_bands_and_bits_are_sent_as_pixels(run):
    land_use = (by_name(run)["land_use"],)
    config = replace(run.config, pixels=Pixels(4, "uint16", (9e3,) * 4, (4e3,) * 4))
    reduced = replace(run, config=config, tasks=land_use)
    service = saved_model.Service(Networks(reduced, build_model(config, land_use, words=1)))
    assert service.endpoints.keys() == {"serve", "serving_default", "classify_pixels"}
    image = np.random.default_rng(0).integers(0, 2**16, (2, 40, 50, 4), np.uint16)
    found = service.endpoints["classify_pixels"](image=tf.constant(image))
    assert set(strings(found["status"].numpy())) == {"ok"}


def test_nothing_but_an_earlier_export_is_overwritten(run, exit_code, capsys, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert exit_code(main, str(run.path), "--out", str(tmp_path)) == 2
    assert "no SavedModel" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]
    assert exit_code(main, str(run.path), "--out", str(tmp_path / "thesis.txt" / "model")) == 2
    assert "thesis.txt" in capsys.readouterr().err


def test_what_is_no_run_is_one_line(exit_code, capsys, tmp_path):
    assert exit_code(main, str(tmp_path)) == 2
    error = capsys.readouterr().err
    assert "No run in" in error and error.count("\n") == 1
