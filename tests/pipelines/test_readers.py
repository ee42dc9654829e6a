import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from pipelines import DATASETS, load, rsvqa_hr, rsvqa_lr, ucm_captions
from pipelines.images import read_image
from pipelines.records import DataError, Question, Record

UCM_FILES = ["1.tif", "harbor_12.tif", "2100.tif", "harbor12.tif"]


@pytest.fixture
def ucm(tmp_path):
    """A tiny data set in Karpathy's layout: two images of train, one of val and of test."""
    (tmp_path / "imgs").mkdir()
    splits = ["train", "val", "train", "test"]
    images = [
        {
            "filename": name,
            "split": split,
            "sentences": [{"raw": f"{name} {word} .", "tokens": ["typo"]} for word in "ba"],
        }
        for name, split in zip(UCM_FILES, splits, strict=True)
    ]
    (tmp_path / "dataset.json").write_text(json.dumps({"images": images}))
    return tmp_path


@pytest.fixture
def rsvqa(tmp_path):
    """Two images of train with questions whose ids and images are not in one order."""
    stub = {"id": 0, "active": False}
    images = [stub, {"id": 1, "original_name": "S2A_1.tif", "active": True}]
    images += [{"id": 2, "active": True}]
    asked = [(2, "count", "How many?", 37), (1, "presence", "Is there?", "yes")]
    asked += [(2, "rural_urban", "Rural or urban?", "rural")]
    questions, answers = [stub], [stub]
    for number, (image, kind, text, answer) in enumerate(asked, start=1):
        entry = {"id": number, "active": True}
        question = {"img_id": image, "type": kind, "question": text, "answers_ids": [number]}
        questions.append(entry | question)
        answers.append(entry | {"question_id": number, "answer": answer})
    for kind, entries in (("images", images), ("questions", questions), ("answers", answers)):
        (tmp_path / f"LR_split_train_{kind}.json").write_text(json.dumps({kind: entries}))
    return tmp_path


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def message_of(load, *arguments):
    with pytest.raises(DataError) as caught:
        load(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_that_is_not_there_is_named(name, tmp_path):
    assert str(tmp_path / "nowhere") in message_of(load, name, tmp_path / "nowhere", "train")


def test_ucm_rows_come_from_their_split_with_raw_sentences_in_order(ucm):
    records = ucm_captions.load(ucm, "train")
    assert (records.name, records.split) == ("ucm_captions", "train")
    assert records.rows == (
        Record(ucm / "imgs" / "1.tif", "agricultural", ("1.tif b .", "1.tif a .")),
        Record(ucm / "imgs" / "2100.tif", "tenniscourt", ("2100.tif b .", "2100.tif a .")),
    )


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("1.tif", "agricultural"),
        ("100.tif", "agricultural"),
        ("101.tif", "airplane"),
        ("2100.tif", "tenniscourt"),
        ("0.tif", ""),
        ("2101.tif", ""),
        ("99999.tif", ""),
        ("00623.jpg", ""),
        ("harbor_12.tif", "harbor"),
        ("harbor12.tif", "harbor"),
        ("harbor.tif", "harbor"),
        ("storage_tanks_3.png", "storage_tanks"),
        ("12_harbor.tif", ""),
        ("a1b2.tif", ""),
    ],
)
def test_the_file_name_tells_the_land_use(filename, expected):
    assert ucm_captions.land_use(filename) == expected


def test_missing_ucm_captions_say_what_to_do(tmp_path):
    expected = (
        f"No UCM captions in {tmp_path}. Put dataset.json and imgs/ there, "
        "or train on --data synthetic."
    )
    assert message_of(ucm_captions.load, tmp_path, "train") == expected
    missing = tmp_path / "nowhere"
    assert str(missing) in message_of(ucm_captions.load, missing, "train")


@pytest.mark.parametrize("value", [5, None])
def test_a_question_whose_answers_are_no_list_is_named(rsvqa, value):
    path = rsvqa / "LR_split_train_questions.json"
    content = json.loads(path.read_text())
    for question in content["questions"]:
        question["answers_ids"] = value
    path.write_text(json.dumps(content))
    assert "is not in RSVQA's form" in message_of(rsvqa_lr.load, rsvqa, "train")


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("questions", "question", None),
        ("questions", "type", None),
        ("questions", "img_id", [1]),
        ("answers", "answer", None),
        ("answers", "answer", True),
        ("answers", "answer", ["yes"]),
    ],
)
def test_a_value_of_another_type_is_named_with_its_file_and_entry(rsvqa, kind, name, value):
    path = rsvqa / f"LR_split_train_{kind}.json"
    edit(path, lambda content: content[kind][2].update({name: value}))
    message = message_of(rsvqa_lr.load, rsvqa, "train")
    assert message.startswith(f"{path} is not in RSVQA's form: entry 2 has '{name}' {value!r}.")


