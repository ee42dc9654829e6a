"""Questions: the closed ones (one class of task, one instance a type), and of which type one is."""

from dataclasses import dataclass
from typing import ClassVar

from pipelines.records import Records
from spatialnet_keras.tasks.task import Classification, Truth, question_truths


@dataclass(frozen=True)
class ClosedQuestion(Classification):
    """Questions whose answer is one of the few that the training split gives.

    Attributes:
        question_type: The data set's word for them (RSVQA: "presence", "comp", "rural_urban").
    """

    unit: ClassVar[str] = "question"
    reads: ClassVar[tuple[str, ...]] = ("question_vector",)

    question_type: str = ""

    def truths(self, records: Records) -> list[Truth]:
        """One answer a question of its type."""
        return question_truths(records, self.question_type)


@dataclass(frozen=True)
class QuestionType(Classification):
    """Of which type a question is, from its words alone: sends a free question to its head.

    Not in the paper, which is told the type.
    """

    unit: ClassVar[str] = "question"
    reads: ClassVar[tuple[str, ...]] = ("words_vector",)
    headline: ClassVar[bool] = False

    def truths(self, records: Records) -> list[Truth]:
        """One type a question."""
        return [question.type for row in records for question in row.questions]
