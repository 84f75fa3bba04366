"""ComfyUI's folders: what a path on a node means, and what widgets offer to choose from.

ComfyUI's modules are imported inside the functions, so that this file can be imported without them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ...contract.errors import InputError
from ...contract.parameter import Widget
from ...contract.shards import Shards
from ...contract.widgets import MODELS
from ...pictures.sources.names import TABLES
from ...pictures.suffixes import READABLE
from ...runner.graph.folders import SHIPPED, Folders
from ..formats.core_nodes import FOLDER_MARK
from ..formats.forms import InputForm, NodeForm
from ..formats.offered import OUTPUT, Offered, offered, shipped_models

KEY = "artgraph"  # our folders among ComfyUI's folders, also in extra_model_paths.yaml
_VAES = ("vae", "vae_approx")  # ComfyUI's folders with VAEs of other programs
_PAUSE = 20  # a folder is read again after this many times the time that reading it takes


class Place(NamedTuple):
    """A folder from which a graph may read, and the name that a path may begin with."""

    name: str
    path: Path


@dataclass(frozen=True)
class ComfyFolders(Folders):
    """ComfyUI's folders instead of those of a graph. Paths are searched in `places`, in order."""

    places: tuple[Place, ...] = ()

    def _places(self, text: str) -> list[Path]:
        first, _, rest = text.partition("/")
        found = [place.path / text for place in self.places]
        return found + [place.path / rest for place in self.places if place.name == first]

    def _roots(self) -> list[Path]:
        return [folder.resolve() for folder in (*(p.path for p in self.places), SHIPPED)]

    def _searched(self) -> str:
        first = self.places[0]
        if first.path == self.input:
            return f"the input folder ({self.input})"
        given = f" or the input folder ({self.input})" if len(self.places) > 1 else ""
        return f"{first.path}{given}"

    def _outside(self, text: str) -> InputError:
        return InputError(
            f"{text!r} is outside the folders from which a graph may read in ComfyUI",
            f"copy it into {self._searched()}, or add its folder to extra_model_paths.yaml under"
            f" `{KEY}`",
        )


def add_model_folder() -> None:
    """Add models/artgraph to ComfyUI's folders of models, before those that the user has named.

    Nothing is done outside of ComfyUI, such as in a program that lists nodes.
    """
    try:
        import folder_paths
    except ImportError:
        return

    own = models_folder()
    named = folder_paths.folder_names_and_paths.get(KEY, ((), ()))[0]
    paths = [str(own), *(path for path in named if path != str(own))]
    folder_paths.folder_names_and_paths[KEY] = (paths, set(MODELS))
    with contextlib.suppress(OSError):  # then nothing can be saved, but models can be loaded
        own.mkdir(parents=True, exist_ok=True)


def models_folder() -> Path:
    """Returns the folder in which models are saved."""
    import folder_paths

    return Path(folder_paths.models_dir) / KEY


def output_folder() -> Path:
    """Returns the folder in which all else is saved."""
    import folder_paths

    return Path(folder_paths.get_output_directory())


def resolve(text: str, widget: Widget) -> Path | Shards:
    """Returns the file or folder, or the shards, that a widget names.

    It must be in ComfyUI's input or output folder, or in a folder that `extra_model_paths.yaml`
    names under `artgraph`; a model may also be in models/artgraph, or in a folder of VAEs. The path
    may begin with the name of its folder, or end with ComfyUI's mark, such as ` [output]`.

    Raises: InputError if it does not exist or is elsewhere, or for a folder of pictures instead of
    one: ComfyUI runs a graph only once.
    """
    import folder_paths

    places = _places(widget)
    if mark := FOLDER_MARK.search(text):
        places = (Place(mark[1], Path(folder_paths.get_directory_by_type(mark[1]))),)
        text = text[: mark.start()]
    given = Path(folder_paths.get_input_directory())
    folders = ComfyFolders(places[0].path, given, Path(), places=places)
    if widget.is_shards:
        return folders.shards(text)
    path = folders.resolve(text, widget.kind, files=widget.files, or_folder=widget.is_picture)
    if widget.kind == "file" and path.is_dir():
        raise InputError(
            f"{text!r} is a folder of pictures",
            "choose a file; `artgraph run` and `artgraph edit` accept a folder",
        )
    return path


