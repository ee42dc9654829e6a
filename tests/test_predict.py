"""A trained run that is used from Python, and bad input to it."""

import dataclasses
import shutil
import struct
import subprocess
import sys
import zlib

import keras
import numpy as np
import pytest
import tifffile
from PIL import Image

import spatialnet_keras
from pipelines.images import read_image
from pipelines.records import DataError
from spatialnet_keras.config import ConfigError
from spatialnet_keras.prediction.overlays import heat, panels
from spatialnet_keras.prediction.predictor import Predictor

ASKED = ("How many roads are there?", "Is a building present?", "Is it a rural or an urban area?")


def test_the_package_is_imported_without_keras():
    code = "import sys, spatialnet_keras; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_answers_are_those_of_the_network(predictor, tiles, stored):
    asked = predictor.prepare(ASKED, types=("count", "presence", "rural_urban"))
    questions = np.repeat(asked.ids[None], len(tiles), axis=0)
    outputs = predictor.model.predict_on_batch({"image": stored, "question": questions})
    found = predictor.ask(tiles, ASKED, types=("count", "presence", "rural_urban"))
    for place, task in enumerate(asked.tasks):
        assert [said[place].text for said in found] == task.answer(outputs[task.name][:, place])
        assert {said[place].task for said in found} == {task.name}
    logits = outputs["land_use"]
    sure = np.exp(logits).max(axis=1) / np.exp(logits).sum(axis=1)
    uses = predictor.classify(tiles)
    assert [use.text for use in uses] == predictor.tasks["land_use"].answer(logits)
    assert [use.probability for use in uses] == pytest.approx(sure, abs=1e-5)
    captions = predictor.tasks["caption"].answer(outputs["caption"][:, 0])
    assert predictor.describe(tiles) == captions


def test_paths_arrays_and_batches_are_the_same_images(predictor, tiles, stored):
    uses = predictor.classify(tiles)
    tile = read_image(tiles[0])
    assert tile.shape == (64, 64, 3)
    for images in (stored, list(stored), [stored[:1], str(tiles[1]), stored[2]]):
        for use, expected in zip(predictor.classify(images), uses, strict=True):
            assert use.text == expected.text
            assert use.probability == pytest.approx(expected.probability, abs=1e-5)
    for one in (tile, tiles[0], str(tiles[0])):
        assert [use.text for use in predictor.classify(one)] == [uses[0].text]
    assert predictor.classify([]) == []


def test_tensorflow_does_not_complain_of_networks_compiled_once_each(predictor, tiles, caplog):
    for count in (1, 2, 4):
        predictor.classify(tiles[:1] * count)
        predictor.describe(tiles[:1] * count)
    assert not caplog.records


def test_an_answer_does_not_depend_on_what_else_is_asked_or_shown(predictor, tiles):
    together = predictor.ask(tiles, ASKED)
    for row, path in enumerate(tiles):
        for place, question in enumerate(ASKED):
            ((alone,),) = predictor.ask(path, question)
            assert alone.text == together[row][place].text
            assert alone.task == together[row][place].task


def test_more_images_than_a_batch_keep_their_order(predictor, tiles):
    few = [use.text for use in predictor.classify(tiles)]
    many = predictor.classify([tiles[i % 3] for i in range(37)])
    assert [use.text for use in many] == [few[i % 3] for i in range(37)]


def test_a_question_goes_to_the_head_of_its_predicted_kind(predictor):
    asked = predictor.prepare(ASKED)
    kinds = predictor.tasks["question_type"].answer(predictor._type_logits(asked.ids))
    assert [task.question_type for task in asked.tasks] == kinds
    assert predictor.prepare(ASKED[0], "comp").tasks[0].name == "comparison"
    assert predictor.prepare(ASKED[0], "comparison").tasks[0].name == "comparison"


@pytest.mark.parametrize(
    ("question", "types", "said"),
    [
        ("", None, "needs words"),
        (" ?!", None, "needs words"),
        ("xyzzy plugh", "count", "None is left"),
        ("What colour is the roof?", None, "colour, roof. Say it in other words, or say its type"),
        ("How many \udce9 roads", None, "UTF-8"),
        ("How many roads?", "colour", "This run answers: presence, comparison, rural_urban, count"),
        ("How many roads?", "cuont", "Did you mean count?"),
        ([], None, "one question at least"),
        (["How many roads?"] * 2, ["count"], "2 questions, 1 types"),
        (None, None, "Questions must be text, or a list of it. Received: None."),
        ([5], None, "Received: 5."),
        (b"How many roads?", None, "Received: b'How many roads?'."),
        ("How many roads?", [None], "Types must be text, or a list of it. Received: None."),
        ("How many roads?", 5, "Received: 5."),
    ],
)
def test_questions_that_cannot_be_answered_are_one_line(predictor, tiles, question, types, said):
    with pytest.raises(ConfigError) as caught:
        predictor.ask(tiles[0], question, types)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def without(predictor: Predictor, *names: str) -> Predictor:
    tasks = tuple(task for task in predictor.run.tasks if task.name not in names)
    return Predictor(dataclasses.replace(predictor.run, tasks=tasks))


