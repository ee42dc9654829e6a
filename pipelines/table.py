"""A table of images: .csv or .jsonl, rows to records.

The columns, or the keys, are `COLUMNS`; only image is required, relative to the table. An image
may stand in many rows, one for each caption or question. In a .csv the column caption may be
repeated; in a .jsonl caption may be a list. A caption that an image has twice counts once.
"""

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.reading import read_text
from pipelines.records import SPLITS, DataError, Question, Record, unknown

COLUMNS = ("image", "land_use", "caption", "question", "question_type", "answer", "split")
TABLE_SUFFIXES = (".csv", ".jsonl")


def read_table(table: Path) -> list[tuple[Record, str]]:
    """Reads every image of a table, in the order in which they first stand there.

    Args:
        table: A .csv or .jsonl file in UTF-8.

    Returns:
        Each image's record, its path relative to the table or absolute, and its split: "" for
        every image if the table names none.

    Raises:
        DataError: Names file and row.
    """
    read_rows = _csv_rows if table.suffix.lower() == ".csv" else _jsonl_rows
    rows_of: dict[Path, list[_Row]] = {}
    for row in read_rows(table):
        rows_of.setdefault(row.image, []).append(row)
    if not rows_of:
        raise DataError(f"{table} names no image. Give each a row.")
    has_splits = any(row.value("split") for rows in rows_of.values() for row in rows)
    return [
        (_record(path, rows), _split(rows) if has_splits else "") for path, rows in rows_of.items()
    ]


@dataclass(frozen=True)
class _Row:
    """One row: where it stands ("a.csv, row 3") and its values that are not empty, by column."""

    place: str
    values: dict[str, list[str]]

    @property
    def image(self) -> Path:
        """One path however it is written: a.png is sub/../a.png."""
        if "image" not in self.values:
            raise DataError(f"{self.place}: names no image. Fill the column image.")
        name = self.values["image"][0]
        if "\0" in name:
            raise DataError(f"{self.place}: image is {name!r}. Write a path without zero bytes.")
        return Path(os.path.normpath(name))

    def value(self, column: str) -> str:
        return self.values.get(column, [""])[0]


def _csv_rows(table: Path) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(read_text(table), newline=""), strict=True)
    columns: list[str] | None = None
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            place = f"{table}, row {number}"
            cells = [cell.strip() for cell in cells]
            if columns is None:
                columns = cells
                _check_columns(place, columns)
            elif any(cells):
                yield _Row(place, _csv_values(place, columns, cells))
    except csv.Error as error:
        raise DataError(f"{table}, row {number + 1}: {error}. Is the file cut off?") from error


def _csv_values(place: str, columns: list[str], cells: list[str]) -> dict[str, list[str]]:
    if len(cells) > len(columns):
        raise DataError(
            f"{place}: has {len(cells)} cells for {len(columns)} columns. "
            "Put cells that hold a comma in double quotes."
        )
    values: dict[str, list[str]] = {}
    for column, cell in zip(columns, cells, strict=False):  # a short row ends in empty cells
        if cell:
            values.setdefault(column, []).append(cell)
    return values


def _jsonl_rows(table: Path) -> Iterator[_Row]:
    for number, line in enumerate(read_text(table).split("\n"), start=1):
        place = f"{table}, row {number}"
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{place}: cut off or no JSON: {error.msg} at column {error.colno}. Mend it."
            ) from error
        except (ValueError, RecursionError):  # of a number of more than 4300 digits
            raise DataError(f"{place}: a number is too long or a list too deep. Mend it.") from None
        if not isinstance(entry, dict):
            raise DataError(f'{place}: no JSON object. Write {{"image": "a.tif", ...}}.')
        _check_columns(place, list(entry))
        values = {column: _jsonl_values(place, column, entry[column]) for column in entry}
        yield _Row(place, {column: filled for column, filled in values.items() if filled})


def _jsonl_values(place: str, column: str, value: Any) -> list[str]:
    several = value if isinstance(value, list) and column == "caption" else [value]
    for item in several:
        if item is not None and type(item) not in (str, int, float):
            raise DataError(f"{place}: {column} is {item!r}. Write a text or a number.")
    return [text for item in several if item is not None and (text := str(item).strip())]


def _check_columns(place: str, columns: list[str]) -> None:
    for column in columns:
        if column not in COLUMNS:
            raise DataError(f"{place}: {unknown('column', column, COLUMNS)}")
    if "image" not in columns:
        raise DataError(f"{place}: the column image is missing. Add it.")
    twice = {column for column in columns if columns.count(column) > 1} - {"caption"}
    if twice:
        raise DataError(f"{place}: only caption may be repeated. Received twice: {min(twice)}.")


def _record(path: Path, rows: list[_Row]) -> Record:
    captions = [caption for row in rows for caption in row.values.get("caption", [])]
    questions = [_question(row) for row in rows]
    return Record(
        image=path,
        land_use=_agreed(rows, "land_use"),
        captions=tuple(dict.fromkeys(captions)),
        questions=tuple(question for question in questions if question),
    )


def _question(row: _Row) -> Question | None:
    text, kind, answer = map(row.value, ("question", "question_type", "answer"))
    if not (text or kind or answer):
        return None
    for column in ("question", "question_type", "answer"):
        if not row.value(column):
            raise DataError(
                f"{row.place}: {column} is empty. "
                "A question needs all of question, question_type and answer."
            )
    if answer.removesuffix(".0").isdecimal():  # as pandas writes numbers where there are gaps
        answer = answer.removesuffix(".0")
    return Question(text, kind, answer)


def _split(rows: list[_Row]) -> str:
    split = _agreed(rows, "split")
    if not split:
        raise DataError(f"{rows[0].place}: split is empty. Fill it for every image or for none.")
    if split not in SPLITS:
        place = next(row.place for row in rows if row.value("split"))
        raise DataError(f"{place}: {unknown('split', split, SPLITS)}")
    return split


def _agreed(rows: list[_Row], column: str) -> str:
    """The one value that the rows of an image have in a column, or ""."""
    agreed = ""
    for row in rows:
        value = row.value(column)
        if value and agreed and value != agreed:
            raise DataError(
                f"{row.place}: {column} is {value!r}, but {agreed!r} in an earlier row of "
                f"{row.image}. Make them the same."
            )
        agreed = value or agreed
    return agreed
