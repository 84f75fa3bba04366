"""Every shipped graph runs, small, and runs again wholly from the cache."""

import json
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from PIL import Image
from small_graphs import GRAPHS, small

from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.load import load_graph
from artgraph.runner.run.device_option import numerics_for
from artgraph.runner.run.job import Job
from artgraph.runner.run.pictures import run_of
from artgraph.runner.run.publish import Publisher
from artgraph.runner.store.store import Store


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_shipped_graph(cli, path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as in the command line's process
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
    assert again(cli, path.stem, settings[1::2]) == ("done", 0), "all results are stored"
    for picture in [file for file in files if file.endswith(".png")][:1]:
        assert again(cli, str(cli.folder / picture)) == ("done", 0), (
            "a picture carries the graph that made it"
        )


def again(cli, name, settings=()):
    """Run a graph once more, in this process. Returns the status and how many nodes ran."""
    out = cli.folder / "again"
    graph = load_graph(name, load_nodes(), settings, cli.folder / "input", out)
    with closing(Store(cli.folder / "cache")) as store:
        publisher = Publisher(out, graph.document.yaml())
        job = Job(graph, store, numerics_for("auto"), publisher, lambda event: None)
        end = run_of(job).execute()
    return end.status, end.ran + end.extended


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize(
    ("graph", "method"),
    [
        *((name, None) for name in ("style_remix", "finetune", "morph", "classic", "sort_archive")),
        *(("train_gan", method) for method in ("r3", "classic")),
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


def test_a_line_above_a_graph_that_changes_the_gan_sets_its_classes_too():
    for path in GRAPHS:
        text = path.read_text()
        graph = yaml.safe_load(text)
        lines = [line for line in text.splitlines() if line.startswith("#")]
        for name, node in graph["nodes"].items():
            if node["node"] != "sample_latent":
                continue
            model = node["from"]["gan"].removesuffix(".gan")
            knob = node["from"].get("style", "").removeprefix("knobs.")
            style = graph["knobs"][knob]["value"] if knob else node.get("with", {}).get("style")
            if style in (None, "each", "mixed"):
                continue
            for line in lines:
                if f"--set {model}.path=" in line:
                    assert knob, f"{path.stem}: {name} has a class of the shipped GAN"
                    assert f"--set knobs.{knob}=" in line, line