def test_a_run_says_what_it_was_not_trained_to_do(predictor, tiles):
    asked = predictor.prepare(ASKED)
    fewer = without(predictor, asked.tasks[0].name)
    with pytest.raises(ConfigError, match="cannot be answered"):
        fewer.prepare(ASKED[0])
    with pytest.raises(ConfigError, match="question_type"):
        without(predictor, "question_type").prepare(ASKED[0])
    silent = without(predictor, *(t.name for t in predictor.run.tasks if t.unit == "question"))
    with pytest.raises(ConfigError, match="answers no questions; it was trained on: land_use"):
        silent.ask(tiles[0], ASKED[0])
    with pytest.raises(ConfigError, match="no caption"):
        without(predictor, "caption").describe(tiles[0])


def test_a_long_question_is_cut_as_in_training_and_says_so(predictor, tiles):
    read = predictor.run.config.model.question_words
    long = "How many roads are there? " * 2_000
    with pytest.warns(UserWarning, match=f"only its first {read} words are read"):
        ((answer,),) = predictor.ask(tiles[0], long)
    first = " ".join((["How", "many", "roads", "are", "there", "?"] * read)[:read])
    assert predictor.prepare(long).ids.tolist() == predictor.prepare(first).ids.tolist()
    assert answer.text


def test_unknown_words_are_named_where_the_type_is_said(predictor):
    (note,) = predictor.prepare("How many zeppelins are there?", "count").notes
    assert "zeppelins." in note.split("training:")[1]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((1, 1, 3), np.uint8), "8 pixels a side"),
        (np.zeros((32, 32, 4), np.uint8), "trained on 3 bands"),
        (np.zeros((32, 32, 3), np.float32), "trained on uint8"),
        (np.full((32, 32, 3), np.nan, np.float32), "NaN"),
        (np.zeros((32, 32, 3), np.int64), "holds int64 pixels, the run was trained on uint8"),
        (np.zeros(32, np.uint8), r"a Pillow image, an array \[H, W\]"),
        (Image.new("RGB", (4, 9)), "picture is 4x9 pixels"),
        (Image.new("RGB", (30_000, 9)), "picture is 30000x9 .* spatialnet_keras.scene"),
        (5, r"\[H, W, C\]"),
        ("nowhere.png", "nowhere.png cannot be opened"),
    ],
)
def test_images_that_cannot_be_read_are_one_line(predictor, image, said):
    with pytest.raises(DataError, match=said) as caught:
        predictor.classify(image)
    assert "\n" not in str(caught.value)


def test_a_grey_image_is_read_as_in_training(predictor):
    grey = np.arange(1024, dtype=np.uint8).reshape(32, 32, 1)
    assert predictor.classify(grey) == predictor.classify(grey.repeat(3, axis=-1))
    assert predictor.classify(grey[..., 0]) == predictor.classify(grey)


@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "P", "RGBA", "1"])
def test_a_picture_of_pillow_is_the_image_of_its_file(predictor, stored, mode, tmp_path):
    path = tmp_path / "tile.png"
    Image.fromarray(stored[0]).convert(mode).save(path)
    opened = Image.open(path)  # Pillow has not read its pixels yet
    assert predictor.classify([opened] * 4) == predictor.classify([path] * 4)


def test_the_dtype_that_a_file_holds_is_named(predictor, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((32, 32, 3), np.int16), photometric="rgb")
    with pytest.raises(DataError, match=r"a\.tif holds int16 pixels, the run was trained on uint8"):
        predictor.classify(tmp_path / "a.tif")


def test_a_large_image_is_answered_and_it_says_that_it_was_shrunk(predictor, stored):
    large = stored[0].repeat(40, axis=0)
    with pytest.warns(UserWarning, match="shrunk from 32x1280 to 32x32.*spatialnet_keras.scene"):
        (use,) = predictor.classify(large)
    assert use.text in predictor.tasks["land_use"].classes


def test_a_scene_is_sent_to_the_command_for_scenes(predictor, tmp_path):
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    signed = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "scene.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + signed + struct.pack(">I", 9) + b"IDAT"
    )
    with pytest.raises(DataError, match=r"30000x30000 .* spatialnet_keras.scene"):
        predictor.classify(tmp_path / "scene.png")


def test_how_captions_are_written_can_be_chosen(trained_run, tiles, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run")
    several = spatialnet_keras.load(tmp_path / "run", beams=3, consensus=True, neighbours=1)
    assert len(several.describe(tiles)) == 3
    assert several.run.config.decode.beams == 3
    with pytest.raises(ConfigError, match="beams, length_penalty"):
        spatialnet_keras.load(trained_run, beam=3)


def test_maps_of_further_tiles_need_no_further_networks(predictor, stored, monkeypatch):
    asked = predictor.prepare(ASKED)
    (said,), _ = predictor.predict(stored[:1], asked)
    first = panels(predictor, stored[0], said, asked)
    monkeypatch.setattr(keras.models, "clone_model", None)
    again = panels(predictor, stored[0], said, asked)
    for one, other in zip(first[0][1:], again[0][1:], strict=True):
        assert one.looked == pytest.approx(other.looked)


def test_the_map_glows_where_the_network_looked():
    looked = np.zeros((4, 4))
    looked[1, 2] = 1
    picture = heat(np.full((32, 32, 3), 128, np.uint8), looked).astype(int)
    light = picture.sum(axis=-1)
    row, column = np.unravel_index(light.argmax(), light.shape)
    assert (row // 64, column // 64) == (1, 2)
    assert light[32, 32] < 0.7 * light.max()
