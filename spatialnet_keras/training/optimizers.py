"""Optimizers: Adam, AdamW, Muon; warm-up, schedule, clipping, a running mean, rates by depth."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import keras

from spatialnet_keras import pytorch
from spatialnet_keras.config import TrainConfig
from spatialnet_keras.training.muon import Muon


class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW with a learning rate of its own for some variables.

    Args:
        shares: Per path of a variable, its share of the learning rate; 1 where none is given.
        **kwargs: Of AdamW.
    """

    def __init__(self, shares: Mapping[str, float], **kwargs):
        super().__init__(**kwargs)
        self.shares = dict(shares)

    def update_step(self, gradient, variable, learning_rate):
        """AdamW's step at the variable's own rate."""
        super().update_step(gradient, variable, learning_rate * self._share(variable))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        if keras.config.backend() != "torch":
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        index = [self._get_variable_index(each) for each in trainable_variables]
        pytorch.adamw(
            trainable_variables,
            grads,
            [self._momentums[each] for each in index],
            [self._velocities[each] for each in index],
            learning_rate,
            self.iterations + 1,
            (self.beta_1, self.beta_2),
            self.epsilon,
            [self._share(each) for each in trainable_variables],
        )

    def _apply_weight_decay(self, variables):
        decay = self.weight_decay
        # PyTorch cannot decay a list of none
        decaying = sorted(filter(self._use_weight_decay, variables), key=self._share)
        for share, some in itertools.groupby(decaying, key=self._share):
            self.weight_decay = decay * share
            super()._apply_weight_decay(list(some))
        self.weight_decay = decay

    def _share(self, variable) -> float:
        # on TensorFlow the variable comes without Keras' path
        path = self._trainable_variables[self._get_variable_index(variable)].path
        return self.shares.get(path, 1.0)


def optimizer(
    config: TrainConfig, steps: int, encoder: Sequence[keras.Layer] = ()
) -> keras.optimizers.Optimizer:
    """The optimizer that a configuration asks for.

    Args:
        config: Of the training.
        steps: Of the whole training, for the schedule.
        encoder: The layers to which `config.encoder_rate` applies, the first one first.
    """
    # the first step of a warm-up changes nothing, so one step is left for what follows
    warmup = min(round(config.warmup * steps), steps - 1)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else config.learning_rate,
        decay_steps=steps - warmup,
        alpha=0.0 if config.schedule == "cosine" else 1.0,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    shared = {
        "learning_rate": rate,
        "global_clipnorm": config.clip_norm or None,
        "use_ema": config.ema > 0,
        "ema_momentum": config.ema or 0.99,
    }
    if config.optimizer == "adam":
        return keras.optimizers.Adam(**shared)
    shared["weight_decay"] = config.weight_decay
    if config.optimizer == "muon":
        made = Muon(**shared)
    elif encoder and config.encoder_rate < 1:
        made = LayerwiseAdamW(rates_by_depth(encoder, config.encoder_rate), **shared)
    else:
        made = keras.optimizers.AdamW(**shared)
    made.exclude_from_weight_decay(var_names=["^(?!.*kernel)"])  # all that is no kernel
    return made


def rates_by_depth(encoder: Sequence[keras.Layer], first: float) -> dict[str, float]:
    """Per path of a trainable variable, a share from `first` up to 1, by the layer's depth."""
    layers = [own for layer in encoder for own in _by_layer(layer) if own]
    return {
        variable.path: first ** (1 - place / len(layers))
        for place, own in enumerate(layers)
        for variable in own
    }


def _by_layer(layer: keras.Layer) -> Iterator[list[keras.Variable]]:
    """The trainable variables of a layer's own, then those of each layer within it, in order."""
    inner = {id(each) for part in layer._layers for each in part.trainable_variables}
    yield [each for each in layer.trainable_variables if id(each) not in inner]
    for part in layer._layers:
        yield from _by_layer(part)


def leaves(layer: keras.Layer) -> Iterator[keras.Layer]:
    """The layers of a model and of the models within it, from input to output."""
    for each in layer.layers:
        if isinstance(each, keras.Model):
            yield from leaves(each)
        else:
            yield each
