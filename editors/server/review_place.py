"""Which folder a review is about, and the file that it is saved in."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from ...contract.errors import ArtgraphError
from ...contract.values.files import is_file_name
from ...pictures.sources.names import PACKED
from ...runner.graph.folders import Folders
from .paths import inside
from .settings import Settings

ENDING = ".review.yaml"
_MOST = 500  # characters of a path


class ReviewFile(NamedTuple):
    """The file of a review.

    path: the file, which does not exist before the first change.
    text: what the node's widget must contain so that the node reads it.
    """

    path: Path
    text: str


def graph_folder(settings: Settings, name: str) -> Path:
    """Returns the folder of a graph; that of all graphs if the graph is not saved yet."""
    *parents, _ = name.split("/")
    folder = inside(settings.folder, "/".join(parents)) if parents else settings.folder
    return folder if folder.is_dir() else settings.folder


def pictures_at(text: str, folders: Folders) -> Path:
    """Returns the folder or archive that a node names. Raises: HTTPBadRequest."""
    if not text:
        raise web.HTTPBadRequest(text="no folder of pictures is chosen - choose one on the node")
    try:
        return folders.resolve(text[:_MOST], "folder", files=PACKED)
    except ArtgraphError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def review_file(text: str, pictures: Path, folders: Folders, settings: Settings) -> ReviewFile:
    """Returns the file of a review.

    text: what the node's widget contains. If it is empty, the file is `review.yaml` in the folder
        if there is one; else it is beside the folder, or in the input folder if the editor may not
        write there.

    Raises: HTTPBadRequest if the text is wrong; HTTPForbidden if the editor may not write there.
    """
    path = _named(text, folders, settings) if text else _beside(pictures, folders, settings)
    _check_place(path, folders, settings)
    return ReviewFile(path, text or _text_for(path, folders))


def _named(text: str, folders: Folders, settings: Settings) -> Path:
    try:
        return folders.resolve(text[:_MOST], "file")
    except ArtgraphError as error:
        parts = text.split("/")
        is_name = all(map(is_file_name, parts))
        is_new = is_name and not any((f / text).exists() for f in (folders.graph, folders.input))
        if is_new and text.endswith((".yaml", ".yml")) and len(text) <= _MOST:
            return settings.input.joinpath(*parts)
        raise web.HTTPBadRequest(text=f"the review can't be used: {error}") from error


def _beside(pictures: Path, folders: Folders, settings: Settings) -> Path:
    packed = next((e for e in PACKED if pictures.name.lower().endswith(e)), "")
    stem = pictures.name if pictures.is_dir() else pictures.name[: -len(packed)]
    name = stem + ENDING
    own = pictures / "review.yaml"
    if own.is_file() and _may_write(own, folders, settings):
        return own
    beside = pictures.with_name(name)
    roots = {folder.resolve() for folder in (folders.graph, settings.input, settings.folder)}
    if pictures in roots or not _may_write(beside, folders, settings):
        return settings.input / name
    return beside


def _check_place(path: Path, folders: Folders, settings: Settings) -> None:
    if path.exists() and not path.is_file():
        raise web.HTTPBadRequest(text=f"{path.name!r} is not a file - choose another `review`")
    if not _may_write(path, folders, settings):
        raise web.HTTPForbidden(
            text=f"the editor may not write {path.name!r}: reviews are saved in the folder of the"
            " graphs or in the input folder - move it there"
        )


def _may_write(path: Path, folders: Folders, settings: Settings) -> bool:
    """Returns whether a file is in the folder of graphs or in the input folder, without links."""
    resolved = path.resolve()
    if any(resolved.is_relative_to(no.resolve()) for no in (settings.out, settings.state)):
        return False
    roots = (folders.graph, settings.folder, settings.input)
    return any(resolved.is_relative_to(root.resolve()) for root in roots)


def _text_for(path: Path, folders: Folders) -> str:
    """Returns the path as a graph names it: relative to the input folder, or to its own."""
    resolved = path.resolve()
    for root, other in ((folders.input, folders.graph), (folders.graph, None)):
        if resolved.is_relative_to(root.resolve()):
            text = resolved.relative_to(root.resolve()).as_posix()
            if other is None or not (other / text).exists() or (other / text).resolve() == resolved:
                return text
    return str(resolved)
