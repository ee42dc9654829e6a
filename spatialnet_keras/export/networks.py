"""The networks that are exported: parts of the trained one, each with what its answers need."""

import dataclasses
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras

from spatialnet_keras.config import override
from spatialnet_keras.model import Head, answering_model, connect
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import Task


@dataclass(frozen=True)
class Networks:
    """A run's network, loaded once; all parts share its weights.

    Attributes:
        run: The run.
        trained: As it was trained.
    """

    run: Run
    trained: keras.Model

    @classmethod
    def of(cls, run: Run, in_float32: bool = False) -> "Networks":
        """Loads the best epoch of a run, as it computes or in float32, which its weights are in."""
        if not in_float32 or run.config.train.dtype == "float32":
            return cls(run, run.model())
        with tempfile.TemporaryDirectory() as folder:
            exact = dataclasses.replace(run, path=Path(folder))
            _copy_in_float32(run.best, exact.best)
            return cls(run, exact.model())

    @property
    def tasks(self) -> dict[str, Task]:
        """The run's, by name."""
        return {each.name: each for each in self.run.tasks}

    @property
    def question_tasks(self) -> tuple[Task, ...]:
        """Those that answer a question; each is for one type of them."""
        return tuple(each for each in self.run.tasks if getattr(each, "question_type", ""))

    @property
    def answers_questions(self) -> bool:
        """Whether a question finds its head: by its type, or since there is but one."""
        return "question_type" in self.tasks or len(self.question_tasks) == 1

    def answering(self) -> keras.Model:
        """All of it, captions written: see `model.answering_model`."""
        return answering_model(self.trained, self.run.config, self.run.tasks)

    def only(self, *tasks: Task) -> keras.Model:
        """From `image` and, if a task needs it, `question` to one output a task, by name."""
        inputs, _, outputs = self._connected({each.name: self._head(each) for each in tasks})
        return keras.Model(inputs, outputs)

    def captions(self, task: Task) -> keras.Model:
        """From `image` to words int32 [B, W, L] and scores float32 [B, W], best beam first."""
        head, reads = self._head(task)
        scored = keras.Model(head.input, list(head.get_layer("beam_search").output))
        inputs, _, outputs = self._connected({task.name: (scored, reads)})
        return keras.Model(inputs, outputs[task.name])

    def _head(self, task: Task) -> Head:
        return task.answering(self.trained.get_layer(task.name), self.run.config.decode)

    def _connected(self, heads: dict[str, Head]):
        asked = any(self.tasks[name].unit == "question" for name in heads)
        return connect(
            self.run.config,
            self.trained.get_layer("image_encoder"),
            self.trained.get_layer("question_encoder") if asked else None,
            heads,
            self.run.config.pixels.dtype,
        )


def left_out_of_decoding(run: Run) -> Iterator[str]:
    """What no exported network does."""
    if run.config.decode.symmetries:
        yield "the mean over flips and turns (decode.symmetries); a tile is seen once, as it is"
    if run.config.decode.consensus and any(each.unit == "caption" for each in run.tasks):
        yield "consensus among captions (decode.consensus); the likeliest beam is written"


def without_consensus(run: Run) -> Run:
    """The run with captions as its beams write them: consensus needs its memory beside it."""
    return dataclasses.replace(run, config=override(run.config, {"decode.consensus": False}))


def _copy_in_float32(source: Path, target: Path) -> None:
    """Every layer of a `.keras` file says its precision in the file's configuration."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                content = re.sub(rb'"mixed_b?float16"', b'"float32"', content)
            new.writestr(name, content)
