"""ComfyUI keeps results in memory under the fingerprints that it was given."""

import re
from pathlib import Path

import pytest

from artgraph.contract.errors import NodeError
from artgraph.contract.spec import NodeSpec
from artgraph.contract.values.kinds import Text
from artgraph.contract.widgets import InputFile
from artgraph.editors.comfy import run as comfy_run
from artgraph.editors.comfy.upstream import source_in
from artgraph.runner.store.keys import Key


@pytest.fixture
def spec():
    def read(*, path: InputFile) -> Text:
        """Read a text."""
        return path.read_text()

    return NodeSpec("read", "Title", "test", 1, read, False)


def test_a_file_that_changed_after_it_was_announced_is_noticed(spec, monkeypatch):
    path = Path("words.txt")
    key = Key("k", {"widget path": "digest of what was read"})
    monkeypatch.setattr(comfy_run, "_announced", {})
    assert not comfy_run._has_changed(spec, {"path": path}, key)
    comfy_run._announced[path, False] = "digest of what was read"
    assert not comfy_run._has_changed(spec, {"path": path}, key)
    comfy_run._announced[path, False] = "another digest"
    assert comfy_run._has_changed(spec, {"path": path}, key)
    assert not comfy_run._has_changed(spec, {"path": None}, key)


def prompt_with(**paths):
    """A prompt in which the node 9 saves a picture that depends on nodes with these paths."""
    loads = {
        str(number): {
            "class_type": "LoadImage" if number == 0 else "Artgraph_load_image",
            "inputs": {"image" if number == 0 else "path": path, "fallback": ["7", 0]},
            "_meta": {"title": title},
        }
        for number, (title, path) in enumerate(paths.items())
    }
    inputs = {name: [name, 0] for name in loads} | {"strength": 0.5}
    unused = {"class_type": "Artgraph_load_image", "inputs": {"path": "unused.png"}}
    return {
        "prompt": {**loads, "5": {"class_type": "Other", "inputs": inputs}, "8": unused}
        | {"9": {"class_type": "Artgraph_save_image", "inputs": {"image": ["5", 0]}}},
        "unique_id": "9",
    }


@pytest.mark.parametrize(
    ("paths", "chosen", "name"),
    [
        ({"photo": "holiday/a.b.jpg [input]"}, None, "a.b"),
        ({"photo": "a.jpg", "style": "con.png"}, "style", "_con"),
        ({"photo": "a.jpg", "style": ""}, "style", "style"),
        ({"photo": "a.jpg", "style": "b.png"}, None, "may be the picture of 'photo' or 'style' - "),
        ({}, None, "{source} is the name of a picture file, but this node does not depend on any"),
        ({"photo": "a.jpg"}, "phto", "does not depend on a node 'phto' that loads one - write"),
    ],
)
def test_the_source_of_a_name_is_the_one_picture_of_the_prompt(paths, chosen, name):
    hidden = prompt_with(**paths)
    if " " in name:
        with pytest.raises(NodeError, match=re.escape(name)):
            source_in(hidden, chosen)
    else:
        assert source_in(hidden, chosen) == name
