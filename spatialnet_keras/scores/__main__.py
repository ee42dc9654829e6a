"""Scores captions: python -m spatialnet_keras.scores REFERENCES.json HYPOTHESES.json."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipelines.commands import Parser, run
from pipelines.records import DataError
from spatialnet_keras.scores.captions import caption_scores, tokenise, tokenised
from spatialnet_keras.scores.captions.meteor import meteor, meteor_nltk
from spatialnet_keras.scores.files import matched, read_captions

Scores = dict[str, float | None]

NAMES = {
    "bleu1": "BLEU-1", "bleu2": "BLEU-2", "bleu3": "BLEU-3", "bleu4": "BLEU-4",
    "meteor": "METEOR", "meteor_nltk": "METEOR (nltk)", "rouge_l": "ROUGE-L", "cider": "CIDEr",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads both files, prints a table or JSON."""
    parser = Parser(
        prog="spatialnet_keras.scores",
        description="Scores captions as pycocoevalcap 1.2 does, without Java.",
        epilog="METEOR needs Java and its jar (METEOR_JAR, or pip install pycocoevalcap).",
    )
    parser.add_argument("references", type=Path, help="JSON in COCO's, Karpathy's or simple form")
    parser.add_argument("hypotheses", type=Path, help="JSON, likewise, one caption an image")
    parser.add_argument("--split", help="of references in Karpathy's form, such as test")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a table")
    parser.add_argument("--no-meteor", action="store_true", help="do not start Java")
    parser.add_argument("--meteor-nltk", action="store_true", help="nltk's METEOR: another number")
    chosen = parser.parse_args(arguments)
    said = read_captions(chosen.hypotheses)
    references, hypotheses = matched(
        read_captions(chosen.references, chosen.split, said.keys()), said
    )
    try:
        scores, broken = _scores(references, hypotheses, chosen.no_meteor, chosen.meteor_nltk)
    except ValueError as error:
        raise DataError(str(error)) from None
    if chosen.json:
        print(json.dumps(scores))
    else:
        captions = sum(map(len, references))
        _show(f"{len(hypotheses):,} images, {captions:,} reference captions", scores)
    if broken:  # last: the others were seen
        raise DataError(str(broken))


def _show(title: str, scores: Scores) -> None:
    table = Table(title=title, min_width=len(title))  # else it is broken to fit the columns
    table.add_column("score")
    table.add_column("value", justify="right")
    for name, title in NAMES.items():
        if name in scores:
            value = scores[name]
            table.add_row(title, "n/a" if value is None else f"{value:.4f}")
    Console().print(table)


def _scores(
    references: list[list[str]], hypotheses: list[str], no_meteor: bool, by_nltk: bool
) -> tuple[Scores, RuntimeError | None]:
    """All that can be had, and why METEOR is not among them if it broke off."""
    broken, scores = None, dict(caption_scores(references, hypotheses))
    scores["meteor"] = None
    lines = iter(tokenised([text for texts in references for text in texts]))
    said = [[next(lines) for _ in texts] for texts in references]
    if not no_meteor:
        try:
            scores["meteor"] = meteor(said, tokenised(hypotheses))
        except RuntimeError as error:
            broken = error
    if by_nltk:
        words = [[tuple(line.split()) for line in each] for each in said]
        scores["meteor_nltk"] = meteor_nltk(words, tokenise(hypotheses))
    return scores, broken


if __name__ == "__main__":
    run("spatialnet_keras.scores", main, DataError)
