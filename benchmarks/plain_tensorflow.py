"""The network of `plain_torch` in TensorFlow's own operations: what TensorFlow itself can do.

One graph, no Keras: query, key and value are one product, the fused Adam moves the weights.
What is slower here than in PyTorch is slower in TensorFlow's kernels.
"""

import math

import tensorflow as tf

from spatialnet_keras.config import Config, ModelConfig, Pixels


class LandUseNetwork(tf.Module):
    """uint8 tiles [B, S, S, C] -> logits [B, K]; the arguments of `plain_torch`'s."""

    def __init__(self, config: ModelConfig, pixels: Pixels, classes: int):
        super().__init__()
        self.config = config
        self.mean, self.deviation = tf.constant(pixels.mean), tf.constant(pixels.deviation)
        width, patch = config.width, config.patch_size
        self.patches = _Dense(patch * patch * pixels.bands, width, "patches")
        self.positions = tf.Variable(0.02 * tf.random.normal([config.tokens, width]))
        self.dropout = config.dropout
        self.blocks = [Block(config, index) for index in range(config.layers)]
        self.norm = _Norm(width)
        self.head = _Dense(width, classes, "head")

    def __call__(self, images, training: bool = False):
        """Mean of the encoded patches -> linear."""
        rate = self.dropout if training else 0.0
        x = (tf.cast(images, tf.float32) - self.mean) / self.deviation
        patch = self.config.patch_size
        x = tf.nn.space_to_depth(x, patch)  # the pixels of a patch side by side
        x = tf.reshape(x, [-1, self.config.tokens, x.shape[-1]])
        x = tf.nn.dropout(self.patches(x) + self.positions, rate)
        for block in self.blocks:
            x = block(x, rate)
        return self.head(tf.reduce_mean(self.norm(x), axis=1))


class Block(tf.Module):
    """Pre-norm self-attention and MLP: [B, N, D] -> [B, N, D]."""

    def __init__(self, config: ModelConfig, index: int):
        super().__init__(name=f"block_{index}")
        width, hidden = config.width, config.width * config.mlp_ratio
        self.heads, self.tokens, self.width = config.heads, config.tokens, width
        self.norm_1, self.norm_2 = _Norm(width), _Norm(width)
        self.query_key_value = _Dense(width, 3 * width, "query_key_value")
        self.out = _Dense(width, width, "out")
        self.mlp_1, self.mlp_2 = _Dense(width, hidden, "mlp_1"), _Dense(hidden, width, "mlp_2")

    def __call__(self, x, rate: float):
        """Adds both branches, each with dropout at a rate."""
        x = x + tf.nn.dropout(self._attention(self.norm_1(x)), rate)
        return x + tf.nn.dropout(self.mlp_2(_gelu(self.mlp_1(self.norm_2(x)))), rate)

    def _attention(self, x):
        parts = tf.reshape(
            self.query_key_value(x), [-1, self.tokens, 3, self.heads, self.width // self.heads]
        )
        query, key, value = tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4]))
        query = query * (self.width // self.heads) ** -0.5
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True))
        x = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
        return self.out(tf.reshape(x, [-1, self.tokens, self.width]))


class Trainer:
    """As `plain_torch.Trainer`."""

    def __init__(self, network: LandUseNetwork, config: Config, images, labels):
        self.network, self.settings = network, config.train
        self.images, self.labels = tf.constant(images), tf.constant(labels)
        self.moments = [
            (tf.Variable(tf.zeros_like(each)), tf.Variable(tf.zeros_like(each)))
            for each in network.trainable_variables
        ]
        self.count = tf.Variable(0.0)
        self._step = tf.function(self._one)

    def step(self) -> float:
        """One step; the loss, so that the device has finished."""
        return float(self._step())

    def _one(self):
        variables, settings = self.network.trainable_variables, self.settings
        with tf.GradientTape() as tape:
            logits = self.network(self.images, training=True)
            truth = tf.one_hot(self.labels, logits.shape[-1])
            smooth = settings.label_smoothing
            truth = truth * (1 - smooth) + smooth / logits.shape[-1]
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(truth, logits))
        gradients = tape.gradient(loss, variables)
        if settings.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, settings.clip_norm)
        self.count.assign_add(1.0)
        for variable, gradient, (mean, square) in zip(
            variables, gradients, self.moments, strict=True
        ):
            if len(variable.shape) > 1 and variable is not self.network.positions:
                variable.assign_sub(settings.learning_rate * settings.weight_decay * variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=mean.handle, v=square.handle,
                beta1_power=0.9**self.count, beta2_power=0.999**self.count,
                lr=settings.learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8, grad=gradient,
            )  # fmt: skip
        return loss


class _Dense(tf.Module):
    def __init__(self, inputs: int, outputs: int, name: str):
        super().__init__(name=name)
        bound = math.sqrt(6 / (inputs + outputs))
        self.kernel = tf.Variable(tf.random.uniform([inputs, outputs], -bound, bound))
        self.bias = tf.Variable(tf.zeros([outputs]))

    def __call__(self, x):
        flat = tf.reshape(x, [-1, x.shape[-1]])  # one product of matrices, not one an image
        made = tf.nn.bias_add(tf.matmul(flat, self.kernel), self.bias)
        return tf.reshape(made, [-1, *x.shape[1:-1], made.shape[-1]])


class _Norm(tf.Module):
    def __init__(self, width: int):
        super().__init__()
        self.gamma, self.beta = tf.Variable(tf.ones([width])), tf.Variable(tf.zeros([width]))

    def __call__(self, x):
        mean, variance = tf.nn.moments(x, axes=-1, keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, 1e-6)


def _gelu(x):
    rate = 2 * math.sqrt(2 / math.pi)  # as in `layers.gelu`
    return x * tf.sigmoid(x * (rate + 0.044715 * rate * x * x))
