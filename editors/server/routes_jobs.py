"""The queue and the history, for older and newer versions of the editor."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .jobs import FINISHED, WAITING, QueuedRun, workflow_of
from .services import SERVICES, json_object, whole_number

routes = web.RouteTableDef()


@routes.get("/queue")
async def get_queue(request: web.Request) -> web.Response:
    jobs = request.app[SERVICES].jobs
    return web.json_response(
        {
            "queue_running": [_queue_entry(job) for job in jobs.select(("in_progress",))],
            "queue_pending": [_queue_entry(job) for job in jobs.select(("pending",))],
        }
    )


@routes.post("/queue")
async def post_queue(request: web.Request) -> web.Response:
    """Remove waiting runs from the queue."""
    services = request.app[SERVICES]
    body = await json_object(request)
    job_ids = _texts(body.get("delete"))
    if body.get("clear"):
        job_ids += [job.id for job in services.jobs.select(("pending",))]
    for job_id in job_ids:
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
        found = [job] if job is not None and job.status in FINISHED else []
    else:
        limit = whole_number(request, "max_items", None)
        found = jobs.select(FINISHED, limit, whole_number(request, "offset", 0) or 0)
    return web.json_response({job.id: _history_entry(job) for job in found})


@routes.post("/history")
async def post_history(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    body = await json_object(request)
    job_ids = _texts(body.get("delete"))
    if body.get("clear"):
        job_ids += [job.id for job in services.jobs.select(FINISHED)]
    services.engine.forget(job_ids)
    return web.json_response({})


@routes.get("/jobs")
async def get_jobs(request: web.Request) -> web.Response:
    jobs = request.app[SERVICES].jobs
    all_statuses = (*WAITING, *FINISHED)
    asked = tuple(s for s in request.query.get("status", "").split(",") if s in all_statuses)
    limit, offset = whole_number(request, "limit", 200), whole_number(request, "offset", 0) or 0
    found, total = jobs.select(asked, limit, offset), jobs.count(asked)
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
    sent = {"prompt": job.request["prompt"], "extra_data": job.request["extra_data"]}
    return web.json_response(_job_entry(job) | {"outputs": job.outputs, "workflow": sent})


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


def _queue_entry(job: QueuedRun) -> list[Any]:
    extra = job.request["extra_data"] | {"client_id": job.client, "create_time": _ms(job.created)}
    return [job.number, job.id, job.request["prompt"], extra, list(job.names.values())]


def _history_entry(job: QueuedRun) -> dict[str, Any]:
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


def _job_entry(job: QueuedRun) -> dict[str, Any]:
    pictures = [
        picture | {"nodeId": node, "mediaType": "images"}
        for node, output in job.outputs.items()
        for picture in output.get("images", ())
    ]
    saved = [picture for picture in pictures if picture["type"] == "output"]
    workflow = workflow_of(job.request["extra_data"]) or {}
    first = _first_of(saved, workflow)
    return {
        "id": job.id,
        "status": job.status,
        "priority": job.number,
        "create_time": _ms(job.created),
        "execution_start_time": _ms(job.started),
        "execution_end_time": _ms(job.ended),
        "outputs_count": len(pictures),
        "preview_output": first or next(iter(reversed(saved or pictures)), None),
        "execution_error": job.error,
        "workflow_id": workflow.get("id"),
        "artgraph": {"graph": job.graph, "changes": job.task.get("changes")},
    }


def _first_of(pictures: list[dict[str, Any]], workflow: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the picture that App mode shows first, or None."""
    extra = workflow.get("extra")
    app = extra.get("linearData") if isinstance(extra, dict) else None
    outputs = app.get("outputs") if isinstance(app, dict) else None
    for number in outputs if isinstance(outputs, list) else ():
        found = next((one for one in pictures if one["nodeId"] == str(number)), None)
        if found is not None:
            return found
    return None


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
