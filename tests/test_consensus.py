"""Consensus: the caption that agrees with the others is taken, near tiles have their say."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from pipelines.records import DataError
from spatialnet_keras import data
from spatialnet_keras.config import ConfigError, DecodeConfig, override
from spatialnet_keras.consensus import Consensus, Memory, choose, marks
from spatialnet_keras.inference import consensus_of, predict
from spatialnet_keras.run import Run
from spatialnet_keras.text import END

LENGTH = 8


def ids(*captions: tuple[int, ...]) -> np.ndarray:
    rows = np.zeros((len(captions), LENGTH), np.int32)
    for row, caption in zip(rows, captions, strict=True):
        row[: len(caption) + 1] = [*caption, END]
    return rows


STOP = 40  # the id of a full stop
RIVER, FIELD, ODD = (10, 11, 12, 13, 14), (20, 21, 22, 23, 24), (30, 31, 32, 33, 34)
MEMORY = Memory(
    vectors=np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32),
    starts=np.array([0, 2, 3, 4, 5]),
    captions=ids(RIVER, (*RIVER, 15), RIVER, FIELD, FIELD),
    words=np.array([*(f"word{place}" for place in range(STOP)), "."]),
)
VECTORS = np.array([[1, 0.05], [0.05, 1]], np.float32)


IMAGES = np.zeros((2, 4, 4, 3), np.uint8)


def chosen(written, likelihood=None, **how) -> list[list[int]]:
    made = Consensus(DecodeConfig(consensus=True, **how), MEMORY, likelihood)
    return choose(written, VECTORS[: len(written)], IMAGES[: len(written)], made).tolist()


class Likes:
    """A network that finds the captions with a word likely."""

    def __init__(self, word: int):
        self.word = word
        self.asked = []

    def predict_on_batch(self, x):
        self.asked.append(x["caption"].shape)
        return np.where((x["caption"] == self.word).any(axis=-1), -1.0, -20.0)


def test_without_consensus_the_first_beam_is_taken():
    beams = np.stack([ids(ODD, RIVER), ids(FIELD, RIVER)])
    assert choose(beams, VECTORS, IMAGES, None).tolist() == ids(ODD, FIELD).tolist()


def test_the_beam_that_agrees_with_the_others_is_taken():
    beams = ids(ODD, RIVER, (*RIVER, 15))[None]
    assert chosen(beams, beams=3)[0] != ids(ODD)[0].tolist()


def test_near_tiles_outvote_a_lonely_beam():
    beams = np.stack([ids(ODD), ids(ODD)])
    assert chosen(beams, neighbours=2) == ids(RIVER, FIELD).tolist()


def test_what_the_network_finds_likely_outvotes_what_is_often_said():
    beams = np.stack([ids(ODD), ids(ODD)])
    likes = Likes(word=ODD[0])
    assert chosen(beams, likes, neighbours=2, temperature=1.0) == ids(ODD, ODD).tolist()
    assert likes.asked == [(1, 4, LENGTH), (1, 2, LENGTH)]  # three captions and two
    hot = chosen(beams, likes, neighbours=2, temperature=1e6)
    assert hot[0] == ids(RIVER)[0].tolist()


def test_punctuation_has_no_vote():
    bare, stopped = RIVER, (*RIVER, STOP)
    agreement = MEMORY.agreement([bare, stopped, FIELD])
    assert agreement[0, 1] == pytest.approx(agreement[0, 0])
    assert agreement[0, 2] == 0


def test_the_nearest_tiles_are_asked():
    assert MEMORY.said_near(VECTORS[1], 1) == [FIELD]
    assert MEMORY.said_near(VECTORS[0], 2) == [RIVER, (*RIVER, 15), RIVER]


def test_a_memory_is_read_as_it_was_written_and_a_broken_one_is_named(tmp_path):
    MEMORY.write(tmp_path / "memory.npz")
    read = Memory.read(tmp_path / "memory.npz")
    assert read.said_near(VECTORS[1], 2) == MEMORY.said_near(VECTORS[1], 2)
    (tmp_path / "memory.npz").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(DataError, match=r"memory\.npz cannot be read"):
        Memory.read(tmp_path / "memory.npz")


def test_a_memory_of_an_earlier_version_is_read(tmp_path):
    old = {name: getattr(MEMORY, name) for name in ("vectors", "starts", "captions", "words")}
    np.savez_compressed(tmp_path / "memory.npz", **old)
    read = Memory.read(tmp_path / "memory.npz")
    assert read.said_near(VECTORS[1], 2, 7) == MEMORY.said_near(VECTORS[1], 2)


def test_what_was_said_of_the_tile_itself_is_not_asked():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    likes = Likes(word=ODD[0])
    how = DecodeConfig(consensus=True, neighbours=1, temperature=1.0)
    made = Consensus(how, dataclasses.replace(MEMORY, tiles=marks(images[:4])), likes)
    for tile in (images[:1], images[4:]):  # the first training tile, and one of no memory
        made.choose(ids(ODD)[None], VECTORS[:1], tile)
    # of the next one a caption is known; of the first one two
    assert likes.asked == [(1, 2, LENGTH), (1, 4, LENGTH)]


@pytest.fixture
def remembering(trained_run, tmp_path):
    """A copy of the run that chooses by consensus."""
    shutil.copytree(trained_run, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    flags = {"decode.consensus": True, "decode.neighbours": 3}
    return dataclasses.replace(run, config=override(run.config, flags))


def test_no_training_tile_is_its_own_neighbour(remembering):
    model = remembering.answering_model()
    memory = consensus_of(remembering, model).memory
    (part,) = data.read(remembering.config, "train")
    examples = part.encode(remembering.tasks, remembering.vocabulary, remembering.config)
    plain = override(remembering.config, {"decode.consensus": False, "decode.neighbours": 0})
    vectors = predict(model, examples, remembering.tasks, plain)["image_vector"]
    assert len(memory.captions) == sum(len(row.captions) for row in part.records)
    for row, vector, mark in zip(part.records, vectors, marks(part.images), strict=True):
        heard = memory.said_near(vector, len(vectors), mark)
        assert len(heard) == len(memory.captions) - len(row.captions)


def test_tiles_without_captions_take_no_place_among_the_neighbours(remembering, city, tmp_path):
    shutil.copytree(city / "ucm_captions" / "imgs", tmp_path / "imgs")
    rows = [
        {"image": f"imgs/{path.name}", "split": "train"}
        | ({"caption": "a river ."} if place % 2 else {"land_use": "river"})
        for place, path in enumerate(sorted((tmp_path / "imgs").iterdir())[:6])
    ]
    (tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    joint = ("folder", str(tmp_path / "table.jsonl")), ("rsvqa_lr", str(city / "rsvqa_lr"))
    trained_on = dataclasses.replace(remembering.config, data=joint)
    memory = consensus_of(remembering, remembering.answering_model(), trained_on).memory
    assert memory.starts.tolist() == [0, 1, 2, 3]
    assert len(memory.vectors) == 3


def test_a_memory_of_other_weights_is_made_anew_and_one_of_these_is_kept(remembering):
    model = remembering.answering_model()
    before = consensus_of(remembering, model).memory
    written = remembering.memory.stat().st_mtime_ns
    consensus_of(remembering, model)
    assert remembering.memory.stat().st_mtime_ns == written
    model.set_weights([weight * 1.1 for weight in model.get_weights()])
    after = consensus_of(remembering, model).memory
    assert np.abs(after.vectors - before.vectors).max() > 1e-3


@pytest.mark.parametrize("how", [{"neighbours": 5}, {"temperature": 2.0}], ids=str)
def test_settings_of_the_consensus_without_it_are_refused(how):
    with pytest.raises(ConfigError, match="needs consensus true"):
        DecodeConfig(**how)
