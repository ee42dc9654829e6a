"""Makes captions.json: what pycocoevalcap 1.2 says of captions plain and odd.

python -m tests.scores.golden.make --python PYTHON [--fuzz SEED]

PYTHON is one that has pycocoevalcap 1.2 and Java. With --fuzz nothing is written: 20,000 made-up
captions are scored by both, and what differs is printed.
"""

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reference import scored
from pipelines.synthetic.captions import describe
from pipelines.synthetic.layout import imagine
from spatialnet_keras.scores.captions import caption_scores, tokenised

GOLDEN = Path(__file__).with_name("captions.json")
PIECES = """don't can't won't gonna cannot gotta I'm he'd've it's boat's boats' 'tis 'twas o'clock
ma'am y'all 'em '90s rock'n'roll U.S. e.g. i.e. etc. Mr. Dr. St. No. no. fig. co. Inc., approx. a.m.
p.m. A. b. x. 5 12 1st 2x4 10:30 12/25/2014 2014-11-24 1,000 1.5 -3 .5 1/2 3-1/2 50% $5 US$ £10 €20
555-1234 #1 #tag @home a the The trees , . ; : ! ? ?! !!! ... .... -- --- ---- ----- - _ __ * ** + =
~ ^ | \\ / ( ) [ ] { } " ' '' ` `` well-known two-storey and/or AT&T R&D C++ C# .NET a.b.c 2.txt
http://example.com/a?b=1 www.example.com example.org a@b.com <b> </b> <!-- &amp; &lt; &quot; :) :-(
;-) ^_^ don’t boat’s “quoted” ‘single’ – — … é naïve 中文 ½ m² ³ °C → ×""".split()  # noqa: RUF001
RARE = """Ph.D. Ed.D. Bancorp. Messrs. Canada-U.S. non-U.S U.S.-U.K. U.S.-U.S.S.R. USA-U.S. c'mon
nor'easter s'mores ev'ry nat'l int'l Cap'n c'est Dunkin' somethin' cont'd. '90S ’tis ’twas e’er li’l
#tag\u00ad,""".split()  # noqa: RUF001
SPACED = ("(555) 123-4567", "555 123 4567", "3 1/2", ". . .", "", " ", "\t", "  ", "\n", "\u00a0")


def sentence(draw: random.Random, more: Sequence[str] = ()) -> str:
    """A few pieces, with spaces or without."""
    pieces = [*PIECES, *SPACED, *more]
    space = draw.choice(("", " ", " ", " "))
    return space.join(draw.choice(pieces) for _ in range(draw.randint(0, 9)))


def corpora() -> dict[str, tuple[list[list[str]], list[str]]]:
    """References and hypotheses by name."""
    draw = random.Random(4)
    city = [list(describe(imagine(4, index))) for index in range(40)]
    odd = [[sentence(draw) for _ in range(draw.randint(1, 6))] for _ in range(60)]
    return {
        "city": (city, [draw.choice(draw.choice(city)) for _ in city]),
        "odd": (odd, [draw.choice([sentence(draw), *texts]) for texts in odd]),
        "empty and one word": (
            [["a river .", "river"], ["", "trees"], ["a road", "the road ."], ["."]],
            ["", "trees", "road", "."],
        ),
        "two images": ([["one boat in a harbor"], ["two boats"]], ["one boat", "two boats"]),
        "across lines": (
            [["hall no."], ["5 trees"], ["pier B."], ["The sea"], ["plan X."], ["", "The sea"]],
            ["a", "5", "b", ":)", "no.", "\u0665"],
        ),
        "rare words": (
            [[f"the {word} tree", f"at {word}"] for word in RARE],
            [f"{word}." for word in RARE],
        ),
        "nothing right": ([["a b c d"], ["e f g h"]], ["x y z", "w"]),
    }


def make(python: str) -> None:
    """Writes the file."""
    golden = [
        {"name": name, "references": references, "hypotheses": hypotheses}
        | {key: found[key] for key in ("scores", "words")}
        for name, (references, hypotheses) in corpora().items()
        for found in [scored(python, references, hypotheses, meteor=name == "city")]
    ]
    GOLDEN.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def fuzz(python: str, seed: int) -> None:
    """Prints what differs."""
    draw = random.Random(seed)
    references = [[sentence(draw, RARE) for _ in range(4)] for _ in range(4000)]
    hypotheses = [sentence(draw, RARE) for _ in references]
    theirs = scored(python, references, hypotheses)
    texts = [text for each in references for text in each]
    lines = tokenised(texts) + tokenised(hypotheses)
    pairs = zip([*texts, *hypotheses], theirs["words"], lines, strict=True)
    differing = [(text, theirs, ours) for text, theirs, ours in pairs if theirs != ours]
    for each in differing[:20]:
        print(*map(repr, each), sep="\n   ")
    print(len(differing), "of", len(lines), "sentences differ")
    for name, value in caption_scores(references, hypotheses).items():
        print(f"{name:8} {value:.6f} {theirs['scores'][name]:.6f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", required=True)
    parser.add_argument("--fuzz", type=int)
    chosen = parser.parse_args()
    if chosen.fuzz is None:
        make(chosen.python)
    else:
        fuzz(chosen.python, chosen.fuzz)
