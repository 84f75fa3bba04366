"""The editor's server: the pictures to choose from on a node, after a run and while choosing."""

import base64
import io

import pytest
from editing import Server, Tab, node
from PIL import Image

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the extra `edit` is not installed")

ABOUT = {"widget": "cells", "columns": 3, "size": [32, 32]}


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path) as server:
        yield server


def prompt(cells="", other=""):
    """Some pictures, a choice of them, and a choice of the chosen ones."""
    art = {"count": 8, "size": 32, "seed": 1, "styles": "", "aspect": "1:1"}

    def choice(title, source, cells):
        entry = node("choose", title, image=(source, 0), cells=cells, columns=0)
        return entry | {"inputs": entry["inputs"] | {"title": ""}}

    return {
        "1": node("procedural_art", "art", **art),
        "2": node("dataset_images", "some", dataset=("1", 0), count=6, order="first"),
        "3": choice("first", "2", cells),
        "4": choice("second", "3", other),
        "5": node("save_image", "saved", image=("4", 2), name="", format="png", quality=92),
    }


def run(server, graph):
    answer = server.run(graph).json()
    assert answer["node_errors"] == {}, answer
    return server.finished(answer["prompt_id"])


def picture(server, cells):
    query = f"filename={cells['filename']}&subfolder={cells['subfolder']}&type={cells['type']}"
    return Image.open(io.BytesIO(server.get(f"/view?{query}").body))


def test_a_node_shows_what_there_is_to_choose_from(server):
    for reused in (False, True):
        outputs = run(server, prompt("2, 4-5"))["outputs"]
        assert ("artgraph_reused" in outputs["3"]) == reused
        (first,), (second,) = (outputs[number]["artgraph_cells"] for number in "34")
        assert first.items() >= {**ABOUT, "count": 6}.items()
        assert second["count"] == 3
        whole, chosen = picture(server, first), picture(server, second)
        assert whole.size == (96, 64)
        for place, row in enumerate((1, 3, 4)):
            left, top = row % 3 * 32, row // 3 * 32
            cell = whole.crop((left, top, left + 32, top + 32))
            left, top = place % second["columns"] * 32, place // second["columns"] * 32
            assert cell.tobytes() == chosen.crop((left, top, left + 32, top + 32)).tobytes()
        assert "artgraph_cells" not in outputs["2"]


def test_a_node_whose_number_is_not_there_shows_its_pictures(server):
    with Tab(server) as tab:
        job = run(server, prompt("9"))
        message = tab.wait("artgraph.cells")
    assert job["status"] == "failed"
    assert message["node"] == "3"
    (cells,) = job["outputs"]["3"]["artgraph_cells"]
    assert (cells["count"], message["cells"]) == (6, [cells])
    assert job["outputs"]["3"]["artgraph_failed"]["what"].startswith("`cells` names picture 9")
    assert picture(server, cells).size == (96, 64)
    refused = server.run(prompt("none")).json()
    (error,) = refused["node_errors"]["3"]["errors"]
    assert "is not the number of a picture" in error["message"] + error["details"]


def test_a_choice_shows_the_next_pictures_at_once(server):
    run(server, prompt("1, 2, 3"))
    answer = server.post("/artgraph/live", {"prompt": prompt("1, 6"), "nodes": ["3"]}).json()
    assert set(answer["cells"]) == {"4"}  # what there is to choose from on node 3 stays the same
    (cells,) = answer["cells"]["4"]
    assert (cells["widget"], cells["count"]) == ("cells", 2)
    head, data = cells["data"].split(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 32)
    assert set(answer["pictures"]) == {"5"}
    assert server.get("/jobs").json()["pagination"]["total"] == 1
