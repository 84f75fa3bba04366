"""Running graphs: prompts, queue, history, jobs, interruption, and the WebSocket."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from ...nodes.sockets import is_file_name
from ...runner.folders import Folders
from .jobs import WAITING, Job
from .prompts import PromptError, prepare
from .services import SERVICES, json_object, whole_number

routes = web.RouteTableDef()
_FINISHED = ("completed", "failed", "cancelled")
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


def _make_job(request: web.Request, body: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    services = request.app[SERVICES]
    settings = services.settings
    extra = body.get("extra_data") if isinstance(body.get("extra_data"), dict) else {}
    workflow = _workflow(extra)
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
    return Job(str(uuid.uuid4()), 0.0, request_kept, task), prepared.node_errors


def _workflow(extra: Any) -> dict[str, Any] | None:
    info = extra.get("extra_pnginfo")
    workflow = info.get("workflow") if isinstance(info, dict) else None
    return workflow if isinstance(workflow, dict) else None


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


@routes.get("/queue")
async def get_queue(request: web.Request) -> web.Response:
    jobs = request.app[SERVICES].jobs
    return web.json_response(
        {
            "queue_running": [_queue_entry(job) for job in jobs.found(("in_progress",))],
            "queue_pending": [_queue_entry(job) for job in jobs.found(("pending",))],
        }
    )


@routes.post("/queue")
async def post_queue(request: web.Request) -> web.Response:
    """Take waiting runs out of the queue."""
    services = request.app[SERVICES]
    body = await json_object(request)
    named = _texts(body.get("delete"))
    if body.get("clear"):
        named += [job.id for job in services.jobs.found(("pending",))]
    for job_id in named:
        job = services.jobs.get(job_id)
        if job is not None and job.status == "pending":
            services.engine.cancel(job_id)
    return web.json_response({})


@routes.get("/history")
@routes.get("/history/{id}")
async def get_history(request: web.Request) -> web.Response:
    jobs = request.app[SERVICES].jobs
    if "id" in request.match_info:
        job = jobs.get(request.match_info["id"])
        found = [job] if job is not None and job.status in _FINISHED else []
    else:
        limit = whole_number(request, "max_items", None)
        found = jobs.found(_FINISHED, limit, whole_number(request, "offset", 0) or 0)
    return web.json_response({job.id: _history_entry(job) for job in found})


@routes.post("/history")
async def post_history(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    body = await json_object(request)
    named = _texts(body.get("delete"))
    if body.get("clear"):
        named += [job.id for job in services.jobs.found(_FINISHED)]
    services.engine.forget(named)
    return web.json_response({})


@routes.get("/jobs")
async def get_jobs(request: web.Request) -> web.Response:
    jobs = request.app[SERVICES].jobs
    known = (*WAITING, *_FINISHED)
    asked = tuple(s for s in request.query.get("status", "").split(",") if s in known)
    limit, offset = whole_number(request, "limit", 200), whole_number(request, "offset", 0) or 0
    found, total = jobs.found(asked, limit, offset), jobs.count(asked)
    pages = {"offset": offset, "limit": limit, "total": total}
    more = {"has_more": offset + len(found) < total}
    return web.json_response(
        {"jobs": [_job_entry(job) for job in found], "pagination": pages | more}
    )


@routes.get("/jobs/{id}")
async def get_job(request: web.Request) -> web.Response:
    job = request.app[SERVICES].jobs.get(request.match_info["id"])
    if job is None:
        raise web.HTTPNotFound(text="there is no such run")
    kept = {"prompt": job.request["prompt"], "extra_data": job.request["extra_data"]}
    return web.json_response(_job_entry(job) | {"outputs": job.outputs, "workflow": kept})


@routes.post("/jobs/cancel")
async def cancel_jobs(request: web.Request) -> web.Response:
    engine = request.app[SERVICES].engine
    done = [engine.cancel(i) for i in _texts((await json_object(request)).get("job_ids"))]
    return web.json_response({"cancelled": any(done)})


@routes.post("/jobs/{id}/cancel")
async def cancel_job(request: web.Request) -> web.Response:
    done = request.app[SERVICES].engine.cancel(request.match_info["id"])
    return web.json_response({"cancelled": done})


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _queue_entry(job: Job) -> list[Any]:
    extra = job.request["extra_data"] | {"client_id": job.client, "create_time": _ms(job.created)}
    return [job.number, job.id, job.request["prompt"], extra, list(job.names.values())]


def _history_entry(job: Job) -> dict[str, Any]:
    messages: list[Any] = []
    if job.error is not None:
        messages.append(["execution_error", job.error | {"prompt_id": job.id}])
    done = job.status == "completed"
    return {
        "prompt": _queue_entry(job),
        "outputs": job.outputs,
        "status": {
            "status_str": "success" if done else "error",
            "completed": done,
            "messages": messages,
        },
        "meta": {},
    }


def _job_entry(job: Job) -> dict[str, Any]:
    pictures = [
        picture | {"nodeId": node, "mediaType": "images"}
        for node, output in job.outputs.items()
        for picture in output.get("images", ())
    ]
    saved = [picture for picture in pictures if picture["type"] == "output"]
    workflow = _workflow(job.request["extra_data"]) or {}
    return {
        "id": job.id,
        "status": job.status,
        "priority": job.number,
        "create_time": _ms(job.created),
        "execution_start_time": _ms(job.started),
        "execution_end_time": _ms(job.ended),
        "outputs_count": len(pictures),
        "preview_output": next(iter(reversed(saved or pictures)), None),
        "execution_error": job.error,
        "workflow_id": workflow.get("id"),
    }


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
