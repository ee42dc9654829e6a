"""Teacher: a trained run that another one imitates (`--teacher RUN`).

Land use by its probabilities (Hinton et al. 2015), and the features of its tokens through a
projection that exists in training alone. Both are known for each of its tokens, so that a teacher
that looks at each tile only once tells a crop what it makes of that part of the tile (ReLabel, Yun
et al. 2021). One that always looks sees the crops, colours and mixtures of the student itself
(Beyer et al. 2022): a step is dearer, and no two are alike. What it says of sentences is not
imitated.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from pipelines.examples import Examples
from pipelines.records import DataError
from pipelines.views import Resized, Symmetries
from spatialnet_keras import data
from spatialnet_keras.config import Config, ConfigError
from spatialnet_keras.encoders import preset_tokens
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import Task
from spatialnet_keras.training.features import stored_features
from spatialnet_keras.training.reduction import Reduction, reduction_of
from spatialnet_keras.training.teacher_maps import mean_over_symmetries

MAP = "teacher_map"  # an input of `training_model`
LAND_USE, FEATURES = "teacher_land_use", "teacher_features"  # its outputs
WIDEST = 256  # features of a preset's token that are imitated; of more, the principal components


@dataclass(frozen=True)
class Teacher:
    """A trained network, reduced to what is imitated.

    Attributes:
        run: Of the teacher.
        network: Stored pixels of the teacher's own size [B, S, S, C] to its logits of land use, if
            they are imitated, and its features, side by side, of each of its tokens: float32
            [B, N, K + D]. N is 1 where a class token stands for the tile.
        classes: K.
        looks: Whether it looks at every batch itself.
    """

    run: Run
    network: keras.Model
    classes: int
    looks: bool = False

    @property
    def width(self) -> int:
        """D, of its features."""
        return self.network.output.shape[-1] - self.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a tile's map: h, w, K + D."""
        side = math.isqrt(self.network.output.shape[1])
        return side, side, self.classes + self.width

    def look(self, images):
        """What it makes of images [B, S, S, C] as the student sees them: [B, h, w, K + D]."""
        size, dtype = self.network.input.shape[1], self.network.input.dtype
        if images.shape[1] != size:
            images = ops.image.resize(ops.cast(images, "float32"), (size, size), antialias=True)
            if "int" in dtype:
                images = ops.cast(ops.round(images), dtype)
        return ops.reshape(self.network(images, training=False), (-1, *self.shape))

    def teach(
        self, run: Run, examples: Sequence[Examples], skip_bad: bool = False
    ) -> tuple["Teacher", list[Examples]]:
        """Prepares a lesson: what the teacher makes of the training tiles is kept on disk.

        Args:
            run: Of the student.
            examples: Of its training split.
            skip_bad: Whether images that cannot be read were left out.

        Returns:
            The teacher and the examples; of what it tells, features are without their mean over
            all tiles, which tells none from another; a preset's are no wider than `WIDEST`. One
            that looks once does so now: the examples have a `teacher_map`, float16
            [n, h, w, K + D], the mean over the tile's symmetries; or `views` of the tiles, and
            what it makes of each, [n, V, h, w, K + D]. The distances to what it tells are to be 0.
        """
        settings = run.config.train
        upright = self.looks or settings.teacher_views or not settings.symmetries
        size = self.run.config.model.image_size
        parts = data.read(run.config, "train", skip_bad, size=size)
        made = [self._maps(part.images, Symmetries(1 if upright else 8)) for part in parts]
        widest = WIDEST if settings.teacher_tokens == "preset" else None
        reduction = reduction_of(made, self.classes, widest)
        drawn = data.views(run.config)
        taught = []
        for part, maps in zip(examples, made, strict=True):
            wanted = {name: np.zeros(len(part), "float32") for name in losses(run.config)}
            known = {name: np.ones(len(part), "float32") for name in wanted}
            told = {"targets": part.targets | wanted, "weights": part.weights | known}
            if drawn:
                found = stored_features(self.network, part.images, Resized(drawn, size), reduction)
                told["views"] = drawn
                told["maps"] = {MAP: found.reshape(*found.shape[:2], *self.shape[:2], -1)}
            elif not self.looks:
                told["maps"] = {MAP: reduction.of_maps(maps)}
                if self.shape[:2] == (1, 1):
                    told["of_whole"] = frozenset(wanted)
            taught.append(dataclasses.replace(part, **told))
        return self._reduced(reduction), taught

    def _maps(self, images: np.ndarray, symmetries: Symmetries) -> np.ndarray:
        """What it makes of tiles of its own size, once: [n, h, w, K + D]."""
        return mean_over_symmetries(stored_features(self.network, images, symmetries))

    def _reduced(self, reduction: Reduction) -> "Teacher":
        """The same, of fewer features."""
        offset = np.concatenate([np.zeros(self.classes, "float32"), reduction.mean])
        told = self.network.output - offset
        if reduction.directions is not None:
            features = ops.matmul(told[..., self.classes :], reduction.directions)
            told = ops.concatenate([told[..., : self.classes], features], axis=-1)
        network = keras.Model(self.network.input, told, name="teacher")
        network.trainable = False
        return dataclasses.replace(self, network=network)


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
    # a pretraining has no tasks
    classes = _land_uses(teacher, run) if settings.teacher_share and run.tasks else 0
    of_preset = settings.teacher_tokens == "preset"
    if of_preset:
        _check_preset(teacher)
    network = _network(teacher, bool(classes), of_preset)
    return Teacher(teacher, network, classes, settings.teacher_looks == "always")


