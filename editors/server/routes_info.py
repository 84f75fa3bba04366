"""What the editor asks about us: nodes, templates, extensions, the system; and its own files."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aiohttp import web

from ...nodes.errors import ArtgraphError
from ...runner.document import read_document
from ...runner.load import load_document, shipped_graphs
from ...runner.png import is_png, read_text
from ...runner.publish import GRAPH_KEY
from ..comfy_forms import class_id
from ..workflow_write import to_workflow
from .definitions import definitions
from .plans import plan_rows
from .services import SERVICES, Services, json_object
from .thumbnails import thumbnail

routes = web.RouteTableDef()
WEB = Path(__file__).parent.parent / "web"
SHARED = WEB.parent / "comfy_web"  # with the pack for ComfyUI
START = "style_remix"
_MAX_GRAPH = 64 * 2**20


@routes.get("/object_info")
async def object_info(request: web.Request) -> web.Response:
    return web.json_response(_definitions(request.app[SERVICES]))


@routes.get("/object_info/{node}")
async def one_object_info(request: web.Request) -> web.Response:
    name = request.match_info["node"]
    found = _definitions(request.app[SERVICES])
    return web.json_response({name: found[name]} if name in found else {})


def _definitions(services: Services) -> dict[str, Any]:
    return definitions(services.registry, services.settings.input)


@routes.get("/system_stats")
async def system_stats(request: web.Request) -> web.Response:
    total, free = _memory()
    system = {
        "os": f"{platform.system()} {platform.machine()}",
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": f"artgraph {version('artgraph')}",
        "required_frontend_version": version("comfyui-frontend-package"),
        "python_version": sys.version,
        "pytorch_version": version("torch"),
        "embedded_python": False,
        "argv": ["artgraph", "--disable-api-nodes"],
    }
    device = {"name": request.app[SERVICES].settings.device, "type": "cpu", "index": 0}
    memory = dict.fromkeys(("vram_total", "torch_vram_total"), total)
    memory |= dict.fromkeys(("vram_free", "torch_vram_free"), free)
    return web.json_response({"system": system, "devices": [device | memory]})


def _memory() -> tuple[int, int]:
    """Bytes in all and free; 0 where the system doesn't say."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0, 0


# Optional parts of the editor that we have nothing for


def _empty(answer: Any) -> Any:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(answer)

    return handler


_ON_NODE = "What is wrong, and what to do about it, stands on the node."
_LOOK = {"message": _ON_NODE, "toastMessage": _ON_NODE}
# The editor's messages about errors, where ours on the node say more.
_ERRORS = {
    "runtimeErrors": {"execution_failed": _LOOK},
    "validationErrors": {"custom_validation_failed": _LOOK, "unknown_validation_error": _LOOK},
}
for _path, _answer in (
    ("/i18n", {"en": {"errorCatalog": _ERRORS}}),
    ("/global_subgraphs", {}),
    ("/workflow_templates", {}),
    ("/experiment/models", []),
    ("/models", []),
    ("/embeddings", []),
    ("/node_replacements", {}),
):
    routes.get(_path)(_empty(_answer))


@routes.get("/internal/logs/raw")
async def logs(request: web.Request) -> web.Response:
    entries = [{"t": time, "m": text} for time, text in request.app[SERVICES].engine.logs]
    return web.json_response({"entries": entries, "size": {"cols": 120, "rows": 40}})


@routes.get("/internal/logs")
async def logs_text(request: web.Request) -> web.Response:
    return web.json_response("".join(text for _, text in request.app[SERVICES].engine.logs))


# Our part of the editor


@routes.get("/extensions")
async def extensions(_: web.Request) -> web.Response:
    files = ("artgraph.js", "colors.js")
    return web.json_response([f"/extensions/artgraph/{file}" for file in files])


@routes.get("/extensions/artgraph/docs/{name}.md")
async def help_page(request: web.Request) -> web.Response:
    """A node's help, from its docstring."""
    services, name = request.app[SERVICES], request.match_info["name"]
    spec = next((s for s in services.registry.values() if class_id(s.id) == name), None)
    if spec is None:
        raise web.HTTPNotFound
    lines = [f"# {spec.title}", "", spec.doc, ""]
    for widget in spec.widgets.values():
        lines.append(f"- **{widget.name}**: {widget.description}")
    return web.Response(text="\n".join(lines), content_type="text/markdown")


