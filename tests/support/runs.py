"""Runs of graphs by the command line, and what their events say."""

import json

# Forty nodes that form a tree, each with a short nap, and files of half of them.
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
    """Digests by node, and the last event."""
    events = [json.loads(line) for line in output.splitlines()]
    digests = {e["node"]: e["outputs"] for e in events if e["event"] in ("finished", "cached")}
    return digests, events[-1]


def events(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(cli, *words, code=0, **environment):
    """Run with --json; the events by name of node, and the last one."""
    done = cli("run", *words, "--json", **environment)
    assert done.returncode == code, done.stderr
    lines = events(done)
    ends = [e for e in lines if e["event"] in ("finished", "cached", "failed")]
    return {e["node"]: e for e in ends}, lines[-1]
