"""Translates a prompt of the editor to a graph that can run, and shows problems on its nodes.

A branch with a problem is skipped and reported on its nodes, and the other branches run. The
prompt is refused if no branch remains.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...contract.errors import GraphError
from ...contract.problem import Kind, Problem
from ...contract.spec import NodeSpec
from ...runner.graph.binding import bind
from ...runner.graph.document import Document, NodeEntry
from ...runner.graph.folders import Folders
from ...runner.graph.wiring import with_producers
from .translate import from_prompt, with_workflow

_MAX_NODES = 10_000

# For each kind of problem, its type in the editor, and the advice if it differs from the advice
# for a file.
_IN_EDITOR: dict[Kind, tuple[str, str | None]] = {
    "unknown_type": ("missing_node_type", None),
    "missing_input": ("required_input_missing", "connect a node that outputs {wanted}"),
    "missing_value": ("required_input_missing", "enter a value"),
    "wrong_socket": ("return_type_mismatch", "connect a node that outputs {wanted}"),
    "unknown_source": ("bad_linked_input", "connect it again"),
    "loop": ("dependency_cycle", "remove one of the wires"),
    "not_a_choice": ("value_not_in_list", None),
    "too_small": ("value_smaller_than_min", None),
    "too_large": ("value_bigger_than_max", None),
}
_OTHER_PROBLEM = ("custom_validation_failed", None)


@dataclass(frozen=True)
class Prepared:
    """A graph that can run."""

    yaml: str
    names: dict[str, str]  # the editor's id of each node, by its name
    only: list[str]  # nodes to run, with the nodes that they need; all if empty
    node_errors: dict[str, Any] = field(default_factory=dict)  # problems of the skipped nodes


class PromptError(Exception):
    """A prompt that can't run; `answer` is sent to the editor."""

    def __init__(self, kind: str, message: str, details: str = "", **node_errors: Any) -> None:
        super().__init__(message)
        error = {"type": kind, "message": message, "details": details, "extra_info": {}}
        self.answer = {"error": error, "node_errors": node_errors}


def prepare(
    prompt: Any,
    workflow: Mapping[str, Any] | None,
    registry: Mapping[str, NodeSpec],
    folders: Folders,
    file: str,
    targets: Collection[str] | None = None,
) -> Prepared:
    """Check a prompt. Returns the graph to run.

    The workflow adds the title, the knobs and the layout, which a prompt does not contain.
    `targets` are the ids of the nodes to run; None runs all.

    Raises: PromptError.
    """
    _check_form(prompt)
    try:
        document, ids, unknown = from_prompt(prompt, registry, file, folders.graph)
    except GraphError as error:
        problem = error.problems[0]
        raise PromptError("invalid_prompt", _capital(problem.what), problem.advice) from error
    wrong: dict[str, list[Problem]] = {}
    try:
        graph = bind(document, registry, folders)
        document, ids = with_workflow(graph, ids, workflow, registry)
    except GraphError as error:
        wrong = _by_node(error)
    asked = None
    if targets is not None:
        asked = [name for name, node_id in ids.items() if node_id in {str(t) for t in targets}]
        if not asked:
            raise PromptError("prompt_no_outputs", "The graph does not contain the chosen nodes")
    errors = _node_errors(prompt, ids | unknown, wrong)
    ends = asked if asked is not None else _ends(document)
    broken = _reached(wrong, _users(document))
    runnable = [] if "" in wrong else [name for name in ends if name not in broken]
    if not runnable:
        raise _refusal(errors, wrong)
    if wrong:
        needed = _reached(runnable, {n: _sources(e) for n, e in document.nodes.items()})
        nodes = {name: entry for name, entry in document.nodes.items() if name in needed}
        document = replace(document, nodes=nodes, problems=[])
    return Prepared(document.yaml(), ids, runnable if asked else [], errors)