def test_questions_about_images_that_are_not_there_are_counted(rsvqa):
    path = rsvqa / "LR_split_train_questions.json"
    edit(path, lambda content: [each.update(img_id=70) for each in content["questions"][1:3]])
    message = message_of(rsvqa_lr.load, rsvqa, "train")
    assert message.startswith(f"2 of 3 questions in {path} are about images that are not active")
    assert "such as 70." in message
    edit(path, lambda content: [each.update(active=False) for each in content["questions"][1:3]])
    assert sum(len(row.questions) for row in rsvqa_lr.load(rsvqa, "train")) == 1


@pytest.mark.parametrize("value", [None, 5, ["a river"]])
@pytest.mark.parametrize("place", ["filename", "raw"])
def test_a_karpathy_value_that_is_no_text_is_named(ucm, place, value):
    def change(content):
        image = content["images"][0]
        (image if place == "filename" else image["sentences"][1])[place] = value

    edit(ucm / "dataset.json", change)
    message = message_of(ucm_captions.load, ucm, "train")
    where = " of 1.tif" if place == "raw" else ""
    assert f"dataset.json is not in Karpathy's form (at {place} {value!r}{where})" in message


@pytest.mark.parametrize("load", [ucm_captions.load, rsvqa_lr.load])
def test_an_unknown_split_is_answered_with_the_nearest(tmp_path, load):
    message = message_of(load, tmp_path, "tset")
    assert "'tset'. Did you mean test? Known: train, val, test." in message


def test_json_that_is_cut_in_half_is_named_with_its_position(ucm):
    path = ucm / "dataset.json"
    path.write_text(path.read_text()[:200])
    message = message_of(ucm_captions.load, ucm, "train")
    assert message.startswith(f"{path} is cut off or no JSON: ")
    assert "line 1, column " in message and "of 200" in message


def test_json_that_is_not_utf8_is_named_with_its_row(ucm):
    (ucm / "dataset.json").write_bytes(b'{\n"images":\n "caf\xe9"}')
    message = message_of(ucm_captions.load, ucm, "train")
    assert message.endswith("dataset.json, row 3, is not UTF-8 text. Save it as UTF-8.")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("images"),
        lambda content: content["images"][0].pop("split"),
        lambda content: content["images"][0].pop("filename"),
        lambda content: content["images"][0]["sentences"][0].pop("raw"),
        lambda content: content["images"].append("text"),
        lambda content: content.update(images=None),
    ],
)
def test_json_in_another_form_is_one_line(ucm, change):
    edit(ucm / "dataset.json", change)
    assert "is not in Karpathy's form" in message_of(ucm_captions.load, ucm, "train")


def test_a_split_without_images_is_an_error(ucm):
    edit(ucm / "dataset.json", lambda content: content["images"].pop())
    assert "has no image of the split test" in message_of(ucm_captions.load, ucm, "test")


def test_rsvqa_rows_are_in_image_order_and_questions_in_the_order_of_their_ids(rsvqa):
    records = rsvqa_lr.load(rsvqa, "train")
    assert (records.name, records.split) == ("rsvqa_lr", "train")
    assert records.rows == (
        Record(
            rsvqa / "Images_LR" / "1.tif", questions=(Question("Is there?", "presence", "yes"),)
        ),
        Record(
            rsvqa / "Images_LR" / "2.tif",
            questions=(
                Question("How many?", "count", "37"),
                Question("Rural or urban?", "rural_urban", "rural"),
            ),
        ),
    )
    assert rsvqa_lr.original_names(rsvqa, "train") == ["S2A_1.tif", ""]


def test_the_same_reader_takes_the_file_names_of_rsvqa_hr(rsvqa):
    low = rsvqa_lr.load(rsvqa, "train")
    for path in rsvqa.glob("LR_split_*.json"):
        path.rename(rsvqa / path.name.replace("LR_split", "USGS_split"))
    high = rsvqa_hr.load(rsvqa, "train")
    assert high.name == "rsvqa_hr"
    assert [row.questions for row in high] == [row.questions for row in low]
    assert high.rows[0].image == rsvqa / "Data" / "1.tif"


