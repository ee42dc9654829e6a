"""The scoreboard: every score beside what it must beat, its interval and its number of rows."""

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from spatialnet_keras.scores.intervals import wilson

FLOORS = {
    "majority": "the best constant answer of the training split",
    "blind": "a model of the question's words alone",
    "shuffled": "this model, shown the images of other rows",
    "template": "the best training caption of the land use that this model sees",
}
ALL = "questions"
LABELS = {
    (False, "average_accuracy"): "by class",
    (False, "mae"): "MAE",
    (False, "rmse"): "RMSE",
    (False, "cider"): "CIDEr",
    (False, "rouge_l"): "ROUGE-L",
    **{(False, f"bleu{n}"): f"BLEU-{n}" for n in (1, 2, 3, 4)},
    (True, "overall_accuracy"): "overall (OA)",
    (True, "average_accuracy"): "by type (AA)",
    (True, "overall_accuracy_without_count"): "OA, no count",
    (True, "average_accuracy_without_count"): "AA, no count",
}
CAPTION = "caption"  # has a table of its own
COUNT = "count"  # papers give the mean over questions with and without this task


@dataclass(frozen=True)
class Score:
    """One number and its floors.

    Attributes:
        data: Name of the data set.
        split: That it was measured on.
        task: Name of the task, or "questions" for all of them together.
        score: Name of the score.
        value: What the model reached.
        majority: What the best constant answer of the training split reaches.
        rows: Images or sentences that have a label.
        blind: What a model of the question's words alone reaches; None where nothing is asked.
        shuffled: What the same model reaches when it is shown the images of other rows.
        interval: 95 % interval of an accuracy over rows; None for other scores.
        template: What the best caption of the land use that the model sees reaches.
    """

    data: str
    split: str
    task: str
    score: str
    value: float
    majority: float
    rows: int
    blind: float | None = None
    shuffled: float | None = None
    interval: tuple[float, float] | None = None
    template: float | None = None


def with_interval(score: Score) -> Score:
    """The score with Wilson's interval, if it is a share of its rows."""
    if score.score not in ("accuracy", "overall_accuracy", "overall_accuracy_without_count"):
        return score
    return dataclasses.replace(score, interval=wilson(score.value, score.rows))


def over_all_questions(scores: Sequence[Score]) -> list[Score]:
    """Accuracy over the closed questions and counts of one split of one data set.

    Papers mix four means: by question ("overall") and by type ("average"), each with and
    without counting.
    """
    with_count = [s for s in scores if s.score == "accuracy" and s.blind is not None]
    without = [s for s in with_count if s.task != COUNT]
    found = []
    for suffix, chosen in (("", with_count), ("_without_count", without)):
        if len(chosen) > 1 and (not suffix or len(without) < len(with_count)):
            rows = [score.rows for score in chosen]
            found += [
                _mean_of(chosen, f"overall_accuracy{suffix}", rows),
                _mean_of(chosen, f"average_accuracy{suffix}", None),
            ]
    return found


def floors_of(scores: Sequence[Score]) -> dict[str, str]:
    """The floors that any of the scores has, and what each is."""
    return {
        name: about
        for name, about in FLOORS.items()
        if any(getattr(score, name) is not None for score in scores)
    }


def table(scores: Sequence[Score]) -> Table:
    """Scores of one split of one data set for the terminal: accuracies in percent."""
    floors = floors_of(scores)
    told = [f"{name}: {about}" for name, about in floors.items()] + ["95 %: Wilson's interval"]
    title = f"{scores[0].data}, {scores[0].split} split: scores beside what they must beat"
    view = _empty(title, told)
    for column in ("task", "score"):
        view.add_column(column)
    for column in ("model", "95 %", *floors, "rows"):
        view.add_column(column, justify="right")
    task = None
    for row in scores:
        if task not in (None, row.task):
            view.add_section()
        value, *beaten = (as_text(row.score, getattr(row, each)) for each in ("value", *floors))
        interval = "-".join(dict.fromkeys(f"{100 * end:.0f}" for end in row.interval or ()))
        name = "" if row.task == task else row.task
        label = LABELS.get((row.task == ALL, row.score), row.score)
        view.add_row(name, label, value, interval, *beaten, f"{row.rows:,}")
        task = row.task
    return view