@routes.get("/extensions/artgraph/{file}")
async def extension_file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["file"]
    for folder in (WEB, SHARED):
        if name in {path.name for path in folder.iterdir() if path.is_file()}:
            return web.FileResponse(folder / name, headers={"Cache-Control": "no-cache"})
    raise web.HTTPNotFound


@routes.get("/user.css")
@routes.get("/userdata/user.css")
async def style(_: web.Request) -> web.StreamResponse:
    return web.FileResponse(WEB / "artgraph.css", headers={"Cache-Control": "no-cache"})


# Templates: the graphs that come with artgraph


@routes.get("/templates/index.json")
async def template_index(_: web.Request) -> web.Response:
    templates = []
    for name, path in shipped_graphs().items():
        about = read_document(path).about
        templates.append(
            {
                "name": name,
                "title": about.get("title", name),
                "description": about.get("about", ""),
                "mediaType": "image",
                "mediaSubtype": "webp",
                "tags": about.get("tags", []),
            }
        )
    group = {"moduleName": "default", "category": "artgraph", "type": "image", "title": "Graphs"}
    return web.json_response([group | {"templates": templates}])


@routes.get("/templates/{name}.json")
async def template(request: web.Request) -> web.Response:
    return web.json_response(_shipped(request))


@routes.get("/templates/{name}-1.webp")
async def template_picture(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    workflow = _shipped(request)
    data = await asyncio.to_thread(thumbnail, name, workflow)
    return web.Response(body=data, content_type="image/webp")


def _shipped(request: web.Request) -> dict[str, Any]:
    """The shipped graph that is asked for, as a workflow."""
    path = shipped_graphs().get(request.match_info["name"])
    if path is None:
        raise web.HTTPNotFound
    return to_workflow(read_document(path), request.app[SERVICES].registry)


# Our own questions


@routes.get("/artgraph/start")
async def start(request: web.Request) -> web.Response:
    """The graph that the editor opens with."""
    services = request.app[SERVICES]
    asked = services.settings.graph
    shipped = shipped_graphs()
    name = asked or (START if START in shipped else next(iter(shipped), None))
    if name is None:
        return web.json_response({})
    try:
        document = load_document(name)
        workflow = services.graphs.workflow(document.yaml(), Path(document.file).absolute())
    except ArtgraphError as error:
        return web.json_response({"error": str(error)})
    return web.json_response({"name": document.name, "workflow": workflow})


@routes.post("/artgraph/open")
async def open_file(request: web.Request) -> web.Response:
    """The graph in a dropped YAML file or PNG; an empty answer where there is none."""
    services = request.app[SERVICES]
    data = await request.read()
    name = Path(request.query.get("name", "graph")).stem
    text = read_text(data, GRAPH_KEY) if is_png(data) else data.decode("utf-8-sig", "replace")
    if text is None or "artgraph:" not in text[:4_096]:
        return web.json_response({})
    try:
        workflow = await asyncio.to_thread(
            services.graphs.workflow, text, services.settings.folder / f"{name}.yaml"
        )
    except ArtgraphError as error:
        return web.json_response({"error": str(error)})
    return web.json_response({"name": name, "workflow": workflow})


@routes.post("/artgraph/yaml")
async def as_yaml(request: web.Request) -> web.Response:
    """A workflow of the editor as YAML."""
    services = request.app[SERVICES]
    workflow = await json_object(request)
    try:
        text = services.graphs.document(workflow, services.settings.folder / "graph.yaml").yaml()
    except ArtgraphError as error:
        return web.json_response({"error": str(error)})
    return web.json_response({"yaml": text})


@routes.post("/artgraph/plan")
async def plan(request: web.Request) -> web.Response:
    """What running a workflow would do, node by node."""
    services = request.app[SERVICES]
    workflow = await json_object(request)
    try:
        document = services.graphs.document(workflow, services.settings.folder / "graph.yaml")
        rows = await asyncio.to_thread(plan_rows, document, services.registry, services.settings)
    except ArtgraphError as error:
        return web.json_response({"error": str(error)})
    return web.json_response({"rows": rows})
