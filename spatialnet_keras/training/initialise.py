"""Starting from another run: `--init RUN` copies what fits."""

import keras
import numpy as np
from keras import ops

from pipelines.records import DataError
from spatialnet_keras.run import Run


def initialise(model: keras.Model, run: Run, source: Run) -> None:
    """Copies the weights of the same name and shape; words are matched by the word.

    Args:
        model: The new network, in place.
        run: Of the new network.
        source: The run to start from.

    Raises:
        DataError: If not one weight fits.
    """
    theirs = {variable.path: variable for variable in source.model().weights}
    fitting = 0
    for variable in model.weights:
        other = theirs.get(variable.path)
        if other is None:
            continue
        if variable.path == "words/embeddings" and other.shape[1] == variable.shape[1]:
            variable.assign(_by_word(variable, other, run, source))
        elif other.shape == variable.shape:
            variable.assign(ops.convert_to_numpy(other))
        else:
            continue
        fitting += 1
    if not fitting:
        raise DataError(
            f"No weight of {source.path} fits this network. Choose its --model.* values."
        )
    print(f"Started from {source.path}: {fitting} of {len(model.weights)} weights fit.")


def _by_word(mine, theirs, run: Run, source: Run) -> np.ndarray:
    table, other = (np.array(ops.convert_to_numpy(each)) for each in (mine, theirs))
    places = {word: place for place, word in enumerate(source.vocabulary.words)}
    for place, word in enumerate(run.vocabulary.words):
        if word in places:
            table[place] = other[places[word]]
    return table
