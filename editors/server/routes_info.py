"""Information for the editor: the nodes, the system, the log; and artgraph's files for it."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aiohttp import web

from ...pictures.sources.names import TABLES
from ...pictures.suffixes import READABLE
from ...runner.run.device_option import all_numerics_for
from ...runner.run.devices import Device, all_devices, installed_torch
from ..formats.forms import class_id
from ..formats.help import LOCALES, help_page
from .definitions import definitions
from .hub import log_message
from .services import SERVICES, Services, json_object
from .texts import WORDS, texts

routes = web.RouteTableDef()
# What a search without words offers, most wanted first.
_OFFERED = (
    *("load_dataset", "train_gan", "sample_latent", "save_image", "load_image", "train_vae"),
    *("latent_walk", "save_animation", "image_grid", "dataset_images", "load_model", "save_model"),
    *("style_transfer", "load_video", "generate", "vae_encode", "vae_decode", "mix_latents"),
    *("pick_images", "resize_image", "train_classifier", "classify", "class_sheets", "number"),
)
WEB = Path(__file__).parent / "web"
SHARED = WEB.parents[1] / "comfy" / "web"  # scripts that the pack for ComfyUI uses too


@routes.get("/object_info")
async def object_info(request: web.Request) -> web.Response:
    return web.json_response(_definitions(request.app[SERVICES]))


@routes.get("/object_info/{node}")
async def one_object_info(request: web.Request) -> web.Response:
    name = request.match_info["node"]
    found = _definitions(request.app[SERVICES])
    return web.json_response({name: found[name]} if name in found else {})


def _definitions(services: Services) -> dict[str, Any]:
    settings = services.settings
    return definitions(services.registry, settings.input, settings.out)


@routes.get("/system_stats")
async def system_stats(request: web.Request) -> web.Response:
    used = {numerics.device for numerics in all_numerics_for(request.app[SERVICES].settings.device)}
    devices = all_devices()
    main = devices[-1]
    system = {
        "os": f"{platform.system()} {platform.machine()}",
        "ram_total": main.memory,
        "ram_free": main.free() or 0,
        "comfyui_version": f"artgraph {version('artgraph')}",
        "required_frontend_version": version("comfyui-frontend-package"),
        "python_version": sys.version,
        "pytorch_version": installed_torch().version,
        "embedded_python": False,
        "argv": ["artgraph", "--disable-api-nodes"],
    }
    return web.json_response(
        {"system": system, "devices": [_device(device, used) for device in devices]}
    )


def _device(device: Device, used: set[str]) -> dict[str, Any]:
    """Returns what the editor shows of a device; its name also says whether runs use it."""
    words = f"{device.name} {device.model}"
    if device.problem is not None:
        words += f" (cannot be used: {device.problem} - {device.advice})"
    elif device.name in used:
        words += f" (used, {device.numerics.precision})"
    free = device.free() or 0
    return {
        "name": words,
        "type": device.name.split(":")[0],
        "index": int(device.name.partition(":")[2] or 0),
        "vram_total": device.memory,
        "vram_free": free,
        "torch_vram_total": device.memory,
        "torch_vram_free": free,
    }


# Optional parts of the editor that artgraph does not use


def _constant(answer: Any) -> Any:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(answer)

    return handler


for _path, _answer in (
    ("/global_subgraphs", {}),
    ("/workflow_templates", {}),
    ("/experiment/models", []),
    ("/models", []),
    ("/embeddings", []),
    ("/node_replacements", {}),
):
    routes.get(_path)(_constant(_answer))


@routes.get("/i18n")
async def i18n(request: web.Request) -> web.Response:
    """Returns texts that replace the editor's own, and names of nodes, by language."""
    return web.json_response(texts(request.app[SERVICES].registry))


@routes.get("/assets/sorted-custom-node-map.json")
async def node_frequencies(request: web.Request) -> web.Response:
    """Returns how often nodes are used; a search without words offers the most frequent ones."""
    known = [name for name in _OFFERED if name in request.app[SERVICES].registry]
    order = {class_id(name): len(known) - number for number, name in enumerate(known)}
    return web.json_response(order)


@routes.get("/internal/logs/raw")
async def logs(request: web.Request) -> web.Response:
    return web.json_response(log_message(request.app[SERVICES].engine.logs))


@routes.patch("/internal/logs/subscribe")
async def follow_logs(request: web.Request) -> web.Response:
    """Start or stop sending new lines of the log to a tab."""
    body = await json_object(request)
    request.app[SERVICES].hub.follow_logs(str(body.get("clientId")), body.get("enabled") is True)
    return web.json_response({})


@routes.get("/internal/logs")
async def logs_text(request: web.Request) -> web.Response:
    return web.json_response("".join(text for _, text in request.app[SERVICES].engine.logs))


# artgraph's part of the editor


@routes.get("/extensions")
async def extensions(_: web.Request) -> web.Response:
    files = ("artgraph.js", "cells.js", "colors.js", "widgets.js")
    return web.json_response([f"/extensions/artgraph/{file}" for file in files])


@routes.get("/extensions/artgraph/docs/{name}.md")
@routes.get("/extensions/artgraph/docs/{name}/{language}.md")
async def node_help(request: web.Request) -> web.Response:
    """Returns the help page of a node in a language."""
    services, name = request.app[SERVICES], request.match_info["name"]
    spec = next((s for s in services.registry.values() if class_id(s.id) == name), None)
    translate = LOCALES.get(request.match_info.get("language", "en"))
    if spec is None or translate is None:
        raise web.HTTPNotFound  # the editor then asks for the page without a language
    return web.Response(text=help_page(spec, translate), content_type="text/markdown")


@routes.get("/extensions/artgraph/suffixes.js")
async def suffixes(_: web.Request) -> web.Response:
    """Returns a module with the suffixes of the files that may be uploaded."""
    text = f"export const READABLE = {json.dumps(READABLE)}\n"
    text += f"export const TABLES = {json.dumps(TABLES)}\n"
    return web.Response(text=text, content_type="text/javascript")


@routes.get("/artgraph/words")
async def words(request: web.Request) -> web.Response:
    """Returns artgraph's own texts on the page in a language, by the English ones."""
    return web.json_response(WORDS.get(request.query.get("language", "en"), {}))


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
