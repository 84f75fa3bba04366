"""Pictures in Parquet files, as Hugging Face embeds them: `image` with bytes and path, `label`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from ..packed import MOST_BYTES, MOST_MEMBERS, MOST_RATIO, SMALL_BYTES, Packed, SourceError
from ..reading import UnreadableError
from ..walk import Entry
from .choose import NO_TABLE
from .names import inner_name, one_line
from .tables import LABEL_COLUMNS, text_of

_IMAGE_COLUMNS = ("image", "img", "picture", "photo")
_ROWS = 8  # rows of pictures that are in memory at once
_BUFFER = 1 << 20  # bytes of a column that are read at once
_KEY = b"huggingface"  # of the schema's metadata that describe the columns
_AGAIN = "copy or download it again"


class Parquet:
    """The pictures in one or several Parquet files, in the order of their rows.

    entries, labels, origin, notes: see `Archive`.

    Raises: SourceError if a file can't be used; OSError.
    """

    def __init__(self, paths: Sequence[Path], table: str = "", label: str = "") -> None:
        self.paths: list[Path] = []
        self.entries: list[Entry] = []
        self.labels: dict[str, str | None] | None = None
        self.origin = ""
        self.notes: list[str] = []
        self._rows: dict[str, int] = {}  # row of each picture, among all files
        self._label = label
        if table not in ("", NO_TABLE):
            raise SourceError("a Parquet file has no table beside it", "leave `table` empty")
        row = 0
        for path in paths:
            start, count = row, len(self.entries)
            try:
                row = self._scan(path, row)
            except SourceError as error:
                if len(paths) == 1:
                    raise
                row = start
                del self.entries[count:]
                self._rows = {name: at for name, at in self._rows.items() if at < start}
                self.notes.append(f"{path.name} is not used: {error.what}")
            else:
                self.paths.append(path)

    def read(self, wanted: Sequence[Entry]) -> Iterator[tuple[int, Packed | UnreadableError]]:
        """Yields the content of these pictures with their places in `wanted`, row after row.

        Raises: OSError if the disk has a fault.
        """
        places = {self._rows[entry.name]: place for place, entry in enumerate(wanted)}
        row = 0
        for path in self.paths:
            try:
                with _opened(path) as file:
                    image = _image_column(file.schema_arrow)
                    for batch in file.iter_batches(_ROWS, columns=[image], use_threads=False):
                        for cell in batch.column(0):
                            place = places.pop(row, None)
                            row += 1
                            if place is not None:
                                yield place, _packed(wanted[place].name, cell)
                        del batch
            except SourceError as error:
                self.notes.append(f"{path.name} can be read only in part: {error.what}")
                break
        for place in places.values():
            yield place, UnreadableError("its row can't be read")

    def names(self) -> list[str]:
        """Returns the names of all pictures, row after row."""
        return list(self._rows)

    def _scan(self, path: Path, row: int) -> int:
        """Add the rows of one file, and return the number of rows so far."""
        with _opened(path) as file:
            schema = file.schema_arrow
            image, label = _image_column(schema), _label_column(schema, self._label)
            _refuse_bombs(file, path)
            if row + file.metadata.num_rows > MOST_MEMBERS:
                what = f"there are more than {MOST_MEMBERS:,} rows"
                raise SourceError(what, "load each file with a node of its own")
            classes = _classes(schema, label)
            columns = [f"{image}.path"] if _has_paths(schema, image) else []
            columns += [label] if label else []
            if label:
                self.labels = self.labels or {}
                self.origin = f"the column {label}"
            start = row
            for batch in file.iter_batches(4096, columns=columns, use_threads=False):
                for cells in batch.to_pylist():
                    name = self._name((cells.get(image) or {}).get("path"), row)
                    self._rows[name] = row
                    row += 1
                    text = _class(cells.get(label), classes) if label else None
                    if text is not None and self.labels is not None:
                        self.labels[name] = text
                    self.entries.append(Entry("", name, "picture"))
            if not columns:  # nothing but pictures
                for row in range(start, start + file.metadata.num_rows):
                    name = self._name(None, row)
                    self._rows[name] = row
                    self.entries.append(Entry("", name, "picture"))
                row = start + file.metadata.num_rows
        return row

    def _name(self, path: Any, row: int) -> str:
        """Returns a name that no row before has: the path, its last part, or the row's number."""
        text = path if isinstance(path, str) else ""
        name = inner_name(text) or inner_name(re.split(r"[/\\]", text)[-1]) or f"row{row}"
        if name in self._rows:
            suffix = PurePath(name).suffix
            name = f"{name.removesuffix(suffix)}-row{row}{suffix}"
        return name


