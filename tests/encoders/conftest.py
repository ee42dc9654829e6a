"""Encoders of every kind, tiny."""

import dataclasses
from pathlib import Path

import keras
import keras_hub
import pytest

from spatialnet_keras.config import ModelConfig
from spatialnet_keras.settings import ENCODERS
from tests.encoders.helpers import TINY


@pytest.fixture(scope="module")
def presets(tmp_path_factory) -> dict[str, Path]:
    """Tiny presets with random weights: a map, tokens, images of any size, images and texts."""
    root = tmp_path_factory.mktemp("presets")
    keras.utils.set_random_seed(0)
    hub = keras_hub.models
    vision = {
        "patch_size": 8, "hidden_dim": 16, "num_layers": 2, "num_heads": 2,
        "intermediate_dim": 32, "image_shape": (24, 24, 3),
    }  # fmt: skip
    text = {
        "vocabulary_size": 9, "embedding_dim": 16, "hidden_dim": 16, "num_layers": 1,
        "num_heads": 2, "intermediate_dim": 32, "max_sequence_length": 4,
    }  # fmt: skip
    made = {
        "map": hub.ResNetBackbone(
            input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64, 64],
            stackwise_num_blocks=[1, 1], stackwise_num_strides=[1, 2], block_type="basic_block",
            image_shape=(None, None, 3),
        ),
        "tokens": hub.ViTBackbone(
            image_shape=(24, 24, 3), patch_size=(8, 8), num_layers=2, num_heads=2, hidden_dim=16,
            mlp_dim=32,
        ),
        "dino": hub.DINOV2Backbone(
            patch_size=8, num_layers=2, hidden_dim=16, num_heads=2, intermediate_dim=32,
            image_shape=(24, 24, 3), position_embedding_shape=(40, 40),
        ),
        "clip": hub.CLIPBackbone(
            hub.CLIPVisionEncoder(**vision), hub.CLIPTextEncoder(**text), projection_dim=16
        ),
        "siglip": hub.SigLIPBackbone(
            hub.SigLIPVisionEncoder(**vision), hub.SigLIPTextEncoder(**text)
        ),
    }  # fmt: skip
    for name, backbone in made.items():
        backbone.save_to_preset(str(root / name))
    return {name: root / name for name in made}


FROM_SCRATCH = [name for name in ENCODERS if name != "preset"]


@pytest.fixture(params=[*FROM_SCRATCH, "stem", "around", "map", "tokens", "dino", "clip", "siglip"])
def config(request, presets) -> ModelConfig:
    if request.param == "stem":
        return dataclasses.replace(TINY, stem="convolutions")
    if request.param == "around":
        return dataclasses.replace(TINY, positions="conditional")
    encoder = f"preset:{presets[request.param]}" if request.param in presets else request.param
    return dataclasses.replace(TINY, encoder=encoder)
