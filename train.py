"""Trains SpatialNet-ViT: data on disk -> tf.data -> Keras model -> fit -> scores -> run directory.

python train.py                                          a procedural city, some minutes on a CPU
python train.py --data ucm_captions=DIR --preset small   real images
"""

import dataclasses
import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pipelines import commands
from pipelines.reading import read_json
from pipelines.records import DataError
from spatialnet_keras.backend import importing_keras
from spatialnet_keras.config import (
    Config,
    ConfigError,
    DecodeConfig,
    ModelConfig,
    TrainConfig,
    override,
)
from spatialnet_keras.flags import add_flags, given, named_folder
from spatialnet_keras.presets import PRESETS, preset

CITY = Path("data/synthetic")
CITY_TILES = 2000


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the flags, trains, prints the scores and what to type next."""
    flags = parser().parse_args(arguments)
    config = configuration(flags)
    with importing_keras():
        from spatialnet_keras.evaluation.scoreboard import from_json, show
        from spatialnet_keras.run import Run
        from spatialnet_keras.training import train
        from spatialnet_keras.training.pretraining import pretrain

    for each in config.init:  # what is wrong with them is said before data are read
        Run.open(each, answers=False)
    if config.train.teacher:
        Run.open(config.train.teacher)
    if not flags.data or "synthetic" in flags.data:  # no folder of one's own
        from pipelines.synthetic import write_city

        write_city(CITY, CITY_TILES)
    path = run_directory(flags, config)
    if flags.pretrain:
        run = pretrain(config, path, flags.skip_bad_images)
        print(f"The encoder is in {run.path}. To start from it:\n  {start_from(run.path, flags)}")
        return
    run = train(config, path, flags.skip_bad_images)
    found = from_json(run.metrics["scores"])
    show([score for score in found if score.split == "test"])
    parent, directory = (shlex.quote(str(each)) for each in (run.path.parent, run.path))
    print(
        f"The run is in {run.path}, all of it on one page: {run.path / 'report.html'}. Next:\n"
        f"  tensorboard --logdir {parent}\n"
        f"  python -m spatialnet_keras.evaluate {directory}"
    )


def parser() -> commands.Parser:
    """All flags; each field of the configuration is one."""
    parser = commands.Parser(prog="train.py", description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="tiny", help=f"{', '.join(PRESETS)} (default: tiny)")
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="a data set and its folder; several are trained jointly (default: synthetic)",
    )
    parser.add_argument("--run", metavar="DIR", help="run directory (default: runs/PRESET-DATA)")
    parser.add_argument("--tasks", metavar="NAME=LAMBDA,...", help="default: all with labels, at 1")
    parser.add_argument("--epochs", type=int, help="short for --train.epochs")
    parser.add_argument("--seed", type=int, help="short for --train.seed")
    parser.add_argument(
        "--init",
        action="append",
        default=[],
        metavar="RUN",
        help="start from the weights of another run; of several, which began alike, from the mean",
    )
    parser.add_argument("--teacher", metavar="RUN", help="short for --train.teacher")
    parser.add_argument(
        "--pretrain",
        action="store_true",
        help="train the image encoder alone, without labels, for --init to start from",
    )
    parser.add_argument("--skip-bad-images", action="store_true", help="go on without them")
    sections = {"model": ModelConfig, "train": TrainConfig, "decode": DecodeConfig}
    for name, section in sections.items():
        add_flags(parser, name, section, "defaults are the paper's; presets differ")
    return parser


def configuration(flags: Namespace) -> Config:
    """The preset with what the flags change.

    Raises:
        ConfigError: For values that cannot work.
    """
    short = {f"train.{name}": getattr(flags, name) for name in ("epochs", "seed", "teacher")}
    changes = given(flags) | {name: value for name, value in short.items() if value is not None}
    config = override(preset(flags.preset), changes)
    folders = [f"synthetic={CITY}" if each == "synthetic" else each for each in flags.data]
    data = tuple(named_folder(each) for each in folders or [f"synthetic={CITY}"])
    tasks = tuple(_named_weight(each) for each in (flags.tasks or "").split(",") if each)
    return dataclasses.replace(config, data=data, tasks=tasks, init=tuple(flags.init))


def run_directory(flags: Namespace, config: Config) -> Path:
    """--run, or runs/PRESET-DATA(-pretrained), with a number if a finished run is there."""
    if flags.run:
        return Path(flags.run)
    kind = ["pretrained"] if flags.pretrain else []
    stem = "-".join([config.preset, *(name for name, _ in config.data), *kind])
    number = 1
    while True:
        path = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
        metrics = path / "metrics.json"
        if not metrics.is_file() or "scores" not in read_json(metrics):
            return path
        number += 1


def start_from(path: Path, flags: Namespace) -> str:
    """The command that starts from a pretrained encoder, with the same data and network."""
    words = ["python", "train.py", "--preset", flags.preset]
    words += [word for each in flags.data for word in ("--data", each)]
    for name, value in given(flags).items():
        if name.startswith("model."):
            words += [f"--{name}", str(value)]
    return shlex.join([*words, "--init", str(path)])


def _named_weight(text: str) -> tuple[str, float]:
    name, _, weight = text.partition("=")
    try:
        return name, float(weight or 1)
    except ValueError:
        raise ConfigError(f"--tasks needs NAME=LAMBDA,... Received: {text!r}.") from None


if __name__ == "__main__":
    commands.run("train.py", main, DataError, ConfigError)
