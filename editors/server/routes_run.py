"""Running graphs: the WebSocket, prompts, and interruption."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from ...contract.values.files import is_file_name
from ...runner.graph.folders import Folders
from .brought import with_copies
from .changes import changes
from .jobs import WAITING, QueuedRun, workflow_of
from .prompts import PromptError, prepare
from .services import SERVICES, json_object

routes = web.RouteTableDef()
_MAX_MESSAGE = 2**20  # largest size of a message from the editor in bytes
_MAX_QUEUE = 1_000  # largest number of waiting runs


@routes.get("/ws")
async def websocket(request: web.Request) -> web.WebSocketResponse:
    """Open the connection for messages to a tab.

    The client id in the query belongs to the tab, so that it gets the state of its run again.
    """
    services = request.app[SERVICES]
    socket = web.WebSocketResponse(heartbeat=30, max_msg_size=_MAX_MESSAGE)
    await socket.prepare(request)
    client = request.query.get("clientId", "")[:100] or uuid.uuid4().hex
    tab = services.hub.join(client, socket)
    try:
        tab.send("status", services.engine.status() | {"sid": client})
        services.engine.replay(client)
        async for message in socket:
            if message.type is WSMsgType.TEXT and '"feature_flags"' in message.data[:200]:
                tab.send("feature_flags", features(request))
    finally:
        services.hub.leave(client, tab)
    return socket


@routes.get("/features")
async def get_features(request: web.Request) -> web.Response:
    return web.json_response(features(request))


def features(request: web.Request) -> dict[str, Any]:
    """Returns the features of the server that the editor may use."""
    return {
        "supports_preview_metadata": True,
        "supports_progress_text_metadata": True,
        "max_upload_size": request.app[SERVICES].settings.max_upload,
    }


@routes.get("/prompt")
async def get_prompt(request: web.Request) -> web.Response:
    status = request.app[SERVICES].engine.status()["status"]
    return web.json_response({"exec_info": status["exec_info"]})


@routes.post("/prompt")
async def post_prompt(request: web.Request) -> web.Response:
    """Check a graph and put it into the queue."""
    services = request.app[SERVICES]
    body = await json_object(request)
    try:
        if services.jobs.count(WAITING) >= _MAX_QUEUE:
            message = f"The queue is full: {_MAX_QUEUE} runs are waiting"
            raise PromptError("queue_full", message, "Wait, or remove some from the queue")
        job, errors = await asyncio.to_thread(_make_job, request, body)
    except PromptError as error:
        return web.json_response(error.answer, status=400)
    earlier = services.jobs.last(job.graph, 1)
    if earlier:
        texts = (earlier[0].task["yaml"], job.task["yaml"])
        job.task["changes"] = await asyncio.to_thread(changes, *texts)
    job.number = services.jobs.number(front=bool(body.get("front")))
    services.engine.submit(job)
    answer = {"prompt_id": job.id, "number": job.number, "node_errors": errors}
    return web.json_response(answer)


def _make_job(request: web.Request, body: dict[str, Any]) -> tuple[QueuedRun, dict[str, Any]]:
    services = request.app[SERVICES]
    settings = services.settings
    body["prompt"] = with_copies(services, body.get("prompt"))
    extra = body.get("extra_data") if isinstance(body.get("extra_data"), dict) else {}
    workflow = with_copies(services, workflow_of(extra))
    path = settings.folder / graph_file(workflow)
    folders = Folders(path.parent, settings.input, settings.out)
    targets = body.get("partial_execution_targets")
    if targets is not None and not isinstance(targets, list):
        raise PromptError("invalid_prompt", "partial_execution_targets is not a list of nodes")
    prepared = prepare(body.get("prompt"), workflow, services.registry, folders, path.name, targets)
    task = {
        "yaml": prepared.yaml,
        "file": path.name,
        "graph": path.relative_to(settings.folder).as_posix(),
        "folder": str(path.parent),
        "names": prepared.names,
        "only": prepared.only,
    }
    client = body.get("client_id")
    stored_request = {
        "client_id": client if isinstance(client, str) else "",
        "prompt": body["prompt"],
        "extra_data": extra,
    }
    return QueuedRun(str(uuid.uuid4()), 0.0, stored_request, task), prepared.node_errors


def graph_file(workflow: dict[str, Any] | None) -> Path:
    """Returns the graph's path in the folder of graphs, which web/artgraph.js adds to prompts."""
    extra = (workflow or {}).get("extra")
    name = extra.get("artgraph_file") if isinstance(extra, dict) else None
    parts = str(name or "untitled").removesuffix(".json").split("/")
    return (
        Path(*parts).with_name(f"{parts[-1]}.yaml")
        if all(map(is_file_name, parts))
        else Path("untitled.yaml")
    )


@routes.post("/interrupt")
async def interrupt(request: web.Request) -> web.Response:
    """Stop the current run, or the run with the given id."""
    job_id = (await json_object(request)).get("prompt_id")
    request.app[SERVICES].engine.cancel(str(job_id) if job_id is not None else None)
    return web.json_response({})


@routes.post("/free")
async def free(request: web.Request) -> web.Response:
    await request.app[SERVICES].engine.free()
    return web.json_response({})
