"""What the editor stores: its settings, the user's graphs, and its other files."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from pathlib import Path
from typing import Any

from aiohttp import web

from ...runner.store.temporary import write_whole
from .brought import with_copies
from .graphs import StaleError
from .paths import file_info, inside
from .services import SERVICES, Services, json_body, json_object

routes = web.RouteTableDef()
_WORKFLOWS = "workflows/"
VERSION = "X-Artgraph-Version"  # header: the version of a graph's file that a window has read
WINDOW = "X-Artgraph-Window"  # header: the id of the browser's window that saves


# The editor's settings


@routes.get("/users")
async def users(_: web.Request) -> web.Response:
    return web.json_response({"storage": "server", "migrated": True})


@routes.get("/settings")
async def get_settings(request: web.Request) -> web.Response:
    return web.json_response(_settings(request))


@routes.get("/settings/{id}")
async def get_setting(request: web.Request) -> web.Response:
    return web.json_response(_settings(request).get(request.match_info["id"]))


@routes.post("/settings/{id}")
async def post_setting(request: web.Request) -> web.Response:
    return _change_settings(request, {request.match_info["id"]: await json_body(request)})


@routes.post("/settings")
async def post_settings(request: web.Request) -> web.Response:
    return _change_settings(request, await json_object(request))


# Settings that differ from the editor's defaults until the user changes them.
_PRESET = {
    "Comfy.TutorialCompleted": True,  # the tutorial is about other nodes
    "Comfy.OnboardingCoachmarks.Seen": ["appMode", "firstRun"],  # tours about another program
    "Comfy.VueNodes.Enabled": True,  # nodes with labels, folded settings and large pictures
    "Comfy.AppBuilder.VueNodeSwitchDismissed": True,
    "Comfy.Notification.ShowVersionUpdates": False,  # the check would contact another site
    "Comfy.Release.Status": "skipped",
    "Comfy.Workflow.ShowMissingModelsWarning": False,
    "Comfy.NodeBadge.NodeSourceBadgeMode": "None",  # all nodes come from artgraph
    "Comfy.Graph.CanvasInfo": False,
    "Comfy.LinkRelease.Action": "search box",  # names all nodes that fit, also the trainings
    "Comfy.LinkRelease.ActionShift": "context menu",
    "Comfy.TextareaWidget.FontSize": 13,  # also of notes, so that they match other texts
    "Comfy.WorkflowActions.SeenItems": [  # so that no dot marks a menu
        *("deploy-as-api", "share", "enter-app-mode", "exit-app-mode", "enter-builder-mode")
    ],
    "Comfy.Minimap.Visible": False,  # it covers nodes, and a button opens it
    "LiteGraph.Canvas.MinFontSizeForLOD": 5,  # smallest size in pixels at which texts are drawn
}


# Files that the editor reads at its start, and their content before it has written them.
_ABSENT: dict[str, Any] = {"comfy.templates.json": [], "workflows/.index.json": {"favorites": []}}


def _settings_file(request: web.Request) -> Path:
    return request.app[SERVICES].settings.state / "settings.json"


def _settings(request: web.Request) -> dict[str, Any]:
    try:
        saved = json.loads(_settings_file(request).read_bytes())
    except (OSError, ValueError):
        saved = {}
    return _PRESET | (saved if isinstance(saved, dict) else {})


def _change_settings(request: web.Request, changes: dict[str, Any]) -> web.Response:
    settings = _settings(request) | changes
    if len(settings) > 2_000:
        raise web.HTTPBadRequest(text="there are too many settings: at most 2000 are stored")
    write_whole(_settings_file(request), json.dumps(settings, indent=1).encode())
    return web.json_response({})


# Workflows and the editor's other files


@routes.get("/userdata")
async def list_userdata(request: web.Request) -> web.Response:
    """Returns the files of a folder. The folder `workflows` contains the user's graphs."""
    services = request.app[SERVICES]
    folder = request.query.get("dir", "").strip("/")
    if folder == _WORKFLOWS.strip("/"):
        files = await asyncio.to_thread(services.graphs.listed)
    else:
        root = inside(services.settings.state / "userdata", folder) if folder else None
        found = sorted(root.rglob("*")) if root is not None and root.is_dir() else []
        files = [file_info(p, p.relative_to(root).as_posix()) for p in found if p.is_file()]  # type: ignore[arg-type]
    full = request.query.get("full_info") == "true"
    return web.json_response(files if full else [file["path"] for file in files])


