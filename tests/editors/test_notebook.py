"""The notebook for a borrowed GPU: it disconnects, and another machine continues the training."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [
    sys.executable,
    ROOT / "tests/support/execute_notebook.py",
    ROOT / "docs/borrowed_gpu.ipynb",
]
STEPS = 200  # more than ten seconds, after which the first state is stored
GRAPH = """
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 64, size: 32}}
  gan: {node: train_gan, from: {dataset: art}, with: {steps: STEPS, batch: 4, method: r3}}
  drawn: {node: sample_latent, from: {gan: gan.gan}, with: {count: 9}}
  sheet: {node: image_grid, from: {image: drawn.image}}
  save: {node: save_image, from: {image: sheet}}
"""


@pytest.fixture
def begin(tmp_path):
    """Executes the notebook on a machine with this name; its training has so many steps."""

    def begun(machine, steps=2, graph=GRAPH):
        file = tmp_path / "small.yaml"
        file.write_text(graph.replace("STEPS", str(steps)))
        values = {
            "ARTGRAPH_SOURCE": "",
            "OMP_NUM_THREADS": "1",  # as in `cli`: other numbers give other bits
            "ARTGRAPH_DRIVE": str(tmp_path / "drive"),
            "ARTGRAPH_GRAPH": str(file),
            "ARTGRAPH_CACHE": str(tmp_path / machine),
        }
        return subprocess.Popen(
            COMMAND, env=os.environ | values, cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )

    return begun


def printed(process):
    """Returns what it showed: the texts by kind."""
    events = [json.loads(line) for line in process.communicate()[0].splitlines()]
    return {
        kind: [event[kind] for event in events if kind in event]
        for kind in ("page", "returned", "error")
    }


def stored_states(drive):
    """Returns the entries for states of trainings that are on the drive."""
    lists = [json.loads(file.read_text())["files"] for file in drive.rglob("stored.json")]
    return [entry for entries in lists for entry in entries if entry["role"] != "kept"]


def disconnect(process):
    for each in (*psutil.Process(process.pid).children(recursive=True), process):
        each.kill()
    process.communicate()


def test_a_disconnected_training_continues_on_another_machine(begin, cli, tmp_path):
    drive = tmp_path / "drive"
    first = begin("first", STEPS)
    while first.poll() is None and not stored_states(drive):
        time.sleep(0.05)
    disconnect(first)
    assert not [*(drive / "out/small").glob("*.png")]

    shown = printed(begin("second", STEPS))
    assert shown["error"] == []
    assert "'extended': 1" in shown["returned"][-1]
    assert "gan: resumed at step" in shown["page"][-1]
    assert shown["page"][-1].count("<img") == 1

    done = cli("run", str(tmp_path / "small.yaml"), "--out", "alone", "--json")
    assert done.returncode == 0, done.stderr
    (alone,) = cli.folder.rglob("alone/small/*.png")
    (resumed,) = (drive / "out/small").glob("*.png")
    assert alone.read_bytes() == resumed.read_bytes()


def test_pictures_and_curves_are_shown_and_a_killed_kernel_ends_the_training(begin, tmp_path):
    first = begin("machine", 10 * STEPS)
    next(line for line in first.stdout if "<polyline" in line and "<img" in line)
    (running,) = (
        each
        for each in psutil.Process(first.pid).children(recursive=True)
        if "artgraph.editors.notebook" in each.cmdline()
    )
    running.parent().kill()
    running.wait(60)
    first.kill()
    first.communicate()
    (manifest,) = tmp_path.glob("drive/out/small/manifest.json")
    assert json.loads(manifest.read_text())["status"] == "interrupted"
    assert stored_states(tmp_path / "drive")


def test_a_mistake_is_said_in_one_line(begin):
    shown = printed(begin("machine", graph="artgraph: 1\nnodes: {g: {node: grya}}\n"))
    assert "there is no node type 'grya'" in shown["error"][0]
