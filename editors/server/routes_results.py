"""The results of a graph's last runs, and its pictures while one of its numbers is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import web

from ...contract.errors import ArtgraphError
from ..formats.core_nodes import CORE
from ..formats.forms import node_id
from ..formats.load import shipped_graphs
from .follow import REUSED
from .jobs import QueuedRun, workflow_of
from .routes_run import graph_file
from .services import SERVICES, Services, json_object

routes = web.RouteTableDef()
_RUNS = 5  # how many runs are searched for a node's last result


@routes.post("/artgraph/results")
async def results(request: web.Request) -> web.Response:
    """Returns what the nodes of a workflow showed last, by the id that they have in it.

    A node shows the results of the newest run in which it was done, if it still has its name and
    its type. `changed` are the nodes that have other values now, and `old` those whose results
    would be others. From now on, the tab also gets the messages of this graph's runs.
    """
    services = request.app[SERVICES]
    body = await json_object(request)
    workflow, client = body.get("workflow"), str(body.get("client"))
    prompt = body.get("prompt", {})
    if not isinstance(workflow, dict):
        raise web.HTTPBadRequest(text="the workflow is not a JSON object")
    if not isinstance(prompt, dict):
        raise web.HTTPBadRequest(text="the prompt is not a JSON object")
    graph = graph_file(workflow).as_posix()
    services.hub.shows(client, graph)
    runs = [run for run in services.jobs.last(graph, _RUNS) if _is_of(run, workflow, services)]
    if not runs:
        return web.json_response({})
    try:
        document, ids = await asyncio.to_thread(_names, services, workflow, graph)
    except ArtgraphError:
        return web.json_response({})
    outputs: dict[str, Any] = {}
    now = _recipes(prompt, {number: name for name, number in ids.items()})
    changed: set[str] = set()
    old: set[str] = set()
    for run in runs:
        then = _recipes(run.request["prompt"], {n: name for name, n in run.names.items()})
        others = {name for name, recipe in now.items() if then.get(name) != recipe}
        after = _after(others, now)
        kinds = {number: _kind(node) for number, node in run.request["prompt"].items()}
        for name, number in run.names.items():
            here = ids.get(name)
            if here is None or here in outputs or number not in run.outputs:
                continue
            if kinds.get(number) == document.get(name):
                outputs[here] = run.outputs[number]
                if name in after and run.outputs[number].keys() - {REUSED}:
                    old.add(here)
                    changed |= {ids[other] for other in others}
    if runs[0].status == "in_progress":
        services.engine.replay(client)
    newest = {"run": runs[0].id, "running": runs[0].status == "in_progress"}
    marks = {"changed": sorted(changed), "old": sorted(old)}
    return web.json_response({"outputs": outputs, **newest, **marks})


class _Recipe(NamedTuple):
    """What a node of a prompt computes: its type, its values, and the sources of its wires."""

    kind: Any
    values: dict[str, Any]
    wires: dict[str, tuple[str, Any]]


def _recipes(prompt: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, _Recipe]:
    """Returns the recipes of a prompt's nodes by their names in the graph file.

    names: the names by the editor's ids.
    """
    found = {}
    for number, node in prompt.items():
        if number not in names or not isinstance(node, dict):
            continue
        recipe = _Recipe(node.get("class_type"), {}, {})
        inputs = node.get("inputs")
        for key, value in inputs.items() if isinstance(inputs, dict) else ():
            if isinstance(value, list) and len(value) == 2:
                recipe.wires[key] = (names.get(str(value[0]), ""), value[1])
            else:
                recipe.values[key] = value
        found[names[number]] = recipe
    return found


def _after(changed: set[str], recipes: Mapping[str, _Recipe]) -> set[str]:
    """Returns the changed nodes and all that depend on them."""
    found, new = set(changed), set(changed)
    while new:
        new = {
            name
            for name, recipe in recipes.items()
            if name not in found and any(source in new for source, _ in recipe.wires.values())
        }
        found |= new
    return found


def _names(
    services: Services, workflow: dict[str, Any], graph: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the type of each node by its name, and its id in the workflow.

    Raises: GraphError.
    """
    converted = services.graphs.converted(workflow, services.settings.folder / graph)
    return {e.name: e.type for e in converted.document.nodes.values()}, converted.ids


def _kind(node: Any) -> str | None:
    """Returns the type of a prompt's node in a graph file."""
    kind = str(node.get("class_type")) if isinstance(node, dict) else ""
    core = CORE.get(kind)
    return core.node if core is not None else node_id(kind)


def _is_of(run: QueuedRun, workflow: Mapping[str, Any], services: Services) -> bool:
    """Returns whether a run is of this workflow, and not of another one with the same name.

    Graphs that were never saved may have the same name, but have different ids.
    """
    path = services.settings.folder / run.graph
    if path.is_file() or path.with_suffix(".yml").is_file() or path.with_suffix(".json").is_file():
        return True
    if path.stem in shipped_graphs() and path.parent == services.settings.folder:
        return True
    sent = workflow_of(run.request["extra_data"]) or {}
    return sent.get("id") is not None and sent.get("id") == workflow.get("id")


@routes.post("/artgraph/live")
async def live(request: web.Request) -> web.Response:
    """Returns the pictures after some nodes of a prompt; an empty object if that is not possible.

    Nothing is stored. The answer has the fields of `Drawn` (`live.py`).
    """
    services = request.app[SERVICES]
    body = await json_object(request)
    prompt, nodes, workflow = body.get("prompt"), body.get("nodes"), body.get("workflow")
    if not isinstance(prompt, dict) or not isinstance(nodes, list):
        raise web.HTTPBadRequest(text="prompt or nodes are missing")
    file = services.settings.folder / graph_file(workflow if isinstance(workflow, dict) else None)
    task = {
        "prompt": prompt,
        "nodes": list(map(str, nodes)),
        "file": file.name,
        "folder": str(file.parent),
    }
    return web.json_response(await services.engine.live(task) or {})