def losses(config: Config) -> dict[str, tuple[keras.losses.Loss, float]]:
    """Per output of `training_model` that tells a distance to the teacher, its loss and weight."""
    settings = config.train
    weights = {
        LAND_USE: settings.teacher_share * dict(config.tasks).get("land_use", 0.0),
        FEATURES: settings.teacher_features,
    }
    return {name: (Distance(), weight) for name, weight in weights.items() if weight}


def at_tokens(maps, tokens: int):
    """A map [B, h, w, D] at each of N tokens, a square and perhaps a class token: [B, N', D]."""
    side = math.isqrt(tokens)
    resized = ops.image.resize(maps, (side, side), interpolation="bilinear")
    return ops.reshape(resized, (-1, side * side, maps.shape[-1]))


def cosine_distance(truth, said):
    """1 - cosine of vectors [B, N, D], a mean over the tokens: [B]."""
    return 1 - ops.mean(ops.sum(ops.normalize(truth) * ops.normalize(said), axis=-1), axis=-1)


class Distance(keras.losses.Loss):
    """What the network gives is its distance already, [B]; it is to be 0."""

    def __init__(self):
        super().__init__(name="distance", reduction="mean_with_sample_weight")

    def call(self, y_true, y_pred):
        """One distance a row."""
        return y_pred - y_true


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


def _check_preset(teacher: Run) -> None:
    model = teacher.config.model
    if not model.encoder.startswith("preset:") or model.pooling == "cls":
        raise ConfigError(
            f"teacher_tokens preset needs a teacher of encoder preset:... and pooling mean. "
            f"{teacher.path} has {model.encoder!r} and {model.pooling!r}: choose own."
        )


def _classes(tasks: Sequence[Task]) -> tuple[str, ...]:
    return next((each.classes for each in tasks if each.name == "land_use"), ())


def _network(teacher: Run, land_use: bool, of_preset: bool) -> keras.Model:
    trained, config = teacher.model(), teacher.config
    encoder = trained.get_layer("image_encoder")
    shape = encoder.input.shape[1:]
    image = keras.Input(shape, dtype=config.pixels.dtype, name="image")
    features = encoder(image)
    # every operation is a layer with a name: by these the map is found again on the disk
    if config.model.pooling == "cls":  # what a token says of its place was never trained
        alone = keras.layers.Reshape((1, config.model.width), name="class_token_alone")
        tokens = alone(features["image_vector"])
    else:
        tokens = keras.layers.Identity(name="tokens")(features["image_tokens"])
    told = keras.Model(encoder.input, preset_tokens(encoder))(image) if of_preset else tokens
    if land_use:
        # linear: the mean of the tokens' logits are the logits of their mean
        logits = trained.get_layer("land_use").get_layer("land_use_output")(tokens)
        both = keras.layers.Concatenate(dtype="float32", name="side_by_side")
        told = both([logits, told])
    made = keras.layers.Identity(dtype="float32", name="teacher_map")(told)
    return keras.Model(image, made, name="teacher")
