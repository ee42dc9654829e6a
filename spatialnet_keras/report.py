"""Report: a run on one page without network, its model card, or several runs side by side.

python -m spatialnet_keras.report RUN [RUN...]
"""

import os
from collections.abc import Sequence
from pathlib import Path

from pipelines import commands
from pipelines.records import DataError
from spatialnet_keras.backend import importing_keras
from spatialnet_keras.config import ConfigError


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = commands.Parser(prog="python -m spatialnet_keras.report", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run directories")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the page (RUN/report.html; of several runs comparison.html in their common folder)",
    )
    parser.add_argument("--skip-bad-images", action="store_true", help="go on without them")
    flags = parser.parse_args(arguments)
    with importing_keras():
        from spatialnet_keras.evaluation.scoring import evaluations
        from spatialnet_keras.reporting.writing import COMPARISON, write_comparison, write_report
        from spatialnet_keras.run import Run

    runs = [Run.open(path) for path in flags.runs]
    out = Path(flags.out) if flags.out else None
    if out and (out.is_dir() or not out.resolve().parent.is_dir()):
        raise ConfigError(f"--out needs a file in a folder that exists. Received: {out}.")
    if len(runs) == 1:
        found = evaluations(runs[0], ("val", "test"), flags.skip_bad_images)
        print(write_report(runs[0], found, out))
        return
    common = os.path.commonpath([run.path.resolve().parent for run in runs])
    print(write_comparison(runs, out or Path(common) / COMPARISON))


if __name__ == "__main__":
    commands.run("report", main, DataError, ConfigError)
