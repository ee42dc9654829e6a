"""What can be chosen of the network."""

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
