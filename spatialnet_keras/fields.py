"""Fields of settings: what each is, for `--help`, and what it may be."""

import dataclasses
from dataclasses import field
from typing import Any

from pipelines.records import unknown


class ConfigError(ValueError):
    """A choice that cannot work: one line with the rule and what was received."""


_KINDS = {
    int: (int, "a whole number"),
    float: (int | float, "a number"),
    bool: (bool, "True or False"),
    str: (str, "text"),
}


def setting(default: Any, about: str, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field that carries its unit and source for `--help`."""
    return field(default=default, metadata={"about": about, "choices": choices})


def check_fields(section: Any) -> None:
    """Refuses values of another kind than their field, or that are none of its choices.

    Raises:
        ConfigError: The first of them.
    """
    for each in dataclasses.fields(section):
        value, choices = getattr(section, each.name), each.metadata["choices"]
        kinds, called = _KINDS[each.type]
        if not isinstance(value, kinds) or isinstance(value, bool) != (each.type is bool):
            raise ConfigError(f"{each.name} must be {called}. Received: {value!r}.")
        if choices and value not in choices:
            raise ConfigError(unknown(each.name, value, choices))
