"""What can be chosen of the training."""

from dataclasses import dataclass

from spatialnet_keras.fields import ConfigError, check_fields, setting


@dataclass(frozen=True)
class TrainConfig:
    """How the network is trained."""

    batch_size: int = setting(32, "B, images in a batch (paper, IV)")
    epochs: int = setting(50, "passes over the images (paper, IV)")
    learning_rate: float = setting(1e-4, "its peak (paper, IV)")
    optimizer: str = setting(
        "adamw",
        "not in the paper; muon for the kernels of attention and MLPs beside adamw for the rest",
        ("adamw", "adam", "muon"),
    )
    weight_decay: float = setting(0.0, "of AdamW and Muon; none on norms, biases, positions")
    l2: float = setting(
        1e-6, "lambda_reg of lambda_reg |W|^2 (paper, III.C; value not given); not in --pretrain"
    )
    schedule: str = setting(
        "cosine", "of the learning rate (not in the paper)", ("cosine", "constant")
    )
    warmup: float = setting(0.05, "share of all steps in which the rate rises from 0")
    clip_norm: float = setting(1.0, "largest global norm of a gradient; 0: none (not in the paper)")
    ema: float = setting(0.0, "decay of the weights' running mean, used in evaluation; 0: none")
    label_smoothing: float = setting(0.0, "of the classes in cross entropy (not in the paper)")
    encoder: str = setting(
        "full",
        "what of the image encoder is trained: all of it; nothing; nothing, its features computed "
        "once and kept on disk; or LoRA's small matrices beside its kernels",
        ("full", "frozen", "cached", "lora"),
    )
    encoder_rate: float = setting(
        1.0,
        "learning rate of the first layer that is trained of a vit, cnn or preset over the heads'; "
        "rises geometrically with depth",
    )
    lora_rank: int = setting(8, "rank of LoRA's matrices (Hu et al. 2021)")
    mix: float = setting(
        0.0, "share of batches whose tiles are mixed by mixup or cutmix, where nothing is asked"
    )
    whole: float = setting(
        0.0,
        "share of the epochs, the last ones, in which --model.token_dropout leaves nothing out "
        "(Li et al. 2023)",
    )
    teacher: str = setting("", "a trained run that is imitated in land use and features")
    teacher_looks: str = setting(
        "once",
        "at each tile, kept on disk as a map of which a crop is told its part; or always, at the "
        "very pixels that the student sees (Beyer et al. 2022)",
        ("once", "always"),
    )
    teacher_views: int = setting(
        0,
        "crops, colours and turns of each tile, drawn once, that are all that is seen; the teacher "
        "looks once at each (Shen and Xing 2022); 0: at the tile",
    )
    teacher_share: float = setting(
        0.5, "of the land use loss that follows the teacher's probabilities, not the labels"
    )
    teacher_temperature: float = setting(
        2.0, "by which both logits are divided first (Hinton et al. 2015)"
    )
    teacher_features: float = setting(
        1.0, "weight of the cosine distance to the features of the teacher's tokens; 0: none"
    )
    teacher_tokens: str = setting(
        "own",
        "whose features are imitated: those of its last tokens; or those that its preset gives, "
        "before what was put on it",
        ("own", "preset"),
    )
    masked: float = setting(
        0.75, "share of patches that --pretrain hides (He et al. 2021); of encoder vit"
    )
    symmetries: bool = setting(True, "flip and turn tiles where no sentence names a side")
    turn: float = setting(
        0.0, "degrees, largest angle of a further turn; 0: none (where nothing is asked)"
    )
    crop: float = setting(
        1.0, "smallest share of a tile that a random crop keeps; 1: none (where nothing is asked)"
    )
    jitter: float = setting(0.0, "largest change of brightness, contrast, saturation; 0: none")
    gain: float = setting(0.0, "largest change of each band by itself; 0: none")
    questions_per_image: int = setting(16, "G, questions drawn for an image each epoch")
    pack: bool = setting(
        True, "questions of an image share rows of words in training: the same in less time"
    )
    captions_per_image: int = setting(5, "C, captions drawn for an image each epoch")
    type_balance: float = setting(
        0.0, "0 draws questions as they come, 1 each type of an image's equally often"
    )
    data_balance: float = setting(
        0.0, "0 fills batches from data sets in proportion to their images, 1 equally from each"
    )
    dtype: str = setting(
        "float32",
        "of the computation; variables stay float32",
        ("float32", "mixed_bfloat16", "mixed_float16"),
    )
    histograms: int = setting(0, "epochs between histograms of weights in TensorBoard; 0: none")
    profile: int = setting(0, "steps to profile for TensorBoard (JAX: on Python 3.12); 0: none")
    monitor: str = setting("score", "validation score that decides which epoch is best")
    seed: int = setting(0, "decides weights, order, slots, augmentation, dropout")

    def __post_init__(self):
        check_fields(self)
        for name in (
            "batch_size",
            "epochs",
            "questions_per_image",
            "captions_per_image",
            "lora_rank",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1. Received: {getattr(self, name)}.")
        for name in ("learning_rate", "teacher_temperature"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive. Received: {getattr(self, name)}.")
        for name in (
            "weight_decay",
            "l2",
            "clip_norm",
            "seed",
            "histograms",
            "profile",
            "teacher_features",
            "teacher_views",
            "type_balance",
        ):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must not be negative. Received: {getattr(self, name)}.")
        if self.seed >= 2**32:
            raise ConfigError(f"seed must be below 2**32. Received: {self.seed}.")
        if not 0 < self.crop <= 1:
            raise ConfigError(f"crop must be in (0, 1]. Received: {self.crop}.")
        if not 0 < self.encoder_rate <= 1:
            raise ConfigError(f"encoder_rate must be in (0, 1]. Received: {self.encoder_rate}.")
        if self.encoder_rate < 1 and self.optimizer != "adamw":
            raise ConfigError(
                f"encoder_rate below 1 needs adamw. Received: optimizer={self.optimizer!r}."
            )
        if not 0 <= self.turn <= 180:
            raise ConfigError(f"turn must be in [0, 180]. Received: {self.turn}.")
        upright = self.teacher_looks == "once" and not self.teacher_views
        if self.teacher and upright and self.turn:
            raise ConfigError(
                "A teacher's maps are told of upright tiles: turn must be 0, or teacher_looks "
                f"always, or teacher_views above 0. Received: turn={self.turn}."
            )
        if self.teacher and self.teacher_looks == "always" and self.encoder == "cached":
            raise ConfigError(
                "encoder cached sees features, at which no teacher can look: teacher_looks must "
                "be once. Received: teacher_looks='always'."
            )
        if self.encoder == "cached" and (self.crop < 1 or self.turn or self.jitter or self.gain):
            raise ConfigError(
                "encoder cached sees each tile only flipped and in quarter turns: crop must be 1, "
                f"turn, jitter and gain 0. Received: crop={self.crop}, turn={self.turn}, "
                f"jitter={self.jitter}, gain={self.gain}."
            )
        for name in ("mix", "whole", "teacher_share", "data_balance"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be in [0, 1]. Received: {getattr(self, name)}.")
        if not 0 < self.masked < 1:
            raise ConfigError(f"masked must be in (0, 1). Received: {self.masked}.")
        for name in ("warmup", "ema", "label_smoothing", "jitter", "gain"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be in [0, 1). Received: {getattr(self, name)}.")

    @property
    def resamples(self) -> bool:
        """Whether tiles are cropped or turned, so that more pixels than the model's have use."""
        return self.crop < 1 or self.turn > 0
