"""Runs graphs by the command line, and reads their events."""

import json

# Forty nodes in a tree, each of which sleeps for a short time, and files of half of them.
TREE = (
    "artgraph: 1\nknobs: {salt: 0}\nnodes:\n"
    + "".join(
        f"  n{i}:\n    node: nap\n    from: {{salt: knobs.salt"
        + (f", value: n{(i - 1) // 2}" if i else "")
        + f"}}\n    with: {{name: n{i}, seconds: 0.01}}\n"
        for i in range(40)
    )
    + "".join(f"  f{i}: {{node: save_number, from: {{value: n{i}}}}}\n" for i in range(0, 40, 2))
)


def last(output):
    """Returns the digests of each node's outputs, and the last event."""
    events = [json.loads(line) for line in output.splitlines()]
    digests = {e["node"]: e["outputs"] for e in events if e["event"] in ("finished", "cached")}
    return digests, events[-1]


def events(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(cli, *words, code=0, **environment):
    """Run a graph with --json; returns the final event of each node, and the last event."""
    done = cli("run", *words, "--json", **environment)
    assert done.returncode == code, done.stderr
    lines = events(done)
    ends = [e for e in lines if e["event"] in ("finished", "cached", "failed")]
    return {e["node"]: e for e in ends}, lines[-1]
