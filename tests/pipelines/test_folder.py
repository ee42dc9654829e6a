import json

import pytest

from pipelines import folder
from pipelines.records import SPLITS, DataError, Question, Record


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def load_all(root):
    """Every row there is, by split; a split without images is an empty tuple."""
    rows = {}
    for split in SPLITS:
        try:
            rows[split] = folder.load(root, split).rows
        except DataError as error:
            assert str(error).startswith(f"No {split} image in {root}")
            rows[split] = ()
    return rows


def message_of(root, split="train"):
    with pytest.raises(DataError) as caught:
        folder.load(root, split)
    message = str(caught.value)
    assert "\n" not in message and message.endswith((".", "?"))
    return message


def write(path, *rows):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_sub_folder_is_a_class(tmp_path):
    names = [f"{name}/{number}.PNG" for name in ("harbor", "forest") for number in range(30)]
    touch(tmp_path, *names, "forest/notes.txt", "forest/._1.png", ".cache/x/1.png", "loose.tif")
    rows = [row for rows in load_all(tmp_path).values() for row in rows]
    assert len(rows) == 61
    for row in rows:
        loose = row.image == tmp_path / "loose.tif"
        assert row.land_use == ("" if loose else row.image.parent.name)


def test_split_folders_are_kept(tmp_path):
    touch(tmp_path, "train/harbor/a.tif", "train/forest/deep/b.jpg", "val/harbor/c.tif")
    rows = load_all(tmp_path)
    assert rows["train"] == (
        Record(tmp_path / "train/forest/deep/b.jpg", "forest"),
        Record(tmp_path / "train/harbor/a.tif", "harbor"),
    )
    assert rows["val"] == (Record(tmp_path / "val/harbor/c.tif", "harbor"),)
    assert "(it has train 2, val 1, test 0)" in message_of(tmp_path, "test")


def test_an_image_outside_the_split_folders_is_named(tmp_path):
    touch(tmp_path, "train/harbor/a.tif", "tests/harbor/b.tif")
    message = message_of(tmp_path)
    assert "tests/harbor/b.tif" in message and "Did you mean test?" in message


def test_split_folders_of_other_names_are_not_taken_for_classes(tmp_path):
    touch(tmp_path / "a", "Training/harbor/a.tif", "valid/forest/b.tif", "testing/c.tif")
    message = message_of(tmp_path / "a")
    assert "Rename Training to train, testing to test, valid to val." in message
    touch(tmp_path / "b", "training/a.tif", "testing/b.tif")  # may be what the tiles show
    touch(tmp_path / "c", "training/deep/a.tif", "harbor/b.tif")
    for name, classes in {"b": {"training", "testing"}, "c": {"training", "harbor"}}.items():
        rows = [row for rows in load_all(tmp_path / name).values() for row in rows]
        assert {row.land_use for row in rows} == classes


def test_the_split_by_hash_is_80_10_10_and_stable(tmp_path):
    touch(tmp_path / "a", *[f"c{number % 5}/{number}.png" for number in range(1000)])
    rows = load_all(tmp_path / "a")
    # Counted once; another hash gives other numbers, and moves users' images between splits.
    assert {split: len(rows[split]) for split in SPLITS} == {"train": 778, "val": 116, "test": 106}
    touch(tmp_path / "b", *[f"c{number % 5}/{number}.png" for number in range(1200)])
    for split, more in load_all(tmp_path / "b").items():
        moved = {row.image.relative_to(tmp_path / "b") for row in more}
        assert {row.image.relative_to(tmp_path / "a") for row in rows[split]} <= moved


TABLE = [
    "image,land_use,caption,caption,question,question_type,answer,split",
    'a.tif,harbor,A harbor .,"Boats, many .",Is there water?,presence,yes,train',
    "",
    "a.tif,,A harbor .,,How many boats?,count,37,",
    "b.tif,forest,,,,,,val",
]
ROW_A = (
    "harbor",
    ("A harbor .", "Boats, many ."),
    (Question("Is there water?", "presence", "yes"), Question("How many boats?", "count", "37")),
)


