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
    """Tiny presets with random weights: a map, tokens of one size of image, tokens of any."""
    root = tmp_path_factory.mktemp("presets")
    keras.utils.set_random_seed(0)
    made = {
        "map": keras_hub.models.ResNetBackbone(
            input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64, 64],
            stackwise_num_blocks=[1, 1], stackwise_num_strides=[1, 2], block_type="basic_block",
            image_shape=(None, None, 3),
        ),
        "tokens": keras_hub.models.ViTBackbone(
            image_shape=(24, 24, 3), patch_size=(8, 8), num_layers=2, num_heads=2, hidden_dim=16,
            mlp_dim=32,
        ),
        "dino": keras_hub.models.DINOV2Backbone(
            patch_size=8, num_layers=2, hidden_dim=16, num_heads=2, intermediate_dim=32,
            image_shape=(24, 24, 3), position_embedding_shape=(40, 40),
        ),
    }  # fmt: skip
    for name, backbone in made.items():
        backbone.save_to_preset(str(root / name))
    return {name: root / name for name in made}


@pytest.fixture(params=[*(n for n in ENCODERS if n != "preset"), "stem", "map", "tokens", "dino"])
def config(request, presets) -> ModelConfig:
    if request.param == "stem":
        return dataclasses.replace(TINY, stem="convolutions")
    encoder = f"preset:{presets[request.param]}" if request.param in presets else request.param
    return dataclasses.replace(TINY, encoder=encoder)
