"""The backend of Keras: checked before it is imported, which takes seconds."""

import contextlib
import importlib.util
import os
from collections.abc import Iterator

from pipelines import commands
from pipelines.records import unknown
from spatialnet_keras.config import ConfigError

BACKENDS = ("tensorflow", "jax", "torch")


@contextlib.contextmanager
def importing_keras() -> Iterator[None]:
    """Around the imports of a command that take Keras along, once its flags are known to be right.

    Raises:
        ConfigError: As `check_backend`.
    """
    check_backend()
    with commands.interrupted_after(), commands.quiet_stderr():
        yield


def check_backend() -> None:
    """Refuses a KERAS_BACKEND that Keras cannot import.

    Raises:
        ConfigError: It is none of `BACKENDS`, or not installed.
    """
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if name not in BACKENDS:
        raise ConfigError(unknown("KERAS_BACKEND", name, BACKENDS))
    if importlib.util.find_spec(name) is None:
        extra = "." if name == "tensorflow" else f".[{name}]"
        raise ConfigError(
            f"KERAS_BACKEND={name} needs {name}. Install it: python -m pip install -e '{extra}'"
        )
