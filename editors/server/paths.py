"""Names that a browser sends as files of ours: inside their folder, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aiohttp import web

from ...nodes.sockets import is_file_name


def inside(root: Path, name: str) -> Path:
    """The path of `name` (folders divided by /) in `root`, links followed.

    Raises: HTTPForbidden where it is no plain name, or leads outside.
    """
    parts = name.split("/")
    if len(name) > 500 or not all(is_file_name(part) for part in parts):
        raise web.HTTPForbidden(text=f"{name[:80]!r} is no name for a file here")
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise web.HTTPForbidden(text=f"{name!r} lies outside its folder")
    return path


def file_info(path: Path, name: str) -> dict[str, Any]:
    """What the editor is told of a file; times in milliseconds since 1970."""
    status = path.stat()
    return {
        "path": name,
        "size": status.st_size,
        "modified": int(status.st_mtime * 1000),
        "created": int(status.st_ctime * 1000),
    }


def read_json(data: bytes) -> Any:
    """Parsed JSON.

    Raises: HTTPBadRequest where it is none, or nested so deep that nothing can be done with it.
    """
    try:
        parsed = json.loads(data)
        if b"\\ud" in data.lower():  # halves of characters, which can't be written anywhere
            json.dumps(parsed, ensure_ascii=False).encode()
        return parsed
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"no JSON that can be read: {error}") from error