@routes.get("/userdata/{file}")
async def get_userdata(request: web.Request) -> web.StreamResponse:
    services, name = request.app[SERVICES], request.match_info["file"]
    if _is_graph(name):
        opened = await asyncio.to_thread(services.graphs.load, name.removeprefix(_WORKFLOWS))
        return web.json_response(opened.workflow, headers={VERSION: opened.version})
    path = _plain_file(services, name)
    if not path.is_file() and name in _ABSENT:
        return web.json_response(_ABSENT[name])
    if not path.is_file():
        raise web.HTTPNotFound(text=f"there is no file {name[:80]!r}")
    kind = mimetypes.guess_type(path.name)[0] if path.suffix in (".json", ".css") else None
    headers = {"Content-Type": kind or "application/octet-stream", "Cache-Control": "no-cache"}
    return web.FileResponse(path, headers=headers | {"Content-Disposition": "attachment"})


@routes.post("/userdata/{file}")
async def post_userdata(request: web.Request) -> web.Response:
    """Save a file. A workflow is saved as YAML."""
    services, name = request.app[SERVICES], request.match_info["file"]
    overwrite = request.query.get("overwrite") != "false"
    if _is_graph(name):
        body = await asyncio.to_thread(with_copies, services, await json_body(request))
        short = name.removeprefix(_WORKFLOWS)
        base = request.headers.get(VERSION)
        try:
            save = services.graphs.save
            path, version, note = await asyncio.to_thread(save, short, body, overwrite, base)
        except StaleError as error:
            what = f"{error} was changed since this window has read it"
            raise web.HTTPPreconditionFailed(text=what) from error
        window = request.headers.get(WINDOW, "")
        if note is not None:
            said = {"name": path.name, "note": note, "window": window}
            services.hub.broadcast("artgraph.saved", said)
        changed = {"path": name, "file": path.name, "window": window, "version": version}
        services.hub.broadcast("artgraph.changed", changed)
        return web.json_response(file_info(path, name), headers={VERSION: version})
    if name == "user.css":
        raise web.HTTPForbidden(text="the style sheet of the editor can't be replaced")
    path = _plain_file(services, name)
    if path.exists() and not overwrite:
        raise web.HTTPConflict(text=f"{path.name!r} already exists")
    write_whole(path, await request.read())
    return web.json_response(file_info(path, name))


@routes.delete("/userdata/{file}")
async def delete_userdata(request: web.Request) -> web.Response:
    services, name = request.app[SERVICES], request.match_info["file"]
    if _is_graph(name):
        services.graphs.delete(name.removeprefix(_WORKFLOWS))
    else:
        _plain_file(services, name).unlink(missing_ok=True)
    return web.Response(status=204)


@routes.post("/userdata/{file}/move/{target}")
async def move_userdata(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    name, target = request.match_info["file"], request.match_info["target"]
    overwrite = request.query.get("overwrite") == "true"
    if _is_graph(name) and _is_graph(target):
        names = (name.removeprefix(_WORKFLOWS), target.removeprefix(_WORKFLOWS))
        path = services.graphs.move(*names, overwrite)
        graphs = (str(Path(name.removesuffix(".json")).with_suffix(".yaml")) for name in names)
        services.jobs.rename(*graphs)
    else:
        source, path = _plain_file(services, name), _plain_file(services, target)
        if not source.is_file():
            raise web.HTTPNotFound(text=f"there is no file {name[:80]!r}")
        if path.exists() and not overwrite:
            raise web.HTTPConflict(text=f"{path.name!r} already exists")
        path.parent.mkdir(parents=True, exist_ok=True)
        source.replace(path)
    return web.json_response(file_info(path, target))


def _is_graph(name: str) -> bool:
    return name.startswith(_WORKFLOWS) and not Path(name).name.startswith(".")


def _plain_file(services: Services, name: str) -> Path:
    """Returns the path of a file of the editor, such as its bookmarks.

    A dot at the beginning of its name is removed.
    """
    folder, _, last = name.rpartition("/")
    root = services.settings.state / "userdata"
    last = last.removeprefix(".")
    return inside(root, f"{folder}/{last}" if folder else last)
