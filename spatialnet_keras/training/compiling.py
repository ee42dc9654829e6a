"""The loss, its parts and the optimizer put into a network, ready for `model.fit`."""

from collections.abc import Sequence

import keras
from keras import ops

from pipelines.batches import Batch
from spatialnet_keras.config import Config
from spatialnet_keras.pytorch import allow_tf32
from spatialnet_keras.tasks import Task
from spatialnet_keras.training.optimizers import optimizer
from spatialnet_keras.training.teacher import LAND_USE, losses


def compile_model(
    model: keras.Model,
    config: Config,
    tasks: Sequence[Task],
    steps: int,
    encoder: Sequence[keras.Layer] = (),
) -> None:
    """Compiles with L = sum_t lambda_t L_t + lambda_reg |W|^2 (paper, III.C).

    On a GPU of NVIDIA, products of float32 matrices are TF32's from here on, on each backend.

    With a teacher, its share of lambda_t L_t goes to the imitation of its land use.

    Args:
        model: Of `build_model`, `model_on_features` or `training_model`.
        config: Of the run; `config.tasks` holds every lambda_t.
        tasks: Fitted tasks.
        steps: Of the whole training, for the schedule.
        encoder: The layers to which `train.encoder_rate` applies, the first one first.
    """
    allow_tf32()
    if config.train.l2:
        for variable in model.trainable_variables:
            if variable.name == "kernel":
                variable.regularizer = keras.regularizers.L2(config.train.l2)
    weights = dict(config.tasks)
    loss = {
        each.name: (each.loss(config.train.label_smoothing), weights[each.name]) for each in tasks
    }
    imitated = {name: pair for name, pair in losses(config).items() if name in model.output}
    if LAND_USE in imitated:
        true, weight = loss["land_use"]
        loss["land_use"] = true, weight * (1 - config.train.teacher_share)
    loss |= imitated
    model.compile(
        optimizer=optimizer(config.train, steps, encoder),
        loss={name: each for name, (each, _) in loss.items()},
        loss_weights={name: weight for name, (_, weight) in loss.items()},
        # not `metrics`: these would count rows without a label
        weighted_metrics={each.name: each.metrics() for each in tasks},
    )
    # a step that makes variables is traced twice by TensorFlow; see `build_losses`, too
    model.optimizer.build(model.trainable_variables)


def build_losses(model: keras.Model, batch: Batch) -> None:
    """Makes the variables of losses and metrics now, or TensorFlow traces the step twice.

    Args:
        model: A compiled one.
        batch: Any: only its shapes count.
    """
    _, truth, weight = batch
    nothing = {
        name: ops.zeros([size or truth[name].shape[axis] for axis, size in enumerate(output.shape)])
        for name, output in model.output.items()
    }
    model.compute_loss(y=truth, y_pred=nothing, sample_weight=weight)
    model.compute_metrics(None, truth, nothing, weight)
    model.reset_metrics()
