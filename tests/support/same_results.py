"""Checks whether results and keys are unchanged: `python tests/support/same_results.py REV`.

Runs the shipped graphs with the code of commit REV, then with the code of this checkout: once with
the same cache, so that all results must be reused, and once with an empty cache, so that all
results must be equal bit for bit. A node whose version was raised has another key; it is named, and
its result must still be the same. Graphs that REV does not have are named and left out. The graphs
are made small, except with `--whole`.

    python tests/support/same_results.py 355b874
    python tests/support/same_results.py 355b874 --whole style_remix
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from small_graphs import GRAPHS, ROOT, small


def unpack(commit: str, folder: Path) -> None:
    """Put the files of a commit into `folder`, as the package `artgraph`."""
    package = folder / "artgraph"
    package.mkdir()
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", str(package)], input=archive, check=True)


def run(code: Path, work: Path, cache: str, graph: Path, settings: list[str]) -> dict[str, Any]:
    """Run a graph with the package in `code`; returns its last event and its nodes' results."""
    command = [sys.executable, "-m", "artgraph", "run", str(graph), "--json"]
    command += ["--cache", cache, "--out", f"out-{cache}", *settings]
    environment = os.environ | {"PYTHONPATH": str(code)}
    done = subprocess.run(
        command, cwd=work, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    end = json.loads(done.stdout.splitlines()[-1])
    manifest = json.loads((work / f"out-{cache}" / graph.stem / "manifest.json").read_text())
    nodes = manifest["nodes"].items()
    return end | {"nodes": {name: (n["key"], n["outputs"]) for name, n in nodes}}


def compare(commit: str, graph: Path, whole: bool, place: Path) -> list[str]:
    """Returns a line for each difference between the commit and this checkout."""
    before, now, work = place / "before", place / "now", place / graph.stem
    work.mkdir()
    shipped = before / "artgraph" / "graphs" / graph.name
    settings = [] if whole else [w for setting in small(shipped) for w in ("--set", setting)]
    old = run(before, work, "shared", shipped, settings)
    reused = run(now, work, "shared", shipped, settings)
    fresh = run(now, work, "empty", shipped, settings)
    wrong = []
    other_keys = []
    for name, (key, outputs) in old["nodes"].items():
        now_key, now_outputs = fresh["nodes"].get(name, (None, None))
        if now_outputs != outputs:
            wrong.append(f"the result of {name} is {now_outputs}, it was {outputs}")
        elif now_key != key:
            other_keys.append(name)
    if len(old["nodes"]) - reused["cached"] > len(other_keys):
        wrong.append(f"{reused['ran']} nodes ran again on the cache of {commit}")
    same = f"{graph.stem}: {reused['cached']} of {len(old['nodes'])} nodes reused"
    print(f"{same}; other keys: {', '.join(other_keys) or 'none'}", flush=True)
    return wrong


def main() -> None:
    """Compare, print the differences, and exit with 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit")
    parser.add_argument("--whole", metavar="GRAPH", help="run only this graph, in its full size")
    words = parser.parse_args()
    graphs = [g for g in GRAPHS if not words.whole or g.stem == words.whole]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "before").mkdir()
        (place / "now").mkdir()
        unpack(words.commit, place / "before")
        (place / "now" / "artgraph").symlink_to(ROOT)
        for graph in graphs:
            if not (place / "before" / "artgraph" / "graphs" / graph.name).is_file():
                print(f"{graph.stem}: {words.commit} does not have it", flush=True)
        graphs = [g for g in graphs if (place / "before/artgraph/graphs" / g.name).is_file()]
        wrong = [
            f"{graph.stem}: {line}"
            for graph in graphs
            for line in compare(words.commit, graph, bool(words.whole), place)
        ]
    print("\n".join(wrong) or f"all results and keys are the same as in {words.commit}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
