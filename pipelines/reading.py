"""What every reader asks of its files: known names, whole JSON, UTF-8; else one clear line."""

import json
from pathlib import Path
from typing import Any

from pipelines.records import SPLITS, DataError, unknown


def check_split(split: str) -> None:
    """Refuses a split that is none of `SPLITS`.

    Raises:
        DataError: With the nearest known name.
    """
    if split not in SPLITS:
        raise DataError(unknown("split", split, SPLITS))


def read_text(path: Path) -> str:
    """Reads a whole UTF-8 file, with or without a byte order mark.

    Raises:
        DataError: The file is missing, unreadable, or not UTF-8 (names the row).
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, row {row}, is not UTF-8 text. Save it as UTF-8.") from error


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        DataError: As `read_text`; or the JSON is cut off or wrong (names the position).
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DataError(
            f"{path} is cut off or no JSON: {error.msg} at {where} (character {error.pos:,} of "
            f"{len(text):,}). Copy it again."
        ) from error
    except (ValueError, RecursionError):  # of a number of more than 4300 digits
        raise DataError(
            f"{path} holds a number that is too long, or is nested too deeply. Copy it again."
        ) from None
