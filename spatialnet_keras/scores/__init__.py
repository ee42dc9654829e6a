"""Scores: plain numbers from answers and truths. numpy only, the same on every backend."""

ERRORS = ("mae", "rmse")  # of which less is better
_OWN_UNIT = (*ERRORS, "cider")


def is_error(name: str) -> bool:
    """Whether less of a score is better; the name may be longer: "count_mae"."""
    return name.endswith(ERRORS)


def is_share(name: str) -> bool:
    """Whether a score lies between 0 and 1 and is written in percent or points."""
    return not name.endswith(_OWN_UNIT)
