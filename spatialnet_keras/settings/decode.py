"""What can be chosen of how answers are made of the trained network."""

from dataclasses import dataclass

from spatialnet_keras.fields import ConfigError, check_fields, setting


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
