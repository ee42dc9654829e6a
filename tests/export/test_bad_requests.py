"""Bad images, questions and flags are told apart from good ones."""

import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf

from spatialnet_keras.export import pixels, words
from spatialnet_keras.export.__main__ import main
from tests.export.helpers import file, strings


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
        "???": words.EMPTY,
        "\U0001f600?": words.EMPTY,
        "is " * 10_000: f"question was cut after {length} words",
        b"\xff\xfe is there a road": words.NOT_TEXT,
        "qwertz \u6c34?": words.STRANGE,
        "How many dragons are there?": words.PARTLY_STRANGE,
        "is\0there a road?": "ok",
    }
    found = served["ask"](image_bytes=[file(tiles[0])] * len(sent), question=list(sent))
    assert strings(found["status"]) == list(sent.values())
    refused = (words.EMPTY, words.NOT_TEXT, words.STRANGE)
    unanswered = [each in refused for each in sent.values()]
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
