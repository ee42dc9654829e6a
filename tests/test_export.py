"""Export: what a server answers is what Keras answers, whatever it is sent."""

import io
import json
import shutil
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import images
from spatialnet_keras import data
from spatialnet_keras.config import ConfigError, Pixels, override
from spatialnet_keras.export import answers, onnx, pixels, saved_model, words
from spatialnet_keras.export.__main__ import main
from spatialnet_keras.export.networks import Networks
from spatialnet_keras.model import build_model
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import task
from spatialnet_keras.text import END, PAD, Vocabulary

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def run(trained_run, tmp_path_factory) -> Run:
    """A run with weights so large that each image, question and word matters."""
    path = tmp_path_factory.mktemp("runs") / "lively"
    shutil.copytree(trained_run, path)
    made = Run.open(path)
    model, rng = made.model(), np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(scale=0.4, size=variable.shape).astype("float32"))
    model.save(made.best)
    return made


@pytest.fixture(scope="module")
def served(run):
    """The signatures of the exported run."""
    main([str(run.path)])
    loaded = tf.saved_model.load(str(run.path / "saved_model"))
    return {
        name: lambda call=call, **sent: {
            key: value.numpy()
            for key, value in call(**{k: tf.constant(v) for k, v in sent.items()}).items()
        }
        for name, call in loaded.signatures.items()
    }


@pytest.fixture(scope="module")
def part(run) -> data.Part:
    """Test tiles of the city in the size of the network."""
    return data.read(run.config, "test")[0]


@pytest.fixture(scope="module")
def tiles(part) -> np.ndarray:
    return np.array(part.images[:4])


@pytest.fixture(scope="module")
def asked(part) -> list[list[str]]:
    return [[question.text for question in row.questions] for row in part.records][:4]


@pytest.fixture(scope="module")
def tensors(run, tiles, asked) -> dict[str, np.ndarray]:
    """Tiles and questions as the network reads them."""
    ids = [run.vocabulary.encode(row, run.config.model.question_words) for row in asked]
    return {"image": tiles, "question": np.stack(ids)}


@pytest.fixture(scope="module")
def expected(run, tensors) -> dict[str, np.ndarray]:
    """What the Keras network says of them."""
    found = run.answering_model().predict_on_batch(tensors)
    return {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}


def by_name(run: Run) -> dict:
    return {each.name: each for each in run.tasks}


def strings(found: np.ndarray) -> list[str]:
    return [each.decode() for each in found.reshape(-1)]


def file(image: np.ndarray, kind: str = "PNG", **options) -> bytes:
    written = io.BytesIO()
    Image.fromarray(image).save(written, kind, **options)
    return written.getvalue()


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


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


