from pathlib import Path

import numpy as np

from pipelines.records import Question, Record, Records
from spatialnet_keras.evaluation.details import by_subject, count_confusion, subject_table
from spatialnet_keras.tasks import task


def records() -> Records:
    """Ten questions about roads, all "yes"; ten about pools, half and half; one about boats."""
    asked = [("road", "yes")] * 10 + [("swimming pool", "yes"), ("swimming pool", "no")] * 5
    asked += [("boat", "no")]
    questions = tuple(Question(f"Is there a {what}?", "presence", yes) for what, yes in asked)
    return Records("hand", "test", (Record(Path("a.tif"), questions=questions),))


def test_each_subject_has_its_accuracy_its_floor_and_its_rows():
    presence = task("presence").fit([records()])
    roads, pools = by_subject(presence, records(), ["yes"] * 21)
    assert (roads.subject, roads.accuracy, roads.majority, roads.rows) == ("road", 1.0, 1.0, 10)
    assert (pools.subject, pools.accuracy, pools.rows) == ("swimming pool", 0.5, 10)
    assert pools.interval[0] < 0.5 < pools.interval[1]
    headers = [column.header for column in subject_table([roads]).columns]
    assert headers == ["task", "subject", "model", "95 %", "majority", "rows"]


def test_confused_bins_by_hand():
    table = count_confusion(["0", "5", "500"], ["0", "50", "5000"])
    expected = np.zeros((5, 5), int)
    expected[0, 0] = expected[2, 1] = expected[4, 3] = 1
    assert np.array_equal(table, expected)
