"""TensorBoard: settings, pictures, final scores, embeddings; on any backend, without TensorFlow."""

import contextlib
import dataclasses
import errno
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from spatialnet_keras.evaluation.findings import LAND_USE, Evaluation, confusions
from spatialnet_keras.plots import Picture, confusion_picture, viewable
from spatialnet_keras.run import Run, write_text

SPRITE = 40  # pixels a side of a tile in the projector
MOST = 2500  # tiles in the projector: 50 x 50 of them are one picture of 2,000 pixels a side


def folder(run: Run) -> Path:
    """Where the run's event files are."""
    return run.path / "tensorboard"


def picture_event(tag: str, picture: Picture, step: int) -> Event:
    """A picture for the IMAGES tab."""
    image = Summary.Image(
        encoded_image_string=picture.png,
        height=picture.height,
        width=picture.width,
        colorspace=4,
    )
    return _event(Summary.Value(tag=tag, image=image), step)


def write_settings(run: Run, finished: bool) -> None:
    """Says what was chosen, so that runs compare in the HPARAMS tab.

    Args:
        run: The run.
        finished: Whether its training has ended.
    """
    start = SessionStartInfo(group_name=run.path.name, start_time_secs=time.time())
    for name, value in settings(run).items():
        field = start.hparams[name]
        if isinstance(value, bool):
            field.bool_value = value
        elif isinstance(value, (int, float)):
            field.number_value = value
        else:
            field.string_value = value
    with _events(folder(run)) as writer:
        writer.add_event(_hparams(metadata.SESSION_START_INFO_TAG, session_start_info=start))
        if finished:
            end = SessionEndInfo(status=Status.STATUS_SUCCESS, end_time_secs=time.time())
            writer.add_event(_hparams(metadata.SESSION_END_INFO_TAG, session_end_info=end))


def settings(run: Run) -> dict[str, bool | int | float | str]:
    """Every choice of a run by its flag's name: "train.learning_rate", "lambda.count"."""
    config = run.config
    return {
        "preset": config.preset,
        "backend": run.metrics.get("facts", {}).get("backend", keras.config.backend()),
        "data": ", ".join(name for name, _ in config.data),
        **{f"lambda.{name}": weight for name, weight in config.tasks},
        **{
            f"{section}.{name}": value
            for section in ("model", "train", "decode")
            for name, value in dataclasses.asdict(getattr(config, section)).items()
        },
    }


def write_evaluations(run: Run, found: Sequence[Evaluation]) -> None:
    """Final scores, confusion matrices, and the test tiles for the PROJECTOR tab."""
    step = len(run.metrics.get("history", ()))
    for each in found:
        place = folder(run) / "evaluation" / f"{each.data}_{each.split}"
        with _events(place) as writer:
            for score in each.scores:
                value = Summary.Value(tag=f"{score.task}_{score.score}", simple_value=score.value)
                writer.add_event(_event(value, step))
            for confused in confusions(run, each):
                picture = confusion_picture(confused.task, confused.names, confused.table)
                writer.add_event(picture_event(f"confusion/{confused.task}", picture, step))
        if each.split == "test":
            _write_embeddings(run, each, place)


def _write_embeddings(run: Run, found: Evaluation, place: Path) -> None:
    """The image vectors with their tiles, land uses and answers."""
    count = len(found.part.images)
    rows = np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(int))
    vectors = found.outputs["image_vector"][rows].astype(np.float32)
    lines = ["\t".join(f"{number:.6g}" for number in vector) for vector in vectors]
    write_text(place / "vectors.tsv", "\n".join(lines))
    said = {task.name: task.answer(found.outputs[task.name]) for task in run.tasks
            if task.name == LAND_USE}  # fmt: skip
    columns = ["file", "land_use", *(["answer", "right"] if said else [])]
    lines = ["\t".join(columns)]
    for row in rows:
        record = found.part.records.rows[row]
        cells = [record.image.name, record.land_use]
        if said:
            answer = said[LAND_USE][row]
            cells += [answer, "right" if answer == record.land_use else "wrong"]
        lines.append("\t".join(" ".join(cell.split()) for cell in cells))
    write_text(place / "tiles.tsv", "\n".join(lines))
    _sprite(found.part.images[rows]).save(place / "tiles.png")
    config = ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name=f"image vectors, {found.data} {found.split}",
        tensor_path="vectors.tsv",
        metadata_path="tiles.tsv",
    )
    embedding.sprite.image_path = "tiles.png"
    embedding.sprite.single_image_dim.extend([SPRITE, SPRITE])
    write_text(place / "projector_config.pbtxt", str(config))


def _sprite(images: np.ndarray) -> Image.Image:
    """All tiles in one square picture, row by row."""
    columns = int(np.ceil(np.sqrt(len(images))))
    sheet = Image.new("RGB", (columns * SPRITE, columns * SPRITE))
    for place, image in enumerate(images):
        tile = Image.fromarray(viewable(image)).resize((SPRITE, SPRITE), Image.Resampling.BOX)
        sheet.paste(tile, (place % columns * SPRITE, place // columns * SPRITE))
    return sheet


@contextlib.contextmanager
def _events(place: Path) -> Iterator[EventFileWriter]:
    """An event file in the place of an earlier one: a second evaluation replaces the first.

    Raises:
        PermissionError: If the folder cannot be written.
    """
    place.mkdir(parents=True, exist_ok=True)
    if not os.access(place, os.W_OK):  # TensorFlow would tell in its own words
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
    for earlier in place.glob("events.out.*"):
        earlier.unlink()
    writer = EventFileWriter(str(place))
    try:
        yield writer
    finally:
        writer.close()


def _hparams(tag: str, **content: SessionStartInfo | SessionEndInfo) -> Event:
    described = metadata.create_summary_metadata(HParamsPluginData(**content))
    return _event(Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR), 0)


def _event(value: Summary.Value, step: int) -> Event:
    return Event(wall_time=time.time(), step=step, summary=Summary(value=[value]))
