"""The predictor: a trained run that says what tiles show and answers questions about them."""

import logging
import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines.pixels import apply_symmetries
from pipelines.records import ALL_SYMMETRIES, DataError, symmetries
from spatialnet_keras.config import ConfigError, DecodeConfig, override
from spatialnet_keras.consensus import Consensus, choose
from spatialnet_keras.inference import Outputs, consensus_of, mean_over_symmetries
from spatialnet_keras.prediction.attention import Looks
from spatialnet_keras.prediction.inputs import Item, as_stored, each_image
from spatialnet_keras.prediction.questions import Questions, as_texts, prepare
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import Task

_THREADS = min(8, os.cpu_count() or 1)

# TensorFlow takes several networks, each compiled once, for one that is compiled again and again
logging.getLogger("tensorflow").addFilter(
    lambda record: "triggered tf.function retracing" not in record.getMessage()
)


@dataclass(frozen=True)
class Answer:
    """What the network says.

    Attributes:
        text: In the words of the training labels.
        probability: 0 to 1; None where the head gives none (a regressed count).
        task: Who answers: "land_use", "presence", ...
    """

    text: str
    probability: float | None
    task: str


@dataclass(frozen=True)
class Prediction:
    """All that the network says of one image; None or empty where it was not trained to.

    Attributes:
        land_use: Its class.
        caption: A sentence.
        answers: One a question.
        others: By name, what further tasks of the whole tile say.
    """

    land_use: Answer | None
    caption: str | None
    answers: tuple[Answer, ...]
    others: dict[str, Answer] = field(default_factory=dict)