def caption_table(scores: Sequence[Score]) -> Table:
    """Scores of the captions of one split of one data set, in the units that papers use."""
    floors = floors_of(scores) | {"majority": "the most frequent training caption"}
    told = [f"{name}: {about}" for name, about in floors.items()]
    view = _empty(f"{scores[0].data}, {scores[0].split} split: captions", told)
    shown = ("value", *(name for name in ("majority", "template", "shuffled") if name in floors))
    view.add_column("score")
    for column in ("model", *shown[1:], "images"):
        view.add_column(column, justify="right")
    for row in scores:
        numbers = [as_text(row.score, getattr(row, name)) for name in shown]
        view.add_row(LABELS.get((False, row.score), row.score), *numbers, f"{row.rows:,}")
    return view


def _empty(title: str, told: Sequence[str]) -> Table:
    """A table without columns; what its words mean is told below it, a line each."""
    return Table(
        title=title,
        caption="\n".join(told),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,  # all floors fit into the 80 columns of a terminal
        min_width=max(map(len, (title, *told))),  # else both are broken to fit the columns
    )


def show(scores: Sequence[Score]) -> None:
    """Prints the tables of each split of each data set."""
    for _, of_one in itertools.groupby(scores, key=lambda score: (score.data, score.split)):
        rows = list(of_one)
        captions = [row for row in rows if row.task == CAPTION]
        if others := [row for row in rows if row.task != CAPTION]:
            Console().print(table(others))
        if captions:
            Console().print(caption_table(captions))


def to_json(scores: Sequence[Score]) -> list[dict]:
    """For metrics.json."""
    return [dataclasses.asdict(score) for score in scores]


def from_json(entries: Sequence[dict]) -> list[Score]:
    """The inverse of `to_json`."""
    return [
        Score(**entry | {"interval": entry["interval"] and tuple(entry["interval"])})
        for entry in entries
    ]


def by_task(scores: Sequence[Score]) -> dict:
    """One split for programs: task -> {score: value, "rows": n, "floor": majority, ...}.

    The floors and the interval belong to the task's main score. With several data sets there is
    one level more: data set -> task -> ...
    """
    names = dict.fromkeys(score.data for score in scores)
    nested = {name: _by_task([each for each in scores if each.data == name]) for name in names}
    return nested if len(names) > 1 else next(iter(nested.values()), {})


def label(score: Score) -> str:
    """The name of a score for people: "by class" for average_accuracy."""
    return LABELS.get((score.task == ALL, score.score), score.score)


def as_text(score: str, value: float | None) -> str:
    """A score in the unit that papers use; "" for None."""
    if value is None:
        return ""
    if score.startswith(("bleu", "rouge")):
        return f"{100 * value:.1f}"
    if "accuracy" in score:
        return f"{value:.1%}"
    return f"{value:.2f}" if value < 100 else f"{value:.1f}"


def _by_task(scores: Sequence[Score]) -> dict:
    found = {}
    for task, of_task in itertools.groupby(scores, key=lambda score: score.task):
        rows = list(of_task)
        main = rows[0]
        beside = ("blind", "shuffled", "template", "interval")
        found[task] = (
            {score.score: score.value for score in rows}
            | {"rows": main.rows, "floor": main.majority}
            | {name: getattr(main, name) for name in beside if getattr(main, name) is not None}
        )
    return found


def _mean_of(scores: Sequence[Score], name: str, weights: list[int] | None) -> Score:
    first = scores[0]

    def mean(column: str) -> float | None:
        values = [getattr(score, column) for score in scores]
        return None if None in values else float(np.average(values, weights=weights))

    rows = sum(score.rows for score in scores)
    columns = {column: mean(column) for column in ("value", *FLOORS)}
    return with_interval(Score(first.data, first.split, ALL, name, rows=rows, **columns))
