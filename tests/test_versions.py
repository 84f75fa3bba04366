"""Whoever changes what a node computes raises its version; record_versions.py says how."""

import ast
import json

import pytest
import record_versions as record
from definitions import ROOT, Tree, digest_of


@pytest.fixture(scope="module")
def now():
    """The fingerprints of the code as it is."""
    return record.fingerprints()


def test_versions_rise_with_the_code(now):
    recorded = json.loads(record.RECORD.read_text())
    changed = {node: record.changed(node, recorded, now) for node in record.flagged(recorded, now)}
    lines = [f"{node}: {', '.join(names[:5])} changed" for node, names in changed.items()]
    assert not changed, (
        "\n".join(lines) + "\nraise the version of each node whose result changes, then run"
        " `python tests/support/record_versions.py`"
    )
    assert now == recorded, "run `python tests/support/record_versions.py` and commit versions.json"


def test_every_node_is_recorded_with_its_version(now):
    from artgraph.contract.registry import load_nodes

    ours = {
        name: spec.version
        for name, spec in load_nodes().items()
        if spec.function.__module__.startswith("artgraph.")
    }
    assert ours == {name: version for name, (version, _) in now["nodes"].items()}


TREE = {
    "nodes/paint.py": """
        from ..contract.context import Context
        from ..contract.spec import node
        from .passing import Image, tint

        @node(title="Paint", category="image", version=2)
        def paint(*, size: int = 3, ctx: Context) -> Image:
            \"\"\"Paint.\"\"\"
            from ..models import colours as c

            if size < 0:
                raise NodeError("no size - choose one")
            return tint(c.red(size), ctx.rng(1))
        """,
    "nodes/passing.py": "from .values import Image, tint",
    "nodes/values.py": """
        Image: object = 3
        def tint(x, y): return x + y
        def unused(x): return x
        """,
    "contract/context.py": """
        from ..models.numbers import rng
        class Context:
            device = "cpu"
            def rng(self, seed): return rng(seed)
            def log(self, line): print(line)
        """,
    "models/colours.py": """
        TABLE = {"red": 1}
        class Shade:
            depth = 1
            def dark(self): return self.depth
        def red(size): return TABLE["red"] * size * Shade().dark()
        """,
    "models/numbers.py": "def rng(seed): return seed",
}


def grown(folder, **changes):
    """The fingerprints of TREE, with words in its files replaced: `file="old -> new"`."""
    for path, text in TREE.items():
        lines = text.splitlines()
        indent = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
        text = "\n".join(line[indent:] for line in lines)
        old, _, new = changes.get(path.split("/")[1].removesuffix(".py"), " -> ").partition(" -> ")
        assert old in text
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace(old, new) if old else text)
    return record.fingerprints(folder)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        (
            {"colours": "def dark(self): return self.depth -> def dark(self): return 2"},
            "Shade.dark",
        ),
        ({"colours": "depth = 1 -> depth = 2"}, "Shade"),
        ({"colours": '"red": 1 -> "red": 2'}, "TABLE"),
        ({"values": "Image: object = 3 -> Image: object = 4"}, "Image"),
        ({"values": "x + y -> x - y"}, "tint"),
        ({"numbers": "return seed -> return seed + 1"}, "rng"),
        ({"context": "return rng(seed) -> return rng(-seed)"}, "Context.rng"),
        ({"paint": "size: int = 3 -> size: int = 4"}, "paint"),
    ],
)
def test_a_change_flags_the_node_and_names_the_definition(tmp_path, changes, names):
    before, now = grown(tmp_path), grown(tmp_path, **changes)
    assert record.flagged(before, now) == ["paint"]
    (line,) = record.changed("paint", before, now, tmp_path)
    assert line.endswith(f".{names}")


@pytest.mark.parametrize(
    "changes",
    [
        {"paint": '"""Paint.""" -> """Draw."""'},
        {"paint": "no size - choose one -> too small - choose another"},
        {"paint": 'title="Paint" -> title="Draw"'},
        {"values": "def unused(x): return x -> def unused(x): return 3"},
        {"context": "print(line) -> print(line, 3)"},
        {"context": 'device = "cpu" -> device = "mps"'},
    ],
)
def test_what_changes_no_result_flags_nothing(tmp_path, changes):
    assert grown(tmp_path) == grown(tmp_path, **changes)


def test_a_move_flags_nothing(tmp_path):
    before = grown(tmp_path)
    (tmp_path / "models" / "deep").mkdir()
    (tmp_path / "models" / "colours.py").rename(tmp_path / "models" / "deep" / "shades.py")
    paint = tmp_path / "nodes" / "paint.py"
    paint.write_text(
        paint.read_text().replace("models import colours", "models.deep import shades")
    )
    assert record.fingerprints(tmp_path) == before


def test_a_raised_version_is_not_flagged(tmp_path):
    before = grown(tmp_path)
    now = grown(tmp_path, paint="version=2 -> version=3")
    assert before["nodes"]["paint"][0] == 2
    assert now["nodes"]["paint"][0] == 3
    assert record.flagged(before, now) == []


def test_a_node_of_numbers_depends_on_no_model():
    tree = Tree(ROOT)
    reached = tree.reach(tree.nodes()["math"][1])
    assert len(reached) > 5
    assert not [one for one in reached if "models" in one.path.relative_to(ROOT).parts]


def test_comments_and_layout_do_not_count():
    one = ast.parse('def f(x):\n    """Say."""\n    return x + 1  # why')
    two = ast.parse("def f(x):\n    return (x\n            + 1)")
    other = ast.parse("def f(x):\n    return x + 2")
    assert digest_of(one) == digest_of(two) != digest_of(other)
