"""Settings: what can be chosen of the network, the training and the writing of captions.

"Paper" is arXiv 2506.22501. Where it is silent, the field says "not in the paper".
"""

from spatialnet_keras.settings.decode import DecodeConfig
from spatialnet_keras.settings.model import ENCODERS, ModelConfig
from spatialnet_keras.settings.train import TrainConfig

__all__ = ["ENCODERS", "DecodeConfig", "ModelConfig", "TrainConfig"]