@pytest.mark.parametrize("content", ["[" * 100_000, "1" * 5000])
def test_json_that_python_cannot_hold_is_one_line(ucm, content):
    (ucm / "dataset.json").write_text(content)
    message = message_of(ucm_captions.load, ucm, "train")
    assert message.startswith(f"{ucm / 'dataset.json'} holds a number that is too long, or is")


def test_missing_rsvqa_says_what_to_do(tmp_path):
    message = message_of(rsvqa_lr.load, tmp_path, "val")
    assert message.startswith(f"No RSVQA-LR in {tmp_path}: LR_split_val_images.json is missing.")
    assert "--data synthetic" in message


@pytest.mark.parametrize("kind", ["images", "questions", "answers"])
def test_each_rsvqa_file_may_be_cut_off_or_in_another_form(rsvqa, kind):
    path = rsvqa / f"LR_split_train_{kind}.json"
    whole = path.read_text()
    path.write_text(whole[:-20])
    assert message_of(rsvqa_lr.load, rsvqa, "train").startswith(f"{path} is cut off or no JSON")
    for content in ("{}", "[]", f'{{"{kind}": [{{"id": 1}}]}}', f'{{"{kind}": 5}}'):
        path.write_text(content)
        assert "is not in RSVQA's form" in message_of(rsvqa_lr.load, rsvqa, "train")
    path.write_text(json.dumps({kind: [{"id": 0, "active": False}]}))
    assert "has no active entry" in message_of(rsvqa_lr.load, rsvqa, "train")


def test_a_question_without_an_answer_is_named(rsvqa):
    path = rsvqa / "LR_split_train_answers.json"
    edit(path, lambda content: content["answers"][2].update(active=False))
    assert "question 2 has no answer" in message_of(rsvqa_lr.load, rsvqa, "train")


@pytest.mark.parametrize("name", ["img_id", "answers_ids", "question", "type"])
def test_a_question_that_lacks_a_field_is_named(rsvqa, name):
    path = rsvqa / "LR_split_train_questions.json"
    edit(path, lambda content: content["questions"][2].pop(name))
    assert f"lacks '{name}'" in message_of(rsvqa_lr.load, rsvqa, "train")


@pytest.mark.parametrize(("split", "count"), [("train", 1680), ("val", 210), ("test", 210)])
def test_the_published_ucm_captions_have_five_sentences_an_image(shared_data, split, count):
    records = ucm_captions.load(shared_data / "ucm_captions", split)
    assert len(records) == count
    assert all(len(row.captions) == 5 for row in records)
    assert {row.land_use for row in records} == set(ucm_captions.CLASSES)
    assert all(row.image.is_file() for row in records)


def test_the_published_ucm_captions_are_read_raw(shared_data):
    splits = [
        ucm_captions.load(shared_data / "ucm_captions", split) for split in ("train", "val", "test")
    ]
    rows = [row for records in splits for row in records]
    assert rows[0].captions[0] == "There is a piece of farmland ."
    assert len({caption for row in rows for caption in row.captions}) == 2032
    assert set(Counter(row.land_use for row in rows).values()) == {100}
    assert not any("formland" in caption for row in rows for caption in row.captions)


def test_a_published_ucm_image_is_read_as_pillow_reads_it(shared_data):
    path = shared_data / "ucm_captions" / "imgs" / "1.tif"
    other = np.asarray(Image.open(path)).astype(int)
    np.testing.assert_allclose(read_image(path).astype(int), other, atol=4)


RSVQA_COUNTS = {
    "train": (71, {"comp": 2832, "count": 2109, "presence": 2090, "rural_urban": 71}),
    "val": (16, {"comp": 648, "count": 487, "presence": 450, "rural_urban": 16}),
    "test": (20, {"comp": 804, "count": 585, "presence": 592, "rural_urban": 20}),
}


@pytest.mark.parametrize("split", RSVQA_COUNTS)
def test_the_published_rsvqa_questions_are_all_read(shared_data, split):
    root = shared_data / "rsvqa_lr"
    records = rsvqa_lr.load(root, split)
    images, types = RSVQA_COUNTS[split]
    questions = [question for row in records for question in row.questions]
    assert len(records) == images and Counter(q.type for q in questions) == types
    for question in questions:
        if question.type == "count":
            assert question.answer.isdigit()
        else:
            known = ("rural", "urban") if question.type == "rural_urban" else ("yes", "no")
            assert question.answer in known
    names = rsvqa_lr.original_names(root, split)
    assert len(names) == images and all(name.startswith("S2") for name in names)
    numbers = [int(row.image.stem) for row in records]
    assert numbers == sorted(numbers) and all(row.image.is_file() for row in records)
    assert read_image(records.rows[0].image).shape == (256, 256, 3)
