"""RSICD and Sydney-captions: the form of UCM-captions, under other names."""

import json

import pytest

import pipelines
from pipelines import rsicd
from pipelines.records import DataError

PUBLISHED = {
    "rsicd": ("dataset_rsicd.json", "RSICD_images", ["airport_348.jpg", "00623.jpg"]),
    "sydney_captions": ("dataset.json", "imgs", ["1.tif", "2.tif"]),
}
LAND_USES = {"rsicd": ["airport", ""], "sydney_captions": ["", ""]}


def write(root, table, folder, files):
    (root / folder).mkdir()
    said = [["a plane .", "planes .", "two planes ."], ["a field ."]]
    images = [
        {"filename": name, "split": "train", "sentences": [{"raw": text} for text in texts]}
        for name, texts in zip(files, said, strict=True)
    ]
    (root / table).write_text(json.dumps({"images": images}))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_layout_is_read_with_any_number_of_sentences(name, tmp_path):
    table, folder, files = PUBLISHED[name]
    write(tmp_path, table, folder, files)
    records = pipelines.load(name, tmp_path, "train")
    assert (records.name, records.split) == (name, "train")
    assert [row.image for row in records] == [tmp_path / folder / file for file in files]
    assert [row.land_use for row in records] == LAND_USES[name]
    assert [len(row.captions) for row in records] == [3, 1]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("folder", ["imgs", "images"])
def test_the_files_may_have_the_common_names(name, folder, tmp_path):
    write(tmp_path, "dataset.json", folder, ["1.jpg", "2.jpg"])
    rows = pipelines.load(name, tmp_path, "train").rows
    assert rows[0].image == tmp_path / folder / "1.jpg"


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_empty_folder_is_told_what_belongs_there(name, tmp_path):
    table, folder, _ = PUBLISHED[name]
    with pytest.raises(DataError, match=rf"Put {table} and {folder}/ there"):
        pipelines.load(name, tmp_path, "train")
    write(tmp_path, table, folder, ["1.jpg", "2.jpg"])
    with pytest.raises(DataError, match="no image of the split test"):
        pipelines.load(name, tmp_path, "test")


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("airport_348.jpg", "airport"),
        ("BareLand_1.jpg", "bareland"),
        ("00623.jpg", ""),
        ("8.jpg", ""),
        ("sea.jpg", ""),
    ],
)
def test_rsicd_names_tell_the_land_use_before_the_number(filename, expected):
    assert rsicd.land_use(filename) == expected
