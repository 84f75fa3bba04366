"""Runs one node inside ComfyUI, with the same store, keys and checkpoints as the command line.

ComfyUI runs every node under `torch.inference_mode()`, in which a model can't be trained. This file
leaves that mode to read values from the store and to run the node.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...contract.errors import ArtgraphError, Cancelled, NodeError
from ...contract.shards import Shards
from ...contract.spec import NodeSpec
from ...contract.values.socket import SocketError
from ...runner.run.compute import Computed, find_or_compute
from ...runner.store.keys import Key, make_key
from ..formats.forms import from_comfy_value
from . import folders, host
from . import wires as comfy_wires
from .file_names import with_values
from .running import RunningNode
from .shown import cells_on_node, shown_on_node
from .strict import InvalidValue, check_whole
from .wires import PLAIN, NoValue, Ref, ref_to, remember, value_of

_announced: dict[
    tuple[Path | Shards, bool], str
] = {}  # the latest fingerprints that ComfyUI received


@dataclass
class Outcome:
    """What ComfyUI receives from a node: its outputs in order, and what it shows on the node."""

    values: tuple[Any, ...]
    shown: dict[str, Any] = field(default_factory=dict)


def run_node(spec: NodeSpec, arguments: Mapping[str, Any], hidden: Mapping[str, Any]) -> Outcome:
    """Run a node, or read its result from the store.

    Raises: ComfyUI's own exception on Cancel; NodeError with one line; another exception if the
    node has a bug.
    """
    import torch

    with torch.inference_mode(False), _one_line_errors():
        inputs = {
            name: ref_to(spec, name, arguments[name])
            for name in spec.inputs
            if arguments.get(name) is not None
        }
        _check_required(spec, inputs)
        _check_type_variables(spec, inputs)
        widgets = checked_widgets(spec, arguments, prompt=hidden.get("prompt"))
        store = host.store()
        digests = {name: ref.stored.digest for name, ref in inputs.items()}
        key = make_key(spec, widgets, digests, store.fingerprint, host.numerics())
        running = RunningNode(
            spec.length is not None, lambda: {name: value_of(r) for name, r in inputs.items()}
        )
        stored = {name: ref.stored for name, ref in inputs.items()}
        try:
            done = find_or_compute(spec, widgets, key, store, running)
        except Cancelled:
            running.stopped()
            raise
        except NodeError:  # such as for a number of a picture that is not there any more
            running.show_cells(cells_on_node(spec, stored))
            raise
        if done.key != key or _has_changed(spec, widgets, done.key):
            comfy_wires.lost_values += 1  # what ComfyUI has in memory is not of the announced files
        store.flush()
        values, files = _outcome(spec, inputs, widgets, done, hidden)
        if spec.saves:  # such a node runs near the end of a graph
            store.enforce_budget()
        return Outcome(values, shown_on_node(spec, done, running, files, stored))


def sees_prompt(spec: NodeSpec) -> bool:
    """Returns whether a node needs to know the graph in which it runs: `hidden` of `run_node`."""
    return spec.saves or any(port.sockets[0].name == "number" for port in spec.outputs.values())


def checked_widgets(
    spec: NodeSpec,
    arguments: Mapping[str, Any],
    wired: Collection[str] = (),
    prompt: Any = None,
) -> dict[str, Any]:
    """Returns all widget values, strictly checked, with paths as `Path`; `wired` ones are None.

    In a file name, ComfyUI's variables are replaced; `prompt` is the graph that they refer to.

    Raises: NodeError with all problems in one line; InputError for a wrong path.
    """
    names = [name for name in spec.widgets if name not in wired]
    plain = {n: from_comfy_value(spec.widgets[n], arguments[n]) for n in names if n in arguments}
    if isinstance(chosen := plain.get(spec.file_name or ""), str):
        plain[spec.file_name or ""] = with_values(chosen, prompt)
    values, wrong = spec.check(plain)
    problems = [problem for problem in wrong if problem.subject in names]
    if problems:
        raise NodeError("; ".join(f"{problem.subject}: {problem.message}" for problem in problems))
    for name in names:
        widget = spec.widgets[name]
        if widget.kind in ("file", "folder") and values.get(name) is not None:
            values[name] = folders.resolve(values[name], widget)
    return {name: values.get(name) for name in spec.widgets}


def validate(spec: NodeSpec, arguments: Mapping[str, Any]) -> None:
    """Check the widget values before the run. ComfyUI passes None for a wired widget.

    Raises: NodeError with all problems in one line; InputError for a wrong path.
    """
    if any(isinstance(value, InvalidValue) for value in arguments.values()):
        return  # ComfyUI has already reported this at the node's input
    wired = [name for name in spec.widgets if arguments.get(name) is None]
    with _one_line_errors():
        checked_widgets(spec, arguments, wired)


def fingerprint(spec: NodeSpec, arguments: Mapping[str, Any]) -> str:
    """Returns a text that changes if a node must run again although its inputs are the same.

    It covers what ComfyUI's own cache does not check, such as the content of files.
    """
    parts = [f"version {spec.version}", f"lost {comfy_wires.lost_values}"]
    for name, widget in spec.widgets.items():
        if widget.kind in ("file", "folder") and arguments.get(name):
            try:
                path = folders.resolve(arguments[name], widget)
                found = host.store().fingerprint(path, widget.is_picture)
                _announced[path, widget.is_picture] = found
                parts.append(found)
            except ArtgraphError as error:
                parts.append(f"{error} {time.time()}")
    return "; ".join(parts)


def _has_changed(spec: NodeSpec, widgets: Mapping[str, Any], key: Key) -> bool:
    """Returns whether a node read other contents than those that `fingerprint` returned."""
    return any(
        _announced.get((path, widget.is_picture), found) != found
        for name, widget in spec.widgets.items()
        if isinstance(path := widgets[name], Path | Shards)
        and (found := key.parts[f"widget {name}"])
    )


def _check_required(spec: NodeSpec, inputs: Mapping[str, Ref]) -> None:
    """Check that all inputs that are not optional carry a value."""
    missing = [name for name, port in spec.inputs.items() if not (port.optional or name in inputs)]
    if missing:
        raise NodeError(
            f"{missing[0]} is wired to an output that is empty this time, but it needs a value",
            "wire another output to it",
        )


def _check_type_variables(spec: NodeSpec, inputs: Mapping[str, Ref]) -> None:
    """Check that inputs with the same type variable have the same kind of value."""
    kinds: dict[str, str] = {}
    for name, ref in inputs.items():
        variable = spec.inputs[name].variable
        if variable and kinds.setdefault(variable, ref.socket.name) != ref.socket.name:
            raise NodeError(
                f"{name} is wired to {ref.socket.name}, another input to {kinds[variable]}",
                "wire values of the same kind",
            )


def _outcome(
    spec: NodeSpec,
    inputs: Mapping[str, Ref],
    widgets: Mapping[str, Any],
    done: Computed,
    hidden: Mapping[str, Any],
) -> tuple[tuple[Any, ...], list[dict[str, str]]]:
    """Returns the outputs of a node as ComfyUI passes them on, and the places of its files."""
    values: list[Any] = []
    files: list[dict[str, str]] = []
    by_variable = {
        port.variable: inputs[name].socket for name, port in spec.inputs.items() if name in inputs
    }
    for name, port in spec.outputs.items():
        stored = done.result.outputs.get(name)
        socket = port.sockets[0]
        if stored is None:
            plain = port.may_be_empty or socket.name in PLAIN  # which other packs' nodes understand
            values.append(None if plain else NoValue(name, tuple(done.result.outputs)))
            continue
        ref = Ref(by_variable.get(port.variable, socket) if port.variable else socket, stored)
        value = value_of(ref) if ref.socket.name in PLAIN else ref
        if ref.socket.name in ("image", "mask"):
            remember(value, stored)
        elif ref.socket.name == "files":
            from .save import save_files

            chosen = str(widgets.get(spec.file_name or "") or "")
            kind = next((ref.socket.name for ref in inputs.values()), "")
            files += save_files(spec, value_of(ref), done.key.digest, chosen, hidden, kind)
        elif ref.socket.name == "number":
            check_whole(value, hidden, len(values))
        values.append(value)
    return tuple(values), files


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Raise errors as ComfyUI shows them best: its own interruption, or one line of text."""
    try:
        yield
    except Cancelled as error:
        raise error.__cause__ or error from None
    except SocketError as error:
        raise NodeError(f"the node returned a wrong value: {error}", "report this bug") from error
    except ArtgraphError as error:
        what, advice = (" ".join(part.split()) for part in (error.what, error.advice))
        raise _with_module_artgraph(type(error))(what, advice) from None


def _with_module_artgraph(kind: type[ArtgraphError]) -> type[ArtgraphError]:
    """Returns the class with `artgraph` as its module.

    ComfyUI shows an error's module, and the module of a node pack is a path.
    """
    return type(kind.__name__, (kind,), {"__module__": "artgraph"})
