"""The networks that are exported: parts of the trained one, each with what its answers need."""

import dataclasses
from dataclasses import dataclass

import keras

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
    def of(cls, run: Run) -> "Networks":
        """Loads the best epoch of a run."""
        return cls(run, run.model())

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

    def portable(self) -> keras.Model:
        """All heads but the caption's, whose loop stays in TensorFlow; with the image's vectors.

        For captions it gives `image_tokens` [B, N, D] instead, which `next_words` reads.
        """
        written = [each for each in self.run.tasks if each.unit == "caption"]
        heads = {each.name: self._head(each) for each in self.run.tasks if each not in written}
        inputs, features, outputs = self._connected(heads)
        for name in ("image_vector", *(("image_tokens",) if written else ())):
            outputs[name] = keras.layers.Identity(name=name)(features[name])
        return keras.Model(inputs, outputs)

    def next_words(self, task: Task) -> keras.Model:
        """The caption decoder: words so far int32 [B, C, L], image tokens -> logits of the next."""
        return self.trained.get_layer(task.name)

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


def without_consensus(run: Run) -> Run:
    """The run with captions as its beams write them: consensus needs its memory beside it."""
    decode = dataclasses.replace(run.config.decode, consensus=False, neighbours=0)
    return dataclasses.replace(run, config=dataclasses.replace(run.config, decode=decode))
