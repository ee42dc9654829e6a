"""Any image backbone of keras-hub, by the name of its preset or a folder that holds one.

ViT, DINOv2 and v3, the vision towers of CLIP and SigLIP, EfficientNet, ResNet, Swin, ...: a map of
features [B, h, w, F] becomes tokens [B, h w, F]; class and register tokens are left out.
"""

import math
from pathlib import Path

import keras
import keras_hub
import numpy as np

from spatialnet_keras.config import ConfigError, ModelConfig, Pixels
from spatialnet_keras.layers import FEATURES

UPPER = "preset_upper"  # the layer that is what `config.frozen_share` leaves of a backbone
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # mean, deviation of its pixels
SCALINGS = {
    "imagenet": IMAGENET,
    "symmetric": ((127.0,) * 3, (128.0,) * 3),  # -1 to 1
    "unit": ((0.0,) * 3, (255.0,) * 3),
    "raw": ((0.0,) * 3, (1.0,) * 3),
}


def tokens(image, config: ModelConfig, pixels: Pixels, drop_tokens: bool):
    """Stored pixels [B, S, S, 3] -> tokens [B, N, F] of the backbone's own width.

    The layer `FEATURES` marks where `config.frozen_share` of its layers end.

    Raises:
        ConfigError: If the preset cannot be loaded, or the images have not three bands.
    """
    if pixels.bands != 3:
        raise ConfigError(f"A preset needs three bands. Received: {pixels.bands}. Use vit or cnn.")
    name = config.encoder.partition(":")[2]
    backbone = _for_size(name, load_backbone(name), config.image_size)
    mean, deviation = _scaling(name, config, pixels)
    x = keras.layers.Rescaling(
        1 / np.array(deviation),
        -np.array(mean) / np.array(deviation),
        dtype="float32",
        name="preset_pixels",
    )(image)
    side = _fixed_side(backbone)
    if side and side != config.image_size:
        x = keras.layers.Resizing(side, side, antialias=True, name="preset_size")(x)
    patches = _patches(backbone, x.shape[1])
    lower, upper = halves(backbone, config.frozen_share)
    given = {name: x for name in lower.input} if isinstance(lower.input, dict) else x
    x = keras.layers.Identity(name=FEATURES)(lower(given))
    return _as_tokens(upper(x) if upper else x, patches)


def halves(backbone: keras.Model, share: float) -> tuple[keras.Model, keras.Model | None]:
    """Cuts a backbone after a share of its layers, where all goes through one tensor.

    The first layers of a convolutional network take most of the time and have few weights:
    EfficientNet-Lite0 without its first third has 97 % of its weights, and a step of it costs an
    eighth.

    Returns:
        Two models that share the backbone's layers; the whole and None where no place is left.
    """
    layers = backbone.layers if share < 1 else []
    for layer in layers[round(share * len(layers)) : -1]:
        try:
            upper = keras.Model(layer.output, backbone.output, name=UPPER)
        except (ValueError, AttributeError):  # another path leads past this layer
            continue
        return keras.Model(backbone.input, layer.output, name="preset_lower"), upper
    return backbone, None


def load_backbone(name: str, **options) -> keras.Model:
    """The image backbone of a preset, with its weights.

    Args:
        name: Of the preset, or its folder.
        **options: In place of what the preset's own configuration says.

    Raises:
        ConfigError: In one line, for whatever keeps it from being loaded.
    """
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ConfigError(f"{name} is no preset: it has no config.json. Name another folder.")
    if not folder.is_dir() and (folder.is_absolute() or name.startswith(".")):
        raise ConfigError(f"No preset in {name}. Name a folder that holds one, or a hub's preset.")
    policy = keras.config.dtype_policy().name
    try:
        backbone = keras_hub.models.Backbone.from_preset(name, dtype=policy, **options)
    except Exception as error:  # keras-hub, the hubs and HDF5 raise whatever they like
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        where = "" if folder.is_dir() else " No network, or no such name on the hub?"
        raise ConfigError(f"Preset {name} cannot be loaded ({reason}).{where}") from error
    for variable in backbone.weights:
        # keras-hub saves DINOv2's positions as they were before, so that no file would hold others
        if variable.name == "interpolated_position_embeddings":
            variable.trainable = False
    # CLIP, SigLIP: image and text towers in one; only the images are of use here
    backbone = getattr(backbone, "vision_encoder", backbone)
    is_pooled = isinstance(backbone, keras_hub.models.SigLIPVisionEncoder)
    return _before_pooling(backbone) if is_pooled else backbone


