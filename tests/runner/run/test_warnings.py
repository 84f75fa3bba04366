"""What a node warns of is told as an event and as a line, and again where its result is reused."""

import json

PACK = '''
from artgraph.contract.context import Context
from artgraph.contract.spec import node
from artgraph.contract.values.kinds import Number


@node(title="Doubtful", category="number")
def doubtful(*, number: int = 1, ctx: Context) -> Number:
    """A number, and a word about it."""
    if number > 0:
        ctx.warn(f"{number} is a lot")
    return number
'''


def test_a_warning_is_told_and_told_again(cli):
    cli.write("more.py", PACK)
    nodes = "a: {node: doubtful}\n  b: {node: doubtful, with: {number: 0}}"
    cli.write("g.yaml", f"artgraph: 1\nnodes:\n  {nodes}\n")
    for action in ("finished", "cached"):
        done = cli("run", "g.yaml", "--pack", "more.py", "--json")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        told = [e for e in events if e["event"] == "warning"]
        assert [(e["node"], e["message"]) for e in told] == [("a", "1 is a lot")]
        assert {e["node"] for e in events if e["event"] == action} == {"a", "b"}
    assert "a: warning: 1 is a lot" in cli("run", "g.yaml", "--pack", "more.py").stdout
    assert "reused" in cli("run", "g.yaml", "--pack", "more.py").stdout