def _check_form(prompt: Any) -> None:
    if not isinstance(prompt, dict) or not prompt:
        raise PromptError("prompt_no_outputs", "The graph is empty", "Add a node, then run it")
    if len(prompt) > _MAX_NODES:
        message = f"The graph has {len(prompt)} nodes, which is too many"
        raise PromptError("invalid_prompt", message, f"Use at most {_MAX_NODES}")
    for node_id, node in prompt.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            raise PromptError(
                "missing_node_type", f"Node {node_id[:80]!r} has no class_type", "Replace it"
            )
        if not isinstance(node.get("inputs", {}), dict):
            raise PromptError(
                "invalid_prompt", f"The inputs of node {node_id[:80]!r} are not a JSON object"
            )


def _by_node(error: GraphError) -> dict[str, list[Problem]]:
    wrong: dict[str, list[Problem]] = {}
    for problem in error.problems:
        wrong.setdefault(problem.node or "", []).append(problem)
    return wrong


def _ends(document: Document) -> list[str]:
    """Returns the nodes that no other node needs, or all nodes if each is needed."""
    users = _users(document)
    return [name for name in document.nodes if name not in users] or list(document.nodes)


def _users(document: Document) -> dict[str, set[str]]:
    """Returns for each node the nodes that need it."""
    users: dict[str, set[str]] = {}
    for name, entry in document.nodes.items():
        for source in _sources(entry):
            users.setdefault(source, set()).add(name)
    return users


def _sources(entry: NodeEntry) -> set[str]:
    return {str(mark.value).partition(".")[0] for mark in entry.wires.values()}


def _reached(starts: Iterable[str], steps: Mapping[str, set[str]]) -> set[str]:
    """Returns all nodes that can be reached from `starts`, including `starts`."""
    seen = set(starts)
    waiting = list(seen)
    while waiting:
        new = steps.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def _refusal(errors: dict[str, Any], wrong: Mapping[str, list[Problem]]) -> PromptError:
    problems = [problem for group in wrong.values() for problem in group]
    if len(problems) != 1:
        message = f"The graph has {len(problems)} problems"
        details = "; ".join(problem.message for problem in problems[:5])
        return PromptError("prompt_outputs_failed_validation", message, details, **errors)
    kind, message, details = in_editor(problems[0])
    kind = kind if kind == "missing_node_type" else "prompt_outputs_failed_validation"
    return PromptError(kind, message, details, **errors)


def _node_errors(
    prompt: Mapping[str, Any], ids: Mapping[str, str], wrong: Mapping[str, list[Problem]]
) -> dict[str, Any]:
    """Returns the problems of each node in the editor's form, by the editor's id."""
    found = {}
    for name, problems in wrong.items():
        node_id = ids.get(name, "")
        if node_id in prompt:
            kind = prompt[node_id]["class_type"]
            errors = _one_per_input(map(_error, problems))
            found[node_id] = {"errors": errors, "dependent_outputs": [], "class_type": kind}
    return found


def problems_in_editor(
    wrong: Mapping[str, list[Problem]], nodes: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns the problems of a graph in the editor's form, those of nodes by the node's id."""
    kinds = {str(node["id"]): str(node["type"]) for node in nodes}
    found = {
        number: {
            "errors": _one_per_input(map(_error, problems)),
            "dependent_outputs": [],
            "class_type": kinds.get(number, ""),
        }
        for number, problems in wrong.items()
        if number
    }
    return {"nodes": found, "graph": [str(problem) for problem in wrong.get("", [])]}


def _one_per_input(errors: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the first problem of each input, since further ones only follow from it."""
    named: dict[Any, dict[str, Any]] = {}
    for number, error in enumerate(errors):
        named.setdefault(error["extra_info"].get("input_name", number), error)
    return list(named.values())


def _error(problem: Problem) -> dict[str, Any]:
    kind, message, details = in_editor(problem)
    extra = {"input_name": problem.subject} if problem.subject else {}
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def in_editor(problem: Problem) -> tuple[str, str, str]:
    """Returns the type of a problem in the editor, what is wrong, and what to do in the editor."""
    kind, advice = _IN_EDITOR.get(problem.kind, _OTHER_PROBLEM)
    if advice is None:
        advice = problem.advice
    elif problem.accepts:
        advice = advice.format(wanted=with_producers(problem.accepts, problem.producers))
    return kind, _capital(problem.what), _capital(advice)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
