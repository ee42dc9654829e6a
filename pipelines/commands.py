"""What the commands of both packages share: one line for bad input, and their exit codes."""

import argparse
import contextlib
import difflib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

from tqdm import tqdm

DONE, BAD_INPUT, INTERRUPTED = 0, 2, 130


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line and names the nearest flag."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)

    def parse_args(self, args=None, namespace=None):
        """As argparse does, with a suggestion for a flag that it does not know."""
        found, left = self.parse_known_args(args, namespace)
        if left:
            name = left[0].split("=")[0]
            nearest = difflib.get_close_matches(name, self._option_string_actions, n=1)
            hint = f" Did you mean {nearest[0]}?" if nearest else " See --help."
            self.error(f"unknown argument {left[0]}.{hint}")
        return found

    def error(self, message: str) -> NoReturn:
        """One line on stderr, exit code 2."""
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def run(program: str, main: Callable[[], None], *bad_input: type[Exception]) -> NoReturn:
    """Runs a command and exits: 0 done, 2 bad input (one line on stderr), 130 interrupted.

    Args:
        program: Its name, to open the line with.
        main: The command.
        *bad_input: The exceptions whose message is meant for the user.
    """
    try:
        main()
    except bad_input as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a full disk, a folder that cannot be written
        where = f"{error.filename}: " if error.filename else ""
        print(f"{program}: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        print(f"{program}: interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(DONE)


def say(program: str, line: str) -> None:
    """A line on stderr that does not tear a progress bar apart."""
    tqdm.write(f"{program}: {line}", file=sys.stderr)


def progress(total: int, what: str, unit: str) -> tqdm:
    """A bar for what takes more than two seconds; in a log file a line every half minute.

    Args:
        total: How much there is to do.
        what: What is being done.
        unit: Of what.
    """
    watched = sys.stderr.isatty()
    return tqdm(
        total=total, desc=what, unit=unit, delay=2, mininterval=0.1 if watched else 30,
        file=sys.stderr if watched else _Lines(),
    )  # fmt: skip


class _Lines:
    """Stands for stderr, where a bar cannot be drawn over the one before."""

    def write(self, text: str) -> None:
        if text := text.strip("\r\n "):
            print(text, file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keeps back what native code writes to stderr, unless what runs inside fails.

    TensorFlow writes notes on CPU instructions and missing GPUs while it is imported, some of
    them before any of its log settings count.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def interrupted_after() -> Iterator[None]:
    """Holds a Ctrl-C back until what runs inside is done; a second one acts at once.

    Some packages catch whatever is raised while they are imported, KeyboardInterrupt as well.

    Raises:
        KeyboardInterrupt: At the end, if it was asked for inside.
    """
    usual = signal.default_int_handler
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not usual:
        yield
        return
    asked = False

    def hold(*_) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if asked:
        raise KeyboardInterrupt
