"""Running graphs: the WebSocket, prompts, interruption."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from ...nodes.sockets import is_file_name
from ...runner.folders import Folders
from .jobs import WAITING, QueuedRun, workflow_of
from .prompts import PromptError, prepare
from .services import SERVICES, json_object

routes = web.RouteTableDef()
_MAX_MESSAGE = 2**20
_MAX_QUEUE = 1_000


@routes.get("/ws")
async def websocket(request: web.Request) -> web.WebSocketResponse:
    """A tab listens; it says who it was before, so that it hears of its run again."""
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
    """What the editor may count on."""
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
            raise PromptError("queue_full", f"{_MAX_QUEUE} runs are waiting", "Wait for some")
        job, errors = await asyncio.to_thread(_make_job, request, body)
    except PromptError as error:
        return web.json_response(error.answer, status=400)
    job.number = services.jobs.number(front=bool(body.get("front")))
    services.engine.submit(job)
    answer = {"prompt_id": job.id, "number": job.number, "node_errors": errors}
    return web.json_response(answer)


def _make_job(request: web.Request, body: dict[str, Any]) -> tuple[QueuedRun, dict[str, Any]]:
    services = request.app[SERVICES]
    settings = services.settings
    extra = body.get("extra_data") if isinstance(body.get("extra_data"), dict) else {}
    workflow = workflow_of(extra)
    graph_file = settings.folder / _graph_file(workflow)
    folders = Folders(graph_file.parent, settings.input, settings.out)
    targets = body.get("partial_execution_targets")
    if targets is not None and not isinstance(targets, list):
        raise PromptError("invalid_prompt", "What is to be run is no list of nodes")
    prepared = prepare(
        body.get("prompt"), workflow, services.registry, folders, graph_file.name, targets
    )
    task = {
        "yaml": prepared.yaml,
        "file": graph_file.name,
        "folder": str(graph_file.parent),
        "names": prepared.names,
        "only": prepared.only,
    }
    client = body.get("client_id")
    request_kept = {
        "client_id": client if isinstance(client, str) else "",
        "prompt": body["prompt"],
        "extra_data": extra,
    }
    return QueuedRun(str(uuid.uuid4()), 0.0, request_kept, task), prepared.node_errors


def _graph_file(workflow: dict[str, Any] | None) -> Path:
    """The file that the graph has, or would have, in the folder; our extension tells its name."""
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
    """Stop what runs, or the run that is named."""
    job_id = (await json_object(request)).get("prompt_id")
    request.app[SERVICES].engine.cancel(str(job_id) if job_id is not None else None)
    return web.json_response({})


@routes.post("/free")
async def free(request: web.Request) -> web.Response:
    await request.app[SERVICES].engine.free()
    return web.json_response({})
