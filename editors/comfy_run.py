"""Running one node inside ComfyUI, with the command line's store, keys and checkpoints.

ComfyUI runs every node under `torch.inference_mode()`, where nothing can be trained; reading and
computing happen outside of it here, on values that came from the store.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..nodes.contract import NodeSpec
from ..nodes.errors import ArtgraphError, Cancelled, NodeError
from ..nodes.sockets import SocketError
from ..runner.compute import find_or_compute
from ..runner.keys import make_key
from ..runner.results import Result
from . import comfy_host as host
from . import comfy_wires
from .comfy_forms import from_comfy_value
from .comfy_strict import Refused
from .comfy_wires import PLAIN, Ref, ref_to, remember, value_of


@dataclass
class Outcome:
    """What ComfyUI gets of a node: its outputs in order, and where its files are."""

    values: tuple[Any, ...]
    files: list[dict[str, str]] = field(default_factory=list)


def run_node(spec: NodeSpec, given: Mapping[str, Any], hidden: Mapping[str, Any]) -> Outcome:
    """Run a node, or find its result.

    Raises: what ComfyUI raises on Cancel; NodeError of one line; another exception where the
    node has a bug.
    """
    import torch

    with torch.inference_mode(False), _one_line():
        inputs = {
            name: ref_to(spec, name, given[name])
            for name in spec.inputs
            if given.get(name) is not None
        }
        _check_ties(spec, inputs)
        widgets = checked_widgets(spec, given)
        store = host.store()
        digests = {name: ref.stored.digest for name, ref in inputs.items()}
        key = make_key(spec, widgets, digests, store.fingerprint, host.numerics())
        running = host.Running(lambda: {name: value_of(ref) for name, ref in inputs.items()})
        result = find_or_compute(spec, widgets, key, store, running).result
        store.flush()
        outcome = _outcome(spec, inputs, result, hidden)
        if hidden:  # a node that saves, which is near the end of a run
            store.keep_within_budget()
        return outcome


def checked_widgets(
    spec: NodeSpec, given: Mapping[str, Any], wired: Collection[str] = ()
) -> dict[str, Any]:
    """All widget values, strictly checked but for those `wired`; paths as `Path`.

    Raises: NodeError with all that is wrong, in one line; InputError for a path.
    """
    names = [name for name in spec.widgets if name not in wired]
    plain = {n: from_comfy_value(spec.widgets[n], given[n]) for n in names if n in given}
    values, wrong = spec.check(plain)
    problems = [problem for problem in wrong if problem.subject in names]
    if problems:
        raise NodeError("; ".join(f"{problem.subject}: {problem.message}" for problem in problems))
    for name in names:
        kind = spec.widgets[name].kind
        if kind in ("file", "folder") and values.get(name) is not None:
            values[name] = host.resolve(values[name], kind)
    return {name: values.get(name) for name in spec.widgets}


def validate(spec: NodeSpec, given: Mapping[str, Any]) -> None:
    """Check what is known before the run; ComfyUI hands a wired widget over as None.

    Raises: NodeError with all that is wrong, in one line; InputError for a path.
    """
    if any(isinstance(value, Refused) for value in given.values()):
        return  # ComfyUI has that already, at its input
    with _one_line():
        checked_widgets(spec, given, [name for name in spec.widgets if given.get(name) is None])


def fingerprint(spec: NodeSpec, given: Mapping[str, Any]) -> str:
    """What ComfyUI's own cache can't know of a node: the content of the files that it reads."""
    parts = [f"version {spec.version}", f"lost {comfy_wires.lost}"]
    for name, widget in spec.widgets.items():
        if widget.kind in ("file", "folder") and given.get(name):
            try:
                path = host.resolve(given[name], widget.kind)
                parts.append(host.store().fingerprint(path))
            except ArtgraphError as error:
                parts.append(f"{error} {time.time()}")
    return "; ".join(parts)


def _check_ties(spec: NodeSpec, inputs: Mapping[str, Ref]) -> None:
    """Inputs that a type variable ties take one kind of value."""
    kinds: dict[str, str] = {}
    for name, ref in inputs.items():
        variable = spec.inputs[name].variable
        if variable and kinds.setdefault(variable, ref.socket.name) != ref.socket.name:
            raise NodeError(
                f"{name} is a {ref.socket.name}, and {kinds[variable]} came in before",
                "wire values of one kind",
            )


def _outcome(
    spec: NodeSpec, inputs: Mapping[str, Ref], result: Result, hidden: Mapping[str, Any]
) -> Outcome:
    values: list[Any] = []
    files: list[dict[str, str]] = []
    tied = {
        port.variable: inputs[name].socket for name, port in spec.inputs.items() if name in inputs
    }
    for name, port in spec.outputs.items():
        stored = result.outputs.get(name)
        if stored is None:
            values.append(None)
            continue
        ref = Ref(
            tied.get(port.variable, port.sockets[0]) if port.variable else port.sockets[0], stored
        )
        value = value_of(ref) if ref.socket.name in PLAIN else ref
        if ref.socket.name == "image":
            remember(value, stored)
        elif ref.socket.name == "files":
            from .comfy_save import save_files

            files += save_files(spec, value_of(ref), hidden)
        values.append(value)
    return Outcome(tuple(values), files)


@contextmanager
def _one_line() -> Iterator[None]:
    """What goes wrong as ComfyUI shows it: its own interruption, or one line."""
    try:
        yield
    except Cancelled as error:
        raise error.__cause__ or error from None
    except SocketError as error:
        raise NodeError(f"returned what it must not: {error}", "a bug in the node") from error
    except ArtgraphError as error:
        what, advice = (" ".join(part.split()) for part in (error.what, error.advice))
        raise _named(type(error))(what, advice) from None


def _named(kind: type[ArtgraphError]) -> type[ArtgraphError]:
    """An error as `artgraph.NodeError`: ComfyUI shows an error's module, which there is a path."""
    return type(kind.__name__, (kind,), {"__module__": "artgraph"})
