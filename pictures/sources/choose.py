"""Which table of labels is used, and which row belongs to which picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..class_doubts import first_of
from ..packed import SourceError
from .tables import LabelTable, Open, read_table, rows_of

NO_TABLE = "none"  # value of the widget `table` with which no table is used


class Labelled(NamedTuple):
    """What a table says about pictures.

    labels: by the name of the picture; None if there are several.
    """

    table: str
    column: str
    labels: dict[str, str | None]
    notes: list[str]


def choose_table(
    tables: Mapping[str, Open], names: Sequence[str], wanted: str, label: str
) -> tuple[Labelled | None, list[str]]:
    """Returns the labels of the pictures from the table to be used, and why others are not used.

    tables: the tables by name.
    names:  the names of the pictures.
    wanted: the name of a table; `NO_TABLE`; or "" to use the only one that fits.
    label:  the column of the labels, or "" to use the usual ones.

    Raises: SourceError if the table that is wanted can't be used; OSError.
    """
    if wanted == NO_TABLE:
        return None, []
    if wanted:
        if wanted not in tables:
            there = f"; there is {', '.join(tables)}" if tables else ""
            what = f"there is no table {wanted!r} (CSV, TSV or JSONL) beside the pictures{there}"
            raise SourceError(what, "check `table`")
        found = _matched(read_table(wanted, tables[wanted], label), names)
        if not found.labels:
            what = f"no row of {wanted!r} belongs to a picture{_sentence(found.notes)}"
            raise SourceError(what, "check the file names in it")
        return found, []
    fitting, reasons = [], []
    for name, open_ in tables.items():
        try:
            found = _matched(read_table(name, open_, label), names)
        except SourceError as error:
            if label and len(tables) == 1:
                raise
            reasons.append(f"{name} is not used: {error.what} - {error.advice}")
            continue
        if len(found.labels) * 2 >= len(names):
            fitting.append(found)
        else:
            few = f"it has rows for {len(found.labels)} of {len(names)} pictures"
            reasons.append(
                f"{name} is not used: {few}{_sentence(found.notes)} - set `table` to use it"
            )
    if len(fitting) > 1:
        several = ", ".join(found.table for found in fitting)
        reasons.append(f"several tables have labels ({several}), none is used - set `table` to one")
    return (fitting[0] if len(fitting) == 1 else None), reasons


def _matched(table: LabelTable, names: Sequence[str]) -> Labelled:
    """Returns the labels by picture. A row may leave out the suffix or the folders of its file."""
    places = _places(names)
    labels: dict[str, str | None] = {}
    without = []
    for file, text in table.labels.items():
        found = [places[key] for key in _keys(file) if key in places]
        name = found[0] if found else None
        if name is None:
            without.append(file)
        elif name in labels and labels[name] != text:
            labels[name] = None
        else:
            labels[name] = text
    notes = table.notes
    if without:
        shown = first_of(without)
        notes = [*notes, f"{rows_of(len(without))} of {table.name} without a picture ({shown})"]
    return Labelled(table.name, table.column, labels, notes)


def _places(names: Sequence[str]) -> dict[str, str | None]:
    """Returns the pictures by all that a row may call them; None if it may be several."""
    places: dict[str, str | None] = dict.fromkeys(names)
    for name in names:
        for key in _keys(name)[1:]:
            if key not in places:
                places[key] = name
            elif places[key] != name:
                places[key] = None
    return places | {name: name for name in names}


def _keys(name: str) -> list[str]:
    """Returns what a picture may be called: the more exact one first."""
    base = name.rpartition("/")[2]
    stems = [text.rpartition(".")[0] or text for text in (name, base)]
    return [name, stems[0], base, stems[1]]


def _sentence(notes: Sequence[str]) -> str:
    return f" ({'; '.join(notes)})" if notes else ""
