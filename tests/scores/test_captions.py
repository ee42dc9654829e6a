"""Caption scores: equal to pycocoevalcap 1.2, whose numbers are in golden/captions.json."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.records import DataError
from spatialnet_keras.scores.__main__ import main
from spatialnet_keras.scores.captions import (
    Cider,
    caption_scores,
    tokenise,
    tokenised,
    tokeniser,
)
from spatialnet_keras.scores.captions.meteor import meteor, meteor_jar

GOLDEN = json.loads(
    (Path(__file__).parent / "golden" / "captions.json").read_text(encoding="utf-8")
)
CORPORA = pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["name"])


@CORPORA
def test_scores_are_those_of_the_reference_scorer(golden):
    scores = caption_scores(golden["references"], golden["hypotheses"])
    expected = {name: value for name, value in golden["scores"].items() if name != "meteor"}
    assert scores == pytest.approx(expected, abs=1e-9)


def test_scores_are_the_same_to_the_last_digit_in_every_process():
    # each process hashes strings anew: sums over sets of n-grams must not know their order
    program = """
import json, sys
from spatialnet_keras.scores.captions import Cider
for golden in json.load(sys.stdin):
    said = [[tuple(text.split()) for text in each] for each in golden["references"]]
    cider = Cider.of(said)
    print([cider.score(each, words) for each in said for words in said[0]])
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(GOLDEN),
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1


@CORPORA
def test_words_are_those_of_the_reference_scorer(golden):
    texts = [text for each in golden["references"] for text in each]
    assert tokenised(texts) + tokenised(golden["hypotheses"]) == golden["words"]


@pytest.mark.skipif(meteor_jar() is None, reason="no Java, or no METEOR jar")
def test_meteor_is_that_of_the_reference_scorer():
    golden = GOLDEN[0]
    lines = iter(golden["words"])
    said = [[next(lines) for _ in each] for each in golden["references"]]
    assert meteor(said, list(lines)) == pytest.approx(golden["scores"]["meteor"], abs=1e-9)


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("Many trees, and two boats.", "many trees and two boats"),
        (
            "It isn't the U.S. coast (e.g. 3 1/2 km)",
            "it is n't the u.s. coast -lrb- e.g. 3 1/2 km -rrb-",
        ),
        ("the boats' masts; the boat's mast", "the boats masts the boat 's mast"),
        ("a well-known two-storey house", "a well-known two-storey house"),
        ("don’t – ½ m² …", "do n't 1/2 m ²"),  # noqa: RUF001
        ("you cannot - gonna", "you can not gon na"),
        ("one\nline\r\nonly\u2028here", "one line only here"),
        ("", ""),
        (" .,;: ! ? ", ""),
    ],
)
def test_sentences_are_split_into_treebank_words(sentence, words):
    assert " ".join(tokenise([sentence])[0]) == words


def test_the_quick_way_for_plain_sentences_gives_what_the_rules_give():
    for text in (
        "a river by trees .",
        "Trees , a bridge and cars .",
        "two-storey houses, roads.",
        "the sea",
        "plane no .",
        "x",
    ):
        by_rules = " ".join(tokeniser._by_rules(text, "\n"))
        assert tokeniser._PLAIN.fullmatch(text)
        assert tokenised([text]) == [by_rules]


def test_bleu_of_a_short_answer_by_hand():
    # 2 of 2 words right, 1 of 1 pair, closest length 3: exp(1 - 3/2)
    scores = caption_scores([["a red roof"], ["a red roof"]], ["a red", "a red"])
    assert scores["bleu1"] == pytest.approx(np.exp(-0.5), abs=1e-6)
    assert scores["bleu2"] == pytest.approx(np.exp(-0.5), abs=1e-6)
    # no triple: the reference scorer counts 1e-15 right of 1e-9
    assert scores["bleu3"] == pytest.approx(np.exp(-0.5) * 1e-6 ** (1 / 3), abs=1e-6)


def test_rouge_takes_the_best_precision_and_the_best_recall_apart():
    # precision 2/2 from the first, recall 1/1 from the second reference
    scores = caption_scores([["a red big roof", "red"], ["sea"]], ["red roof", "sea"])
    assert scores["rouge_l"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("left", "right", "length"),
    [("abcbdab", "bdcaba", 4), ("", "ab", 0), ("ab", "cd", 0), ("aaaa", "aa", 2)],
)
def test_rouge_counts_the_longest_common_subsequence(left, right, length):
    said, truth = " ".join(left), " ".join(right)
    precision, recall = length / max(len(left), 1), length / len(right)
    f = 2.44 * precision * recall / (recall + 1.44 * precision) if length else 0.0
    scores = caption_scores([[truth], ["sea"]], [said, "sea"])
    assert scores["rouge_l"] == pytest.approx((f + 1) / 2)


def test_cider_of_pairs_is_cider_of_each_alone():
    golden = GOLDEN[1]
    images = [tokenise(each) for each in golden["references"]]
    sentences = [words for each in images for words in each][:60]
    cider = Cider.of(images)
    pairs = cider.pairwise(sentences, sentences[:40])
    expected = [[cider.score([right], left) for right in sentences[:40]] for left in sentences]
    np.testing.assert_allclose(pairs, expected, atol=1e-12)


def test_cider_takes_word_ids_as_well_as_words():
    images = [[(1, 2, 3), (1, 2)], [(4, 5)], [(1, 5, 6)]]
    named = [[tuple("-abcdef"[word] for word in words) for words in said] for said in images]
    ids = Cider.of(images).pairwise(images[0], images[2])
    words = Cider.of(named).pairwise(named[0], named[2])
    assert ids.tolist() == words.tolist()
    assert ids[0, 0] > 0


