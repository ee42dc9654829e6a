"""The run directory: the one thing that evaluation, prediction, export and reports take.

config.json  tasks.json  vocabulary.txt  best.keras  memory.npz  metrics.json  checkpoints/
tensorboard/
"""

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from pipelines.reading import read_json
from pipelines.records import DataError
from spatialnet_keras import layers  # noqa: F401  registers the layers that best.keras names
from spatialnet_keras.config import Config, ConfigError
from spatialnet_keras.model import answering_model
from spatialnet_keras.tasks import Task, task
from spatialnet_keras.text import Vocabulary


@dataclass(frozen=True)
class Run:
    """A run: what was chosen, what was fitted on the training split, and where it is.

    Attributes:
        path: The directory.
        config: What was chosen; `config.tasks` holds every task with its lambda_t.
        tasks: Fitted, in the order of the model's outputs.
        vocabulary: Of the questions of the training split; captions have their own.
    """

    path: Path
    config: Config
    tasks: tuple[Task, ...]
    vocabulary: Vocabulary

    @classmethod
    def open(cls, path: str | Path, answers: bool = True) -> "Run":
        """Reads a run directory.

        Args:
            path: The directory.
            answers: Whether it must have a task, which a pretrained encoder has not.

        Raises:
            DataError: If there is no run, one of its files is broken, or it answers nothing.
        """
        path = Path(path)
        if not (path / "config.json").is_file():
            command = shlex.join(["python", "train.py", "--run", str(path)])
            raise DataError(f"No run in {path}. Train one: {command}")
        try:
            config = Config.from_json((path / "config.json").read_text(encoding="utf-8"))
            states = json.loads((path / "tasks.json").read_text(encoding="utf-8"))
            tasks = tuple(task(name).from_dict(state) for name, state in states.items())
            vocabulary = Vocabulary.read(path / "vocabulary.txt")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"The run in {path} cannot be read: {error}. Train it anew.") from None
        if answers and not tasks:
            raise DataError(
                f"{path} is a pretrained encoder and answers nothing. "
                f"Train from it: --init {shlex.quote(str(path))}"
            )
        return cls(path, config, tasks, vocabulary)

    def start(self) -> None:
        """Makes the directory, or goes on in it if it holds the same run.

        A run that broke off before its first epoch was finished is replaced.

        Raises:
            ConfigError: If it holds another run, or something else.
        """
        if (self.path / "config.json").exists():
            there = Run.open(self.path, answers=False)
            parts = ("config", "tasks", "vocabulary")
            other = [name for name in parts if getattr(there, name) != getattr(self, name)]
            if not other:
                return
            if self.checkpoint.exists() or self.best.exists():
                raise ConfigError(
                    f"{self.path} holds a run with another {_difference(there, self, other[0])}. "
                    f"Choose another --run, or delete it."
                )
            (self.path / "metrics.json").unlink(missing_ok=True)
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise ConfigError(f"{self.path} is not a run and not empty. Choose another --run.")
        self.path.mkdir(parents=True, exist_ok=True)
        self.vocabulary.write(self.path / "vocabulary.txt")
        states = {each.name: each.to_dict() for each in self.tasks}
        write_json(self.path / "tasks.json", states)
        # last: a directory with a config.json is whole
        write_text(self.path / "config.json", self.config.to_json())

    @property
    def best(self) -> Path:
        """The network of the best epoch."""
        return self.path / "best.keras"

    @property
    def memory(self) -> Path:
        """The training captions by their tiles, if captions are chosen among them."""
        return self.path / "memory.npz"

    @property
    def checkpoint(self) -> Path:
        """Everything that the next epoch needs."""
        return self.path / "checkpoints" / "state.npz"

    def model(self) -> keras.Model:
        """Loads the network of the best epoch.

        Raises:
            DataError: If no epoch was finished yet, or the file is broken.
        """
        if not self.best.is_file():
            raise DataError(f"No epoch of {self.path} is finished yet. Go on with: {self.command}")
        try:
            return keras.saving.load_model(self.best, compile=False)
        except Exception as error:  # keras raises whatever the zip, the JSON or HDF5 raised
            line = (
                str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            )
            raise DataError(f"{self.best} cannot be loaded: {line}. Train the run anew.") from error

    def answering_model(self) -> keras.Model:
        """The same, connected to answer: see `model.answering_model`."""
        return answering_model(self.model(), self.config, self.tasks)

    @property
    def command(self) -> str:
        """The command that goes on with this run: the very one, if it was started by one."""
        if typed := self.metrics.get("facts", {}).get("command"):
            return typed
        data = [word for name, root in self.config.data for word in ("--data", f"{name}={root}")]
        kind = [] if self.tasks else ["--pretrain"]
        words = ["python", "train.py", *kind, "--preset", self.config.preset, *data]
        return shlex.join([*words, "--run", str(self.path)])

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds: history, times and scores; empty before the first epoch.

        Raises:
            DataError: If it is cut off.
        """
        path = self.path / "metrics.json"
        return read_json(path) if path.is_file() else {}

    def record(self, **entries: Any) -> None:
        """Adds entries to metrics.json."""
        write_json(self.path / "metrics.json", self.metrics | entries)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON whole or not at all."""
    write_text(path, json.dumps(value, indent=2))


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all; it ends with a line break."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text.removesuffix("\n") + "\n", encoding="utf-8")
    os.replace(temporary, path)


def _difference(there: Run, here: Run, name: str) -> str:
    """Names what differs: "train.epochs (3, now 5)", or just "vocabulary"."""
    if name != "config":
        return f"{name} (its data changed)"
    old, new = (json.loads(each.config.to_json()) for each in (there, here))
    for section, value in new.items():
        if old[section] == value:
            continue
        if not isinstance(value, dict):
            return f"{section} ({old[section]}, now {value})"
        for key in value:
            if old[section].get(key) != value[key]:
                return f"{section}.{key} ({old[section].get(key)}, now {value[key]})"
    return name