class Predictor:
    """A run that was loaded to be used. Images may have any size; they are resized as in training.

    `images` is, everywhere, a path, an image of Pillow, an array [H, W] or [H, W, C], a batch
    [B, H, W, C], or a list of these.
    """

    def __init__(self, run: Run):
        self.run = run
        self._models: dict[frozenset[str], keras.Model] = {}

    @classmethod
    def load(cls, path: str | Path, **decode: Any) -> "Predictor":
        """Reads a run directory; see `spatialnet_keras.load`."""
        run = Run.open(path)
        if unknown := decode.keys() - vars(DecodeConfig()).keys():
            raise ConfigError(
                f"Decoding has the settings {', '.join(vars(DecodeConfig()))}. "
                f"Received: {', '.join(sorted(unknown))}."
            )
        changes = {f"decode.{name}": value for name, value in decode.items()}
        return cls(replace(run, config=override(run.config, changes)))

    def classify(self, images: Item | Sequence[Item]) -> list[Answer]:
        """The land use of each image.

        Raises:
            ConfigError: The run was trained on none.
            DataError: An image cannot be read.
        """
        task = self._task("land_use")
        return [said.land_use for said in self._all(images, None, {task.name})]

    def describe(self, images: Item | Sequence[Item]) -> list[str]:
        """A sentence about each image. Raises as `classify` does."""
        task = self._task("caption")
        return [said.caption for said in self._all(images, None, {task.name})]

    def ask(
        self,
        images: Item | Sequence[Item],
        questions: str | Sequence[str],
        types: str | Sequence[str] | None = None,
    ) -> list[list[Answer]]:
        """Answers to every question about each image, which is encoded once for all of them.

        Args:
            images: See the class.
            questions: G of them, in plain words.
            types: The type of each question, or one for all ("count"); found out by default.

        Returns:
            Per image, G answers.

        Raises:
            ConfigError: A question that the run cannot answer.
            DataError: An image cannot be read.
        """
        asked = self.prepare(questions, types)
        for note in asked.notes:
            warnings.warn(note, stacklevel=2)
        return [list(said.answers) for said in self._all(images, asked, set())]

    def prepare(
        self, questions: str | Sequence[str], types: str | Sequence[str] | None = None
    ) -> Questions:
        """Checks and encodes questions for `predict`; see `ask`."""
        texts = as_texts(questions, "Questions")
        if not texts:
            raise ConfigError("Ask one question at least.")
        if types is not None:
            types = [types] * len(texts) if isinstance(types, str) else as_texts(types, "Types")
        return prepare(self.run, texts, types, self._type_logits)

    def predict(
        self,
        stored: np.ndarray,
        questions: Questions | None = None,
        tasks: Collection[str] | None = None,
    ) -> tuple[list[Prediction], Outputs]:
        """What the network says of one batch.

        Args:
            stored: Images as the network takes them, [B, S, S, C] in the run's dtype.
            questions: Of `prepare`.
            tasks: Names of the image tasks that are wanted; all of the run by default.

        Returns:
            A prediction an image, and the raw outputs: [B, ...] or [B, G, ...] by task; a caption
            is its words, int32 [B, L].
        """
        found = self._outputs(stored, questions, self._wanted(questions, tasks))
        captions = [None] * len(stored)
        tiles = {
            name: _answers(self.tasks[name], output)
            for name, output in found.items()
            if name in self.tasks and self.tasks[name].unit == "image"
        }
        uses = tiles.pop("land_use", [None] * len(stored))
        if "caption" in found:
            captions = self.tasks["caption"].answer(found["caption"])
        answers = [
            _answers(task, found[task.name][:, place])
            for place, task in enumerate(questions.tasks if questions else ())
        ]
        rows = zip(uses, captions, range(len(stored)), strict=True)
        return [
            Prediction(
                use,
                caption,
                tuple(said[row] for said in answers),
                {name: said[row] for name, said in tiles.items()},
            )
            for use, caption, row in rows
        ], found

    def read(self, items: Sequence[Item]) -> list[np.ndarray | DataError]:
        """Each image as the network takes it, [S, S, C], or what is wrong with it."""

        def read(item: Item) -> np.ndarray | DataError:
            try:
                return as_stored(item, self.run.config)
            except DataError as error:
                return error

        with ThreadPoolExecutor(min(_THREADS, max(1, len(items)))) as threads:
            return list(threads.map(read, items))

    def batch_size(self, questions: Questions | None = None) -> int:
        """Images that fit beside each other, the fewer the more is asked of each."""
        train, asked = self.run.config.train, len(questions.texts) if questions else 1
        room = train.batch_size * max(16, train.questions_per_image)
        return int(np.clip(room // asked, 1, train.batch_size))

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """By name."""
        return {task.name: task for task in self.run.tasks}

    @cached_property
    def model(self) -> keras.Model:
        """The answering model."""
        return self.run.answering_model()

    @cached_property
    def looks(self) -> Looks:
        """Tells where the network looks."""
        return Looks(self.model, self.run.config.model.pooling)

    @cached_property
    def _consensus(self) -> Consensus | None:
        return consensus_of(self.run, self.model)

    def _task(self, name: str) -> Task:
        if name not in self.tasks:
            known = ", ".join(self.tasks)
            raise ConfigError(f"{self.run.path} has no {name}; it was trained on: {known}.")
        return self.tasks[name]

    def _wanted(self, questions: Questions | None, tasks: Collection[str] | None) -> frozenset[str]:
        own = {task.name for task in self.run.tasks if task.unit != "question"}
        asked = {task.name for task in questions.tasks} if questions else set()
        return frozenset((own if tasks is None else own & set(tasks)) | asked)

    def _all(
        self, images: Item | Sequence[Item], questions: Questions | None, tasks: set[str]
    ) -> Iterator[Prediction]:
        items, size = each_image(images), self.batch_size(questions)
        for start in range(0, len(items), size):
            read = self.read(items[start : start + size])
            for image in read:
                if isinstance(image, DataError):
                    raise image
            yield from self.predict(np.stack(read), questions, tasks)[0]

    def _outputs(
        self, stored: np.ndarray, questions: Questions | None, names: frozenset[str]
    ) -> Outputs:
        count = len(stored)
        # few sizes of batches, for each is compiled anew: the next power of two
        filled = 1 << (count - 1).bit_length()
        x = {"image": np.concatenate([stored, np.repeat(stored[:1], filled - count, axis=0)])}
        if questions:
            x["question"] = np.broadcast_to(questions.ids, (filled, *questions.ids.shape)).copy()
        outputs = self._model(names).predict_on_batch(x)
        found = {name: np.asarray(output)[:count] for name, output in outputs.items()}
        if self.run.config.decode.symmetries:
            found |= self._mean_over_symmetries(found, x, questions, names - {"caption"})
        if "caption" in names:
            found["caption"] = choose(
                found["caption"], found["image_vector"], stored, self._consensus
            )
        return found

    def _mean_over_symmetries(
        self, found: Outputs, x: Outputs, questions: Questions | None, names: frozenset[str]
    ) -> Outputs:
        """Mean outputs over all flips and turns, but for questions that name a side."""
        if not names:
            return {}
        count = len(found["image_vector"])

        def turned(symmetry: int) -> Outputs:
            tiles = apply_symmetries(x["image"], np.full(len(x["image"]), symmetry))
            seen = self._model(names).predict_on_batch(x | {"image": tiles})
            return {name: np.asarray(seen[name])[:count] for name in names}

        means = mean_over_symmetries({name: found[name] for name in names}, turned)
        for place, text in enumerate(questions.texts if questions else ()):
            if symmetries(text) != ALL_SYMMETRIES:
                for name in names & {task.name for task in questions.tasks}:
                    means[name][:, place] = found[name][:, place]
        return means

    def _model(self, names: frozenset[str]) -> keras.Model:
        """The part of the answering model that says just this."""
        if names not in self._models:
            asked = any(self.tasks[name].unit == "question" for name in names)
            read = {"image", "question"} if asked else {"image"}
            self._models[names] = keras.Model(
                {name: x for name, x in self.model.input.items() if name in read},
                {name: self.model.output[name] for name in sorted(names | {"image_vector"})},
            )
        return self._models[names]

    def _type_logits(self, ids: np.ndarray) -> np.ndarray:
        """[G, Q] -> [G, K]. The words alone decide, so any image will do."""
        config = self.run.config
        size, pixels = config.model.image_size, config.pixels
        grey = np.zeros((1, size, size, pixels.bands), pixels.dtype)
        model = self._model(frozenset({"question_type"}))
        return np.asarray(
            model.predict_on_batch({"image": grey, "question": ids[None]})["question_type"]
        )[0]


def _answers(task: Task, output: np.ndarray) -> list[Answer]:
    pairs = zip(task.answer(output), task.probability(output), strict=True)
    return [Answer(text, probability, task.name) for text, probability in pairs]
