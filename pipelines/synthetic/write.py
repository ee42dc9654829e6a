"""Writes a city to disk: every tile once, in the published layouts of both real data sets."""

import functools
import itertools
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from pipelines.commands import progress
from pipelines.records import SPLITS, DataError, Question
from pipelines.synthetic.captions import describe
from pipelines.synthetic.draw import draw
from pipelines.synthetic.layout import LAND_USES, imagine
from pipelines.synthetic.questions import Odds, ask, usual_odds

_DRAWING = 2  # counted up when the same parameters would give another city
_TILES_A_PROCESS = 200  # fewer are drawn sooner than another process starts


@dataclass(frozen=True)
class City:
    """What a city is made from; equal cities have equal files.

    Attributes:
        tiles: How many, at least 30. Tile n is the same in a city of any size.
        seed: 0 or more.
        size: Pixels a side, 64 to 1024.
        questions: Questions a tile, 4 to 40.
    """

    tiles: int
    seed: int = 0
    size: int = 128
    questions: int = 20

    def __post_init__(self) -> None:
        """Refuses what cannot be drawn."""
        limits = {
            "tiles": (30, 10**7),
            "seed": (0, 2**63),
            "size": (64, 1024),
            "questions": (4, 40),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise DataError(f"{name} must be {least} to {most}. Received: {name}={value}.")


@dataclass(frozen=True)
class _Tile:
    """What the JSON files say about a tile."""

    index: int
    captions: tuple[str, ...]
    questions: tuple[Question, ...]

    @property
    def name(self) -> str:
        """Its file name among the captioned images: its land use and a number."""
        land_uses = len(LAND_USES)
        return f"{LAND_USES[self.index % land_uses]}_{self.index // land_uses}.tif"

    @property
    def split(self) -> str:
        """Eight tiles of ten train; of a hundred, each split has every land use evenly."""
        return {8: "val", 9: "test"}.get((self.index + self.index // 10) % 10, "train")


def write_city(
    root: str | os.PathLike,
    tiles: int,
    seed: int = 0,
    size: int = 128,
    questions: int = 20,
    workers: int | None = None,
) -> bool:
    """Draws a city into a folder, unless the very same is there.

    All is written into a hidden folder beside `root` that takes its name at the end, so a killed
    run leaves no half city, and its remains go when the next run starts. One run at a time may
    write a folder.

    Args:
        root: Where; it may not hold anything else.
        tiles: See `City`, as for `seed`, `size` and `questions`.
        seed: The city's number.
        size: Pixels a side.
        questions: Questions a tile.
        workers: Processes; by default as many as there are cores.

    Returns:
        Whether it was drawn; False if it was there.

    Raises:
        DataError: For a bad argument, or a folder that holds something else.
    """
    if workers is not None and workers < 1:
        raise DataError(f"workers must be 1 or more. Received: {workers=}.")
    city, root = City(tiles, seed, size, questions), Path(root).resolve()
    if _is_there(city, root):
        return False
    part = root.with_name(f".{root.name}.part")
    _clear(part)
    part.mkdir(parents=True)
    try:
        # First of all: it tells the remains of a city from somebody else's folder.
        (part / "city.json").write_text(json.dumps(_parameters(city)))
        _write(city, part, workers)
        if root.exists():
            root.rmdir()
        part.rename(root)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return True


def _parameters(city: City) -> dict[str, int]:
    return {"drawing": _DRAWING, **asdict(city)}


def _is_there(city: City, root: Path) -> bool:
    """Whether a folder holds this city; refuses one that holds anything else."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = dict(json.loads((root / "city.json").read_text()))
    except (OSError, TypeError, ValueError):
        raise DataError(f"{root} holds something else than a city. Name a new folder.") from None
    if found == _parameters(city):
        return True
    known = ", ".join(f"{name}={value}" for name, value in found.items())
    raise DataError(f"{root} holds another city ({known}). Delete it or name a new folder.")


def _clear(part: Path) -> None:
    """Deletes what a killed run left; refuses to delete anything else."""
    if not part.exists():
        return
    if any(part.iterdir()) and not (part / "city.json").is_file():
        raise DataError(f"{part} is in the way. Delete it or name a new folder.")
    shutil.rmtree(part)


def _write(city: City, part: Path, workers: int | None) -> None:
    (part / "ucm_captions" / "imgs").mkdir(parents=True)
    (part / "rsvqa_lr" / "Images_LR").mkdir(parents=True)
    tiles = []
    with progress(city.tiles, "Drawing", "tile") as bar:
        for tile in _draw_all(city, part, workers):
            tiles.append(tile)
            bar.update()
    _dump(part / "ucm_captions" / "dataset.json", _karpathy(tiles))
    for split in SPLITS:
        for kind, entries in _rsvqa(tiles, split).items():
            _dump(part / "rsvqa_lr" / f"LR_split_{split}_{kind}.json", {kind: entries})


def _draw_all(city: City, part: Path, workers: int | None) -> Iterator[_Tile]:
    """Draws tile after tile, in order, with `workers` processes."""
    draw_one = functools.partial(_draw_one, city, part, usual_odds())
    useful = -(-city.tiles // _TILES_A_PROCESS)
    workers = workers or min(os.cpu_count() or 1, useful)
    if workers == 1:
        yield from map(draw_one, range(city.tiles))
        return
    # Spawned, not forked: a parent that has loaded TensorFlow has threads, and forks hang.
    with multiprocessing.get_context("spawn").Pool(workers, _leave_interrupts_to_parent) as pool:
        yield from pool.imap(draw_one, range(city.tiles), chunksize=32)


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _draw_one(city: City, part: Path, odds: Odds, index: int) -> _Tile:
    """Draws a tile into both layouts; returns what is said about it."""
    scene = imagine(city.seed, index)
    tile = _Tile(index, describe(scene), ask(scene, city.questions, odds))
    image = part / "ucm_captions" / "imgs" / tile.name
    Image.fromarray(draw(scene, city.size)).save(image)
    twin = part / "rsvqa_lr" / "Images_LR" / f"{index}.tif"
    try:
        os.link(image, twin)
    except OSError:  # exFAT and some network shares have no hard links
        shutil.copyfile(image, twin)
    return tile


def _karpathy(tiles: list[_Tile]) -> dict:
    """The content of UCM-captions' dataset.json."""
    numbers = itertools.count()
    images = []
    for tile in tiles:
        sentences = [
            {"tokens": raw.split()[:-1], "raw": raw, "imgid": tile.index, "sentid": number}
            for raw, number in zip(tile.captions, numbers, strict=False)
        ]
        images.append(
            {
                "sentids": [sentence["sentid"] for sentence in sentences],
                "imgid": tile.index,
                "sentences": sentences,
                "split": tile.split,
                "filename": tile.name,
            }
        )
    return {"images": images, "dataset": "synthetic"}


def _rsvqa(tiles: list[_Tile], split: str) -> dict[str, list[dict]]:
    """The content of RSVQA-LR's three files for a split; other splits' entries are stubs."""
    images, questions, answers = [], [], []
    for tile in tiles:
        first = len(questions)
        ids = range(first, first + len(tile.questions))
        if tile.split != split:
            images.append(_stub(tile.index))
            questions += map(_stub, ids)
            answers += map(_stub, ids)
            continue
        images.append(
            {
                "id": tile.index,
                "date_added": 0.0,
                "original_name": tile.name,
                "sensor": "synthetic",
                "upperleft_map_x": 0.0,
                "upperleft_map_y": 0.0,
                "res_x": "1m",
                "res_y": "1m",
                "people_id": 0,
                "type": "RGB",
                "questions_ids": list(ids),
                "active": True,
            }
        )
        for number, question in zip(ids, tile.questions, strict=True):
            questions.append(
                {
                    "id": number,
                    "img_id": tile.index,
                    "people_id": 0,
                    "type": question.type,
                    "question": question.text,
                    "answers_ids": [number],
                    "active": True,
                }
            )
            answers.append(
                {
                    "id": number,
                    "question_id": number,
                    "people_id": 0,
                    "answer": question.answer,
                    "active": True,
                }
            )
    return {"images": images, "questions": questions, "answers": answers}


def _stub(number: int) -> dict:
    return {"id": number, "active": False}


def _dump(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
