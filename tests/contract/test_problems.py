"""Problems are data: what programs do with them depends on fields, never on the words."""

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from artgraph.contract.errors import GraphError, NodeError, advised
from artgraph.contract.problem import Kind, Problem
from artgraph.contract.registry import load_nodes
from artgraph.editors.server.follow import Follower
from artgraph.editors.server.hub import Hub
from artgraph.editors.server.jobs import QueuedRun
from artgraph.editors.server.prompts import in_editor
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for room in ("contract", "nodes", "runner", "editors", "cli")
    for path in (ROOT / room).rglob("*.py")
)
ERRORS = ("NodeError", "InputError", "GraphError", "CacheError", "LostError")

# One node a mistake: its type, what it is given, and the kind and the subject of the problem.
MISTAKES = [
    ("{node: nonsense}", "unknown_type", None),
    ("{node: math, from: {a: nobody}}", "unknown_source", "a"),
    ("{node: math, from: {a: one.nothing}}", "unknown_source", "a"),
    ("{node: math, from: {a: knobs.nothing}}", "unknown_name", "a"),
    ("{node: math, from: {x: one}}", "unknown_name", "x"),
    ("{node: math, with: {x: 1}}", "unknown_name", "x"),
    ("{node: math, from: {a: one}, with: {a: 1}}", "bad_wire", "a"),
    ("{node: math, from: {a: 3}}", "bad_wire", "a"),
    ("{node: latent_walk}", "missing_input", "latent"),
    ("{node: latent_walk, from: {latent: one}}", "wrong_socket", "latent"),
    ("{node: math, from: {a: words}}", "wrong_socket", "a"),
    ("{node: load_model}", "missing_value", "path"),
    ("{node: load_model, with: {path: gone.safetensors}}", "bad_file", "path"),
    ("{node: math, with: {op: devide}}", "not_a_choice", "op"),
    ("{node: procedural_art, with: {count: 0}}", "too_small", "count"),
    ("{node: procedural_art, with: {size: 100000}}", "too_large", "size"),
    ("{node: number, with: {value: dark}}", "bad_value", "value"),
    ("{node: number, colour: red}", "bad_form", None),
]
IN_EDITOR = {
    "unknown_type": "missing_node_type",
    "unknown_source": "bad_linked_input",
    "missing_input": "required_input_missing",
    "missing_value": "required_input_missing",
    "wrong_socket": "return_type_mismatch",
    "loop": "dependency_cycle",
    "not_a_choice": "value_not_in_list",
    "too_small": "value_smaller_than_min",
    "too_large": "value_bigger_than_max",
}


def problems(text):
    document = parse_document(text, "g.yaml", Path())
    with pytest.raises(GraphError) as caught:
        bind(document, load_nodes(), Folders(Path(), Path("input"), Path("out")))
    return caught.value.problems


@pytest.mark.parametrize(("node", "kind", "subject"), MISTAKES)
def test_a_mistake_has_a_kind_and_a_subject(node, kind, subject):
    text = f"artgraph: 1\nnodes:\n  one: {{node: number}}\n  words: {{node: text}}\n  bad: {node}\n"
    (problem,) = [p for p in problems(text) if p.subject == subject]
    assert (problem.kind, problem.node, problem.line) == (kind, "bad", 5)
    assert str(problem) == f"g.yaml:5: node 'bad': {problem.what} - {problem.advice}"


def test_a_loop_has_a_kind():
    ring = "a: {node: math, from: {a: b}}, b: {node: math, from: {a: a}}"
    (problem,) = problems(f"artgraph: 1\nnodes: {{{ring}}}\n")
    assert problem.kind == "loop"


def test_a_missing_wire_names_what_fits_as_data():
    (problem,) = problems("artgraph: 1\nnodes:\n  walk: {node: latent_walk}\n")
    assert problem.accepts == ("gan_latent", "vae_latent")
    assert len(problem.producers) == 3
    assert set(problem.producers) < set(givers_of("gan_latent", "vae_latent"))
    assert problem.producers[0] == "sample_latent", "it needs no latents itself"
    assert "latent_walk" in givers_of("gan_latent", "vae_latent")


