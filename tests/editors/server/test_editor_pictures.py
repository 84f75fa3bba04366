"""A folder of pictures in the editor: which picture is in work, what is saved, what failed."""

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

import numpy as np
from editing import Server, Tab, node
from PIL import Image


def test_a_folder_goes_through_a_graph_in_the_editor(tmp_path):
    photos = tmp_path / "input" / "photos"
    (photos / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "sub/a.png")):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(photos / name)
    (photos / "bad.png").write_bytes(b"nothing")
    graph = {
        "1": node("load_image", "photo", path="photos/", alpha="flatten", background="#ffffff"),
        "2": node(
            *("save_image", "saved"),
            image=("1", 0),
            **{"name": "{source}", "format": "png", "quality": 92, "background": "#ffffff"},
        ),
    }
    with Server(tmp_path) as server, Tab(server) as tab:
        offered = server.get("/object_info").json()["Artgraph_load_image"]["input"]["required"]
        assert offered["path"][0][-2:] == ["photos/", "photos/sub/"]
        wrong = {**graph, "2": graph["2"] | {"inputs": graph["2"]["inputs"] | {"name": "x"}}}
        errors = server.run(wrong).json()["node_errors"]["2"]["errors"]
        assert "goes through a folder of pictures" in errors[0]["message"]
        job = server.finished(server.run(graph).json()["prompt_id"])
        assert job["status"] == "failed"
        error = job["execution_error"]["exception_message"]
        assert error.startswith("1 of 4 pictures failed\nCan't read 'bad.png'")
        shown = job["outputs"]["2"]
        names = [
            (image["subfolder"].partition("/")[2], image["filename"]) for image in shown["images"]
        ]
        assert names == [("", "a.png"), ("", "b.png"), ("sub", "a.png")]
        assert shown["text"] == ["saved 3 files"]
        texts = [data["raw"] for data in tab.of("progress_text")]
        assert any(b"picture 2 of 4: b.png" in text for text in texts)
        assert any(b"3 of 4 pictures done, 1 failed: bad.png" in text for text in texts)
        (photos / "bad.png").unlink()
        job = server.finished(server.run(graph).json()["prompt_id"])
        assert (job["status"], len(job["outputs"]["2"]["images"])) == ("completed", 3)
    saved = tmp_path / "out" / "untitled"
    assert sorted(path.name for path in saved.rglob("*.png")) == ["a.png", "a.png", "b.png"]
