"""Evaluation: every score beside its floor and its number of rows.

python -m spatialnet_keras.evaluate RUN
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from pipelines import commands
from pipelines.batches import Examples, evaluation_batches, unpad
from pipelines.records import SPLITS, DataError, Records, unknown
from spatialnet_keras import data
from spatialnet_keras.config import Config, ConfigError, named_folder
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import Task

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Score:
    """One number of a report.

    Attributes:
        data: Name of the data set.
        split: That it was measured on.
        task: Name of the task.
        score: Name of the score.
        value: What the model reached.
        floor: What the best constant answer of the training split reaches.
        rows: Images or sentences that have a label.
    """

    data: str
    split: str
    task: str
    score: str
    value: float
    floor: float
    rows: int


def predict(
    model: keras.Model, examples: Examples, tasks: Sequence[Task], config: Config
) -> Outputs:
    """Outputs of every task: [n, ...] for images, [m, ...] for sentences, in records' order."""
    most = max([1, *(slots.most for slots in examples.slots.values())])
    # an image with its hundred questions takes the room of several images with a few
    room = config.train.batch_size * max(16, config.train.questions_per_image)
    batch_size = int(np.clip(room // most, 1, config.train.batch_size))
    outputs = model.predict(evaluation_batches(examples, batch_size), verbose=0)
    return {task.name: unpad(examples, task.unit, outputs[task.name]) for task in tasks}


def scores(records: Records, outputs: Outputs, tasks: Sequence[Task]) -> list[Score]:
    """Scores the outputs on one split of one data set; a task without labels there has none."""
    found = []
    for task in tasks:
        truths = task.truths(records)
        labelled = np.array([truth is not None for truth in truths], bool)
        known = [truth for truth in truths if truth is not None]
        if not known:
            continue
        reached = task.score(task.answer(outputs[task.name][labelled]), known)
        floor = task.floor(known)
        found += [
            Score(records.name, records.split, task.name, name, value, floor[name], len(known))
            for name, value in reached.items()
        ]
    return found


def evaluate(run: Run, split: str, skip_bad: bool = False) -> list[Score]:
    """Scores the best epoch of a run on a split of each of its data sets.

    Raises:
        DataError: If the data or the run cannot be read, or nothing there has a label.
    """
    model, found = run.model(), []
    for part in data.read(run.config, split, skip_bad):
        examples = part.encode(run.tasks, run.vocabulary, run.config)
        outputs = predict(model, examples, run.tasks, run.config)
        found += scores(part.records, outputs, run.tasks)
    if not found:
        raise DataError(f"The {split} split has no label for a task of {run.path}.")
    return found


def table(found: Sequence[Score]) -> Table:
    """Scores of one split as a table for the terminal: accuracies in percent."""
    view = Table(title=f"{found[0].split} split, beside the best constant answer (floor)")
    for column in ("data", "task", "score"):
        view.add_column(column)
    for column in ("model", "floor", "rows"):
        view.add_column(column, justify="right")
    for row in found:
        style = "{:.1%}" if "accuracy" in row.score else "{:.2f}"
        value, floor = style.format(row.value), style.format(row.floor)
        view.add_row(row.data, row.task, row.score.replace("_", " "), value, floor, f"{row.rows:,}")
    return view


def show(found: Sequence[Score]) -> None:
    """Prints the table."""
    Console().print(table(found))


def to_json(found: Sequence[Score]) -> list[dict]:
    """For metrics.json."""
    return [asdict(each) for each in found]


def from_json(entries: Sequence[dict]) -> list[Score]:
    """The inverse of `to_json`."""
    return [Score(**entry) for entry in entries]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = commands.Parser(prog="python -m spatialnet_keras.evaluate", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run directory, as train.py writes it")
    parser.add_argument("--split", default="test", help=f"{', '.join(SPLITS)} (default: test)")
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="other data, or the same in another folder (default: the run's own)",
    )
    parser.add_argument("--skip-bad-images", action="store_true", help="go on without them")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    flags = parser.parse_args(arguments)
    if flags.split not in SPLITS:
        raise ConfigError(unknown("split", flags.split, SPLITS))
    run = Run.open(flags.run)
    if flags.data:
        folders = tuple(named_folder(each) for each in flags.data)
        run = dataclasses.replace(run, config=dataclasses.replace(run.config, data=folders))
    found = evaluate(run, flags.split, flags.skip_bad_images)
    print(json.dumps(to_json(found), indent=2)) if flags.json else show(found)


if __name__ == "__main__":
    commands.run("evaluate", main, DataError, ConfigError)