def givers_of(*sockets):
    """The types of nodes that give such a value, also those of packs that other tests loaded."""
    return sorted(
        spec.id
        for spec in load_nodes().values()
        if any(s.name in sockets for port in spec.outputs.values() for s in port.sockets)
    )


@pytest.mark.parametrize("kind", get_args(Kind))
def test_other_words_are_the_same_to_the_editor(kind):
    problem = Problem(kind, "x", "it is not wired", "wire it", "g.yaml", 3, "a", ("image",))
    other = replace(problem, what="form a loop - is no choice", advice="quite - something else")
    assert in_editor(problem)[0] == in_editor(other)[0] == expected(kind)
    assert in_editor(other)[1] == "Form a loop - is no choice"
    says_another = in_editor(problem)[2] == in_editor(other)[2]  # what to do in the editor
    fixed = {"missing_input", "missing_value", "wrong_socket", "unknown_source", "loop"}
    assert says_another == (kind in fixed)


def expected(kind):
    return IN_EDITOR.get(kind, "custom_validation_failed")


def test_the_editor_says_what_to_connect():
    problem = Problem("missing_input", "x", "w", "add it under `from`", accepts=("image", "table"))
    assert in_editor(problem)[2] == "Connect a node that outputs an image or table"
    problem = replace(problem, producers=("blur", "grey"))
    assert in_editor(problem)[2] == "Connect a node that outputs an image or table (blur, grey)"


def test_the_editor_shows_a_failure_as_two_texts(tmp_path):
    job = QueuedRun("1", 0, {}, {"names": {"a": "7"}})
    follower = Follower(job, Hub(), tmp_path)
    texts = {"message": "g.yaml:1: node 'a': x - y - z", "what": "x - y", "advice": "z"}
    follower.event({"event": "failed", "node": "a", "type": "t", "because": None, **texts})
    error = follower.error("the run failed", "")
    assert (error["node_id"], error["exception_message"]) == ("7", "X - y\nZ")
    assert follower.failures[0]["what"] == "x - y"


def test_an_error_has_two_texts_or_one():
    error = NodeError("b is 0", "change b")
    assert (error.what, error.advice, str(error)) == ("b is 0", "change b", "b is 0 - change b")
    error = NodeError("b is 0 - change b")
    assert (error.what, error.advice, str(error)) == (str(error), "", "b is 0 - change b")
    with pytest.raises(NodeError) as caught, advised("change b"):
        raise ValueError("b is 0")
    assert (caught.value.what, caught.value.advice) == ("b is 0", "change b")


def test_an_error_of_problems_has_the_exit_code_of_the_graver():
    file = Problem("bad_file", "path", "there is no file", "check the path", "g.yaml", 3, "a")
    value = Problem("bad_value", "b", "it is 0", "change it", "g.yaml", 4, "c")
    assert GraphError.of([file]).exit_code == 3
    assert GraphError.of([file, value]).exit_code == 2
    assert str(GraphError.of([file, value])) == f"{file}\n{value}"
    alone = GraphError.of([value])
    assert (alone.what, alone.advice) == ("g.yaml:4: node 'c': it is 0", "change it")
    assert str(alone) == str(value)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sentence_is_cut_apart_or_written_as_one(path):
    for call in ast.walk(ast.parse(path.read_text())):
        if not isinstance(call, ast.Call):
            continue
        texts = [piece.value for arg in call.args for piece in ast.walk(arg) if is_text(piece)]
        if isinstance(call.func, ast.Attribute) and re.search("split|partition", call.func.attr):
            assert not any(" - " in text for text in texts), f"line {call.lineno}"
        if isinstance(call.func, ast.Name) and call.func.id in (*ERRORS, "Problem"):
            assert not any(" - " in text for text in texts), f"line {call.lineno}"


def is_text(piece):
    return isinstance(piece, ast.Constant) and isinstance(piece.value, str)


def test_no_script_of_the_editor_cuts_a_sentence_apart():
    scripts = sorted((ROOT / "editors" / "server" / "web").glob("*.js"))
    assert scripts
    for path in scripts:
        assert not re.search(r"split\(\s*['\"`/] - ", path.read_text()), path.name
