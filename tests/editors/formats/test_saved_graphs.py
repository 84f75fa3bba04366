"""Random graphs of the editor are the same when they were saved and open again."""

import contextlib
import copy
import json
import os
import random
import re
from pathlib import Path

import pytest
from random_graphs import Drawing, seen

from artgraph.contract.errors import GraphError
from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.convert import from_comfy
from artgraph.editors.formats.shown import show
from artgraph.editors.server.saving import text_to_save
from artgraph.runner.graph.document import document_of, parse_document
from artgraph.runner.graph.folders import Folders

REGISTRY = load_nodes()
HERE = Folders(Path(), Path(), Path())
LONG = re.compile(r"\d\.\d\d")  # a number with two or more decimals
COUNT = int(os.environ.get("ARTGRAPH_GRAPHS", "100"))


def saved(workflow):
    """Returns the YAML of a workflow."""
    return from_comfy(workflow, REGISTRY, "x.yaml", Path(), keeps_unknown=True).document.yaml()


def data(text):
    """Returns what a graph file contains. Its order does not matter."""
    return parse_document(text, "x.yaml", Path()).plain()


def opened(text):
    return json.loads(json.dumps(show(parse_document(text, "x.yaml", Path()), REGISTRY, HERE)[0]))


def places(value):
    """Returns the layout without the values of nodes in subgraphs."""
    if isinstance(value, list):
        return [places(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: places(item) for key, item in value.items() if key != "widgets_values"}


@pytest.mark.parametrize("start", range(0, COUNT, 25))
def test_saved_graphs_open_as_they_were(start):
    for seed in range(start, start + 25):
        workflow = Drawing(REGISTRY, seed).workflow()
        text = saved(workflow)
        again = opened(text)
        assert seen(again) == seen(workflow), seed
        assert data(saved(again)) == data(text), seed
        assert not LONG.search(json.dumps(places(data(text).get("layout")))), seed


def test_changes_are_written_into_the_text_of_a_file():
    for seed in range(COUNT // 2):
        rng = random.Random(seed)
        text = saved(Drawing(REGISTRY, seed).workflow())
        workflow = opened(text)
        for node in workflow["nodes"]:
            if node["type"].startswith("Artgraph") and node["widgets_values"]:
                node["widgets_values"][0] = rng.choice([7, node["widgets_values"][0]])
            node["mode"] = rng.choice([0, 2, 4])
            node["title"] = rng.choice([node["title"], "renamed", "新"])
        text = "# kept\n" + text.replace("\nnodes:", "\n# kept\nnodes: # kept")
        document, _, _, renamed = from_comfy(workflow, REGISTRY, "x.yaml", Path(), True)
        new, losses = text_to_save(document, text, REGISTRY, renamed)
        assert losses == (), seed
        assert new.count("# kept") == text.count("# kept")
        assert seen(opened(new)) == seen(workflow), seed


def test_files_with_mistakes_in_any_place_open():
    wrong = [None, -1, "x", [], {}, [1], {"a": 1}, True, 1e300, "knobs.x", "a/b", [[]], [{}]]
    for seed in range(COUNT):
        rng = random.Random(seed)
        found = data(saved(Drawing(REGISTRY, seed).workflow()))
        for _ in range(3):
            place = rng.choice([found, found["layout"]]) if "layout" in found else found
            while isinstance(place, dict | list) and place:
                key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
                if not isinstance(place[key], dict | list) or rng.random() < 0.25:
                    place[key] = copy.deepcopy(rng.choice(wrong))
                    break
                place = place[key]
        with contextlib.suppress(GraphError):  # more nodes than a graph may have, and so on
            show(document_of(found, "x.yaml", Path()), REGISTRY, HERE)