def test_a_process_without_keras_and_our_packages_answers(run, served, tiles):
    path = run.path / "tile.png"
    path.write_bytes(file(tiles[0]))
    result = subprocess.run(
        [sys.executable, "-c", BLOCKED, run.path / "saved_model", path],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    found = json.loads(result.stdout)
    assert found.keys() == served.keys()
    here = served["classify"](image_bytes=[file(tiles[0]), b"x"])
    assert found["classify"]["land_use"] == strings(here["land_use"])
    assert found["ask"]["status"] == ["ok", pixels.UNKNOWN]
    assert found["describe"]["caption"][0]


def png_header(side: int) -> bytes:
    """A PNG that says it has so many pixels, with the pixel data of none."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


def bad_files() -> dict[str, tuple[bytes, str]]:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    png, jpeg = file(noise), file(noise, "JPEG")
    flipped = bytearray(png)
    flipped[200:240] = bytes(40)
    return {
        "empty": (b"", pixels.EMPTY),
        "text": (b"hello", pixels.UNKNOWN),
        "gif": (file(noise, "GIF"), pixels.UNKNOWN),
        "only a PNG signature": (png[:8], "image is 0x0 pixels"),
        "PNG cut": (png[:1000], pixels.DAMAGED),
        "PNG of wrong bytes": (bytes(flipped), pixels.DAMAGED),
        "JPEG cut": (jpeg[: len(jpeg) // 2], pixels.DAMAGED),
        "only a JPEG signature": (jpeg[:3], pixels.DAMAGED),
        "1 x 1": (file(noise[:1, :1]), "image is 1x1 pixels"),
        "30,000 x 30,000": (png_header(30_000), "image is 30000x30000 pixels"),
        "more than an int": (png_header(2**32 - 1), "image is -1x-1 pixels"),
        "no pixels behind the header": (png_header(64), pixels.DAMAGED),
    }


@pytest.mark.parametrize("name", ["classify", "describe", "ask", "ask_many"])
def test_bad_images_are_told_apart_from_the_good_ones_beside_them(name, served, tiles, asked):
    bad = bad_files()
    files = [file(tiles[0]), *(each for each, _ in bad.values()), file(tiles[1])]
    questions = [asked[0]] * (len(files) - 1) + [asked[1]]
    sent = {"ask": [row[0] for row in questions], "ask_many": questions}
    more = {"question": sent[name]} if name in sent else {}
    found = served[name](image_bytes=files, **more)
    alone = [
        served[name](image_bytes=[files[row]], **{k: [v[row]] for k, v in more.items()})
        for row in (0, -1)
    ]
    for place, (_, said) in enumerate(bad.values(), start=1):
        status = np.atleast_1d(found["status"][place])
        assert all(each.decode().startswith(said) for each in status), (said, status)
        assert not found["probability"][place].any()
    for row, single in zip((0, -1), alone, strict=True):
        for key, value in single.items():
            if value.dtype == object:
                assert found[key][row].tolist() == value[0].tolist() if value.ndim > 1 else True
            else:
                np.testing.assert_allclose(found[key][row], value[0], atol=1e-5)


def test_bad_questions_are_told_apart_from_the_good_ones_beside_them(run, served, tiles):
    length = run.config.model.question_words
    sent = {
        "Is there a road?": "ok",
        "": words.EMPTY,
        " \t\n\u200b": words.EMPTY,
        "is " * 10_000: f"question was cut after {length} words",
        b"\xff\xfe is there a road": words.NOT_TEXT,
        "qwertz \u6c34": words.STRANGE,
        "is\0there a road?": "ok",
    }
    found = served["ask"](image_bytes=[file(tiles[0])] * len(sent), question=list(sent))
    assert strings(found["status"]) == list(sent.values())
    unanswered = [each in (words.EMPTY, words.NOT_TEXT) for each in sent.values()]
    assert [not each for each in strings(found["answer"])] == unanswered
    assert ((found["probability"] == 0) == unanswered).all()
    single = served["ask"](image_bytes=[file(tiles[0])], question=["Is there a road?"])
    assert found["answer"][0] == single["answer"][0]


def test_batches_of_no_rows_get_no_answers(run, served, tiles):
    none, model = np.array([], object), run.config.model
    assert served["classify"](image_bytes=none.astype(bytes))["probabilities"].shape[0] == 0
    assert served["describe"](image_bytes=none.astype(bytes))["caption"].shape == (0,)
    empty = none.astype(bytes)
    assert served["ask"](image_bytes=empty, question=empty)["answer"].shape == (0,)
    found = served["ask_many"](image_bytes=[file(tiles[0])], question=np.zeros((1, 0), bytes))
    assert found["answer"].shape == (1, 0)
    assert served["classify_pixels"](image=tiles[:0])["land_use"].shape == (0,)
    found = served["serve"](
        image=tiles[:0], question=np.zeros((0, 2, model.question_words), np.int32)
    )
    assert all(value.shape[0] == 0 for value in found.values())


def test_more_questions_than_images_is_an_error(served, tiles):
    with pytest.raises(tf.errors.InvalidArgumentError, match="One row of questions an image"):
        served["ask"](image_bytes=[file(tiles[0])], question=["Is there a road?"] * 2)
    assert served["classify"](image_bytes=[file(tiles[0])])["status"] == [b"ok"]


SIZES = [(64, 64), (256, 256), (100, 77), (20, 30), (313, 700), (40, 500)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("size", [32, 64, 224])
def test_images_are_resized_as_pillow_does(height, width, size):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    found = pixels.resize(tf.constant(noise[None]), size)[0].numpy().astype(int)
    difference = np.abs(found - images.resize(noise, size))
    assert difference.max() <= 2
    assert (difference > 1).mean() < 1e-3


def test_sixteen_bit_and_float_images_are_resized_as_pillow_does():
    noise = np.random.default_rng(0).integers(0, 2**16, (90, 70, 4), np.uint16)
    found = pixels.resize(tf.constant(noise[None]), 32)[0].numpy().astype(int)
    assert np.abs(found - images.resize(noise, 32)).max() <= 1
    floats = noise.astype(np.float32) / 1000
    found = pixels.resize(tf.constant(floats[None]), 32)[0].numpy()
    np.testing.assert_allclose(found, images.resize(floats, 32), atol=1e-3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_files_are_decoded_as_the_pipeline_does(kind, mode, tmp_path):
    if kind == "JPEG" and mode in ("P", "RGBA"):
        pytest.skip("JPEG has no such images")
    smooth = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    picture = Image.fromarray(smooth).resize((64, 64), Image.BICUBIC).convert(mode)
    picture.save(tmp_path / "tile", kind)
    found, status = pixels.decode_rows(tf.constant([(tmp_path / "tile").read_bytes()]), 64)
    assert status.numpy().tolist() == [b"ok"]
    assert np.array_equal(found[0].numpy(), images.read_image(tmp_path / "tile"))


STRANGE_TEXTS = [
    "", "  ", "?", "Is there a Road?", "is it more/less than 1,000m\u00b2?", "roads\tand\nroads",
    "caf\u00e9 CAF\u00c9", "\u00dcber", "stra\u00dfe", "wi-fi's (left)", "a_b __c",
    "\u6c34road\u6c34", "zero\u200bwidth soft\u00adhyphen", "non\u00a0breaking",
    "\u00abquoted\u00bb \u2014 dash", "[PAD] [END] [UNK]",
    "10,000.5 + 3 = $7 ^ ~ `x`", "\U0001f600 road", "a" * 300, "\u0130stanbul",
]  # fmt: skip


def test_words_are_found_as_the_tokenizer_finds_them(run, part):
    asked = [question.text for row in part.records for question in row.questions]
    texts = [*STRANGE_TEXTS, *dict.fromkeys(asked), *(text.upper() for text in asked[:20])]
    vocabulary = Vocabulary.fit(
        ["caf\u00e9 \u00fcber stra\u00dfe wi-fi's roads 10,000 _ \u6c34 ( [ ^ m\u00b2", *asked]
    )
    ids, _, _ = words.QuestionWords(vocabulary, 12)(tf.constant(texts))
    expected = vocabulary.encode(texts, 12)
    wrong = [
        text for text, a, b in zip(texts, ids.numpy(), expected, strict=True) if (a != b).any()
    ]
    assert not wrong


def test_sentences_are_written_as_python_writes_them():
    vocabulary = Vocabulary.fit(["there is a wi-fi's (road) , [x] . ; : ! ? \u00fcber \u6c34 '"])
    ids = np.random.default_rng(0).integers(0, len(vocabulary), (500, 12)).astype(np.int32)
    ids[:50, 0], ids[50:60] = END, 5
    found = words.sentences(tf.constant(ids), vocabulary)
    assert [each.decode() for each in found.numpy()] == vocabulary.decode(ids)


@pytest.mark.parametrize("ordinal", [False, True])
def test_counts_come_out_as_the_task_says_them(ordinal):
    count = replace(task("count"), ordinal=ordinal, bin_medians=(0, 4, 30, 400, 2000))
    output = np.random.default_rng(0).normal(2, 4, (200, 4 if ordinal else 1)).astype(np.float32)
    output[0] = 100.0
    found, likely = answers.in_words(count, tf.constant(output))
    assert strings(found.numpy()) == count.answer(output)
    if ordinal:
        assert ((likely.numpy() >= 0) & (likely.numpy() <= 1)).all()
        assert likely[0].numpy() == pytest.approx(1)


def test_the_probability_of_a_bin_is_that_it_is_reached_and_the_next_is_not():
    count = replace(task("count"), ordinal=True, bin_medians=(0, 4, 30, 400, 2000))
    chances = np.array([[0.9, 0.7, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1]])
    logits = np.log(chances / (1 - chances)).astype(np.float32)
    found, likely = answers.in_words(count, tf.constant(logits))
    assert strings(found.numpy()) == ["30", "0"]
    np.testing.assert_allclose(likely.numpy(), [0.5, 0.6], atol=1e-6)


BAD_FLAGS = {
    "format": (["--format", "onxn"], "Did you mean onnx?"),
    "bits": (["--format", "onnx", "--quantize", "int4"], "--quantize knows int8"),
    "eight bits in a SavedModel": (["--quantize", "int8"], "needs --format onnx or litert"),
    "tasks of a SavedModel": (["--tasks", "land_use"], "--tasks needs --format onnx or litert"),
    "flag": (["--fromat", "onnx"], "Did you mean --format?"),
}


@pytest.mark.parametrize(("flags", "said"), BAD_FLAGS.values(), ids=BAD_FLAGS)
def test_bad_flags_are_one_line(flags, said, run, exit_code, capsys):
    assert exit_code(main, str(run.path), *flags) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_nothing_but_an_earlier_export_is_overwritten(run, exit_code, capsys, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert exit_code(main, str(run.path), "--out", str(tmp_path)) == 2
    assert "no SavedModel" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()


def test_what_is_no_run_is_one_line(exit_code, capsys, tmp_path):
    assert exit_code(main, str(tmp_path)) == 2
    error = capsys.readouterr().err
    assert "No run in" in error and error.count("\n") == 1


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
    explained = json.loads((run.path / "model.json").read_text())
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
    from spatialnet_keras.export import portable

    return portable.FORMATS[kind].load(path)


@pytest.mark.parametrize(("kind", "package"), [("onnx", "tf2onnx"), ("litert", "ai_edge_litert")])
def test_a_missing_package_is_one_line_that_says_what_to_type(kind, package, monkeypatch):
    from spatialnet_keras.export import portable

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf'{package}.*pip install -e "\.\[{kind}\]"'):
        portable.require(kind)


needs_tensorflow = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="an export is made in a TensorFlow process"
)


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