def _before_pooling(vision: keras_hub.models.SigLIPVisionEncoder) -> keras.Model:
    """SigLIP's tokens in place of the one vector that its last layer makes of them."""
    (image,) = vision.inputs
    places = (image.shape[1] // vision.patch_size) ** 2
    # the slice leaves out nothing: keras-hub announces a class token that is not there
    x = vision.embedding(image)[:, -places:]
    for layer in [*vision.encoder_layers, vision.post_layer_norm]:
        x = layer(x)
    made = keras.Model(vision.input, x, name=vision.name)
    # its layers anew, so that each has one output, at which `halves` may cut
    again = keras.models.clone_model(made)
    again.set_weights(made.get_weights())
    return again


def _for_size(name: str, backbone: keras.Model, size: int) -> keras.Model:
    """The same for images of about another size, if its positions are interpolated (DINOv2).

    Others that take one size alone see their images resized to it.
    """
    config = backbone.get_config()
    if "position_embedding_shape" not in config:
        return backbone
    side = max(1, round(size / config["patch_size"])) * config["patch_size"]
    if side == _fixed_side(backbone):
        return backbone
    return load_backbone(name, image_shape=(side, side, 3))


def _scaling(name: str, config: ModelConfig, pixels: Pixels):
    """Mean and deviation per band: as configured, or as the preset's own image converter says."""
    if config.pixel_scaling != "preset":
        mean, deviation = SCALINGS[config.pixel_scaling]
    else:
        mean, deviation = _converter_scaling(name) or IMAGENET
    if pixels.dtype == "uint8":
        return mean, deviation
    # other sensors: what is mean and deviation there becomes what it is for the preset
    ratio = np.array(deviation) / np.array(IMAGENET[1])
    shift = (np.array(mean) - IMAGENET[0]) / IMAGENET[1]
    return np.array(pixels.mean) + shift * pixels.deviation, np.array(pixels.deviation) * ratio


def _converter_scaling(name: str):
    try:
        converter = keras_hub.layers.ImageConverter.from_preset(name)
    except Exception:  # a preset of a backbone alone has none
        return None
    if converter.scale is None:
        return None
    deviation = 1 / np.broadcast_to(np.array(converter.scale, float).reshape(-1), 3)
    offset = 0.0 if converter.offset is None else converter.offset
    return -np.broadcast_to(np.array(offset, float).reshape(-1), 3) * deviation, deviation


def _fixed_side(backbone: keras.Model) -> int | None:
    """Pixels a side that the backbone was built for; None if it takes any."""
    shapes = [each.shape for each in backbone.inputs if len(each.shape) == 4]
    return shapes[0][1] if shapes else None


def _patches(backbone: keras.Model, side: int) -> int:
    """How many patches an image has; 0 if the backbone does not say how large they are."""
    size = getattr(backbone, "patch_size", None)
    return math.prod(side // int(each) for each in np.broadcast_to(size, 2)) if size else 0


def _as_tokens(features, patches: int = 0):
    """[B, h, w, F], or [B, 1 + registers + h w, F] -> [B, h w, F].

    Args:
        features: What a backbone gives.
        patches: Of the image, as far as known: Swin, which merges them, has fewer tokens.
    """
    if isinstance(features, dict):
        raise ConfigError(f"This preset gives {sorted(features)}, no features of one image.")
    if len(features.shape) not in (3, 4):
        raise ConfigError(
            "A preset must give features of places: [B, h, w, F] or [B, N, F]. Received: "
            f"{list(features.shape)}. Choose another preset."
        )
    if len(features.shape) == 4:
        _, height, width, channels = features.shape
        return keras.layers.Reshape((height * width, channels), name="preset_tokens")(features)
    tokens = features.shape[1]
    if not 0 < patches <= tokens:
        patches = math.isqrt(tokens) ** 2
    return features[:, tokens - patches :]
