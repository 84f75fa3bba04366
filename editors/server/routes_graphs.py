"""Shipped graphs, dropped files, and the YAML and plan of the graph in the editor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from ...contract.errors import ArtgraphError
from ...pictures.png_text import TextError, is_png, read_text
from ...runner.graph.document import read_document
from ...runner.run.publish import GRAPH_KEY
from ..formats.load import load_document, shipped_graphs
from ..formats.thumbnails import thumbnail
from .brought import with_copies
from .plans import plan_rows
from .services import SERVICES, json_object

routes = web.RouteTableDef()
_START = "style_remix"  # the shipped graph that the editor opens by default


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
    """Returns the requested shipped graph as a workflow."""
    path = shipped_graphs().get(request.match_info["name"])
    if path is None:
        raise web.HTTPNotFound
    return request.app[SERVICES].graphs.workflow(path.read_text(encoding="utf-8"), path)


# Routes for artgraph's scripts in the editor


@routes.get("/artgraph/start")
async def start(request: web.Request) -> web.Response:
    """Returns the graph that the editor opens at its start."""
    services = request.app[SERVICES]
    shipped = shipped_graphs()
    name = services.settings.graph or (_START if _START in shipped else next(iter(shipped), None))
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
    """Returns the graph in a dropped YAML file or PNG, or an empty object if there is none."""
    services = request.app[SERVICES]
    data = await request.read()
    name = Path(request.query.get("name", "graph")).stem
    try:
        text = read_text(data, GRAPH_KEY) if is_png(data) else data.decode("utf-8-sig", "replace")
    except TextError as error:
        return web.json_response({"error": f"{name}: {error}"})
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
    """Returns a workflow of the editor as YAML."""
    services = request.app[SERVICES]
    workflow = await asyncio.to_thread(with_copies, services, await json_object(request))
    try:
        text = services.graphs.document(workflow, services.settings.folder / "graph.yaml").yaml()
    except ArtgraphError as error:
        return web.json_response({"error": str(error)})
    return web.json_response({"yaml": text})


@routes.post("/artgraph/plan")
async def plan(request: web.Request) -> web.Response:
    """Returns what a run of a workflow would do with each node."""
    services = request.app[SERVICES]
    workflow = await asyncio.to_thread(with_copies, services, await json_object(request))
    try:
        document = services.graphs.document(workflow, services.settings.folder / "graph.yaml")
        rows = await asyncio.to_thread(plan_rows, document, services.registry, services.settings)
    except ArtgraphError as error:
        return web.json_response({"error": str(error)})
    return web.json_response({"rows": rows})
