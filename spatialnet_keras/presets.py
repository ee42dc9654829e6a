"""Presets: whole configurations by name; a preset is a value."""

from pipelines.records import unknown
from spatialnet_keras.config import Config, ConfigError, DecodeConfig, ModelConfig, TrainConfig

PRESETS = {
    # Exactly the paper's numbers; the rest are the defaults of `settings`.
    "paper": Config(preset="paper"),
    # For CPU users on real images: the paper's 16 x 16 grid of tokens, on smaller tiles. Tokens
    # left out make an epoch four times cheaper; a mimetic start and Muon learn in a sixth of the
    # epochs (README, results).
    "small": Config(
        preset="small",
        model=ModelConfig(
            image_size=128,
            patch_size=8,
            width=128,
            layers=4,
            heads=4,
            dropout=0.0,
            token_dropout=0.75,
            positions="sine",
            attention_start="mimetic",
        ),
        train=TrainConfig(
            batch_size=48,
            epochs=150,
            optimizer="muon",
            learning_rate=5e-3,
            weight_decay=0.05,
            l2=0.0,
            warmup=0.08,
            label_smoothing=0.1,
            crop=0.5,
            jitter=0.4,
            gain=0.1,
        ),
    ),
    # For a pretrained encoder on a CPU: --model.encoder preset:NAME_OR_FOLDER.
    "transfer": Config(
        preset="transfer",
        model=ModelConfig(
            encoder="preset:efficientnet_lite0_ra_imagenet",
            image_size=224,
            width=256,
            heads=8,
            hybrid_layers=0,
            frozen_share=0.35,
            dropout=0.1,
            vector_dropout=0.2,
        ),
        train=TrainConfig(
            batch_size=32,
            epochs=20,
            learning_rate=1e-3,
            encoder="cached",
            weight_decay=0.05,
            l2=0.0,
            warmup=0.1,
            ema=0.98,
            label_smoothing=0.1,
            mix=0.6,
        ),
    ),
    # For the first minutes, tests and teaching.
    "tiny": Config(
        preset="tiny",
        model=ModelConfig(
            image_size=64,
            patch_size=8,
            width=64,
            layers=3,
            heads=4,
            mlp_ratio=2,
            dropout=0.0,
            positions="sine",
            attention_start="mimetic",
            question_words=18,
            caption_layers=1,
        ),
        train=TrainConfig(
            batch_size=16,
            epochs=8,
            optimizer="muon",
            learning_rate=4.5e-3,
            weight_decay=0.01,
            l2=0.0,
        ),
        decode=DecodeConfig(beams=3, consensus=True, neighbours=60, temperature=2.5),
    ),
}


def preset(name: str) -> Config:
    """A preset by its name.

    Raises:
        ConfigError: For an unknown name; the nearest is named.
    """
    if name not in PRESETS:
        raise ConfigError(unknown("preset", name, PRESETS))
    return PRESETS[name]
