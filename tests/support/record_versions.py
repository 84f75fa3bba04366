"""Fingerprints of the code of each node: they show when a node's version must be raised.

A fingerprint covers the node's function and every definition of the package that the function uses:
functions, classes and constants (see definitions.py). A class counts as a whole, except `Context`,
of which only the members that a node uses count.

`python tests/support/record_versions.py` updates versions.json, after versions were raised.
`python tests/support/record_versions.py REV..REV` prints the number of nodes that the fingerprints
flag in each commit of the range.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from definitions import ROOT, Tree, short

RECORD = Path(__file__).with_name("versions.json")


def fingerprints(root: Path = ROOT) -> dict[str, dict[str, object]]:
    """Returns the record of a checkout.

    nodes:       the version and the fingerprint of each node, by id.
    definitions: the digests of each definition, by name.
    """
    tree = Tree(root)
    definitions: dict[str, set[str]] = defaultdict(set)
    nodes = {}
    for node, (version, start) in tree.nodes().items():
        parts = sorted(
            f"{name} {digest}"
            for one in tree.reach(start)
            for name, digest in tree.digests(one).items()
        )
        for part in parts:
            name, digest = part.split()
            definitions[name].add(digest)
        nodes[node] = [version, short("\n".join(parts))]
    return {
        "nodes": nodes,
        "definitions": {name: " ".join(sorted(d)) for name, d in sorted(definitions.items())},
    }


def flagged(before: dict, now: dict) -> list[str]:
    """Returns the nodes with changed code and the same version."""
    return [
        node
        for node, (version, fingerprint) in now["nodes"].items()
        if before["nodes"].get(node, ["new"])[0] == version
        if before["nodes"][node][1] != fingerprint
    ]


def changed(node: str, before: dict, now: dict, root: Path = ROOT) -> list[str]:
    """Returns the changed definitions that a node uses, each with its file."""
    tree = Tree(root)
    lines = []
    for one in tree.reach(tree.nodes()[node][1]):
        file = ".".join(one.path.relative_to(root).with_suffix("").parts[:-1])
        for name in tree.digests(one):
            if now["definitions"][name] != before["definitions"].get(name):
                lines.append(f"{file.replace('.', '/')}/{one.path.stem}.{name}")
    return sorted(lines)


def _of_commit(commit: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        words = ["git", "-C", str(ROOT), "archive", commit, "--", ":(glob)**/*.py"]
        archive = subprocess.run(words, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        return fingerprints(Path(folder))


def _one_entry_a_line(found: dict[str, dict[str, object]]) -> str:
    tables = []
    for table, entries in found.items():
        lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in entries.items())
        tables.append(f" {json.dumps(table)}: {{\n{lines}\n }}")
    return "{\n" + ",\n".join(tables) + "\n}\n"


def report(commits: str) -> None:
    """Print the number of flagged nodes for each commit of a range."""
    first, _, last = commits.partition("..")
    words = [
        "git",
        "-C",
        str(ROOT),
        "log",
        "--reverse",
        "--first-parent",
        "--format=%h %s",
        f"{first}..{last}",
    ]
    log = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    before = _of_commit(first)
    for line in log.splitlines():
        now = _of_commit(line.split()[0])
        nodes = flagged(before, now)
        print(f"{len(nodes):3} {line}" + (f"  [{', '.join(nodes[:6])}]" if nodes else ""))
        before = now


if __name__ == "__main__":
    if len(sys.argv) > 1:
        report(sys.argv[1])
    else:
        RECORD.write_text(_one_entry_a_line(fingerprints()))
