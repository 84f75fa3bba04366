"""Checks the options of `artgraph edit`, then starts the server."""

from __future__ import annotations

import ipaddress
import secrets
from pathlib import Path

import typer

from ...contract.errors import GraphError, InputError
from ...runner.run.device_option import all_numerics_for
from ..formats.load import load_document

_INSTALL = "install it with `pip install 'artgraph[edit]'`"


def edit(
    *,
    graph: str | None,
    folder: Path,
    port: int,
    browser: bool,
    listen: str | None,
    out: Path,
    input_: Path,
    cache: Path,
    device: str,
    executor: str,
    ray_address: str | None,
    remote: str | None,
    packs: tuple[str, ...],
) -> None:
    """Serve the editor until Ctrl-C.

    Raises: GraphError if the extra is not installed or an option is wrong; InputError if the
    graph or the folder does not exist.
    """
    try:
        import aiohttp
        import comfyui_frontend_package  # noqa: F401
    except ModuleNotFoundError as error:
        what = f"the editor is not installed ({error.name} is missing)"
        raise GraphError(what, _INSTALL) from error
    del aiohttp
    from .app import serve
    from .settings import Settings

    if executor == "local":
        device = ",".join(n.option() for n in all_numerics_for(device))  # once, since it may warn
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {str(folder)!r}", "create it, or choose another --folder"
        )
    if graph is not None:
        load_document(graph)
    settings = Settings(
        folder=folder.resolve(),
        out=_within(folder, out),
        input=_within(folder, input_),
        cache=cache.absolute(),
        device=device,
        executor=executor,
        ray_address=ray_address,
        remote=remote,
        packs=packs,
        graph=graph,
        host=listen or "127.0.0.1",
        port=port,
        token=secrets.token_urlsafe(24) if listen and not _is_loopback(listen) else None,
    )
    serve(settings, typer.echo, browser)


def _within(folder: Path, path: Path) -> Path:
    """Returns an absolute path. `out` and `input` are relative to the folder of the graphs."""
    return (folder / path).resolve()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
