"""Finds out which files of a folder are graphs: YAML files, and workflows of the editor in JSON.

A file that should be a graph but is damaged counts as one, so that the editor lists it and says
what is wrong with it when it is opened.
"""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path

import yaml

from ...runner.graph.yaml_text import LOADER

YAML = (".yaml", ".yml")
_HEAD = 4_096  # bytes in which a graph usually has the key `artgraph`
_MAX_PARSED = 2**20  # size in bytes of the largest file that is parsed to find out what it is
_MAX_JSON = 5 * 2**20  # size in bytes of the largest workflow
_REVIEW = "review.yaml"  # the end of the names of reviews
_KEYS = {"artgraph", "nodes"}  # a mapping with one of these keys should be a graph
_OPENS = re.compile(r"^\s+app:\s*\{?[^}\w]*open: true\b", re.MULTILINE)


def is_graph(path: Path) -> bool:
    """Returns whether a YAML file is a graph, or should be one but is damaged or can't be read."""
    if path.suffix not in YAML or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            data = file.read(_HEAD)
            is_marked = "artgraph:" in decoded_text(data)
            if is_marked or path.name.endswith(_REVIEW):
                return is_marked
            data += file.read(_MAX_PARSED)
    except OSError:
        return True
    return len(data) <= _MAX_PARSED and _should_be_graph(data)


def _should_be_graph(data: bytes) -> bool:
    """Returns whether a text without `artgraph:` at its beginning should be a graph."""
    text = decoded_text(data)
    if "\ufffd" in text or "\0" in text:
        return True
    try:
        root = yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        return True
    return isinstance(root, dict) and not _KEYS.isdisjoint(map(str, root))


def is_workflow_file(path: Path) -> bool:
    """Returns whether a JSON file is a workflow of the editor, or the beginning of one."""
    if path.suffix != ".json" or not path.is_file():
        return False
    try:
        text = decoded_text(path.read_bytes()) if path.stat().st_size < _MAX_JSON else ""
    except OSError:
        return False
    return '"nodes"' in text and ('"links"' in text or not _is_json(text))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def opens_as_app(path: Path) -> bool:
    """Returns whether the layout of a graph says that it opens in App mode."""
    return path.suffix != ".json" and _OPENS.search(text_of(path) or "") is not None


def text_of(path: Path) -> str | None:
    """Returns a file's text, or None if it can't be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def decoded_text(data: bytes) -> str:
    """Returns the text of a file; some programs write UTF-16."""
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_wide else "utf-8-sig", "replace")
