"""The application: joins the parts of the server, starts and stops them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import TYPE_CHECKING

from aiohttp import web

from ...contract.errors import GraphError
from ...contract.registry import load_nodes
from ...runner.run.signals import ending_signals
from ...runner.store.locks import Locks
from . import (
    routes_docs,
    routes_files,
    routes_graphs,
    routes_info,
    routes_jobs,
    routes_looks,
    routes_results,
    routes_review,
    routes_run,
    routes_sets,
    routes_uploads,
    routes_userdata,
)
from .engine import Engine
from .graphs import Graphs
from .guard import add_headers, guard
from .hub import Hub
from .jobs import RunQueue
from .looks import Looks
from .services import SERVICES, Services
from .sets import Sets
from .settings import Settings

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

# Versions of the editor that were tested in a browser. Others are likely to work.
TESTED = ("1.45.", "1.47.", "1.50.", "1.53.", "1.55.", "1.57.", "1.58.", "1.59.")
_SPLASH = re.compile(r'(<div id="splash-loader"[^>]*>)<svg.*?</svg>', re.DOTALL)
_OWN_SITE = '<script src="/extensions/artgraph/own_site.js"></script>'  # before all other scripts
_INSTALL = "install it with `pip install 'artgraph[edit]'`"
_WATCH_SECONDS = 1.0  # seconds between two checks for changed graphs
_ROUTES = (
    routes_docs,
    routes_run,
    routes_jobs,
    routes_files,
    routes_results,
    routes_userdata,
    routes_graphs,
    routes_info,
    routes_looks,
    routes_review,
    routes_sets,
    routes_uploads,
)


def static_root() -> Path:
    """Returns the folder with the files of the installed editor.

    Raises: GraphError if it is not installed.
    """
    try:
        return Path(str(files("comfyui_frontend_package") / "static"))
    except ModuleNotFoundError as error:
        raise GraphError("the editor is not installed", _INSTALL) from error


def make_app(settings: Settings) -> web.Application:
    """Returns the application of the server, without starting it."""
    app = web.Application(
        middlewares=[_errors_as_json, guard(settings.token)], client_max_size=settings.max_upload
    )
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(lambda app: _services(app, settings))
    for module in _ROUTES:
        app.add_routes(module.routes)
        app.add_routes(_under_api(module.routes))
    _add_static(app, static_root())
    return app


def _under_api(table: Iterable[web.AbstractRouteDef]) -> list[web.RouteDef]:
    """Returns the same routes under /api, since the editor calls them there."""
    defs = [route for route in table if isinstance(route, web.RouteDef)]
    return [web.RouteDef(d.method, f"/api{d.path}", d.handler, dict(d.kwargs)) for d in defs]


def _add_static(app: web.Application, root: Path) -> None:
    page = (root / "index.html").read_text(encoding="utf-8")
    page = page.replace("<title>ComfyUI</title>", "<title>artgraph</title>")
    page = page.replace("Loading ComfyUI", "Loading the editor")
    page = page.replace("<head>", f"<head>{_OWN_SITE}", 1)
    icon_file = (routes_info.WEB / "icon.svg").read_text(encoding="utf-8")
    page = _SPLASH.sub(lambda found: found[1] + icon_file[icon_file.index("<svg") :], page)

    async def index(request: web.Request) -> web.Response:
        request.app[SERVICES].engine.warm_up()
        headers = {"Cache-Control": "no-cache"}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def icon(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(routes_info.WEB / "icon.svg")

    app.router.add_get("/", index)
    app.router.add_get("/assets/favicon.ico", icon)
    app.router.add_get("/favicon.ico", icon)
    app.router.add_static("/", root)


async def _services(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    """Start the services, and stop them when the application ends."""
    settings.state.mkdir(parents=True, exist_ok=True)
    registry = load_nodes(settings.packs)
    hub, jobs = Hub(), RunQueue(settings.state / "editor.sqlite")
    engine, graphs = Engine(settings, jobs, hub), Graphs(settings, registry)
    app[SERVICES] = Services(settings, registry, hub, jobs, engine, graphs)
    app[routes_review.REVIEWS] = reviews = routes_review.Reviews()
    app[routes_looks.LOOKS] = looks = Looks()
    app[routes_sets.SETS] = sets = Sets(settings.input, settings.state / "replaced")
    engine.start()
    watch = asyncio.create_task(_watch(graphs, hub))
    yield
    watch.cancel()
    await hub.close()
    await reviews.close()
    looks.close()
    sets.close()
    await engine.stop()
    jobs.close()


async def _watch(graphs: Graphs, hub: Hub) -> None:
    """Report graphs that were changed on disk to the open tabs."""
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        for found in await asyncio.to_thread(graphs.changed):
            hub.broadcast("artgraph.changed", found | {"path": f"workflows/{found['path']}"})


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with the error if a handler fails, instead of closing the connection."""
    try:
        return await handler(request)
    except (web.HTTPException, asyncio.CancelledError, ConnectionError):
        raise
    except web.RequestPayloadError as error:
        return web.json_response({"error": f"the request can't be read: {error}"}, status=400)
    except Exception as error:
        request.app.logger.exception("a request failed")
        return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=500)