@pytest.mark.parametrize(
    ("references", "hypotheses", "rule"),
    [
        ([["a river"]], ["a river"], "at least two images"),
        ([["a river"], ["a road"]], ["a river"], "one hypothesis for each image"),
        ([["a river"], []], ["a river", "a road"], "must have a reference"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_the_rule(references, hypotheses, rule):
    with pytest.raises(ValueError, match=rule):
        caption_scores(references, hypotheses)


REFERENCES = {"1": ["a river .", "a wide river"], "2": ["two boats"], "3": ["trees"]}
HYPOTHESES = {"1": "a river", "2": "two boats", "3": "a tree"}
FORMS = {
    "simple": (REFERENCES, HYPOTHESES),
    "coco": (
        {
            "images": [{"id": 1}, {"id": 2}, {"id": 3}],
            "annotations": [
                {"image_id": int(image), "caption": text}
                for image, texts in REFERENCES.items()
                for text in texts
            ],
        },
        [{"image_id": int(image), "caption": text} for image, text in HYPOTHESES.items()],
    ),
    "karpathy": (
        {
            "images": [
                {"imgid": int(image), "sentences": [{"raw": text} for text in texts]}
                for image, texts in REFERENCES.items()
            ]
        },
        HYPOTHESES,
    ),
}


def write(folder, references, hypotheses) -> list[str]:
    files = [folder / "references.json", folder / "hypotheses.json"]
    for file, content in zip(files, (references, hypotheses), strict=True):
        file.write_text(json.dumps(content))
    return [str(file) for file in files]


@pytest.mark.parametrize("form", FORMS)
def test_the_command_scores_each_form(form, tmp_path, capsys):
    main([*write(tmp_path, *FORMS[form]), "--json", "--no-meteor"])
    scores = json.loads(capsys.readouterr().out)
    expected = caption_scores(list(REFERENCES.values()), list(HYPOTHESES.values()))
    assert scores == expected | {"meteor": None}


def test_images_are_matched_by_the_name_that_the_other_file_uses(tmp_path, capsys):
    references = {
        "images": [
            image | {"imgid": 70 + place, "filename": f"{image['imgid']}.tif"}
            for place, image in enumerate(FORMS["karpathy"][0]["images"])
        ]
    }
    hypotheses = {f"{image}.tif": text for image, text in HYPOTHESES.items()}
    for given in (hypotheses, {str(69 + int(image)): text for image, text in HYPOTHESES.items()}):
        main([*write(tmp_path, references, given), "--json", "--no-meteor"])
        scores = json.loads(capsys.readouterr().out)
        expected = caption_scores(list(REFERENCES.values()), list(HYPOTHESES.values()))
        assert scores == expected | {"meteor": None}


def test_a_split_of_a_file_without_splits_is_refused(tmp_path, capsys, exit_code):
    assert exit_code(main, *write(tmp_path, *FORMS["coco"]), "--split", "test") == 2
    assert "has no splits" in capsys.readouterr().err


def test_the_command_prints_a_table_and_takes_a_split(tmp_path, capsys):
    references = FORMS["karpathy"][0]
    for image, split in zip(references["images"], ("test", "test", "train"), strict=True):
        image["split"] = split
    files = write(tmp_path, references, {"1": "a river", "2": "a boat"})
    main([*files, "--split", "test", "--no-meteor"])
    shown = capsys.readouterr().out
    assert "CIDEr" in shown
    assert "n/a" in shown


@pytest.mark.parametrize("program", ["exit 1", "exec 0<&-; sleep 0.5", "read line; echo 1 2"])
def test_scores_that_are_ready_are_shown_where_meteor_breaks_off(
    program, tmp_path, capsys, exit_code, monkeypatch
):
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\n{program}\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("METEOR_JAR", str(java))
    assert exit_code(main, *write(tmp_path, *FORMS["simple"])) == 2
    said = capsys.readouterr()
    assert "CIDEr" in said.out and "n/a" in said.out
    assert "METEOR broke off" in said.err and said.err.count("\n") == 1


def test_the_title_stands_in_one_line(tmp_path, capsys):
    main([*write(tmp_path, {"1": ["a"], "2": ["b"]}, {"1": "a", "2": "b"}), "--no-meteor"])
    assert "2 images, 2 reference captions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("references", "hypotheses", "words"),
    [
        (REFERENCES, {"1": "a river"}, "2 of 3 images have no hypothesis, such as 2"),
        (REFERENCES, HYPOTHESES | {"9": "sea"}, "such as 9"),
        (REFERENCES, HYPOTHESES | {"1": ["a", "b"]}, "Image 1 has 2"),
        ({"images": [{"name": 1}]}, HYPOTHESES, "none of the forms"),
        ([1, 2], HYPOTHESES, "none of the forms"),
        ({"1": [3]}, HYPOTHESES, "no text: 3"),
        (REFERENCES, {"1": {"caption": "a river"}}, "neither text nor a list"),
        ({}, HYPOTHESES, "no captions"),
        ({"1": ["a"]}, {"1": "a"}, "at least two images"),
    ],
)
def test_bad_files_are_one_line_and_exit_code_two(
    references, hypotheses, words, tmp_path, capsys, exit_code
):
    files = write(tmp_path, references, hypotheses)
    assert exit_code(main, *files, "--no-meteor") == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_scores_are_light_to_import():
    code = "import sys, spatialnet_keras.scores.__main__; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(HYPOTHESES))
    with pytest.raises(DataError, match="nowhere"):
        main([str(tmp_path / "nowhere.json"), str(tmp_path / "x.json")])
