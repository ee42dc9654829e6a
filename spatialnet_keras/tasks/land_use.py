"""Land use: one class a tile (paper, III.B)."""

from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np

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

    def encode(self, labels: list[Truth]) -> tuple[np.ndarray, np.ndarray]:
        """One-hot float32 [n, K], weights float32 [n]: tiles may be mixed, and then labels are."""
        ids, known = super().encode(labels)
        return np.eye(len(self.classes), dtype=np.float32)[ids] * known[:, None], known

    def metrics(self) -> list[keras.metrics.Metric]:
        """Accuracy; of mixed tiles, that of the larger part."""
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]
