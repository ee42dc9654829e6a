"""Prediction: land use, a caption and answers to questions, for your own images.

python -m spatialnet_keras.predict RUN IMAGE... --question "How many roads are there?"
"""

import json
import os
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

from pipelines import commands
from pipelines.records import DataError
from spatialnet_keras.backend import importing_keras
from spatialnet_keras.config import ConfigError, DecodeConfig
from spatialnet_keras.flags import add_flags, add_question_flags, check_question_flags, decoding

if TYPE_CHECKING:
    from spatialnet_keras.prediction.predictor import Answer, Prediction, Predictor
    from spatialnet_keras.prediction.questions import Questions

NAME = "predict"
_ASKED = 44  # letters of a question in a line
Found = tuple[Path, "np.ndarray | DataError", "Prediction | None"]  # file, its pixels, the answer


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    flags = parser().parse_args(arguments)
    check_question_flags(flags)
    if flags.attention and not (
        flags.attention.suffix == ".png" and flags.attention.parent.is_dir()
    ):
        raise ConfigError(f"--attention needs a .png in a folder. Received: {flags.attention}.")
    with importing_keras():
        from spatialnet_keras.prediction.inputs import find_images
        from spatialnet_keras.prediction.predictor import Predictor

    warnings.showwarning = lambda message, *_, **__: commands.say(NAME, str(message))
    predictor = Predictor.load(flags.run, **decoding(flags))
    paths = find_images(flags.image)
    questions = predictor.prepare(flags.question, flags.type) if flags.question else None
    for note in questions.notes if questions else ():
        commands.say(NAME, note)
    notes: set[str] = set()
    bad = 0
    for number, (path, pixels, said) in enumerate(predictions(predictor, paths, questions)):
        if said is None:
            commands.say(NAME, str(pixels))
            bad += 1
        with tqdm.external_write_mode():
            show(path, pixels, said, questions, flags.json)
        if flags.attention and said is not None:
            out = flags.attention
            if len(paths) > 1:
                out = out.with_name(f"{out.stem}-{number + 1}-{path.stem}{out.suffix}")
            notes.update(draw(predictor, out, pixels, said, questions))
    for note in sorted(notes):
        commands.say(NAME, note)
    if bad:
        raise DataError(f"{bad} of {len(paths)} images could not be read; see above.")


def parser() -> commands.Parser:
    """All flags."""
    parser = commands.Parser(
        prog="python -m spatialnet_keras.predict", description=__doc__.splitlines()[0]
    )
    parser.add_argument("run", metavar="RUN", help="a run directory, as train.py writes it")
    parser.add_argument("image", metavar="IMAGE", nargs="+", help="files, globs or folders")
    add_question_flags(parser)
    parser.add_argument("--json", action="store_true", help="a line of JSON an image, no table")
    parser.add_argument(
        "--attention",
        metavar="OUT.png",
        type=Path,
        help="draw where the model looked; of several images, OUT-1-NAME.png, ...",
    )
    add_flags(parser, "decode", DecodeConfig, "as the run was trained")
    return parser


def predictions(
    predictor: "Predictor", paths: Sequence[Path], questions: "Questions | None"
) -> Iterator[Found]:
    """Every file in order; those that cannot be read cost the others nothing."""
    size = predictor.batch_size(questions)
    with commands.progress(len(paths), "Predicting", "image") as bar:
        for start in range(0, len(paths), size):
            batch = paths[start : start + size]
            read = predictor.read(batch)
            good = [pixels for pixels in read if not isinstance(pixels, DataError)]
            said = iter(predictor.predict(np.stack(good), questions)[0] if good else ())
            for path, pixels in zip(batch, read, strict=True):
                yield path, pixels, None if isinstance(pixels, DataError) else next(said)
            bar.update(len(batch))


def to_json(said: "Prediction", questions: "Questions | None" = None) -> dict:
    """What is said of one image; `null` where the run was not trained to say it."""
    asked = zip(questions.texts if questions else (), said.answers, strict=True)
    return {
        "land_use": said.land_use and _named(said.land_use),
        **{name: _named(answer) for name, answer in said.others.items()},
        "caption": said.caption,
        "answers": [
            {
                "question": text,
                "type": answer.task,
                "answer": answer.text,
                "probability": _rounded(answer),
            }
            for text, answer in asked
        ],
    }


def show(
    path: Path,
    pixels: "np.ndarray | DataError",
    said: "Prediction | None",
    questions: "Questions | None",
    as_json: bool,
) -> None:
    """Prints one image: a line of JSON, or its name and a table for people."""
    if as_json:
        row = {"error": str(pixels)} if said is None else to_json(said, questions)
        # in ASCII: a file's name need not be UTF-8
        print(json.dumps({"image": str(path)} | row), flush=True)
    elif said is not None:
        console = Console()
        name = os.fsencode(path).decode(errors="replace")
        console.print(name, style="bold", markup=False, highlight=False, soft_wrap=True)
        console.print(table(said, questions))


def table(said: "Prediction", questions: "Questions | None" = None) -> Table:
    """What is said of one image, and how sure."""
    texts = [" ".join(text.split()) for text in questions.texts] if questions else []
    rows = Table.grid(padding=(0, 2))
    labels = ["land use", *said.others, *texts]
    rows.add_column(width=min(_ASKED, max(map(len, labels))) + 2, style="dim")
    rows.add_column()
    rows.add_column(justify="right")
    if said.land_use:
        rows.add_row("  land use", escape(said.land_use.text), _percent(said.land_use))
    for name, answer in said.others.items():
        rows.add_row(f"  {name.replace('_', ' ')}", escape(answer.text), _percent(answer))
    if said.caption is not None:
        rows.add_row("  caption", escape(said.caption))
    for text, answer in zip(texts, said.answers, strict=True):
        lines = textwrap.wrap(text[: 5 * _ASKED], _ASKED)
        rows.add_row(
            escape(textwrap.indent("\n".join(lines), "  ")), escape(answer.text), _percent(answer)
        )
    return rows


def draw(
    predictor: "Predictor",
    out: Path,
    pixels: np.ndarray,
    said: "Prediction",
    questions: "Questions | None",
) -> list[str]:
    """Writes the picture of where the model looked; says which maps it cannot give."""
    from spatialnet_keras.prediction.overlays import attention_sheet

    picture, notes = attention_sheet(predictor, pixels, said, questions)
    try:
        out.write_bytes(picture)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror}.") from None
    return notes


def _named(answer: "Answer") -> dict:
    return {"name": answer.text, "probability": _rounded(answer)}


def _rounded(answer: "Answer") -> float | None:
    return None if answer.probability is None else round(answer.probability, 6)


def _percent(answer: "Answer") -> str:
    return "" if answer.probability is None else f"{answer.probability:.0%}"


if __name__ == "__main__":
    commands.run(NAME, main, DataError, ConfigError)
