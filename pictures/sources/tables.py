"""Reading tables of labels: CSV in any dialect, and JSON lines."""

from __future__ import annotations

import codecs
import csv
import json
import math
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from io import TextIOWrapper
from typing import IO, Any, NamedTuple

from ..class_doubts import first_of
from ..packed import SourceError
from ..walk import printable, refusal
from .names import inner_name, one_line

FILE_COLUMNS = ("file_name", "filename", "file", "image", "path")
LABEL_COLUMNS = ("label", "class", "category")
_DELIMITERS = ",;\t|"
_MOST_LABEL = 200  # longest label in characters
_WHOLE = re.compile(r"-?[0-9]+\.0+")
_BLOCK = 1 << 16  # bytes of a table that are decoded at once to find its encoding

Open = Callable[[], IO[bytes]]
Cells = Generator[tuple[str, Any], None, None]


class LabelTable(NamedTuple):
    """The labels of a table.

    labels: by file name; None if rows of the same file have different labels.
    notes:  what could not be used, as sentences.
    """

    name: str
    column: str
    labels: dict[str, str | None]
    notes: list[str]


def read_table(name: str, open_: Open, label: str) -> LabelTable:
    """Returns the labels in a table.

    Raises: SourceError if it has not the columns that are needed or can't be read; OSError.
    """
    notes: list[str] = []
    labels: dict[str, str | None] = {}
    refused: list[str] = []
    empty = 0
    column = ""
    try:
        with closing(_rows(name, open_, label, notes)) as rows:
            column = next(rows)[0]
            for file, value in rows:
                key = inner_name(file)
                text = text_of(value)
                if key is None:
                    refused.append(file)
                elif text is None:
                    empty += 1
                else:
                    labels[key] = text if labels.get(key, text) == text else None
    except OSError as error:
        if refusal(error) is None:
            raise
        raise SourceError(f"it can't be read ({error.strerror})", "check it") from error
    except (csv.Error, UnicodeError, RecursionError) as error:
        raise SourceError(
            f"it can't be read ({one_line(error)})", "save it as CSV in UTF-8"
        ) from error
    if refused:
        shown = first_of([ascii(file)[1:-1] for file in refused])
        notes.append(
            f"{rows_of(len(refused))} of {name} with names that lead out of the folder ({shown})"
        )
    if empty:
        notes.append(f"{rows_of(empty)} of {name} without a label")
    numbers = [text for text in labels.values() if text is not None]
    if numbers and all(map(_WHOLE.fullmatch, numbers)):  # whole numbers, written as 1.0
        labels = {key: text and text.partition(".")[0] for key, text in labels.items()}
    return LabelTable(name, column, labels, notes)


def text_of(value: Any) -> str | None:
    """Returns a label as a text on one line; None if it is empty or not one value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    if not isinstance(value, str | int | float):
        return None
    text = printable(" ".join(str(value).split()))
    return text if text and len(text) <= _MOST_LABEL else None


def label_in(fields: Any, label: str) -> str | None:
    """Returns the label in an object of JSON, from this field or the usual ones."""
    if not isinstance(fields, dict):
        return None
    column = _column(list(fields), [label] if label else LABEL_COLUMNS)
    return None if column is None else text_of(fields[column])


def _rows(name: str, open_: Open, label: str, notes: list[str]) -> Cells:
    """Yields the name of the label column, and then file names with their labels."""
    with open_() as file:
        encoding = _encoding(file)
    if encoding == "cp1252":
        notes.append(f"{name} is not UTF-8, so it was read as Windows-1252")
    with open_() as file, TextIOWrapper(file, encoding, newline="") as text:
        rows = _json_rows if name.lower().endswith(".jsonl") else _csv_rows
        yield from rows(name, text, label, notes)


def _csv_rows(name: str, text: TextIOWrapper, label: str, notes: list[str]) -> Cells:
    header = next((line for line in text if line.strip()), "")
    if not header:
        raise SourceError("it is empty", "write a row for each picture")
    if "\0" in header:
        raise SourceError("it is not a text", "save it as CSV in UTF-8")
    delimiter = max(_DELIMITERS, key=header.count)
    columns = [column.strip() for column in next(csv.reader([header], delimiter=delimiter))]
    file, column = _columns(columns, label)
    yield column, None
    at, label_at = columns.index(file), columns.index(column)
    ragged = 0
    for row in csv.reader(text, delimiter=delimiter):
        if len(row) != len(columns):
            ragged += any(row)
            continue
        yield row[at], row[label_at]
    if ragged:
        notes.append(f"{rows_of(ragged)} of {name} with more or fewer cells than its first row")


def _json_rows(name: str, text: TextIOWrapper, label: str, notes: list[str]) -> Cells:
    columns: tuple[str, str] | None = None
    missing = SourceError("it is empty", "write a row for each picture")
    bad = 0
    for line in text:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            bad += 1
            continue
        if columns is None:
            try:
                columns = _columns(list(row), label)
            except SourceError as error:  # a row without a label may not have the field
                missing = error
                continue
            yield columns[1], None
        if isinstance(row.get(columns[0]), str):
            yield row[columns[0]], row.get(columns[1])
        else:
            bad += 1
    if columns is None and bad:
        raise SourceError("none of its lines is a row in JSON", "write an object in each line")
    if columns is None:
        raise missing
    if bad:
        notes.append(f"{rows_of(bad)} of {name} without a file name or not in JSON")


def _columns(columns: list[str], label: str) -> tuple[str, str]:
    """Returns the names of the columns of file names and of labels. Raises: SourceError."""
    has = f"it has {', '.join(printable(name[:40]) for name in columns[:12])}"
    file = _column(columns, FILE_COLUMNS)
    if file is None:
        raise SourceError(f"it has no column `file_name` ({has})", "call one `file_name`")
    found = _column(columns, [label] if label else [c for c in LABEL_COLUMNS if c != file])
    if found is None:
        raise SourceError(
            f"it has no column `{label or 'label'}` ({has})", "set `label` to one of its columns"
        )
    return file, found


def _column(columns: Sequence[str], wanted: Iterable[str]) -> str | None:
    lower = {column.lower().strip(): column for column in reversed(columns)}
    return next((lower[name.lower()] for name in wanted if name.lower() in lower), None)


def _encoding(file: IO[bytes]) -> str:
    start = file.read(2)
    if start in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    block = start
    try:
        while block:
            decoder.decode(block)
            block = file.read(_BLOCK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def rows_of(number: int) -> str:
    """Returns a number with the word for so many rows."""
    return "1 row" if number == 1 else f"{number} rows"
