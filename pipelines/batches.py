"""Batches: encoded examples -> shuffled, stratified, augmented, prefetched tf.data.

An image is gathered once a batch, however many sentences hang on it: B images carry G slots of
each kind of sentence. What stands in a batch is a pure function of (seed, step), so a run that
was stopped goes on with exactly the batches it would have seen.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf

from pipelines.augment import Augmentation, augment, whole
from pipelines.cells import parts_of
from pipelines.drawing import Draw, all_of, draw, take
from pipelines.examples import Arrays, Examples, shares, steps_per_epoch
from pipelines.mixing import mix
from pipelines.packing import pack
from pipelines.pixels import apply_symmetries

if keras.config.backend() != "tensorflow":
    tf.config.set_visible_devices([], "GPU")  # else it takes the memory that the model needs
tf.config.list_logical_devices()  # looks for GPUs now, with its warnings, not in mid-command

# an accelerator's step is over before one core has cropped and coloured its batch
_AT_ONCE = max(2, min(8, os.cpu_count() or 1))

Batch = tuple[Arrays, Arrays, Arrays]  # x, y, weight
NOTHING: Mapping = MappingProxyType({})


def training_batches(
    parts: list[Examples],
    batch_size: int,
    slots: dict[str, int],
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    augmentation: Augmentation | None = None,
    size: int | None = None,
    type_balance: float = 0.0,
    data_balance: float = 0.0,
    packed: Mapping[str, int] = NOTHING,
) -> tf.data.Dataset:
    """The batches of epochs `first_epoch` to `epochs`, one after the other.

    Args:
        parts: The data sets; every batch holds a fixed number of rows of each.
        batch_size: B, images in a batch.
        slots: G per kind of sentence: drawn anew each epoch from the image's own.
        seed: Decides order, slots and augmentation, together with the step.
        epochs: The last epoch, exclusive.
        first_epoch: Where a resumed run goes on.
        augmentation: What is done to the tiles; nothing by default.
        size: Pixels a side that the model sees; as stored by default.
        type_balance: 0 draws an image's sentences as they come, 1 each of its types equally often.
        data_balance: Of `shares`.
        packed: Per kind of sentence that is packed, R of `packing.rows_to_pack`.

    Returns:
        A data set of (x, y, weight) for `model.fit(..., steps_per_epoch=...)`: x holds `image`
        [B, S, S, C] and each slot input [B', G, ...], or as `packing.pack` makes it; y and weight
        hold one entry a task. The B' images that carry a kind of sentence are those of the data
        sets that have any, see `carriers`.
    """
    steps = steps_per_epoch(parts, batch_size)
    counts = shares([len(part) for part in parts], batch_size, data_balance)
    augmentation = augmentation or Augmentation()
    side = size or parts[0].images.shape[1]

    @lru_cache(maxsize=2 * len(parts))
    def order(part: int, epoch: int) -> np.ndarray:
        return _epoch_order(len(parts[part]), steps * counts[part], (seed, epoch, part))

    def batch(step: int) -> Batch:
        epoch, at = divmod(step, steps)
        rng = np.random.default_rng([seed, step, 1])
        gathered = []
        for index, (part, count) in enumerate(zip(parts, counts, strict=True)):
            rows = order(index, epoch)[at * count : (at + 1) * count]
            own = {kind: width for kind, width in slots.items() if part.slots[kind].most}
            drawn = draw(part, rows, own, augmentation.symmetries, type_balance, rng)
            gathered.append(_gather(part, drawn, augmentation, side, rng, packed))
        return tuple(map(_joined, zip(*gathered, strict=True)))

    return _dataset(batch, range(first_epoch * steps, epochs * steps))


def evaluation_batches(part: Examples, batch_size: int, symmetry: int = 0) -> tf.data.Dataset:
    """Every image once, in order, with all of its sentences; the last batch is filled up.

    Args:
        part: What to predict on.
        batch_size: B, images in a batch.
        symmetry: How each tile is turned and flipped: see `records.ALL_SYMMETRIES`.

    Returns:
        A data set of x alone, for `model.predict`; see `unpad` for cutting the answers back.
    """
    slots = {kind: max(1, group.most) for kind, group in part.slots.items()}
    rng = np.random.default_rng(0)

    def batch(step: int) -> Batch:
        rows = np.arange(step * batch_size, (step + 1) * batch_size).clip(max=len(part) - 1)
        drawn = Draw(
            rows,
            {kind: all_of(part.slots[kind], rows, width) for kind, width in slots.items()},
            np.full(batch_size, symmetry),
        )
        return _gather(part, drawn, Augmentation(), part.images.shape[1], rng)

    steps = range(-(-len(part) // batch_size))
    return _dataset(batch, steps).map(tf.autograph.experimental.do_not_convert(lambda x, *_: x))


def unpad(part: Examples, kind: str, output: np.ndarray) -> np.ndarray:
    """Cuts predictions on `evaluation_batches` back to one row an image or a sentence.

    Args:
        part: What was predicted on.
        kind: "image", or the kind of sentence.
        output: [n + filled, ...] or [n + filled, G, ...].

    Returns:
        [n, ...] for images, [m, ...] for sentences, in the order of the records.
    """
    if kind == "image":
        return output[: len(part)]
    counts = np.diff(part.slots[kind].starts)
    return output[: len(part)][np.arange(output.shape[1]) < counts[:, None]]


def _epoch_order(length: int, wanted: int, key: tuple[int, ...]) -> np.ndarray:
    """`wanted` rows: whole permutations one after the other, so that none is left behind."""
    rng = np.random.default_rng([*key, 0])
    rounds = -(-wanted // length)
    return np.concatenate([rng.permutation(length) for _ in range(rounds)])[:wanted]


def _gather(
    part: Examples,
    drawn: Draw,
    how: Augmentation,
    size: int,
    rng,
    packed: Mapping[str, int] = NOTHING,
) -> Batch:
    silent = np.ones(len(drawn.images), bool)
    for sentences in drawn.sentences.values():
        silent &= (sentences < 0).all(axis=1)
    images, boxes, x = _seen(part, drawn, silent, how, size, rng)
    y = {name: target[drawn.images] for name, target in part.targets.items()}
    weight = {name: known[drawn.images] for name, known in part.weights.items()}
    left, top, right, bottom = boxes.T
    weight |= {name: weight[name] * (right - left) * (bottom - top) for name in part.of_whole}
    if how.mix and silent.all() and rng.random() < how.mix:
        images, mixture = mix(images, rng)
        x = {name: mixture.maps(maps) for name, maps in x.items()}
        y = {name: mixture.means(target) for name, target in y.items()}
        weight = {name: known * known[mixture.others] for name, known in weight.items()}
    x["image"] = images
    for kind, sentences in drawn.sentences.items():
        group = part.slots[kind]
        inputs = {name: take(array, sentences) for name, array in group.inputs.items()}
        if kind in packed:
            ((name, words),) = inputs.items()
            inputs[name], fits = pack(words, packed[kind])
            sentences = np.where(fits, sentences, -1)
        x |= inputs
        y |= {name: take(array, sentences) for name, array in group.targets.items()}
        weight |= {name: take(array, sentences) for name, array in group.weights.items()}
    return x, y, weight


def _seen(
    part: Examples, drawn: Draw, silent: np.ndarray, how: Augmentation, size: int, rng
) -> tuple[np.ndarray, np.ndarray, Arrays]:
    """Images, the boxes of their tiles that they show, and what is known of their parts."""
    rows = drawn.images
    if part.views:
        views = rng.integers(0, part.views.number, len(rows))
        maps = {name: each[rows, views].astype(np.float32) for name, each in part.maps.items()}
        return part.views.of(part.images[rows], rows, views), whole(len(rows)), maps
    if part.turned:
        images, boxes = part.images[rows, drawn.symmetries], whole(len(rows))
    else:
        images, boxes = augment(part.images[rows], drawn.symmetries, silent, how, size, rng)
    maps = {name: parts_of(each[rows], boxes) for name, each in part.maps.items()}
    if drawn.symmetries.any():
        maps = {name: apply_symmetries(each, drawn.symmetries) for name, each in maps.items()}
    return images, boxes, maps


def _joined(parts: Sequence[Arrays]) -> Arrays:
    """Arrays of one name under each other; a name may be missing in some."""
    names = dict.fromkeys(name for each in parts for name in each)
    return {name: np.concatenate([e[name] for e in parts if name in e]) for name in names}


def _dataset(batch: Callable[[int], Batch], steps: range) -> tf.data.Dataset:
    """Wraps `batch(step)` as a prefetched data set; the first batch tells shapes and dtypes."""
    example = batch(steps.start)
    flat = tf.nest.flatten(example)

    @tf.autograph.experimental.do_not_convert  # it would only look for the source, and complain
    def load(step):
        arrays = tf.numpy_function(
            lambda at: tf.nest.flatten(batch(int(at))),
            [step],
            [array.dtype for array in flat],
            stateful=False,
        )
        for array, like in zip(arrays, flat, strict=True):
            array.set_shape(like.shape)
        return tf.nest.pack_sequence_as(example, arrays)

    fixed = tf.data.Options()
    fixed.autotune.enabled = False  # nothing to tune; its thread holds up the end of an iteration
    return (
        tf.data.Dataset.range(steps.start, steps.stop)
        .map(load, num_parallel_calls=_AT_ONCE, deterministic=True)  # beside the model's step
        .prefetch(4)
        .with_options(fixed)
    )
