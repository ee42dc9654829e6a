"""Pages: what is said of a run in a report and in a model card, as values for the templates."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from spatialnet_keras.config import Config
from spatialnet_keras.evaluation.scoreboard import FLOORS, Score, as_text, label
from spatialnet_keras.reporting.charts import Line, chart
from spatialnet_keras.run import Run
from spatialnet_keras.scores import is_error, is_share


@dataclass(frozen=True)
class Row:
    """One score of a table.

    Attributes:
        score: The score.
        name: For people.
        floors: (name, value) of what it must beat.
        best_floor: The name of the best of them.
        gain: By how much the score is better than its best floor.
        sure: Whether the interval lies above the best floor; None without interval.
    """

    score: Score
    name: str
    floors: dict[str, float]
    best_floor: str
    gain: float
    sure: bool | None

    @classmethod
    def of(cls, score: Score) -> "Row":
        """The row of a score."""
        floors = {each: getattr(score, each) for each in FLOORS if getattr(score, each) is not None}
        if is_error(score.score):
            best = min(floors, key=floors.get)
            gain = floors[best] - score.value
        else:
            best = max(floors, key=floors.get)
            gain = score.value - floors[best]
        sure = score.interval[0] > floors[best] if score.interval else None
        return cls(score, label(score), floors, best, gain, sure)


def render(template: str, **values: Any) -> str:
    """Fills a template of this package."""
    environment = Environment(
        loader=PackageLoader("spatialnet_keras.reporting"),
        autoescape=lambda name: name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests["share"] = is_share
    environment.filters |= {
        "percent": lambda share: f"{100 * share:.1f} %",
        "thousands": lambda number: f"{number:,}",
        "score": lambda value, name: as_text(name, value),
        "gain": _gain,
        "duration": duration,
    }
    return environment.get_template(template).render(**values)


def main_scores(run: Run, scores: Sequence[Score], split: str = "test") -> list[Row]:
    """The main score of each task on each data set, where it counts."""
    main = {task.name: task.scores[0] for task in run.tasks if task.headline}
    return [
        Row.of(score)
        for score in scores
        if score.split == split and main.get(score.task) == score.score
    ]


def tables(scores: Sequence[Score]) -> list[tuple[str, list[Row]]]:
    """(title, rows) of each split of each data set, the test split first."""
    order = {"test": 0, "val": 1, "train": 2}
    kinds = sorted({(order[s.split], s.data, s.split) for s in scores})
    return [
        (
            f"{data}, {split} split",
            [Row.of(s) for s in scores if (s.data, s.split) == (data, split)],
        )
        for _, data, split in kinds
    ]


def curves(run: Run, scores: Sequence[Score]) -> list[str]:
    """Charts of a training: losses, each task's validation score, learning rate."""
    history = run.metrics.get("history", [])
    if not history:
        return []
    best = best_epoch(run)
    found = [chart("loss", _lines(history, {"loss": "train", "val_loss": "validation"}), log=True)]
    for task in run.tasks:
        name = f"val_{task.name}_{task.scores[0]}"
        if not task.headline or name not in history[0]:
            continue
        floors = [s.majority for s in scores if (s.task, s.score) == (task.name, task.scores[0])
                  and s.split == "val"]  # fmt: skip
        found.append(
            chart(
                f"{task.name.replace('_', ' ')}, {label_of(task.name, task.scores[0])}, validation",
                [Line("validation", [entry[name] for entry in history])],
                floor=floors[0] if len(floors) == 1 else None,
                mark=best,
                percent=is_share(task.scores[0]),
            )
        )
    if "learning_rate" in history[0]:
        rates = [entry["learning_rate"] for entry in history]
        found.append(chart("learning rate", [Line("rate", rates)]))
    return found


def best_epoch(run: Run) -> int | None:
    """The epoch whose network was kept; None before the first."""
    history, monitor = run.metrics.get("history", []), run.config.train.monitor
    sign = -1 if is_error(monitor) else 1
    best = max(history, key=lambda entry: sign * entry[f"val_{monitor}"], default=None)
    return best and best["epoch"]


def label_of(task: str, score: str) -> str:
    """The name of a task's score for people."""
    return label(Score("", "", task, score, 0.0, 0.0, 0))


def card(run: Run) -> dict[str, Any]:
    """What repeats a run and what it is made of, for the model card and the report."""
    metrics = run.metrics
    facts = metrics.get("facts", {})
    train = run.config.train
    history = metrics.get("history", [])
    machine = facts.get("machine", {})
    return {
        "name": run.path.resolve().name,
        "started": facts.get("started", ""),
        "command": facts.get("command") or "",
        "encoder": encoder(run.config),
        "parameters": facts.get("parameters"),
        "tasks": [(name.replace("_", " "), weight) for name, weight in run.config.tasks],
        "training": f"{len(history)} of {train.epochs} epochs, batch {train.batch_size}, "
        f"{train.optimizer} at {train.learning_rate:g}, {train.dtype}",
        "best": best_epoch(run),
        "monitor": train.monitor.replace("_", " "),
        "wall_seconds": facts.get("wall_seconds"),
        "machine": ", ".join(
            [f"{machine['processor']}, {machine['cores']} cores", *machine["accelerators"]]
        )
        if machine
        else "",
        "system": machine.get("system", ""),
        "backend": facts.get("backend", ""),
        "seed": train.seed,
        "versions": facts.get("versions", {}),
        "data": facts.get("data", []),
        "settings": json.loads(run.config.to_json()),
    }


def encoder(config: Config) -> str:
    """The image encoder in one line, and how much of it was trained."""
    model, (kind, _, name) = config.model, config.model.encoder.partition(":")
    size, regime = f"{model.image_size} x {model.image_size} pixels", config.train.encoder
    if kind == "preset":
        text = f"preset {Path(name).name}: {size}, {model.hybrid_layers} blocks on top"
    elif kind == "cnn":
        text = f"plain convolutional network: {size}, width {model.width}, {model.layers} layers"
    elif kind != "vit":
        text = f"{kind}: {size}, width {model.width}, {model.layers} layers"
    else:
        start = "in patches" if model.stem == "patches" else "by convolutions to places"
        text = f"vision transformer: {size} {start} of {model.patch_size}, width {model.width}, "
        text += f"{model.layers} layers, {model.heads} heads"
        text += ", conditional positions" if model.positions == "conditional" else ""
    if regime == "lora":
        return f"{text}; LoRA of rank {config.train.lora_rank}"
    if regime == "full":
        return text
    return f"{text}; the first {model.frozen_share:.0%} of it frozen"


def duration(seconds: float | None) -> str:
    """Seconds for people: "4 min 36 s"; "" for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _lines(history: list[dict], names: dict[str, str]) -> list[Line]:
    known = {key: name for key, name in names.items() if key in history[0]}
    return [
        Line(name, [entry[key] for entry in history], series=place)
        for place, (key, name) in enumerate(known.items(), 1)
    ]


def _gain(row: Row) -> str:
    return f"{100 * row.gain:+.1f}" if is_share(row.score.score) else f"{row.gain:+.2f}"
