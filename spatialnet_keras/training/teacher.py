"""Teacher: a trained run that another one imitates (`--teacher RUN`).

Land use by its probabilities (Hinton et al. 2015), and its image vector through a projection that
exists in training alone. What it says of sentences is not imitated.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from pipelines.batches import Examples
from pipelines.records import DataError
from spatialnet_keras import data
from spatialnet_keras.config import Config, ConfigError, override
from spatialnet_keras.model import connect
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import Task
from spatialnet_keras.tasks.task import CrossEntropy
from spatialnet_keras.training.features import stored_features

LAND_USE, VECTOR = "teacher_land_use", "teacher_vector"  # outputs of `taught_model`


@dataclass(frozen=True)
class Teacher:
    """A trained network, reduced to what is imitated.

    Attributes:
        run: Of the teacher.
        network: Stored pixels of the teacher's own size [B, S, S, C] to its logits of land use, if
            they are imitated, and its image vector, side by side: float32 [B, K + D].
        classes: K.
    """

    run: Run
    network: keras.Model
    classes: int

    @property
    def vector(self) -> int:
        """D, the width of the image vector."""
        return self.network.output.shape[-1] - self.classes

    def teach(
        self, run: Run, examples: Sequence[Examples], skip_bad: bool = False
    ) -> list[Examples]:
        """Adds what the teacher makes of each training tile; computed once and kept on disk.

        Args:
            run: Of the student.
            examples: Of its training split.
            skip_bad: Whether images that cannot be read were left out.

        Returns:
            The examples with `teacher_land_use`, probabilities [n, K] at the temperature, the mean
            over the tile's symmetries; and with `teacher_vector` [n, symmetries, D] without its
            mean over all tiles, which tells none from another.
        """
        settings = run.config.train
        seen = override(run.config, {"model.image_size": self.run.config.model.image_size})
        made = [
            stored_features(self.network, part.images, 8 if settings.symmetries else 1)
            for part in data.read(seen, "train", skip_bad)
        ]
        vectors = [each[..., self.classes :] for each in made]
        rows = [len(each) for each in made]
        means = [each.mean(axis=(0, 1), dtype="float64") for each in vectors]
        mean = np.average(means, axis=0, weights=rows).astype("float16")
        taught = []
        for part, each, vector in zip(examples, made, vectors, strict=True):
            targets, weights, views = dict(part.targets), dict(part.weights), {}
            if settings.teacher_share:
                logits = each[..., : self.classes].astype("float32")
                targets[LAND_USE] = softened(logits, settings.teacher_temperature)
                weights[LAND_USE] = np.ones(len(part), "float32")
            if settings.teacher_features:
                views[VECTOR] = vector - mean
            taught.append(dataclasses.replace(part, targets=targets, weights=weights, views=views))
        return taught


def softened(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Logits [n, symmetries, K] -> probabilities float32 [n, K], their mean over the symmetries."""
    scaled = logits / temperature
    odds = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return (odds / odds.sum(axis=-1, keepdims=True)).mean(axis=1)


def teacher_of(run: Run) -> Teacher | None:
    """The teacher that a run asks for, before the run is started.

    Raises:
        DataError: If there is no trained run, or it reads other images.
        ConfigError: If its land use cannot be imitated.
    """
    settings = run.config.train
    if not settings.teacher or not (settings.teacher_share or settings.teacher_features):
        return None
    teacher = Run.open(settings.teacher)
    theirs, ours = ((each.config.pixels.bands, each.config.pixels.dtype) for each in (teacher, run))
    if theirs != ours:
        raise DataError(
            f"The teacher {teacher.path} reads tiles of {theirs[0]} bands, {theirs[1]}. "
            f"Received: {ours[0]} bands, {ours[1]}."
        )
    classes = _land_uses(teacher, run) if settings.teacher_share else 0
    return Teacher(teacher, _network(teacher, bool(classes)), classes)


def losses(config: Config) -> dict[str, tuple[keras.losses.Loss, float]]:
    """Per output of `taught_model`, its loss and weight.

    The gradient of a softened loss falls with the temperature squared, which the weight gives back
    (Hinton et al. 2015).
    """
    settings = config.train
    land_use = settings.teacher_share * settings.teacher_temperature**2
    return {
        LAND_USE: (CrossEntropy(), land_use * dict(config.tasks).get("land_use", 0.0)),
        VECTOR: (CosineDistance(), settings.teacher_features),
    }


class CosineDistance(keras.losses.Loss):
    """1 - cosine of vectors [B, D], a mean over the weights of the rows."""

    def __init__(self):
        super().__init__(name="cosine_distance", reduction="mean_with_sample_weight")

    def call(self, y_true, y_pred):
        """One distance a row, 0 to 2."""
        return 1 - ops.sum(ops.normalize(y_true) * ops.normalize(y_pred), axis=-1)


def _land_uses(teacher: Run, run: Run) -> int:
    known = [_classes(each.tasks) for each in (teacher, run)]
    otherwise = "Choose another --teacher, or --train.teacher_share 0."
    for name, classes in zip((f"The teacher {teacher.path}", "This run"), known, strict=True):
        if not classes:
            raise ConfigError(f"{name} does not tell land use. {otherwise}")
    if different := sorted(set(known[0]) ^ set(known[1])):
        raise ConfigError(
            f"The teacher {teacher.path} and these data differ in land uses: "
            f"{', '.join(different[:5])}. {otherwise}"
        )
    return len(known[0])


def _classes(tasks: Sequence[Task]) -> tuple[str, ...]:
    return next((each.classes for each in tasks if each.name == "land_use"), ())


def _network(teacher: Run, land_use: bool) -> keras.Model:
    trained = teacher.model()
    heads = {"land_use": (trained.get_layer("land_use"), ("image_vector",))} if land_use else {}
    encoder, dtype = trained.get_layer("image_encoder"), teacher.config.pixels.dtype
    inputs, features, outputs = connect(teacher.config, encoder, None, heads, dtype)
    together = keras.layers.Concatenate(dtype="float32", name="side_by_side")
    made = together([*outputs.values(), features["image_vector"]])
    return keras.Model(inputs["image"], made, name="teacher")
