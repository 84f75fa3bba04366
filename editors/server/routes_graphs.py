"""Shipped graphs, dropped files, and the YAML and plan of the graph in the editor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from ...contract.errors import ArtgraphError
from ...pictures.png_text import TextError, is_png, read_text
from ...runner.graph.document import read_document
from ...runner.graph.folders import SHIPPED
from ...runner.run.publish import GRAPH_KEY
from ..formats.load import load_document, shipped_graphs
from ..formats.thumbnails import thumbnail
from ..formats.workflow_names import app_of
from .brought import with_copies
from .graph_files import decoded_text
from .plans import plan_of
from .services import SERVICES, json_object
from .settings import START
from .texts import WORDS

routes = web.RouteTableDef()
# The templates in the order of use. Graphs that are not named come last.
_ORDER = ("draw", "my_gan", "my_vae", "morph_two", "sort", "style_remix", "finetune", "latent_walk")
_NOT_SHOWN = ("base_models",)  # what the shipped models were made with


# Templates: the graphs that come with artgraph


@routes.get("/templates/index.json")
@routes.get("/templates/index.{language}.json")
async def template_index(request: web.Request) -> web.Response:
    words = WORDS.get(request.match_info.get("language", "en"), {})
    templates = []
    shipped = {name: path for name, path in shipped_graphs().items() if name not in _NOT_SHOWN}
    for name in sorted(shipped, key=_place):
        about = read_document(shipped[name]).about
        templates.append(
            {
                "name": name,
                "title": words.get(title := about.get("title", name), title),
                "description": words.get(text := about.get("about", ""), text),
                "mediaType": "image",
                "mediaSubtype": "webp",
                "tags": about.get("tags", []),
                "isApp": True,
            }
        )
    group = {"moduleName": "default", "category": "artgraph", "type": "image", "title": "Graphs"}
    return web.json_response([group | {"templates": templates}])


@routes.get("/templates/index_logo.json")
async def template_logos(_: web.Request) -> web.Response:
    return web.json_response({})


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
    workflow = request.app[SERVICES].graphs.workflow(path.read_text(encoding="utf-8"), path)
    return _as_app(workflow)


def _as_app(workflow: dict[str, Any]) -> dict[str, Any]:
    """Returns a workflow that opens in App mode, unless its layout says something else."""
    workflow["extra"].setdefault("linearMode", True)
    return workflow


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


# Routes for artgraph's scripts in the editor


@routes.get("/artgraph/start")
async def start(request: web.Request) -> web.Response:
    """Returns the graph that the editor opens at its start."""
    services = request.app[SERVICES]
    shipped = shipped_graphs()
    name = services.settings.graph or (START if START in shipped else next(iter(shipped), None))
    if name is None:
        return web.json_response({})
    try:
        document = load_document(name)
        workflow = services.graphs.workflow(document.yaml(), Path(document.file).absolute())
    except ArtgraphError as error:
        return web.json_response({"error": str(error)})
    if name in shipped and document.folder == SHIPPED:
        workflow = _as_app(workflow)
    return web.json_response({"name": document.name, "workflow": workflow})


@routes.post("/artgraph/open")
async def open_file(request: web.Request) -> web.Response:
    """Returns the graph in a dropped YAML file or PNG, or an empty object if there is none."""
    services = request.app[SERVICES]
    data = await request.read()
    file = Path(request.query.get("name", "graph"))
    name = file.stem
    try:
        text = read_text(data, GRAPH_KEY) if is_png(data) else decoded_text(data)
    except TextError as error:
        return web.json_response({"error": f"{name}: {error}"})
    if text is None or "artgraph:" not in text[:4_096]:
        is_yaml = file.suffix.lower() in (".yaml", ".yml")
        missing = "there is no graph in it - a graph file begins with `artgraph: 1`"
        return web.json_response({"error": missing} if is_yaml else {})
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


@routes.post("/artgraph/app")
async def as_app(request: web.Request) -> web.Response:
    """Returns what App mode shows of a workflow: the inputs and outputs that nobody has chosen."""
    services = request.app[SERVICES]
    workflow = await json_object(request)
    try:
        return web.json_response({"app": app_of(workflow, services.registry)})
    except (ArtgraphError, LookupError, TypeError, ValueError, AttributeError) as error:
        return web.json_response({"error": str(error)})


@routes.post("/artgraph/plan")
async def plan(request: web.Request) -> web.Response:
    """Returns what a run of a workflow would do with each node."""
    services = request.app[SERVICES]
    workflow = await asyncio.to_thread(with_copies, services, await json_object(request))
    try:
        document = services.graphs.document(workflow, services.settings.folder / "graph.yaml")
        found = await asyncio.to_thread(plan_of, document, services.registry, services.settings)
    except ArtgraphError as error:
        return web.json_response({"error": str(error)})
    return web.json_response(found)
