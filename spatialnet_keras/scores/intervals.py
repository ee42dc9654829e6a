"""How sure a share is: Wilson's interval (Wilson 1927), right also near 0 and 1."""

from math import sqrt


def wilson(share: float, rows: int, deviations: float = 1.96) -> tuple[float, float]:
    """The interval that holds the true share with 95 % confidence.

    Args:
        share: Share of rows that are right, 0 to 1.
        rows: How many there are.
        deviations: Of the normal distribution; 1.96 is 95 %.

    Returns:
        The interval's lower and upper end.
    """
    square = deviations**2 / rows
    centre = share + square / 2
    spread = sqrt(share * (1 - share) * square + square**2 / 4)
    return (centre - spread) / (1 + square), (centre + spread) / (1 + square)
