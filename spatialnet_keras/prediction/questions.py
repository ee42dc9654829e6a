"""Questions that a user types: checked, encoded, and sent to the head of their kind."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.records import unknown
from spatialnet_keras.config import ConfigError
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import QuestionType, Task
from spatialnet_keras.text import longest, split_words

_SHOWN = 60  # letters of a question in a message


@dataclass(frozen=True)
class Questions:
    """G questions, ready for every image.

    Attributes:
        texts: As typed.
        ids: int32 [G, Q].
        tasks: The task that answers each.
        notes: What a user should know about them, one line each.
    """

    texts: tuple[str, ...]
    ids: np.ndarray
    tasks: tuple[Task, ...]
    notes: tuple[str, ...]


def prepare(
    run: Run,
    texts: Sequence[str],
    types: Sequence[str] | None,
    type_logits: Callable[[np.ndarray], np.ndarray],
) -> Questions:
    """Checks and encodes questions, and finds who answers them.

    Args:
        run: The run that is asked.
        texts: G questions in plain words.
        types: The kind of each, as the data set or the task calls it; predicted if None.
        type_logits: From ids int32 [G, Q] to logits [G, K] over the kinds.

    Raises:
        ConfigError: A question is empty or of words that were never seen, or of a kind that the
            run was not trained to answer.
    """
    answering = {task.name: task for task in run.tasks if task.unit == "question" and task.headline}
    if not answering:
        known = ", ".join(task.name for task in run.tasks)
        raise ConfigError(f"{run.path} answers no questions; it was trained on: {known}.")
    length = run.config.model.question_words
    kinds = ", ".join(answering)
    notes = [note for text in texts for note in _notes(text, run, types is not None, kinds)]
    ids = run.vocabulary.encode(list(texts), length)
    if types is None:
        types = _predicted(run, ids, type_logits)
    elif len(types) != len(texts):
        raise ConfigError(
            f"Each question has one type. Received: {len(texts)} questions, {len(types)} types."
        )
    tasks = tuple(_answerer(*pair, answering) for pair in zip(texts, types, strict=True))
    return Questions(tuple(texts), ids, tasks, tuple(dict.fromkeys(notes)))


def as_texts(given: str | Sequence[str], what: str) -> list[str]:
    """One text or several as a list.

    Raises:
        ConfigError: There is anything but text.
    """
    several = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    texts = list(given) if several else [given]
    for text in texts:
        if not isinstance(text, str):
            raise ConfigError(f"{what} must be text, or a list of it. Received: {text!r:.80}.")
    return texts


def shortened(text: str, length: int = _SHOWN) -> str:
    """The start of a text."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _notes(text: str, run: Run, of_known_type: bool, kinds: str) -> list[str]:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"A question must be UTF-8. Received: {text[:_SHOWN]!r}.") from None
    words = [word for word in dict.fromkeys(split_words(text)) if any(map(str.isalnum, word))]
    known = set(run.vocabulary.words)
    if not words:
        raise ConfigError(f"A question needs words. Received: {shortened(text)!r}.")
    strange = [word for word in words if word not in known]
    line = f"{shortened(text)!r} has words never seen in training: {shortened(', '.join(strange))}."
    if len(strange) == len(words):
        raise ConfigError(f"{line} None is left to answer.")
    # with such a word a question may be of any kind, and the answer would be one to another
    if strange and not of_known_type:
        raise ConfigError(f"{line} Say it in other words, or say its type: {kinds}.")
    notes, length = [line] if strange else [], run.config.model.question_words
    if longest([text]) > length:
        notes.append(f"{shortened(text)!r}: only its first {length} words are read.")
    return notes


def _predicted(
    run: Run, ids: np.ndarray, type_logits: Callable[[np.ndarray], np.ndarray]
) -> list[str]:
    kinds = [task for task in run.tasks if isinstance(task, QuestionType)]
    if not kinds:
        raise ConfigError(
            f"{run.path} does not tell kinds of questions apart, for it was trained without the "
            "task question_type. Say of which type each question is."
        )
    return kinds[0].answer(type_logits(ids))


def _answerer(text: str, kind: str, answering: dict[str, Task]) -> Task:
    for task in answering.values():
        if kind in (task.name, task.question_type):
            return task
    line = unknown("kind of question", kind, answering).replace("Known:", "This run answers:")
    raise ConfigError(f"{shortened(text)!r} cannot be answered. {line}")