@pytest.mark.parametrize("whole_path", [False, True])
def test_a_csv_table_gathers_the_rows_of_an_image(tmp_path, whole_path):
    table = write(tmp_path / "data.csv", *TABLE)
    root = table if whole_path else tmp_path
    assert folder.load(root, "train").rows == (Record(tmp_path / "a.tif", *ROW_A),)
    assert folder.load(root, "val").rows == (Record(tmp_path / "b.tif", "forest"),)


def test_a_jsonl_table_gathers_the_rows_of_an_image(tmp_path):
    first = {"image": "a.tif", "land_use": "harbor", "caption": ["A harbor .", "Boats, many ."]}
    first |= {"question": "Is there water?", "question_type": "presence", "answer": "yes"}
    second = {"image": "./a.tif", "caption": None, "question": "How many boats?"}
    second |= {"question_type": "count", "answer": 37, "split": "train"}
    write(tmp_path / "data.jsonl", first, "", second)
    assert folder.load(tmp_path, "train").rows == (Record(tmp_path / "a.tif", *ROW_A),)


def test_a_table_without_splits_is_split_like_a_folder_of_the_same_names(tmp_path):
    names = [f"c/{number}.png" for number in range(50)]
    touch(tmp_path / "folder", *names)
    (tmp_path / "table").mkdir()
    write(tmp_path / "table" / "data.csv", "image", *names)
    by_folder, by_table = load_all(tmp_path / "folder"), load_all(tmp_path / "table")
    for split in SPLITS:
        assert {row.image.name for row in by_folder[split]} == {
            row.image.name for row in by_table[split]
        }


def test_a_table_of_images_in_split_folders_needs_no_split_column(tmp_path):
    write(tmp_path / "data.csv", "image", "train/a.png", "test/b.png")
    assert folder.load(tmp_path, "train").rows == (Record(tmp_path / "train/a.png"),)
    assert folder.load(tmp_path, "test").rows == (Record(tmp_path / "test/b.png"),)


def test_a_csv_of_a_spreadsheet_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "data.csv").write_bytes(b"\xef\xbb\xbfimage,split\r\na.png,train\r\n")
    assert folder.load(tmp_path, "train").rows == (Record(tmp_path / "a.png"),)


def test_an_image_is_one_however_its_path_is_written(tmp_path):
    write(tmp_path / "data.csv", "image,caption", "a.png,b", "sub/../a.png,c", "x//y/./z.png,d")
    rows = [row for rows in load_all(tmp_path).values() for row in rows]
    assert sorted((row.image, row.captions) for row in rows) == [
        (tmp_path / "a.png", ("b", "c")), (tmp_path / "x/y/z.png", ("d",)),
    ]  # fmt: skip
    write(tmp_path / "data.csv", "image,split", "a.png,train", "sub/../a.png,test")
    assert "row 3: split is 'test', but 'train' in an earlier row" in message_of(tmp_path)


