"""Evaluation: what a run scores on a split, and what it must beat there.

python -m spatialnet_keras.evaluate RUN
"""

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from pipelines import commands
from pipelines.records import SPLITS, DataError, Records, unknown
from spatialnet_keras import data
from spatialnet_keras.config import (
    ConfigError,
    DecodeConfig,
    add_flags,
    given,
    named_folder,
    override,
)
from spatialnet_keras.details import by_subject, confusion_table, count_confusion, subject_table
from spatialnet_keras.floors import blind_models, labelled, template_model
from spatialnet_keras.inference import Outputs, memory_of, predict, predict_on_other_images
from spatialnet_keras.run import Run
from spatialnet_keras.scoreboard import (
    COUNT,
    Score,
    over_all_questions,
    show,
    to_json,
    with_interval,
)
from spatialnet_keras.scores.blind import BlindModel
from spatialnet_keras.scores.template import TemplateModel
from spatialnet_keras.tasks import Task


def scores(
    records: Records,
    tasks: Sequence[Task],
    outputs: Outputs,
    shuffled: Outputs,
    blind: dict[str, BlindModel],
    template: TemplateModel | None = None,
) -> list[Score]:
    """Scores one split of one data set; a task without labels there has none."""
    found = []
    for task in tasks:
        truths = task.truths(records)
        known = np.array([truth is not None for truth in truths], bool)
        labels = [truth for truth in truths if truth is not None]
        if not labels:
            continue
        reached = task.score(task.answer(outputs[task.name][known]), labels)
        majority = task.floor(labels)
        without_image, without_eyes, by_template = {}, {}, {}
        if task.unit != "image" and task.headline:
            without_image = task.score(task.answer(shuffled[task.name][known]), labels)
        if task.name in blind and task.headline:
            questions = [question for question, _ in labelled(task, records)]
            without_eyes = task.score(blind[task.name].answer(questions), labels)
        if task.unit == "caption" and template:
            classes = _answers_of(tasks, "land_use", outputs)
            said = template.answer(
                [each for each, here in zip(classes, known, strict=True) if here]
            )
            by_template = task.score(said, labels)
        for name, value in reached.items():
            score = Score(
                records.name, records.split, task.name, name, value, majority[name], len(labels),
                without_eyes.get(name), without_image.get(name), template=by_template.get(name),
            )  # fmt: skip
            found.append(with_interval(score))
    return found + over_all_questions(found)


def _answers_of(tasks: Sequence[Task], name: str, outputs: Outputs) -> list[str]:
    (task,) = (each for each in tasks if each.name == name)
    return task.answer(outputs[name])


def evaluate(run: Run, splits: Sequence[str], skip_bad: bool = False) -> list[Score]:
    """Scores the best epoch of a run on splits of each of its data sets.

    Raises:
        DataError: If the data or the run cannot be read, or nothing in a split has a label.
    """
    model, blind, template, found = (
        run.answering_model(),
        blind_models(run),
        template_model(run),
        [],
    )
    memory = memory_of(run, model)
    for split in splits:
        before = len(found)
        for part in data.read(run.config, split, skip_bad):
            examples = part.encode(run.tasks, run.vocabulary, run.config)
            known = examples, run.tasks, run.config, memory
            outputs, shuffled = predict(model, *known), {}
            if any(row.questions or row.captions for row in part.records):
                shuffled = predict_on_other_images(model, *known)
            found += scores(part.records, run.tasks, outputs, shuffled, blind, template)
        if len(found) == before:
            raise DataError(f"The {split} split has no label for a task of {run.path}.")
    return found


def details(run: Run, split: str, skip_bad: bool = False) -> list[Table]:
    """Tables behind the scores: each question task by subject, and the confusion of counts."""
    model, tables = run.answering_model(), []
    for part in data.read(run.config, split, skip_bad):
        examples = part.encode(run.tasks, run.vocabulary, run.config)
        outputs = predict(model, examples, run.tasks, run.config, memory_of(run, model))
        subjects = []
        for task in run.tasks:
            if task.unit != "question" or not task.headline:
                continue
            known = np.array([truth is not None for truth in task.truths(part.records)], bool)
            answers = task.answer(outputs[task.name][known])
            subjects += by_subject(task, part.records, answers)
            if task.name == COUNT and answers:
                truths = [truth for _, truth in labelled(task, part.records)]
                tables.append(confusion_table(count_confusion(answers, truths)))
        if subjects:
            tables.append(subject_table(subjects))
    return tables


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
    parser.add_argument("--details", action="store_true", help="by what is asked about, too")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_flags(parser, "decode", DecodeConfig, "as the run was trained")
    flags = parser.parse_args(arguments)
    if flags.split not in SPLITS:
        raise ConfigError(unknown("split", flags.split, SPLITS))
    run = Run.open(flags.run)
    config = override(run.config, given(flags))
    if flags.data:
        folders = tuple(named_folder(each) for each in flags.data)
        config = dataclasses.replace(config, data=folders)
    run = dataclasses.replace(run, config=config)
    found = evaluate(run, [flags.split], flags.skip_bad_images)
    if flags.json:
        print(json.dumps(to_json(found), indent=2))
        return
    show(found)
    for table in details(run, flags.split, flags.skip_bad_images) if flags.details else ():
        Console().print(table)


if __name__ == "__main__":
    commands.run("evaluate", main, DataError, ConfigError)
