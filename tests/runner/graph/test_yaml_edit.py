"""Values are changed in the text of a file, and all else stays as it was written."""

import random

import pytest
import yaml

from artgraph.runner.graph.yaml_edit import EditError, data_of, edited, lost_comments

TEXT = """\
# for everybody
artgraph: 1 # one
knobs:
  dark: {value: 0.25, about: How dark} # the knob
nodes:
  paper: # the ground
    node: grey
    with: {count: 2,   level: 1.50} # two
  # before light
  light:
    node: mean
    from:
      image: paper # wire
  sheet: {node: save_image,
          # in braces
          from: {image: paper}}
  # the end
"""


def changed(change, renamed=None):
    data = data_of(TEXT)
    change(data)
    return edited(TEXT, data, renamed)


def test_a_changed_value_changes_nothing_else():
    text = changed(lambda data: data["nodes"]["paper"]["with"].update(count=3))
    assert text == TEXT.replace("count: 2,", "count: 3,")
    text = changed(lambda data: data["nodes"]["light"]["from"].update(image="sheet"))
    assert text == TEXT.replace("image: paper # wire", "image: sheet # wire")


def test_entries_are_added_at_the_end_of_their_mapping():
    def change(data):
        data["nodes"]["paper"]["with"]["seed"] = 4
        data["nodes"]["light"]["mode"] = "muted"
        data["nodes"]["new"] = {"node": "grey", "with": {"level": 1}}
        data["layout"] = {"pinned": ["new"]}

    expected = TEXT.replace("1.50}", "1.50, seed: 4}")
    expected = expected.replace("# wire\n", "# wire\n    mode: muted\n")
    expected += "  new:\n    node: grey\n    with: {level: 1}\nlayout:\n  pinned: [new]\n"
    assert changed(change) == expected


def test_removed_entries_leave_with_their_lines():
    def change(data):
        del data["nodes"]["light"]
        del data["nodes"]["paper"]["with"]["count"]
        del data["knobs"]

    text = changed(change)
    assert "light:" not in text
    assert "with: {level: 1.50} # two" in text
    assert "# before light" in text
    assert lost_comments(TEXT, text) == 2  # those of the wire and of the knob


def test_a_renamed_node_stays_in_its_place():
    def change(data):
        data["nodes"]["papier"] = data["nodes"].pop("paper")

    text = changed(change, {"paper": "papier"})
    assert text == TEXT.replace("  paper: # the ground", "  papier: # the ground")


def test_random_changes_end_in_the_right_data_or_are_refused():
    rng, refused = random.Random(1), 0
    for _ in range(300):
        data = data_of(TEXT)
        for _ in range(rng.randrange(1, 4)):
            place = data
            while rng.random() < 0.7:
                inner = [value for value in place.values() if isinstance(value, dict) and value]
                place = rng.choice(inner) if inner else place
            key = rng.choice([*place, "fresh"])
            if rng.random() < 0.4:
                place.pop(key, None)
            else:
                place[key] = rng.choice([1, "a: b", [1, 2], {"x": 1}, {}, "no", 2.5, True])
        try:
            assert data_of(edited(TEXT, data)) == data
        except (EditError, yaml.YAMLError):
            refused += 1
    assert refused < 30


@pytest.mark.parametrize(
    "text",
    [
        "artgraph: 1\r\nnodes:\r\n  a: {node: b}\r\n",
        "{artgraph: 1, nodes: {a: {node: b}}}",
        "artgraph: 1\nnodes:\n  a:\n    node: b\n    with:\n",
    ],
)
def test_other_forms_of_yaml(text):
    data = data_of(text)
    data["nodes"]["a"]["with"] = {"x": 1}
    data["nodes"]["c"] = {"node": "d"}
    assert data_of(edited(text, data)) == data


def test_a_file_ends_with_a_newline_also_if_it_did_not():
    text = "artgraph: 1\nnodes:\n  a:\n    node: grey\n    with: {level: 1}"
    new = data_of(text) | {"nodes": {"a": {"node": "grey", "with": {"level": 2}}}}
    assert edited(text, new) == text.replace("1}", "2}") + "\n"
    block = "about: |-\n  two\n  lines"
    assert edited(block, {"about": "two\nlines"}) == block + "\n"
    kept = "about: |\n  no line break after this"  # a line break would be part of the text
    assert edited(kept, data_of(kept)) == kept
