"""Muon (Jordan et al. 2024), at the rates of AdamW (Liu et al. 2025), on three backends."""

import math
import re

import keras
from keras import ops

from spatialnet_keras import pytorch


class Muon(keras.optimizers.Muon):
    """Muon for the kernels of attention and MLPs, AdamW for everything else.

    Muon makes every singular value of a kernel's step alike. Keras' own knows no kernels of three
    dimensions, which attention has, takes biases of two for kernels, and goes through the variables
    one by one; here kernels of a shape are stepped together, and on PyTorch all the rest as well.
    """

    # embeddings, the heads' last layers and the way to a teacher's features are not mixed within
    BY_ADAMW = re.compile(r"(?<!attention)_output/|embedding|teacher_projection")

    def _should_use_adamw(self, variable):
        kernel = variable.path.endswith("/kernel") and len(variable.shape) in (2, 3)
        return not kernel or bool(self.BY_ADAMW.search(variable.path))

    def _apply_weight_decay(self, variables):
        kept = 1 - self.weight_decay * self._get_current_learning_rate()
        decayed = [each for each in variables if self._use_weight_decay(each)]
        if keras.config.backend() == "torch":
            pytorch.scale(decayed, kept)
        else:
            for each in decayed:
                each.assign(each * ops.cast(kept, each.dtype))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        kernels, rest = [], []
        for pair in zip(grads, trainable_variables, strict=True):
            (rest if self._should_use_adamw(pair[1]) else kernels).append(pair)
        if kernels:
            gradients, variables = zip(*kernels, strict=True)
            kernels = list(zip(self._alike(gradients, variables), variables, strict=True))
        if keras.config.backend() != "torch":
            pairs = zip(*kernels, *rest, strict=True)
            super()._backend_update_step(*pairs, learning_rate)
            return
        if kernels:
            steps, variables = zip(*kernels, strict=True)
            pytorch.subtract(variables, steps, learning_rate)
        if rest:
            gradients, variables = zip(*rest, strict=True)
            index = [self._get_variable_index(each) for each in variables]
            pytorch.adamw(
                variables,
                gradients,
                [self.momentums[each] for each in index],
                [self.adam_velocities[each] for each in index],
                learning_rate * self.adam_lr_ratio,
                self.iterations + 1,
                (self.adam_beta_1, self.adam_beta_2),
                self.epsilon,
            )

    def _muon_update_step(self, gradient, variable, lr, m):
        # the gradient is the step by now
        self.assign_sub(variable, lr * gradient)

    def _alike(self, gradients, variables) -> list:
        """The steps of kernels, their singular values all near one, for a learning rate of 1."""
        flat: dict[tuple[int, int], list] = {}
        for place, (moved, variable) in enumerate(
            zip(self._moved(gradients, variables), variables, strict=True)
        ):
            moved = ops.reshape(moved, _sides(variable))
            upright = moved.shape[0] > moved.shape[1]
            moved = ops.transpose(moved) if upright else moved
            flat.setdefault(tuple(moved.shape), []).append((place, upright, moved))
        steps = [None] * len(variables)
        for (_, longer), members in flat.items():
            together = ops.stack([moved for _, _, moved in members])
            together = self.zeropower_via_newtonschulz5(together, self.ns_steps)
            # at this length they go with the rates of AdamW
            together = self.rms_rate * math.sqrt(longer) * together
            for step, (place, upright, _) in zip(ops.unstack(together), members, strict=True):
                step = ops.transpose(step) if upright else step
                steps[place] = ops.reshape(step, variables[place].shape)
        return steps

    def _moved(self, gradients, variables) -> list:
        """Gradients with their momentum (Nesterov)."""
        momentums = [self.momentums[self._get_variable_index(each)] for each in variables]
        if keras.config.backend() == "torch":
            return pytorch.nesterov(momentums, gradients, self.momentum)
        for momentum, gradient in zip(momentums, gradients, strict=True):
            self.assign_add(momentum, gradient + momentum * (self.momentum - 1))
        return [g + self.momentum * m for g, m in zip(gradients, momentums, strict=True)]


def _sides(kernel) -> tuple[int, int]:
    """Rows and columns of a kernel; with heads beside what goes in or comes out."""
    shape = kernel.shape
    if len(shape) == 2:
        return shape
    ends = kernel.path.endswith("attention_output/kernel")
    return (shape[0] * shape[1], shape[2]) if ends else (shape[0], shape[1] * shape[2])
