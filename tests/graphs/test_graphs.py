"""Every shipped graph runs, small, and runs again wholly from the cache."""

import json
from pathlib import Path

import pytest
import yaml
from PIL import Image
from small_graphs import GRAPHS, small


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_shipped_graph(cli, path):
    settings = [word for setting in small(path) for word in ("--set", setting)]
    first = cli("run", path.stem, "--json", *settings)
    assert first.returncode == 0, first.stderr
    events = [json.loads(line) for line in first.stdout.splitlines()]
    files = [file for event in events for file in event.get("files", [])]
    assert files
    for file in files:
        if Path(file).suffix in (".png", ".gif", ".webp"):
            with Image.open(cli.folder / file) as picture:
                picture.load()
    second = cli("run", path.stem, "--json", *settings)
    end = json.loads(second.stdout.splitlines()[-1])
    assert (end["ran"], end["extended"], end["failed"]) == (0, 0, 0)

    for picture in [file for file in files if file.endswith(".png")][:1]:
        again = cli("run", picture, "--json", "--out", "again")
        end = json.loads(again.stdout.splitlines()[-1])
        assert (end["status"], end["ran"]) == ("done", 0), (
            "a picture carries the graph that made it"
        )


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize(
    ("graph", "method"),
    [
        *((name, None) for name in ("style_remix", "finetune", "morph", "classic", "sort_archive")),
        *(("train_gan", method) for method in ("projected", "r3", "classic")),
    ],
)
def test_shipped_graph_on_a_gpu(cli, graph, method):
    path = next(path for path in GRAPHS if path.stem == graph)
    settings = [*small(path), *([f"knobs.method={method}"] if method else [])]
    words = [word for setting in settings for word in ("--set", setting)]
    done = cli("run", graph, "--json", "--device", "cuda", *words)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    end, nodes = events[-1], yaml.safe_load(path.read_text())["nodes"]
    assert (end["ran"] + end["cached"], end["failed"]) == (len(nodes), 0)
    assert not [event for event in events if event["event"] == "warning"]


def test_every_graph_says_what_it_does():
    for path in GRAPHS:
        graph = yaml.safe_load(path.read_text())
        assert graph["title"]
        assert graph["about"].endswith(".")
        for name, knob in graph.get("knobs", {}).items():
            assert knob["about"], name
