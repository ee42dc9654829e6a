"""Consensus: the caption that agrees with the others is taken, near tiles have their say."""

import numpy as np
import pytest

from pipelines.records import DataError
from spatialnet_keras.config import ConfigError, DecodeConfig
from spatialnet_keras.consensus import Memory, choose
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


def test_without_consensus_the_first_beam_is_taken():
    beams = np.stack([ids(ODD, RIVER), ids(FIELD, RIVER)])
    assert choose(beams, VECTORS, DecodeConfig(beams=2), None).tolist() == ids(ODD, FIELD).tolist()


def test_the_beam_that_agrees_with_the_others_is_taken():
    beams = ids(ODD, RIVER, (*RIVER, 15))[None]
    how = DecodeConfig(beams=3, consensus=True)
    assert choose(beams, VECTORS[:1], how, MEMORY)[0].tolist() != ids(ODD)[0].tolist()


def test_near_tiles_outvote_a_lonely_beam():
    beams = np.stack([ids(ODD), ids(ODD)])
    how = DecodeConfig(consensus=True, neighbours=2)
    assert choose(beams, VECTORS, how, MEMORY).tolist() == ids(RIVER, FIELD).tolist()


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


def test_neighbours_without_consensus_are_refused():
    with pytest.raises(ConfigError, match="consensus"):
        DecodeConfig(neighbours=5)
