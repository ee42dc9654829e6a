"""Muon: kernels of a shape are stepped together, and all the rest is AdamW's."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from spatialnet_keras.layers import Positions, transformer_block
from spatialnet_keras.presets import PRESETS
from spatialnet_keras.training.muon import Muon
from spatialnet_keras.training.optimizers import optimizer


def test_muon_moves_every_direction_of_a_kernel_alike():
    """And all the rest as AdamW does, whose first step is as long as the rate."""
    network = dataclasses.replace(PRESETS["tiny"].model, width=16, heads=2)
    tokens = keras.Input((4, 16))
    x = Positions(name="positions")(tokens)
    answer = keras.layers.Dense(3, name="land_use_output")(transformer_block(x, network, "block"))
    variables = keras.Model(tokens, answer).trainable_variables
    settings = dataclasses.replace(
        PRESETS["paper"].train,
        optimizer="muon", learning_rate=1e-3, warmup=0.0, schedule="constant", clip_norm=0.0,
    )  # fmt: skip
    before = [ops.convert_to_numpy(each).copy() for each in variables]
    rng = np.random.default_rng(0)
    made = optimizer(settings, 10)
    made.build(variables)
    made.apply(
        [ops.convert_to_tensor(rng.normal(size=x.shape), "float32") for x in before], variables
    )
    kernels = 0
    for variable, old in zip(variables, before, strict=True):
        step = (ops.convert_to_numpy(variable) - old) / 1e-3
        inside = "attention" in variable.path or "mlp" in variable.path
        if not variable.path.endswith("/kernel") or not inside:
            np.testing.assert_allclose(np.abs(step), 1, rtol=0.02, err_msg=variable.path)
            continue
        kernels += 1
        ends = variable.path.endswith("attention_output/kernel")
        flat = step if step.ndim == 2 else step.reshape((-1, 16) if ends else (16, -1))
        # of 30 to 1 and more, five steps of Newton and Schulz make these
        found = np.linalg.svd(flat, compute_uv=False) / (0.2 * max(flat.shape) ** 0.5)
        assert 0.3 < found.min() <= found.max() < 1.3, variable.path
    assert kernels == 6  # query, key, value, the output of attention, two of the MLP


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_kernels_stepped_together_go_where_keras_takes_each_alone(decay):
    """Keras' Muon knows kernels of two dimensions, so the network has no others."""

    def trained(kind: type[keras.optimizers.Optimizer], **settings) -> list[np.ndarray]:
        keras.utils.set_random_seed(0)
        # two wide, one tall, one square
        model = keras.Sequential([keras.Input((6,)), *map(keras.layers.Dense, (8, 6, 8, 8))])
        rate = keras.optimizers.schedules.CosineDecay(1e-2, 20)
        made = kind(rate, weight_decay=decay, global_clipnorm=1.0, **settings)
        made.exclude_from_weight_decay(var_names=["bias"])
        made.build(model.trainable_variables)
        rng = np.random.default_rng(0)
        for _ in range(5):
            gradients = [rng.normal(size=each.shape) for each in model.trainable_variables]
            made.apply([ops.convert_to_tensor(each, "float32") for each in gradients])
        return [ops.convert_to_numpy(each) for each in model.trainable_variables]

    ours, theirs = trained(Muon), trained(keras.optimizers.Muon, adam_weight_decay=decay)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
