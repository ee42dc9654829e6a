"""The tasks of SpatialNet-ViT. A new one is a file here and a name in `TASKS`."""

from pipelines.records import unknown
from spatialnet_keras.config import ConfigError
from spatialnet_keras.tasks.caption import Caption
from spatialnet_keras.tasks.count import Count
from spatialnet_keras.tasks.land_use import LandUse
from spatialnet_keras.tasks.question import ClosedQuestion, QuestionType
from spatialnet_keras.tasks.task import Task

TASKS = (
    LandUse("land_use"),
    ClosedQuestion("presence", question_type="presence"),
    ClosedQuestion("comparison", question_type="comp"),
    ClosedQuestion("rural_urban", question_type="rural_urban"),
    Count("count", question_type="count"),
    QuestionType("question_type"),
    Caption("caption"),
)

__all__ = ["TASKS", "Caption", "ClosedQuestion", "Count", "LandUse", "QuestionType", "Task", "task"]


def task(name: str) -> Task:
    """The task of that name, not fitted yet.

    Raises:
        ConfigError: For an unknown name; the nearest is named.
    """
    known = {each.name: each for each in TASKS}
    if name not in known:
        raise ConfigError(unknown("task", name, known))
    return known[name]