BAD_CSV = {
    "unknown column": (["image,captoin", "a,b"], "row 1: ", "'captoin'. Did you mean caption?"),
    "semicolons": (["image;split", "a;train"], "row 1: ", "'image;split'"),
    "no image column": (["caption", "b"], "row 1: ", "the column image is missing"),
    "column twice": (["image,answer,answer", "a,b,c"], "row 1: ", "only caption may be repeated"),
    "no image": (["image,caption", "a,b", ",c"], "row 3: ", "names no image"),
    "unknown split": (["image,split", "a,train", "b,tset"], "row 3: ", "Did you mean test?"),
    "split missing": (["image,split", "a,train", "b,"], "row 3: ", "split is empty"),
    "two splits": (["image,split", "a,train", "a,val"], "row 3: ", "'val', but 'train' in an"),
    "two classes": (["image,land_use", "a,b", "a,c"], "row 3: ", "'c', but 'b' in an earlier"),
    "no answer": (["image,question,question_type", "a,b,c"], "row 2: ", "answer is empty"),
    "no type": (["image,question,answer", "a,b,c"], "row 2: ", "question_type is empty"),
    "no question": (["image,answer", "a,b"], "row 2: ", "question is empty"),
    "too many cells": (["image,caption", "a,b, c"], "row 2: ", "3 cells for 2 columns"),
    "cut in a quote": (["image,caption", "a,b", 'c,"d'], "row 3: ", "unexpected end of data"),
    "zero byte": (["image", "a", "b\0"], "row 3: ", "Write a path without zero bytes"),
    "no rows": (["image,caption"], "", "names no image"),
    "nothing at all": ([], "", "names no image"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_a_bad_csv_is_one_line_with_file_and_row(tmp_path, case):
    lines, row, part = BAD_CSV[case]
    table = tmp_path / "data.csv"
    table.write_text("\n".join(lines))
    message = message_of(tmp_path)
    assert message.startswith(f"{table}, {row}" if row else str(table)) and part in message


GOOD = {"image": "a.tif"}
BAD_JSONL = {
    "cut off": ([GOOD, '{"image": "b.t'], "row 2: ", "cut off or no JSON"),
    "a list": (["[1]"], "row 1: ", "no JSON object"),
    "nested deep": ([GOOD, "[" * 100_000], "row 2: ", "a list too deep"),
    "a long number": ([GOOD, '{"image": %s}' % ("1" * 5000)], "row 2: ", "a number is too long"),
    "zero byte": ([GOOD, {"image": "b\0"}], "row 2: ", "Write a path without zero bytes"),
    "unknown key": ([GOOD, {"image": "b", "type": "c"}], "row 2: ", "No column is called 'type'"),
    "no image": ([{"caption": "b"}], "row 1: ", "the column image is missing"),
    "a nested value": ([{"image": {"path": "b"}}], "row 1: ", "Write a text or a number"),
    "an answer list": ([GOOD | {"answer": ["b"]}], "row 1: ", "Write a text or a number"),
    "a truth value": ([GOOD | {"answer": True}], "row 1: ", "Write a text or a number"),
}


@pytest.mark.parametrize("case", BAD_JSONL)
def test_a_bad_jsonl_is_one_line_with_file_and_row(tmp_path, case):
    rows, row, part = BAD_JSONL[case]
    table = write(tmp_path / "data.jsonl", *rows)
    message = message_of(tmp_path)
    assert message.startswith(f"{table}, {row}") and part in message


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_table_that_is_not_utf8_is_named_with_its_row(tmp_path, suffix):
    (tmp_path / f"data{suffix}").write_bytes(b"image\ncaf\xe9.png\n")
    assert f"data{suffix}, row 2, is not UTF-8" in message_of(tmp_path)


def test_a_missing_an_empty_and_an_ambiguous_folder_say_what_to_do(tmp_path):
    assert message_of(tmp_path / "no").startswith(f"The folder {tmp_path / 'no'} does not exist")
    assert message_of(tmp_path).startswith(f"No images in {tmp_path}. Put ")
    touch(tmp_path, "a.csv", "b.jsonl")
    assert "2 tables: a.csv, b.jsonl" in message_of(tmp_path)
    touch(tmp_path, "notes.txt")
    assert "neither a folder nor" in message_of(tmp_path / "notes.txt")
    assert "Did you mean train?" in message_of(tmp_path, "trian")


def test_split_folders_may_be_in_capitals(tmp_path):
    touch(tmp_path, "Train/harbor/a.tif", "VAL/harbor/b.tif", "Test/forest/c.tif")
    rows = load_all(tmp_path)
    assert {split: [row.land_use for row in found] for split, found in rows.items()} == {
        "train": ["harbor"], "val": ["harbor"], "test": ["forest"],
    }  # fmt: skip


def test_links_to_folders_are_followed_once(tmp_path):
    touch(tmp_path / "elsewhere", "a.tif", "b.tif")
    touch(tmp_path / "tiles", "train/forest/c.tif")
    (tmp_path / "tiles" / "train" / "harbor").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "again").symlink_to(tmp_path / "elsewhere")
    found = [row.land_use for row in load_all(tmp_path / "tiles")["train"]]
    assert found == ["forest", "harbor", "harbor"]


def test_a_table_that_names_its_own_folder_loads_and_the_image_is_what_fails(tmp_path):
    write(tmp_path / "t.csv", "image,land_use,split", ".,harbor,train")
    (row,) = load_all(tmp_path)["train"]
    assert row.image == tmp_path
