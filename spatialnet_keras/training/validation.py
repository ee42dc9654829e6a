"""Validation: what an epoch has reached on the validation split."""

import dataclasses

import keras
import numpy as np
from keras import ops

from pipelines.batches import evaluation_batches, unpad
from pipelines.examples import Examples
from spatialnet_keras.data import Part
from spatialnet_keras.inference import Outputs
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import Task
from spatialnet_keras.text import PAD, UNKNOWN


def validation_logs(
    run: Run,
    parts: list[tuple[Part, Examples]],
    outputs: list[Outputs],
    judges: dict[str, keras.Model],
) -> dict[str, float]:
    """Losses and scores over all validation rows, of all data sets together.

    Args:
        run: The run.
        parts: Each data set's part and its examples.
        outputs: What the network answers to each.
        judges: Per captioning task, its `model.likelihood_model`.

    Returns:
        `val_loss` (without lambda_reg |W|^2), `val_{task}_loss`, `val_{task}_{score}`, and
        `val_score`: the mean over the tasks of each one's main score. For captions that is the
        probability of a word that a person wrote, a geometric mean: what a network writes greedily
        swings from epoch to epoch while it still learns.
    """
    logs, main = {"val_loss": 0.0}, []
    for task in run.tasks:
        output = np.concatenate([each[task.name] for each in outputs])
        truths = [truth for part, _ in parts for truth in task.truths(part.records)]
        known = np.array([truth is not None for truth in truths], bool)
        if not known.any():
            continue
        labels = [truth for truth in truths if truth is not None]
        reached = task.score(task.answer(output[known]), labels)
        logs |= {f"val_{task.name}_{name}": value for name, value in reached.items()}
        if task.name in judges:
            examples = [each for _, each in parts if each.slots[task.unit].most]
            loss = caption_loss(judges[task.name], task, examples, run.config.train.batch_size)
        else:
            target, weight = task.encode(labels)
            loss = float(ops.convert_to_numpy(task.loss()(target, output[known], weight)))
        logs[f"val_{task.name}_loss"] = loss
        logs["val_loss"] += dict(run.config.tasks)[task.name] * loss
        if task.headline:
            main.append(np.exp(-loss) if task.name in judges else reached[task.scores[0]])
    return logs | {"val_score": float(np.mean(main)) if main else -logs["val_loss"]}


def caption_loss(judge: keras.Model, task: Task, parts: list[Examples], batch_size: int) -> float:
    """Cross entropy of a word of the captions that people wrote; unknown words do not count.

    Args:
        judge: Of `model.likelihood_model`.
        task: Of the captions.
        parts: With their captions as targets.
        batch_size: Images at once.
    """
    total, words = 0.0, 0
    for part in parts:
        slots = part.slots[task.unit]
        captions = slots.targets[task.name]
        heard = dataclasses.replace(slots, inputs={"caption": captions}, targets={}, weights={})
        heard = dataclasses.replace(part, slots={task.unit: heard}, targets={}, weights={})
        found = judge.predict(evaluation_batches(heard, batch_size), verbose=0)
        total -= unpad(heard, task.unit, found).sum(dtype="float64")
        words += np.sum((captions != PAD) & (captions != UNKNOWN))
    return float(total / words)
