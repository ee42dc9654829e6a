"""The command `python -m pipelines.synthetic DIR --tiles N`."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from pipelines.records import DataError
from pipelines.synthetic.write import write_city


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Says what is wrong in one line, without the usage."""
        self.exit(2, f"{self.prog}: {message}. See --help.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Draws a city as the command line says; returns the exit code."""
    flags = _parser().parse_args(argv)
    try:
        drawn = write_city(**vars(flags))
    except DataError as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(f"{error.filename or flags.root} cannot be written: {error.strerror}.", 2)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing is left behind", 130)
    kept = "" if drawn else " (as it was there already)"
    print(f"{flags.tiles:,} tiles of {flags.size}x{flags.size} pixels are in {flags.root}{kept}.")
    print(f"Next: python train.py --data {shlex.quote(f'synthetic={flags.root}')}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m pipelines.synthetic",
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


def _fail(message: str, code: int) -> int:
    print(f"python -m pipelines.synthetic: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