def choices(widget: Widget) -> list[str] | None:
    """Returns the files or folders that a widget offers, first of all none.

    Returns None if the widget is not a path, or if it is the path of a file of any kind.
    """
    if widget.is_folder:
        return ["", *_unique(_folders(place, widget.files) for place in _places(widget))]
    if widget.kind == "file" and (widget.is_picture or widget.files):
        shipped = shipped_models(MODELS) if is_model(widget) else []
        return ["", *_unique([shipped, *(_files(place, widget) for place in _places(widget))])]
    return None


def is_model(widget: Widget) -> bool:
    """Returns whether a widget is the path of a model."""
    return MODELS[0] in widget.files


def _places(widget: Widget) -> tuple[Place, ...]:
    """Returns the folders in which the path of a widget is searched, in their order."""
    import folder_paths

    def named(key: str) -> list[Place]:
        return [Place(Path(path).name, Path(path)) for path in folder_paths.get_folder_paths(key)]

    given = Place("input", Path(folder_paths.get_input_directory()))
    output = Place("output", Path(folder_paths.get_output_directory()))
    if not is_model(widget):
        return given, *named(KEY), output
    vaes = [Place(key, place.path) for key in _VAES for place in named(key)]
    return *named(KEY), given, output, *vaes


def _folders(place: Place, suffixes: tuple[str, ...]) -> list[str]:
    """Returns the folders of pictures in a place, and the files that are named instead of one."""
    there = _offered(place.path)
    found = [*there.folders, *there.ending_with(suffixes)]
    if place.name == "input":
        return found
    if place.name == "output":
        return [f"{name}{OUTPUT}" for name in found]
    return [place.name, *(f"{place.name}/{name}" for name in found)] if there.pictures else []


def _files(place: Place, widget: Widget) -> list[str]:
    there = _offered(place.path)
    if widget.is_picture:
        found = there.pictures
    else:
        others = (name for name in there.pictures if name.lower().endswith(widget.files))
        found = [*there.ending_with(widget.files), *others]  # a GIF may be a film or a picture
    if place.name == "output":
        return [f"{name}{OUTPUT}" for name in found] if is_model(widget) else []
    first = _places(widget)[0]
    if place == first:
        return found
    if place.name == "input":  # a model of the same name in models/artgraph is found first
        taken = set(_offered(first.path).files)
        return [f"{name} [input]" if name in taken else name for name in found]
    return [f"{place.name}/{name}" for name in found]


def _unique(lists: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))


_seen: dict[Path, tuple[float, Offered]] = {}  # what folders offer, and until when that is used


def _offered(folder: Path) -> Offered:
    """Returns what a folder offers.

    ComfyUI asks for it often while a graph runs, so a large folder is not read each time.
    """
    start = time.monotonic()
    until, found = _seen.get(folder, (0.0, None))
    if found is None or start > until:
        found, now = offered(folder), time.monotonic()
        _seen[folder] = (now + _PAUSE * (now - start), found)
    return found


def look_again() -> None:
    """Read all folders anew when they are needed next, because a file was saved."""
    _seen.clear()


def inputs_of(form: NodeForm) -> list[InputForm]:
    """Returns the inputs of a node. Its paths offer what is in ComfyUI's folders.

    The mark `artgraph_paths` is for the page: a text can be wired to such a list, and it is read
    again after a file was saved.
    """
    found = []
    for entry in form.inputs:
        widget = form.spec.widgets.get(entry.name)
        names = choices(widget) if widget is not None else None
        if widget is not None and names is not None:
            options: dict[str, Any] = {"options": names, "default": "", "artgraph_paths": True}
            options |= _upload(widget)
            kept = ("tooltip", "advanced")
            options |= {name: entry.options[name] for name in kept if name in entry.options}
            entry = replace(entry, type="COMBO", options=options)
        found.append(entry)
    return found


def _upload(widget: Widget) -> dict[str, Any]:
    """Returns the options that say what can be uploaded.

    `image_upload` is one of ComfyUI. The page reads the others: the endings of the files that are
    uploaded of a folder, or one by one. ComfyUI has no upload for models.
    """
    if widget.is_picture and widget.kind == "file":
        return {"image_upload": True}
    if widget.is_folder:
        return {"folder_upload": [*READABLE, *TABLES], "file_upload": list(widget.files)}
    return {} if is_model(widget) else {"file_upload": list(widget.files)}
