import io

import numpy as np
from PIL import Image

from spatialnet_keras import data, training
from spatialnet_keras.plots import (
    RIGHT,
    WRONG,
    answer_lines,
    answer_sheet,
    confusion_picture,
    viewable,
)
from tests.test_training import config


def right_and_wrong(run, part):
    """Outputs that answer every task right on the first half of its rows, then all with one."""
    outputs = {}
    for task in run.tasks:
        truths = task.truths(part.records)
        if task.unit == "caption":
            truths = [references[0] for references in truths]
        target, _ = task.encode(truths)
        if hasattr(task, "classes") and target.ndim == 1:
            target = np.eye(len(task.classes))[target]
        target[len(target) // 2 :] = target[0]
        outputs[task.name] = target
    return outputs


def test_a_sheet_shows_tiles_and_right_and_wrong_answers(city, tmp_path):
    (part,) = data.read(config(city), "train")
    run = training.prepare(config(city), tmp_path, [part])
    png, height, width = answer_sheet(part, right_and_wrong(run, part), run.tasks)
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert picture.shape == (height, width, 3)
    assert 0.3 < (picture < 250).any(axis=-1).mean() < 0.9  # tiles and text on white
    for colour in (RIGHT, WRONG):
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(picture.astype(int) - rgb).max(axis=-1) < 8).sum() > 50


def test_a_line_names_question_answer_and_truth(city, tmp_path):
    (part,) = data.read(config(city), "train")
    run = training.prepare(config(city), tmp_path, [part])
    lines = answer_lines(part, 0, right_and_wrong(run, part), run.tasks)
    assert lines[0] == (f"land use  {part.records.rows[0].land_use}", True)
    last = answer_lines(part, len(part.images) - 1, right_and_wrong(run, part), run.tasks)
    assert any("(is " in text for text, right in last if not right)


def test_sixteen_bits_and_one_band_can_be_looked_at():
    tile = np.linspace(0, 5000, 64).reshape(8, 8, 1).astype("uint16")
    seen = viewable(tile)
    assert (seen.shape, seen.dtype) == ((8, 8, 3), np.uint8)
    assert seen.min() == 0
    assert seen.max() == 255


def test_dollars_are_letters():
    table = np.eye(2, dtype=int)
    assert confusion_picture("costs ${", ("a$_{$b", "c"), table).width > 100