def group_sizes(path: Path) -> list[int]:
    """Returns the numbers of rows of the groups of a file. Raises: SourceError, OSError."""
    with _opened(path) as file:
        groups = range(file.metadata.num_row_groups)
        return [file.metadata.row_group(number).num_rows for number in groups]


def read_group(
    path: Path, group: int, names: Mapping[int, str]
) -> Iterator[tuple[int, Packed | UnreadableError]]:
    """Yields some pictures of a group of rows, with the numbers of their rows in it.

    names: the names of these pictures, by row.

    Raises: SourceError, OSError.
    """
    last = max(names)
    with _opened(path) as file:
        image = _image_column(file.schema_arrow)
        row = 0
        batches = file.iter_batches(_ROWS, row_groups=[group], columns=[image], use_threads=False)
        for batch in batches:
            for cell in batch.column(0):
                if row in names:
                    yield row, _packed(names[row], cell)
                row += 1
            del batch
            if row > last:
                return


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Opens a Parquet file so that a little of it is in memory at once. Raises: SourceError."""
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        what = "Parquet files need the package pyarrow"
        raise SourceError(what, 'run pip install "artgraph[parquet]"') from error
    try:
        with (
            path.open("rb") as raw,
            ParquetFile(raw, buffer_size=_BUFFER, pre_buffer=False, memory_map=False) as file,
        ):
            yield file
    except (pyarrow.ArrowException, ValueError) as error:
        raise SourceError(f"it is damaged or cut short ({one_line(error)})", _AGAIN) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise SourceError(f"it is damaged or cut short ({one_line(error)})", _AGAIN) from error


def _image_column(schema: Any) -> str:
    """Returns the name of the column that contains pictures. Raises: SourceError."""
    import pyarrow.types as types

    def has_pictures(field: Any) -> bool:
        kind = field.type
        if types.is_struct(kind):
            at = kind.get_field_index("bytes")
            return at >= 0 and _is_binary(kind.field(at).type)
        return _is_binary(kind)

    found = [field.name for field in schema if has_pictures(field)]
    named = [name for name in _IMAGE_COLUMNS if name in found]
    if not found:
        what = f"it has no column of pictures (it has {', '.join(schema.names[:12])})"
        raise SourceError(what, "choose a file whose column `image` contains bytes")
    if not named and len(found) > 1:
        what = f"several of its columns may contain pictures ({', '.join(found)})"
        raise SourceError(what, "call the one that is meant `image`")
    return (named or found)[0]


def _is_binary(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _has_paths(schema: Any, image: str) -> bool:
    import pyarrow.types as types

    kind = schema.field(image).type
    return bool(types.is_struct(kind) and kind.get_field_index("path") >= 0)


def _label_column(schema: Any, label: str) -> str | None:
    """Returns the name of the column of labels, if any. Raises: SourceError if `label` is none."""
    if label and label not in schema.names:
        what = f"it has no column `{label}` (it has {', '.join(schema.names[:12])})"
        raise SourceError(what, "set `label` to one of its columns")
    return label or next((name for name in LABEL_COLUMNS if name in schema.names), None)


def _classes(schema: Any, label: str | None) -> list[str]:
    """Returns the names of the classes by number, if the file has them as Hugging Face does."""
    try:
        features = json.loads((schema.metadata or {})[_KEY])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, ValueError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _class(value: Any, classes: list[str]) -> str | None:
    """Returns the class of a label; None if there is none, which is also written as -1."""
    if classes and isinstance(value, int):
        return text_of(classes[value]) if 0 <= value < len(classes) else None
    return text_of(value)


def _refuse_bombs(file: Any, path: Path) -> None:
    """Raise SourceError if the file unpacks to many times its size.

    The sizes of single columns are not asked for: in some damaged files, pyarrow ends the process.
    """
    groups = range(file.metadata.num_row_groups)
    unpacked = sum(file.metadata.row_group(number).total_byte_size for number in groups)
    if unpacked > max(SMALL_BYTES, MOST_RATIO * path.stat().st_size):
        what = f"it unpacks to more than {MOST_RATIO} times its size, as a bomb does"
        raise SourceError(what, "choose another file")


def _packed(name: str, cell: Any) -> Packed | UnreadableError:
    value = cell.as_py()
    data = value.get("bytes") if isinstance(value, dict) else value
    if not data:
        return UnreadableError("its row contains no picture")
    if len(data) > MOST_BYTES:
        return UnreadableError("it has more than 256 MiB")
    return Packed(name, data)
