"""Writing: a run as one page without network and as a model card; several runs side by side."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.records import DataError
from spatialnet_keras.evaluation.board import settings
from spatialnet_keras.evaluation.details import by_class
from spatialnet_keras.evaluation.findings import LAND_USE, Evaluation, asked_about, confusions
from spatialnet_keras.evaluation.scoreboard import Score, floors_of, from_json
from spatialnet_keras.plots import viewable
from spatialnet_keras.prediction.attention import Looks
from spatialnet_keras.prediction.overlays import heat
from spatialnet_keras.reporting.charts import Line, chart, stroke
from spatialnet_keras.reporting.gallery import Look, cards
from spatialnet_keras.reporting.pages import (
    Row,
    card,
    curves,
    label_of,
    main_scores,
    render,
    tables,
)
from spatialnet_keras.run import Run, write_text
from spatialnet_keras.scores import is_error, is_share

REPORT, MODEL_CARD, COMPARISON = "report.html", "model_card.md", "comparison.html"


def write_report(run: Run, found: Sequence[Evaluation], path: Path | None = None) -> Path:
    """Writes RUN/report.html, or another file, and RUN/model_card.md.

    Args:
        run: A trained run.
        found: Its evaluations; the test split's are shown in detail.
        path: Of the page.

    Returns:
        The page.
    """
    scores, look = [score for each in found for score in each.scores], _look(run)
    known = {
        "card": card(run),
        "main": main_scores(run, scores),
        "tables": tables(scores),
        "floors": floors_of(scores),
    }
    page = render(
        "report.html.j2",
        **known,
        curves=curves(run, scores),
        data_parts=[_details(run, each, look) for each in found if each.split == "test"],
    )
    path = path or run.path / REPORT
    write_text(path, page)
    write_text(run.path / MODEL_CARD, render("model_card.md.j2", **known))
    return path


def write_comparison(runs: Sequence[Run], path: Path) -> Path:
    """Writes a page of several runs side by side, from what is recorded in them.

    Raises:
        DataError: If a run has no scores yet.
    """
    scores = [_recorded(run) for run in runs]
    names = _names(runs)
    page = render(
        "comparison.html.j2",
        names=names,
        cards=[card(run) for run in runs],
        tables=_side_by_side(scores),
        floors=floors_of([score for of_run in scores for score in of_run]),
        strokes=[stroke(place) for place, _ in enumerate(names, 1)],
        curves=_overlaid(runs, names),
        differences=_differences(runs),
    )
    write_text(path, page)
    return path


def _details(run: Run, found: Evaluation, look: Look | None) -> dict[str, Any]:
    """Everything behind the scores on one split of one data set."""
    confused = confusions(run, found)
    land_use = [each for each in confused if each.task == LAND_USE]
    return {
        "name": f"{found.data}, {found.split} split",
        "confusions": confused,
        "classes": [
            row
            for each in land_use
            for row in sorted(by_class(each.names, each.table), key=lambda row: row.accuracy)
        ],
        "subjects": asked_about(run, found),
        "gallery": cards(found, run.tasks, look),
    }


def _look(run: Run) -> Look:
    looks = Looks(run.model(), run.config.model.pooling)
    tells_use = LAND_USE in {task.name for task in run.tasks}

    def look(tile: np.ndarray, question: str | None) -> dict[str, np.ndarray]:
        maps = {"land use": looks.for_land_use(tile)} if tells_use else {}
        if question is not None:
            ids = run.vocabulary.encode([question], run.config.model.question_words)
            found = looks.for_questions(tile, ids)
            maps[question] = None if found is None else found[0]
        view = viewable(tile)
        return {name: heat(view, found) for name, found in maps.items() if found is not None}

    return look


def _recorded(run: Run) -> list[Score]:
    entries = run.metrics.get("scores")
    if not entries:
        raise DataError(f"{run.path} has no scores yet. Go on with: {run.command}")
    return from_json(entries)


def _names(runs: Sequence[Run]) -> list[str]:
    """Each run's folder, with as much of its path as tells it from the others."""
    paths = [str(run.path.resolve()) for run in runs]
    if len({Path(path).name for path in paths}) == len(paths):
        return [Path(path).name for path in paths]
    return [os.path.relpath(path, os.path.commonpath(paths)) for path in paths]


def _side_by_side(scores: Sequence[Sequence[Score]]) -> list[tuple[str, list[dict]]]:
    """(title, lines): each line is one score of all runs, None where a run has none."""
    every = [score for of_run in scores for score in of_run if score.split == "test"]
    found = []
    for data in dict.fromkeys(score.data for score in every):
        lines = []
        kinds = dict.fromkeys((s.task, s.score) for s in every if s.data == data)
        for task, name in kinds:
            rows = [_row(of_run, data, task, name) for of_run in scores]
            values = [row.score.value for row in rows if row]
            best = min(values) if is_error(name) else max(values)
            lines.append({"task": task, "score": name, "label": label_of(task, name),
                          "rows": rows, "best": best if len(values) > 1 else None})  # fmt: skip
        found.append((f"{data}, test split", lines))
    return found


def _row(scores: Sequence[Score], data: str, task: str, name: str) -> Row | None:
    for score in scores:
        if (score.data, score.split, score.task, score.score) == (data, "test", task, name):
            return Row.of(score)
    return None


def _overlaid(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """A chart for each score that at least one run was validated with, a line a run."""
    histories = [run.metrics["history"] for run in runs]
    tasks = {task.name: task for run in runs for task in run.tasks if task.headline}
    wanted = {"val_loss": ("validation loss", False)} | {
        f"val_{task.name}_{task.scores[0]}": (
            f"{task.name.replace('_', ' ')}, {label_of(task.name, task.scores[0])}, validation",
            is_share(task.scores[0]),
        )
        for task in tasks.values()
    }
    found = []
    for key, (title, percent) in wanted.items():
        lines = [
            Line(name, [entry[key] for entry in history], series=place)
            for place, (name, history) in enumerate(zip(names, histories, strict=True), 1)
            if key in history[0]
        ]
        if lines:
            found.append(chart(title, lines, percent=percent, log=key == "val_loss", legend=False))
    return found


def _differences(runs: Sequence[Run]) -> list[tuple[str, list[Any]]]:
    """Settings that are not the same in all runs."""
    chosen = [settings(run) for run in runs]
    names = dict.fromkeys(name for each in chosen for name in each)
    lines = [(name, [each.get(name, "") for each in chosen]) for name in names]
    return [(name, values) for name, values in lines if len(set(map(str, values))) > 1]
