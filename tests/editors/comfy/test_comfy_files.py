"""ComfyUI keeps results in memory under the fingerprints that it was given."""

from pathlib import Path

import pytest

from artgraph.contract.spec import NodeSpec
from artgraph.contract.values.kinds import Text
from artgraph.contract.widgets import InputFile
from artgraph.editors.comfy import run as comfy_run
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


def test_films_are_played_on_the_node():
    from artgraph.editors.comfy.save import ui_for

    film = {"filename": "a.mp4", "subfolder": "", "type": "output"}
    assert ui_for([film]) == {"images": [film], "animated": (True,)}
