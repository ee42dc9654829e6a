"""Configuration: all settings of one run, as frozen dataclasses; a preset is a value."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from spatialnet_keras.fields import ConfigError
from spatialnet_keras.settings import DecodeConfig, ModelConfig, TrainConfig

__all__ = [
    "Config",
    "ConfigError",
    "DecodeConfig",
    "ModelConfig",
    "Pixels",
    "TrainConfig",
    "override",
]


@dataclass(frozen=True)
class Pixels:
    """What the stored images are: belongs to the data, not to a preset.

    Attributes:
        bands: C.
        dtype: Of the stored values.
        mean: Per band, over the training split.
        deviation: Per band, over the training split.
        side: Pixels of the longer side of a training tile as it is on disk: the piece of a scene
            that the network knows.
    """

    bands: int = 3
    dtype: str = "uint8"
    mean: tuple[float, ...] = (127.5, 127.5, 127.5)
    deviation: tuple[float, ...] = (64.0, 64.0, 64.0)
    side: int = 256


@dataclass(frozen=True)
class Config:
    """One run.

    Attributes:
        preset: The name the run started from.
        model: The network.
        train: The training.
        decode: The writing of captions.
        data: (name, folder) of each data set.
        tasks: (name, lambda_t) as asked for; empty: every task that the data have labels for.
        pixels: Measured on the training split.
        init: Runs whose weights, or their mean, the training starts from, where they fit.
    """

    preset: str = "paper"
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    data: tuple[tuple[str, str], ...] = ()
    tasks: tuple[tuple[str, float], ...] = ()
    pixels: Pixels = Pixels()
    init: tuple[str, ...] = ()

    def to_json(self) -> str:
        """As text that a person can read and `from_json` takes."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """The inverse of `to_json`."""
        raw = json.loads(text)
        return cls(
            preset=raw["preset"],
            model=ModelConfig(**raw["model"]),
            train=TrainConfig(**raw["train"]),
            decode=DecodeConfig(**raw["decode"]),
            data=tuple((name, root) for name, root in raw["data"]),
            tasks=tuple((name, weight) for name, weight in raw["tasks"]),
            pixels=Pixels(
                **{k: tuple(v) if isinstance(v, list) else v for k, v in raw["pixels"].items()}
            ),
            init=tuple(raw.get("init", ())),
        )


def override(config: Config, values: dict[str, Any]) -> Config:
    """Replaces dotted fields: `override(config, {"model.width": 64})`."""
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        part, _, name = key.partition(".")
        sections.setdefault(part, {})[name] = value
    decode, train = sections.get("decode", {}), sections.get("train", {})
    # what hangs on another field goes with it, unless asked for
    if train.get("encoder") in ("full", "lora"):  # nothing is kept as it is
        sections["model"] = {"frozen_share": 1.0} | sections.get("model", {})
    if decode.get("consensus") is False:
        sections["decode"] = {"neighbours": 0, "temperature": 0.0} | decode
    # a section at once: its rules hold between fields
    changed = {
        part: dataclasses.replace(getattr(config, part), **fields)
        for part, fields in sections.items()
    }
    return dataclasses.replace(config, **changed)
