"""What 8 bits cost and gain: scores on the test split, size and time beside those in float32."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from pipelines.records import DataError
from spatialnet_keras import data
from spatialnet_keras.export.agreement import Arrays, samples
from spatialnet_keras.inference import predict
from spatialnet_keras.run import Run

Function = Callable[[Arrays], Arrays]
BATCHES = (1, 32)  # images
TURNS = 15


class Predictor:
    """A function of arrays, to be used where a Keras model predicts."""

    def __init__(self, function: Function, inputs: Iterable[str]):
        self.function = function
        self.input = dict.fromkeys(inputs)

    def predict(self, batches: Iterable[Arrays], verbose: int = 0) -> Arrays:
        """Outputs of all batches, one after the other."""
        found = []
        for batch in batches:
            read = {name: np.asarray(batch[name]) for name in self.input}
            found.append(self.function(read))
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}


def compare(
    run: Run, network: keras.Model, files: dict[str, Path], load: Callable[[Path], Function]
) -> None:
    """Prints a table of the files, the first of them the one that the other is measured by."""
    functions = {name: load(path) for name, path in files.items()}
    table = Table(title=f"{run.path.name}, test split: what 8 bits cost and gain")
    table.add_column("")
    for name in (*files, "change"):
        table.add_column(name, justify="right")
    for label, values, form, relative in _rows(run, network, files, functions):
        exact, small = values
        change = f"{small / exact:.2f} x" if relative else f"{100 * (small - exact):+.1f}"
        table.add_row(label, form(exact), form(small), change)
    Console().print(table)


def _rows(run: Run, network: keras.Model, files: dict[str, Path], functions: dict[str, Function]):
    try:
        scores = [_scores(run, Predictor(each, network.input)) for each in functions.values()]
        for label in scores[0]:
            values = [each[label] for each in scores]
            yield label, values, (lambda v: f"{100 * v:.1f} %"), False
    except DataError as error:
        print(f"Accuracy is not measured: {error}")
    yield "size", [p.stat().st_size for p in files.values()], (lambda v: f"{v / 1e6:.2f} MB"), True
    for batch in BATCHES:
        inputs = next(samples(run, network, [(batch, 1)]))
        yield (
            f"time, batch {batch}",
            _times(functions, inputs),
            (lambda v: f"{1e3 * v:.2f} ms"),
            True,
        )


def _scores(run: Run, predictor: Predictor) -> dict[str, float]:
    """Each task's main score, over the test split of each data set."""
    tasks = [task for task in run.tasks if task.headline]
    found = {}
    for part in data.read(run.config, "test"):
        examples = part.encode(run.tasks, run.vocabulary, run.config)
        outputs = predict(predictor, examples, tasks, run.config)
        for task in tasks:
            truths = task.truths(part.records)
            known = np.array([truth is not None for truth in truths], bool)
            if not known.any():
                continue
            answers = task.answer(outputs[task.name][known])
            scores = task.score(answers, [truth for truth in truths if truth is not None])
            label = f"{part.records.name}: {task.name}, {known.sum():,} rows"
            found[label] = scores[task.scores[0]]
    return found


def _times(functions: dict[str, Function], inputs: Arrays) -> list[float]:
    """Medians in seconds, in turns, so that what else the machine does hits all alike."""
    seconds = {name: [] for name in functions}
    for turn in range(TURNS + 1):
        for name, function in functions.items():
            started = time.perf_counter()
            function(inputs)
            if turn:  # the first one prepares
                seconds[name].append(time.perf_counter() - started)
    return [float(np.median(each)) for each in seconds.values()]
