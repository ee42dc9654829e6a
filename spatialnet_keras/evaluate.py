"""Evaluation: what a run scores on a split, and what it must beat there.

python -m spatialnet_keras.evaluate RUN
"""

import dataclasses
import json
from collections.abc import Sequence

from rich.console import Console

from pipelines import commands
from pipelines.records import SPLITS, DataError, unknown
from spatialnet_keras.backend import importing_keras
from spatialnet_keras.config import ConfigError, DecodeConfig, override
from spatialnet_keras.flags import add_flags, given, named_folder


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
    with importing_keras():
        from spatialnet_keras.evaluation.findings import land_use_tables, question_tables
        from spatialnet_keras.evaluation.scoreboard import show, to_json
        from spatialnet_keras.evaluation.scoring import (
            as_trained,
            evaluations,
            record,
            record_apart,
        )
        from spatialnet_keras.run import Run

    own = Run.open(flags.run)
    config = override(own.config, given(flags))
    if flags.data:
        folders = tuple(named_folder(each) for each in flags.data)
        config = dataclasses.replace(config, data=folders)
    run = dataclasses.replace(own, config=config)
    found = evaluations(run, [flags.split], flags.skip_bad_images, own)
    scores = [score for each in found for score in each.scores]
    if flags.json:
        print(json.dumps(to_json(scores), indent=2))
    else:
        show(scores)
        for each in found:
            tables = land_use_tables(run, each)
            for table in tables + (question_tables(run, each) if flags.details else []):
                Console().print(table)
    # last: where the run cannot be written, the scores were seen
    pictures = record(run, found) if as_trained(own, run, found) else record_apart(run, scores)
    if not flags.json:
        for picture in pictures:
            print(f"Which land uses are confused: {picture}")


if __name__ == "__main__":
    commands.run("evaluate", main, DataError, ConfigError)
