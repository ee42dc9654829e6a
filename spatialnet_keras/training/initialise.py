"""Starting from other runs: `--init RUN` copies what fits, of several runs their mean.

The mean of runs that started alike is often better than each of them (model soups, Wortsman et al.
2022). A network that looks closer (`--model.image_size 256 --model.patch_size 16` after 128 and 8)
begins by seeing what the other one saw: it reads a patch as the other one would read it resized.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from pipelines.cells import covered
from pipelines.records import DataError
from spatialnet_keras.run import Run


def initialise(model: keras.Model, run: Run, *sources: Run) -> None:
    """Copies the weights of the same name and shape: the mean of the runs that have them.

    Words are matched by the word, each the mean of the runs that know it; kernels of patches and
    learned positions are resized.

    Args:
        model: The new network, in place.
        run: Of the new network.
        *sources: The runs to start from.

    Raises:
        DataError: If not one weight of a run fits.
    """
    found = [_fitting(model, run, source) for source in sources]
    for variable in model.weights:
        values = [each[variable.path] for each in found if variable.path in each]
        if values:
            mean = np.ma.stack(values).mean(axis=0, dtype="float64")
            variable.assign(np.ma.filled(mean, ops.convert_to_numpy(variable)))
    for source, values in zip(sources, found, strict=True):
        print(f"Started from {source.path}: {len(values)} of {len(model.weights)} weights fit.")


def _fitting(model: keras.Model, run: Run, source: Run) -> dict[str, np.ndarray]:
    """Per path of a variable of the new network, what another run has for it.

    Masked where it has nothing: the vectors of words that it does not know.
    """
    theirs = {variable.path: variable for variable in source.model().weights}
    learned = run.config.model.positions == "learned"
    found = {}
    for variable in model.weights:
        other = theirs.get(variable.path)
        if other is None:
            continue
        value = ops.convert_to_numpy(other)
        if known := _words_of(variable.path, run, source):
            if value.shape[1] == variable.shape[1]:
                value = _by_word(variable.shape, value, *known)
        elif known := _words_of(variable.path.replace("/reverse_", "/"), run, source):
            if value.shape[0] == variable.shape[0]:  # [D, V], of the words that are written
                value = _by_word(variable.shape[::-1], value.T, *known).T
        elif variable.path.endswith("patch_embedding/kernel") and value.ndim == 4:
            value = _patches(value, variable.shape[0])
        elif variable.path.endswith("patch_positions/positions") and learned:
            value = _positions(value, variable.shape[0])
        if value.shape == variable.shape:
            found[variable.path] = value
    if not found:
        raise DataError(
            f"No weight of {source.path} fits this network. Choose its --model.* values."
        )
    return found


def _words_of(path: str, *runs: Run) -> list[Sequence[str]] | None:
    """Of each run, the words whose vectors stand in a table; None for what is no such table."""
    if path == "words/embeddings":
        return [run.vocabulary.words for run in runs]
    if path.endswith("caption_decoder/words/embeddings"):
        return [task.words for run in runs for task in run.tasks if task.unit == "caption"]
    return None


def _by_word(
    shape: tuple[int, int], other: np.ndarray, own: Sequence[str], theirs: Sequence[str]
) -> np.ma.MaskedArray:
    """A table of vectors by one's own words; those that the other one has not are masked."""
    table = np.ma.masked_all(shape, other.dtype)
    places = {word: place for place, word in enumerate(theirs)}
    for place, word in enumerate(own):
        if word in places:
            table[place] = other[places[word]]
    return table


def _patches(kernel: np.ndarray, size: int) -> np.ndarray:
    """Kernel [P, P, C, D] -> [size, size, C, D]: of a patch, as of the same patch in P x P."""
    bounds = np.linspace(0, 1, size + 1)
    # how much of each of P places along a line lies in each of the others: [P, size]
    shares = covered(len(kernel), bounds[:-1], bounds[1:]).T * len(kernel)
    return np.einsum("ap,bq,abcd->pqcd", shares, shares, kernel)


def _positions(table: np.ndarray, places: int) -> np.ndarray:
    """Learned positions [N, D] -> [places, D], both of square grids."""
    if len(table) == places:
        return table
    old, new = math.isqrt(len(table)), math.isqrt(places)
    grid = ops.image.resize(
        table.reshape(old, old, -1), (new, new), "bicubic", data_format="channels_last"
    )
    return ops.convert_to_numpy(grid).reshape(places, -1)
