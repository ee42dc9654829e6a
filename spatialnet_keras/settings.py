"""Settings: what can be chosen of the network, the training and the writing of captions.

"Paper" is arXiv 2506.22501. Where it is silent, the field says "not in the paper".
"""

import dataclasses
from dataclasses import dataclass

from spatialnet_keras.fields import ConfigError, check_fields, setting

# Each is a module in `encoders`; CLASS_TOKEN: those that can put a token before the others.
ENCODERS, CLASS_TOKEN = ("vit", "cnn", "preset"), ("vit", "preset")


@dataclass(frozen=True)
class ModelConfig:
    """The network. Letters of shapes: N tokens, D width, H heads, P patch size."""

    encoder: str = setting(
        "vit",
        "of the image: vit (the paper's), cnn (a plain control), or preset:NAME_OR_FOLDER, any "
        "keras-hub image backbone",
    )
    image_size: int = setting(256, "pixels a side that the model sees (paper, IV)")
    patch_size: int = setting(16, "P, pixels a side of a patch (paper, III.A); not of a preset")
    stem: str = setting(
        "patches",
        "of vit: patches, each projected (paper, III.A), or 3 x 3 convolutions that halve the "
        "sides until a place is as large as a patch",
        ("patches", "convolutions"),
    )
    width: int = setting(512, "D, channels of a token (paper, III.A)")
    layers: int = setting(12, "blocks over the image tokens (paper, III.A); not of a preset")
    hybrid_layers: int = setting(0, "transformer blocks after a preset's own layers")
    frozen_share: float = setting(
        1.0,
        "share of a preset's layers, from the first, that --train.encoder frozen and cached keep "
        "as they are; the others are trained",
    )
    pixel_scaling: str = setting(
        "preset",
        "what a preset expects: as it says itself, else as ImageNet; mean and deviation of "
        "ImageNet, -1 to 1, 0 to 1, 0 to 255",
        ("preset", "imagenet", "symmetric", "unit", "raw"),
    )
    heads: int = setting(8, "H, attention heads; divides D (paper, III.A)")
    mlp_ratio: int = setting(4, "hidden width of an MLP over D (not in the paper)")
    norm: str = setting("pre", "layer norm before or after (not in the paper)", ("pre", "post"))
    positions: str = setting(
        "learned",
        "of the patches (not in the paper); conditional: sine, and before each block of vit what a "
        "3 x 3 convolution, one kernel a channel, makes of the tokens around (Chu et al. 2021)",
        ("learned", "sine", "conditional"),
    )
    attention_start: str = setting(
        "random",
        "of the blocks over image tokens (not in the paper): random kernels, or mimetic: a token "
        "looks at those like it, by content and place; with sine positions",
        ("random", "mimetic"),
    )
    pooling: str = setting("mean", "tokens -> image vector (not in the paper)", ("mean", "cls"))
    dropout: float = setting(0.1, "rate after embedding, attention and MLP (not in the paper)")
    stochastic_depth: float = setting(
        0.0, "rate at which the last block's branches are skipped (not in the paper)"
    )
    vector_dropout: float = setting(0.0, "rate within the image vector (not in the paper)")
    fusion: str = setting(
        "cross_attention",
        "how a question meets the image (not in the paper): words look at its tokens; product of "
        "both vectors as in RSVQA's baseline; none, as the authors' published code",
        ("cross_attention", "product", "none"),
    )
    count_head: str = setting(
        "linear",
        "regression of log(1 + n) (paper, III.B), or RSVQA's five bins",
        ("linear", "bins"),
    )
    token_dropout: float = setting(
        0.0, "share of image tokens left out in training, if no question looks at them"
    )
    question_layers: int = setting(
        2, "blocks over a question's words, each looking at the image (not in the paper)"
    )
    question_words: int = setting(
        32, "words of a question that are read (the longest of RSVQA-LR has 24)"
    )
    word_deviation: float = setting(
        0.03,
        "deviation of the words' first vectors; with large ones comparisons are learned late",
    )
    caption_layers: int = setting(2, "blocks of the caption decoder (not in the paper)")
    caption_words: int = setting(
        32, "L, words of a caption that are read or written, its start included (UCM: 24)"
    )
    caption_dropout: float = setting(0.1, "rate within the caption decoder (not in the paper)")
    tied_embeddings: bool = setting(True, "one table for the caption words read and written")

    def __post_init__(self):
        check_fields(self)
        for each in dataclasses.fields(self):
            least = 0 if each.name == "hybrid_layers" else 1
            if each.type is int and getattr(self, each.name) < least:
                raise ConfigError(
                    f"{each.name} must be at least {least}. Received: {getattr(self, each.name)}."
                )
        kind, _, name = self.encoder.partition(":")
        if kind not in ENCODERS or (kind == "preset") != bool(name):
            known = ", ".join(ENCODERS).replace("preset", "preset:NAME_OR_FOLDER")
            raise ConfigError(f"encoder must be one of {known}. Received: {self.encoder!r}.")
        if not self.word_deviation > 0:
            raise ConfigError(f"word_deviation must be positive. Received: {self.word_deviation}.")
        if not 0 < self.frozen_share <= 1:
            raise ConfigError(f"frozen_share must be in (0, 1]. Received: {self.frozen_share}.")
        if kind not in CLASS_TOKEN and self.pooling == "cls":
            raise ConfigError(f"encoder {kind} has no class token. Use pooling mean.")
        if kind == "preset" and self.pooling == "cls" and not self.hybrid_layers:
            raise ConfigError(
                "Behind a preset a class token sees the tile by blocks alone: pooling must be "
                "mean, or hybrid_layers 1 at least. Received: pooling='cls', hybrid_layers=0."
            )
        if kind != "vit" and self.stem != "patches":
            raise ConfigError(f"stem convolutions is of encoder vit. Received: {self.encoder!r}.")
        if kind != "vit" and self.positions == "conditional":
            raise ConfigError(
                f"positions conditional is of encoder vit. Received: {self.encoder!r}."
            )
        if kind != "preset" and self.image_size % self.patch_size:
            raise ConfigError(
                f"patch_size must divide image_size. Received: "
                f"image_size={self.image_size}, patch_size={self.patch_size}."
            )
        halving = "cnn" if kind == "cnn" else "stem convolutions"
        if (kind == "cnn" or self.stem == "convolutions") and self.patch_size.bit_count() != 1:
            raise ConfigError(
                f"{halving} needs patch_size 1, 2, 4, 8, ... Received: {self.patch_size}."
            )
        if self.width % self.heads:
            raise ConfigError(
                f"heads must divide width. Received: width={self.width}, heads={self.heads}."
            )
        if self.positions != "learned" and self.width % 4:
            raise ConfigError(f"Sine positions need width % 4 == 0. Received: width={self.width}.")
        if self.positions == "conditional" and self.token_dropout:
            raise ConfigError(
                "Conditional positions need all tokens around: token_dropout must be 0. "
                f"Received: {self.token_dropout}."
            )
        for name in (
            "dropout",
            "stochastic_depth",
            "token_dropout",
            "caption_dropout",
            "vector_dropout",
        ):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be in [0, 1). Received: {getattr(self, name)}.")

    @property
    def tokens(self) -> int:
        """N, patches of an image: 256 in the paper's 16 x 16 grid."""
        return (self.image_size // self.patch_size) ** 2


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


@dataclass(frozen=True)
class DecodeConfig:
    """How answers are made of the trained network (not in the paper)."""

    beams: int = setting(1, "W, captions followed at once; 1: greedy")
    length_penalty: float = setting(0.7, "power of the words in a caption's score; 0 likes short")
    symmetries: bool = setting(
        False, "average land use and answers over the eight flips and turns of the tile"
    )
    consensus: bool = setting(
        False, "take the candidate of the highest expected CIDEr against the others"
    )
    neighbours: int = setting(
        0, "nearest training tiles whose captions are candidates, too; needs consensus"
    )
    temperature: float = setting(
        0.0, "weighs candidates by likelihood ** (1 / temperature), 0: all alike; needs consensus"
    )

    def __post_init__(self):
        check_fields(self)
        if self.beams < 1:
            raise ConfigError(f"beams must be at least 1. Received: {self.beams}.")
        for name in ("length_penalty", "neighbours", "temperature"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must not be negative. Received: {getattr(self, name)}.")
        for name in ("neighbours", "temperature"):
            if getattr(self, name) and not self.consensus:
                raise ConfigError(
                    f"{name} needs consensus true. Received: {name}={getattr(self, name)}."
                )
