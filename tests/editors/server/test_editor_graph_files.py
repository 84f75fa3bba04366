"""Which files the editor lists as graphs."""

import os

import pytest

from artgraph.editors.server.graph_files import is_graph, is_workflow_file

GRAPH = "artgraph: 1\nnodes:\n  a: {node: number}\n"
LISTED = {
    "usual.yaml": GRAPH.encode(),
    "long_comment.yaml": b"# a comment\n" * 1_000 + GRAPH.encode(),
    "utf16.yaml": GRAPH.encode("utf-16"),
    "latin1.yml": ("# \xe9t\xe9\nnodes: {}\n").encode("latin-1"),
    "no_first_line.yaml": b"nodes:\n  a: {node: number}\n",
    "open_bracket.yaml": b"nodes: {a: [\n",
    "binary.yaml": bytes(range(256)),
    "beginning.json": b'{"nodes": [{"id": 1',
    "workflow.json": b'{"nodes": [], "links": []}',
}
NOT_LISTED = {
    "compose.yaml": b"services:\n  web: {image: nginx}\n",
    "list.yml": b"- 1\n- 2\n",
    "empty.yaml": b"",
    "cats.review.yaml": b"pictures: [\n",
    "package.json": b'{"name": "x", "links": []}',
    "other.json": b'{"nodes": []}',
    "graph.txt": GRAPH.encode(),
}


@pytest.mark.parametrize("name", [*LISTED, *NOT_LISTED])
def test_what_should_be_a_graph_is_listed_though_it_is_damaged(tmp_path, name):
    (tmp_path / name).write_bytes((LISTED | NOT_LISTED)[name])
    assert (is_graph(tmp_path / name) or is_workflow_file(tmp_path / name)) == (name in LISTED)


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    assert not is_graph(tmp_path / "pipe.yaml")