def serve(settings: Settings, echo: Callable[[str], None], open_browser: bool) -> None:
    """Serve until Ctrl-C, SIGTERM or SIGHUP.

    If an editor is already open on the folder, its address is printed and opened instead.

    Raises: GraphError if this address is not known, or the port is in use.
    """
    settings.state.mkdir(parents=True, exist_ok=True)
    locks, note = Locks(settings.state / "lock"), settings.state / "address"

    def refuse() -> None:
        holder = locks.holder("0")
        process = f" (process {holder.process})" if holder and holder.is_here else ""
        what = f"an editor is already open on {settings.folder}{process}"
        try:
            address = note.read_text()
        except OSError as error:
            raise GraphError(what, "use it, or choose another --folder") from error
        echo(f"{what}; it is at {address}")
        if open_browser:
            webbrowser.open(address)
        raise SystemExit(0)

    with locks.hold("0", refuse), contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(_serve(settings, echo, open_browser, note))
        finally:
            note.unlink(missing_ok=True)


async def _serve(
    settings: Settings, echo: Callable[[str], None], open_browser: bool, note: Path
) -> None:
    runner = web.AppRunner(make_app(settings), access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            address = f"{settings.host}:{settings.port}"
            raise GraphError(
                f"{address} can't be used: {error.strerror}", "try another --port"
            ) from error
        address = f"http://{_host(reachable(settings.host))}:{runner.addresses[0][1]}/"
        if settings.token is not None:
            address += f"?token={settings.token}"
        note.touch(mode=0o600)  # the address may contain the token
        note.write_text(address)
        echo(f"the editor is at {address}\ngraphs are in {settings.folder}; stop with Ctrl-C")
        _warn_of_version(echo)
        if open_browser:
            webbrowser.open(address)
        await _until_stopped()
    finally:
        await runner.cleanup()


def reachable(host: str) -> str:
    """Returns an address that other computers can open; `host` itself if it names one computer.

    0.0.0.0 and :: only mean all addresses of this computer.
    """
    try:
        wanted = ip_address(host)
    except ValueError:
        return host
    if not wanted.is_unspecified:
        return host
    family, other = (AF_INET, "192.0.2.1") if wanted.version == 4 else (AF_INET6, "2001:db8::1")
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((other, 9))  # UDP: nothing is sent, but the system chooses its own address
        return str(probe.getsockname()[0])
    return "127.0.0.1" if wanted.version == 4 else "::1"


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _warn_of_version(echo: Callable[[str], None]) -> None:
    with contextlib.suppress(PackageNotFoundError):
        installed = version("comfyui-frontend-package")
        if not installed.startswith(TESTED):
            echo(f"warning: version {installed} of the editor was not tested with this artgraph")


async def _until_stopped() -> None:
    """Wait for a signal to end. The next one ends the server at once, without clean-up."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = ending_signals()
    for number in numbers:
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows, on which Ctrl-C raises KeyboardInterrupt
            if number != signal.SIGINT:
                signal.signal(number, signal.default_int_handler)
    await stopped.wait()
    for number in numbers:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
