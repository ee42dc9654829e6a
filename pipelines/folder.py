"""Your own images: a folder with one sub-folder a class, or a folder with one table.

- Sensor, ground resolution and licence are your own; PNG, JPEG or TIFF of any size.
- Class folders: harbor/a.tif, forest/b.tif; or train/harbor/a.tif, val/..., test/....
- Table: one .csv or .jsonl with land uses, captions and questions; see `pipelines.table`.
- Splits: the table's column split, else folders called train, val and test, else a hash of the
  image's path: 80 % train, 10 % val, 10 % test. A new image never moves the others.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipelines.reading import check_split
from pipelines.records import SPLITS, DataError, Record, Records, unknown
from pipelines.table import TABLE_SUFFIXES, read_table

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png", ".tif", ".tiff")
_OTHER_NAMES = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}


def load(root: str | os.PathLike, split: str) -> Records:
    """Reads one split; opens no image.

    Args:
        root: A folder of class folders, a folder with one table, or a table.
        split: "train", "val" or "test".

    Returns:
        Class folders in alphabetical order; a table's images in the order they first stand there.

    Raises:
        DataError: Nothing is there, the table is wrong (names file and row), or the split is
            unknown or empty.
    """
    check_split(split)
    root = Path(root)
    table = _find_table(root)
    folder = table.parent if table else root
    images = read_table(table) if table else _class_folders(root)
    in_folders = any(_named_split(record.image) for record, _ in images)
    place = _split_of_folder if in_folders else _split_of_hash
    by_split: dict[str, list[Record]] = {name: [] for name in SPLITS}
    for record, given in images:
        whole = replace(record, image=folder / record.image)
        by_split[given or place(record.image)].append(whole)
    if not by_split[split]:
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in by_split.items())
        raise DataError(
            f"No {split} image in {root} (it has {counts}). "
            "Say which are by a column split, or by folders called train, val and test."
        )
    return Records("folder", split, tuple(by_split[split]))


def _find_table(root: Path) -> Path | None:
    """The table that `root` is or holds; None for class folders."""
    if root.is_file():
        if root.suffix.lower() in TABLE_SUFFIXES:
            return root
        raise DataError(
            f"{root} is neither a folder nor a .csv or .jsonl table. Pass one of these."
        )
    if not root.is_dir():
        raise DataError(f"The folder {root} does not exist. Check the path.")
    tables = sorted(path for path in root.iterdir() if path.suffix.lower() in TABLE_SUFFIXES)
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise DataError(f"{root} has {len(tables)} tables: {names}. Pass the path of one of them.")
    return tables[0] if tables else None


def _class_folders(root: Path) -> list[tuple[Record, str]]:
    """Each image below `root`, its path relative to it, its class the folder it lies in."""
    paths = sorted(path.relative_to(root) for path in image_files(root))
    if not paths:
        raise DataError(
            f"No images in {root}. Put .png, .jpg or .tif files there in one folder a class, "
            "or a .csv or .jsonl table."
        )
    _refuse_other_names(root, paths)
    return [(Record(path, land_use=_class(path)), "") for path in paths]


def _refuse_other_names(root: Path, paths: list[Path]) -> None:
    """Folders called training and validation, with folders of images in them, are no classes."""
    tops = sorted({path.parts[0] for path in paths if len(path.parts) > 1})
    names = {name: _OTHER_NAMES.get(name.casefold()) for name in tops}
    if all(names.values()) and any(len(path.parts) > 2 for path in paths):
        renamed = ", ".join(f"{name} to {split}" for name, split in names.items())
        raise DataError(f"The split folders in {root} have other names. Rename {renamed}.")


def image_files(root: Path) -> Iterator[Path]:
    """The images below a folder, but hidden ones; through links to folders, each folder once."""
    seen: set[str] = set()
    for folder, inner, names in os.walk(root, followlinks=True):
        inner[:] = sorted(each for each in inner if not each.startswith("."))
        if (real := os.path.realpath(folder)) in seen:
            inner.clear()
            continue
        seen.add(real)
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() in IMAGE_SUFFIXES and not name.startswith("."):
                yield path


def _class(path: Path) -> str:
    folders = path.parts[1:-1] if _named_split(path) else path.parts[:-1]
    return folders[0] if folders else ""


def _named_split(path: Path) -> str | None:
    """The split whose name the first folder bears, in capitals or not."""
    name = path.parts[0].casefold() if path.parts else ""
    return name if name in SPLITS else None


def _split_of_folder(path: Path) -> str:
    if split := _named_split(path):
        return split
    raise DataError(
        f"{path} lies in no split folder, though other images do. "
        + unknown("split folder", path.parts[0], SPLITS)
    )


def _split_of_hash(path: Path) -> str:
    share = int.from_bytes(hashlib.sha256(path.as_posix().encode()).digest()[:4]) / 2**32
    return "train" if share < 0.8 else "val" if share < 0.9 else "test"
