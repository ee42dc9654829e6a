"""Closed questions: presence, comparison, rural/urban; one class of task, one instance a type."""

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
    reads: ClassVar[str] = "question_vector"

    question_type: str = ""

    def truths(self, records: Records) -> list[Truth]:
        """One answer a question of its type."""
        return question_truths(records, self.question_type)
