"""Inference: examples -> what the model says, one answer an image or a question."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence

import keras
import numpy as np

from pipelines.batches import evaluation_batches, unpad
from pipelines.examples import Examples
from pipelines.records import ALL_SYMMETRIES
from spatialnet_keras import data
from spatialnet_keras.config import Config
from spatialnet_keras.consensus import Consensus, Memory, choose, marks
from spatialnet_keras.model import likelihood_model
from spatialnet_keras.run import Run
from spatialnet_keras.tasks import Task

Outputs = dict[str, np.ndarray]


def predict(
    model: keras.Model,
    examples: Examples,
    tasks: Sequence[Task],
    config: Config,
    consensus: Consensus | None = None,
) -> Outputs:
    """Outputs of every task, in the order of the records.

    Args:
        model: An answering model.
        examples: n images with m questions.
        tasks: Fitted tasks.
        config: Of the run; `config.decode.symmetries` says whether answers are means.
        consensus: Of `consensus_of`; without it the best beam is the caption.

    Returns:
        [n, ...] for images, [m, ...] for questions; a caption is its words, int32 [n, L].
        `image_vector` float32 [n, D] is there for every model.
    """
    read = {
        kind: slots
        for kind, slots in examples.slots.items()
        if slots.inputs.keys() <= model.input.keys()
    }
    examples = dataclasses.replace(examples, slots=read)
    most = max([1, *(slots.most for slots in read.values())])
    # an image with its hundred questions takes the room of several images with a few
    room = config.train.batch_size * max(16, config.train.questions_per_image)
    batch_size = int(np.clip(room // most, 1, config.train.batch_size))
    outputs = model.predict(evaluation_batches(examples, batch_size), verbose=0)
    found = {task.name: unpad(examples, task.answer_unit, outputs[task.name]) for task in tasks}
    found["image_vector"] = unpad(examples, "image", outputs["image_vector"])
    if config.decode.symmetries:
        found |= _mean_over_symmetries(found, model, examples, tasks, batch_size)
    for task in tasks:
        if task.unit == "caption":
            found[task.name] = choose(
                found[task.name], found["image_vector"], examples.images, consensus
            )
    return found


def _mean_over_symmetries(
    found: Outputs, model: keras.Model, examples: Examples, tasks: Sequence[Task], batch_size: int
) -> Outputs:
    """Mean outputs over all flips and turns of a tile, where these keep the question true."""
    averaged = [task for task in tasks if task.unit != "caption"]
    if not averaged:
        return {}
    # without the captions, which would be written anew for each
    part = keras.Model(model.input, {task.name: model.output[task.name] for task in averaged})

    def turned(symmetry: int) -> Outputs:
        seen = part.predict(evaluation_batches(examples, batch_size, symmetry), verbose=0)
        return {task.name: unpad(examples, task.answer_unit, seen[task.name]) for task in averaged}

    means = mean_over_symmetries({task.name: found[task.name] for task in averaged}, turned)
    for task in averaged:
        if task.unit != "image":
            sided = ~examples.slots[task.unit].symmetric
            means[task.name][sided] = found[task.name][sided]
    return means


def mean_over_symmetries(upright: Outputs, turned: Callable[[int], Outputs]) -> Outputs:
    """Mean outputs over all flips and turns, float32.

    Args:
        upright: Outputs for tiles as they are.
        turned: From the number of another symmetry to outputs for tiles that are so turned.
    """
    sums = {name: output.astype("float64") for name, output in upright.items()}
    for symmetry in ALL_SYMMETRIES[1:]:
        for name, output in turned(symmetry).items():
            sums[name] += output
    return {name: (each / len(ALL_SYMMETRIES)).astype("float32") for name, each in sums.items()}


def predict_on_other_images(
    model: keras.Model,
    examples: Examples,
    tasks: Sequence[Task],
    config: Config,
    consensus: Consensus | None = None,
) -> Outputs:
    """The same, with each image taken from another row: what is left does not come from it."""
    order = np.random.default_rng(0).permutation(len(examples))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)  # one cycle through all rows: none keeps its own
    shuffled = dataclasses.replace(examples, images=examples.images[other])
    return predict(model, shuffled, tasks, config, consensus)


def consensus_of(
    run: Run, model: keras.Model, trained_on: Config | None = None
) -> Consensus | None:
    """How the run chooses among captions; its memory is read, or made and kept in the run.

    Args:
        run: The run.
        model: Its answering model; a memory of other weights is made anew.
        trained_on: Names the data that it was trained on, where `run` names others.

    Returns:
        None for a run that takes the best beam.

    Raises:
        DataError: If there is no memory and the training images cannot be read.
    """
    task = next((task for task in run.tasks if task.unit == "caption"), None)
    if not task or not run.config.decode.consensus:
        return None
    # the vectors alone: nothing is asked or written for them
    seen = keras.Model(
        {"image": model.input["image"]}, {"image_vector": model.output["image_vector"]}
    )
    network = _mark(seen)
    memory = Memory.read(run.memory) if run.memory.is_file() else None
    if not memory or memory.network not in ("", network):  # of an earlier epoch
        memory = _remember(seen, network, task, trained_on or run.config)
        memory.write(run.memory)
    return Consensus(run.config.decode, memory, likelihood_model(model, task))


def _mark(model: keras.Model) -> str:
    """The first 16 hexadecimal digits of a SHA-256 over the weights."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight))
    return digest.hexdigest()[:16]


def _remember(seen: keras.Model, network: str, task: Task, trained_on: Config) -> Memory:
    vectors, tiles, counts, texts = [], [], [0], []
    # an image that cannot be read is no neighbour; whether one may be, training has asked
    for part in data.read(trained_on, "train", skip_bad=True):
        rows = [place for place, row in enumerate(part.records) if row.captions]
        if not rows:
            continue
        images = part.images if len(rows) == len(part.images) else part.images[rows]
        examples = Examples(part.records.name, images, {}, {})
        vectors.append(predict(seen, examples, (), trained_on)["image_vector"])
        tiles.append(marks(images))
        counts += [len(part.records.rows[place].captions) for place in rows]
        texts += task.labels(part.records)
    words = np.array(task.vocabulary.words)
    return Memory(
        np.concatenate(vectors),
        np.cumsum(counts),
        task.encode(texts)[0],
        words,
        np.concatenate(tiles),
        network,
    )
