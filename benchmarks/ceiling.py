"""The best captions of the procedural city that its truth allows, beside the template floor.

python -m benchmarks.ceiling CITY [--split val]

Who knows a scene wholly still does not know which five sentences were drawn of all that could be
said of it. The ceiling is the sentence that agrees best (expected CIDEr) with the others that could
be said; the floor is the best training caption of the true land use.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import pipelines
from pipelines import commands
from pipelines.records import DataError, Record
from pipelines.synthetic.captions import describe
from pipelines.synthetic.layout import LAND_USES, imagine
from pipelines.synthetic.scene import Scene
from spatialnet_keras.scores.captions import Cider, caption_scores, tokenise
from spatialnet_keras.scores.template import TemplateModel

PROGRAM = "python -m benchmarks.ceiling"
SHOWN = {"bleu1": "BLEU-1", "bleu4": "BLEU-4", "rouge_l": "ROUGE-L", "cider": "CIDEr"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints one table."""
    parser = commands.Parser(prog=PROGRAM, description=__doc__.splitlines()[0])
    parser.add_argument("city", type=Path, help="that python -m pipelines.synthetic drew")
    parser.add_argument("--split", default="val", help="val or test (val)")
    parser.add_argument("--times", type=int, default=60, help="five sentences are drawn (60)")
    chosen = parser.parse_args(arguments)
    training = pipelines.load("synthetic", chosen.city, "train")
    rows = pipelines.load("synthetic", chosen.city, chosen.split).rows
    seed = json.loads((chosen.city / "city.json").read_text())["seed"]
    cider = Cider.of([tokenise(row.captions) for row in training])
    said = {name: [r.captions for r in training if r.land_use == name] for name in LAND_USES}
    best = [best_of(_scene(row, seed), cider, chosen.times) for row in rows]
    found = {
        "template of the true land use": TemplateModel(said).answer([r.land_use for r in rows]),
        "one who knows each scene": best,
    }
    table = Table(title=f"Captions of {len(rows)} tiles, {chosen.split}")
    table.add_column("written by")
    for name in SHOWN.values():
        table.add_column(name, justify="right")
    references = [list(row.captions) for row in rows]
    for name, sentences in found.items():
        scores = caption_scores(references, sentences)
        cells = [f"{scores[k]:.2f}" if k == "cider" else f"{100 * scores[k]:.1f}" for k in SHOWN]
        table.add_row(name, *cells)
    Console().print(table)


def best_of(scene: Scene, cider: Cider, times: int) -> str:
    """Of all sentences drawn for a scene, the one of the highest mean CIDEr against all of them."""
    keys = [(10**9 + time, scene.key[1]) for time in range(times)]
    said = [text for key in keys for text in describe(dataclasses.replace(scene, key=key))]
    counts = Counter(said)
    words = tokenise(list(counts))
    agreement = cider.pairwise(words, words) @ np.array(list(counts.values()))
    return list(counts)[int(agreement.argmax())]


def _scene(row: Record, seed: int) -> Scene:
    number = int(row.image.stem.rpartition("_")[2])
    scene = imagine(seed, number * len(LAND_USES) + LAND_USES.index(row.land_use))
    if describe(scene) != tuple(row.captions):
        raise DataError(f"{row.image} was drawn by another version of the city. Draw it anew.")
    return scene


if __name__ == "__main__":
    commands.run(PROGRAM, main, DataError)
