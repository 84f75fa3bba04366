"""What is beside the shards in their folder, and is not used."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..class_doubts import counted, first_of
from ..walk import kind_in_archive, natural_order, printable
from .names import format_of

_WORDS = {
    "folder": ("folder", "folders"),
    "picture": ("picture", "pictures"),
    "zip": ("zip file", "zip files"),
}


def beside_shards(
    entries: Iterable[tuple[str, bool]], known: Collection[str] | None, manifest: str
) -> list[str]:
    """Returns what is not used, as sentences.

    entries:  the names in the folder, and whether each is a folder.
    known:    the names in the list of shards, if there is one.
    manifest: the name of this list.
    """
    unlisted: list[str] = []
    others: dict[str, list[str]] = {}
    for name, is_folder in sorted(entries, key=lambda entry: natural_order(entry[0])):
        kind = "folder" if is_folder else format_of(name)
        if not name or name.startswith("."):
            continue
        if kind in ("tar", "parquet"):
            if known is not None and name not in known:
                unlisted.append(printable(name))
            continue
        kind = kind or kind_in_archive(name, "file")[0]
        if kind in _WORDS:
            others.setdefault(kind, []).append(printable(name))
    notes = []
    if unlisted:
        verb = "is" if len(unlisted) == 1 else "are"
        advice = f"write {manifest} again, or remove it"
        notes.append(f"{first_of(unlisted)} {verb} not in {manifest}: not used - {advice}")
    if others:
        parts = [
            f"{counted(len(names), *_WORDS[kind])} ({first_of(names)})"
            for kind, names in others.items()
        ]
        notes.append(f"beside the shards, and not used: {', '.join(parts)}")
    return notes
