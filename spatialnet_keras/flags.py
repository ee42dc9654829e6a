"""Flags: every field of a configuration on the command line (`--model.width INT`)."""

import dataclasses
from argparse import ArgumentParser, Namespace
from typing import Any

from spatialnet_keras.config import ConfigError


def add_flags(parser: ArgumentParser, name: str, section: type, about: str) -> None:
    """Adds a flag for each field of a section: `--model.width INT`."""
    group = parser.add_argument_group(f"{name} ({about})")
    for each in dataclasses.fields(section):
        choices = each.metadata["choices"] or None
        group.add_argument(
            f"--{name}.{each.name}",
            type=_boolean if each.type is bool else each.type,
            choices=choices,
            metavar=None if choices else each.type.__name__.upper(),
            help=f"{each.metadata['about']} ({each.default})",
        )


def given(flags: Namespace) -> dict[str, Any]:
    """The flags of `add_flags` that were on the command line, for `override`."""
    return {name: value for name, value in vars(flags).items() if "." in name and value is not None}


def named_folder(text: str) -> tuple[str, str]:
    """The "NAME=DIR" of a `--data` flag -> (name, folder)."""
    name, _, root = text.partition("=")
    if not root:
        raise ConfigError(f"--data needs NAME=DIR. Received: {text!r}.")
    return name, root


def add_question_flags(parser: ArgumentParser) -> None:
    """Adds the flags that say what is asked."""
    parser.add_argument(
        "--question", action="append", default=[], metavar="TEXT", help="ask; may be repeated"
    )
    parser.add_argument(
        "--type", metavar="TYPE", help="of all questions: presence, count, ... (default: found out)"
    )


def check_question_flags(flags: Namespace) -> None:
    """Checks the flags that say what is asked.

    Raises:
        ConfigError: If a type is given and no question.
    """
    if flags.type and not flags.question:
        raise ConfigError("--type says of what kind the questions are. Ask some by --question.")


def decoding(flags: Namespace) -> dict:
    """The flags on decoding that were given, by the names that `load` takes."""
    return {name.removeprefix("decode."): value for name, value in given(flags).items()}


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"
