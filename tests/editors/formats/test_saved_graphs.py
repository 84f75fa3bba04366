"""Random graphs of the editor are the same when they were saved and open again."""

import json
import os
from pathlib import Path

import pytest
from random_graphs import Drawing, seen

from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.convert import from_comfy
from artgraph.editors.formats.shown import show
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders

REGISTRY = load_nodes()
HERE = Folders(Path(), Path(), Path())
COUNT = int(os.environ.get("ARTGRAPH_GRAPHS", "100"))


def saved(workflow):
    """Returns the YAML of a workflow."""
    return from_comfy(workflow, REGISTRY, "x.yaml", Path(), keeps_unknown=True).document.yaml()


def data(text):
    """Returns what a graph file contains. Its order does not matter."""
    return parse_document(text, "x.yaml", Path()).plain()


def opened(text):
    return json.loads(json.dumps(show(parse_document(text, "x.yaml", Path()), REGISTRY, HERE)[0]))


@pytest.mark.parametrize("start", range(0, COUNT, 25))
def test_saved_graphs_open_as_they_were(start):
    for seed in range(start, start + 25):
        workflow = Drawing(REGISTRY, seed).workflow()
        text = saved(workflow)
        again = opened(text)
        assert seen(again) == seen(workflow), seed
        assert data(saved(again)) == data(text), seed
