"""Names for files that are made of the names of others: safe, different, reported if changed."""

import pytest

from artgraph.contract.values.files import final_name, output_name_problem, same_name, stem_problem
from artgraph.contract.values.safe_names import Original, renamed, safe_names
from artgraph.runner.graph.sources import original_of

LONG = "é" * 120


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a.jpg", "b/a.jpg"], ["a", "b/a"]),
        (["a.b.jpg", "x/.y", "x/z"], ["a.b", "x/_.y", "x/z"]),
        (["a.jpg", "a.png", "A.gif"], ["a.jpg", "a.png", "A.gif"]),
        (["a.jpg", "A.jpg", "a.jpg.png"], ["a.jpg (2)", "A.jpg (3)", "a.jpg"]),
        (["q?.png", "q*.png"], ["q_.png", "q_.png (2)"]),
        (["Nul.png", "com1.x/ok.png", "end. /t.png"], ["_Nul", "_com1.x/ok", "end_/t"]),
        (["earlier/a.png", "Manifest.png", "~me.png"], ["earlier_/a", "Manifest_", "_~me"]),
        (["caf\u00e9.png", "cafe\u0301.jpg"], ["caf\u00e9.png", "cafe\u0301.jpg"]),
        (["{source}.png", "a\nb.png"], ["source", "a_b"]),
    ],
)
def test_names_are_safe_and_different(paths, names):
    files = [original_of(path) for path in paths]
    assert safe_names(files) == names
    assert len({same_name(name) for name in names}) == len(names)
    for name in names:
        assert output_name_problem(f"{name}_0001.safetensors") is None
    changed = [path for path, name in zip(files, names, strict=True) if path.stem != name]
    assert bool(renamed(files, names)) == bool(changed)


def test_long_names_differ_after_they_are_cut():
    names = safe_names([original_of(f"{LONG}{end}.png") for end in ("1", "2")])
    assert names[0] != names[1]
    for name in names:
        around = "restyled/x" * 4
        assert stem_problem(f"{around[:40]}{{source}}") is None
        final = final_name(f"@/{around[:30]}{{source}}.safetensors", "node", name)
        assert output_name_problem(final) is None


def test_a_folder_of_its_own_allows_the_names_of_the_runner():
    assert safe_names([Original("earlier/a", "")], in_folder=True) == ["earlier/a"]
