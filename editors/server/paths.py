"""Checks of file names that a browser sends, so that all files are inside their folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aiohttp import web

from ...contract.values.files import is_file_name


def inside(root: Path, name: str) -> Path:
    """Returns the path of `name` in `root`. The name may contain folders, separated by `/`.

    Raises: HTTPForbidden if the name is not allowed, or the file is outside of `root`, also
    through a link.
    """
    parts = name.split("/")
    if len(name) > 500 or not all(is_file_name(part) for part in parts):
        raise web.HTTPForbidden(text=f"{name[:80]!r} is not an allowed file name")
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise web.HTTPForbidden(text=f"{name!r} is outside its folder")
    return path


def file_info(path: Path, name: str) -> dict[str, Any]:
    """Returns a file's name, size in bytes, and times in milliseconds since 1970."""
    status = path.stat()
    return {
        "path": name,
        "size": status.st_size,
        "modified": int(status.st_mtime * 1000),
        "created": int(status.st_ctime * 1000),
    }


def read_json(data: bytes) -> Any:
    """Returns parsed JSON.

    Raises: HTTPBadRequest if the data is not JSON, or is nested too deeply.
    """
    try:
        parsed = json.loads(data)
        if b"\\ud" in data.lower():  # single surrogates, which can't be encoded
            json.dumps(parsed, ensure_ascii=False).encode()
        return parsed
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"the request is not valid JSON: {error}") from error
