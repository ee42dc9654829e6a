"""Land use: one class a tile (paper, III.B)."""

from dataclasses import dataclass
from typing import ClassVar

from pipelines.records import Records
from spatialnet_keras.tasks.task import Classification, Truth


@dataclass(frozen=True)
class LandUse(Classification):
    """The class of the whole tile, from the pooled image tokens."""

    unit: ClassVar[str] = "image"
    reads: ClassVar[tuple[str, ...]] = ("image_vector",)

    def truths(self, records: Records) -> list[Truth]:
        """One class an image."""
        return [row.land_use or None for row in records]
