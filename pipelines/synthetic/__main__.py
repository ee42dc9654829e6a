"""The command `python -m pipelines.synthetic DIR --tiles N`."""

import shlex
from collections.abc import Sequence

from pipelines import commands
from pipelines.records import DataError
from pipelines.synthetic.write import write_city

PROGRAM = "python -m pipelines.synthetic"


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws a city as the command line says."""
    flags = _parser().parse_args(arguments)
    try:
        drawn = write_city(**vars(flags))
    except OSError as error:
        place = error.filename or flags.root
        raise DataError(f"{place} cannot be written: {error.strerror}.") from error
    kept = "" if drawn else " (as it was there already)"
    print(f"{flags.tiles:,} tiles of {flags.size}x{flags.size} pixels are in {flags.root}{kept}.")
    print(f"Next: python train.py --data {shlex.quote(f'synthetic={flags.root}')}")


def _parser() -> commands.Parser:
    parser = commands.Parser(
        prog=PROGRAM,
        description="Draws a city seen from the air, tile by tile, with land use, captions, "
        "questions and exact answers, in the layouts of UCM-captions and RSVQA-LR.",
    )
    add = parser.add_argument
    add("root", metavar="DIR", help="the folder to make")
    add("--tiles", metavar="N", type=int, required=True, help="tiles in all, at least 30")
    add("--seed", metavar="N", type=int, default=0, help="another number, another city (0)")
    add("--size", metavar="N", type=int, default=128, help="pixels a side, 64 to 1024 (128)")
    add("--questions", metavar="N", type=int, default=20, help="questions a tile, 4 to 40 (20)")
    add("--workers", metavar="N", type=int, help="processes (as many as there are cores)")
    return parser


if __name__ == "__main__":
    commands.run(PROGRAM, main, DataError)
