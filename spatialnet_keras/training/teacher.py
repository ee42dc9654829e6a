"""Teacher: a trained run that another one imitates (`--teacher RUN`).

Land use by its probabilities (Hinton et al. 2015), and its image vector through a projection that
exists in training alone. Both are known for each of its tokens, so that a crop is told what the
teacher makes of that part of the tile (ReLabel, Yun et al. 2021), and the teacher looks at each
tile only once. What it says of sentences is not imitated.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from pipelines.examples import Examples
from pipelines.images import apply_symmetries
from pipelines.records import INVERSE, DataError
from spatialnet_keras import data
from spatialnet_keras.config import Config, ConfigError, override
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import Task
from spatialnet_keras.training.features import BATCH, stored_features

LAND_USE, VECTOR = "teacher_land_use", "teacher_vector"  # outputs of `taught_model`


@dataclass(frozen=True)
class Teacher:
    """A trained network, reduced to what is imitated.

    Attributes:
        run: Of the teacher.
        network: Stored pixels of the teacher's own size [B, S, S, C] to its logits of land use, if
            they are imitated, and its features, side by side, of each of its tokens: float32
            [B, N, K + D]. N is 1 where a class token stands for the tile.
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
            The examples with maps of what is imitated, float16, means over the tile's symmetries:
            `teacher_land_use`, logits [n, h, w, K]; and `teacher_vector` [n, h, w, D], without its
            mean over all tiles, which tells none from another.
        """
        settings = run.config.train
        seen = override(run.config, {"model.image_size": self.run.config.model.image_size})
        made = [
            _mean_over_symmetries(
                stored_features(self.network, part.images, 8 if settings.symmetries else 1)
            )
            for part in data.read(seen, "train", skip_bad)
        ]
        vectors = [each[..., self.classes :] for each in made]
        means = [each.mean(axis=(0, 1, 2), dtype="float64") for each in vectors]
        mean = np.average(means, axis=0, weights=[len(each) for each in made]).astype("float16")
        taught = []
        for part, each, vector in zip(examples, made, vectors, strict=True):
            maps = {}
            if settings.teacher_share:
                maps[LAND_USE] = each[..., : self.classes]
            if settings.teacher_features:
                maps[VECTOR] = vector - mean
            taught.append(dataclasses.replace(part, maps=maps))
        return taught


def _mean_over_symmetries(features: np.ndarray) -> np.ndarray:
    """Features [n, symmetries, N, F] of turned tiles -> maps [n, h, w, F] of the tiles as they are.

    Only a square of tokens can be turned back.
    """
    tiles, symmetries, tokens, width = features.shape
    side = math.isqrt(tokens)
    if side**2 != tokens:
        raise ValueError(f"Tokens must form a square. Received: {tokens}.")
    found = np.empty((tiles, side, side, width), features.dtype)
    for rows in np.array_split(np.arange(tiles), -(-tiles // BATCH)):
        total = 0
        for code in range(symmetries):
            turned = features[rows, code].reshape(-1, side, side, width).astype(np.float32)
            total += apply_symmetries(turned, np.full(len(rows), INVERSE[code]))
        found[rows] = total / symmetries
    return found


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
    """Per output of `taught_model`, its loss and weight."""
    settings = config.train
    return {
        LAND_USE: (
            SoftenedCrossEntropy(settings.teacher_temperature),
            settings.teacher_share * dict(config.tasks).get("land_use", 0.0),
        ),
        VECTOR: (CosineDistance(), settings.teacher_features),
    }


class SoftenedCrossEntropy(keras.losses.Loss):
    """Cross entropy of logits [B, K] with logits, both divided by a temperature first.

    The gradient falls with the temperature squared, by which the loss is multiplied (Hinton et al.
    2015).
    """

    def __init__(self, temperature: float):
        super().__init__(name="softened_cross_entropy", reduction="mean_with_sample_weight")
        self.temperature = temperature

    def call(self, y_true, y_pred):
        """One value a row."""
        odds = ops.softmax(y_true / self.temperature)
        said = ops.log_softmax(y_pred / self.temperature)
        return -(self.temperature**2) * ops.sum(odds * said, axis=-1)


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
    trained, config = teacher.model(), teacher.config
    encoder = trained.get_layer("image_encoder")
    shape = encoder.input.shape[1:]
    image = keras.Input(shape, dtype=config.pixels.dtype, name="image")
    features = encoder(image)
    tokens = features["image_tokens"]
    if config.model.pooling == "cls":  # what a token says of its place was never trained
        tokens = features["image_vector"][:, None]
    said = [tokens]
    if land_use:
        # linear: the mean of the tokens' logits are the logits of their mean
        head, (_, places, width) = trained.get_layer("land_use"), tokens.shape
        each = head(ops.reshape(tokens, (-1, width)))
        said.insert(0, ops.reshape(each, (-1, places, each.shape[-1])))
    together = keras.layers.Concatenate(dtype="float32", name="side_by_side")
    made = together(said) if len(said) > 1 else ops.cast(tokens, "float32")
    return keras.Model(image, made, name="teacher")
