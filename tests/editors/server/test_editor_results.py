"""The editor's server: the last results of a graph, live pictures, and what was changed."""

import base64

import pytest
from editing import Server, Tab, node

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the extra `edit` is not installed")

GRAPH = """\
artgraph: 1
knobs:
  level: {value: 0.25}
nodes:
  paper:
    node: grey
    from: {level: knobs.level}
    with: {count: 2}
  look:
    node: preview_image
    from: {image: paper}
  sheet:
    node: save_image
    from: {image: look}
"""


@pytest.fixture
def server(tmp_path):
    (tmp_path / "papers.yaml").write_text(GRAPH)
    (tmp_path / "others.yaml").write_text(GRAPH)
    with Server(tmp_path) as server:
        yield server


def opened(server, name="papers"):
    """Returns a graph as the page has it, and its prompt."""
    workflow = server.get(f"/userdata/workflows%2F{name}.json").json()
    workflow["extra"]["artgraph_file"] = f"{name}.json"
    paper, look, sheet = (str(n["id"]) for n in workflow["nodes"] if n["type"] != "PrimitiveNode")
    prompt = {
        paper: node("grey", "paper", level=0.25, count=2),
        look: node("preview_image", "look", image=(paper, 0)),
        sheet: node(
            *("save_image", "sheet"),
            **{"image": (look, 0), "name": "", "format": "png", "quality": 92},
        ),
    }
    return workflow, prompt


def run(server, workflow, prompt):
    extra = {"extra_pnginfo": {"workflow": workflow}}
    answer = server.run(prompt, extra_data=extra).json()
    assert answer["node_errors"] == {}, answer
    return server.finished(answer["prompt_id"])


def results(server, workflow):
    return server.post("/artgraph/results", {"client": "tab", "workflow": workflow}).json()


def test_a_graph_shows_its_last_results_after_a_restart(server, tmp_path):
    workflow, prompt = opened(server)
    job = run(server, workflow, prompt)
    server.stop()
    with Server(tmp_path) as second:
        found = results(second, opened(second)[0])
        assert found["outputs"] == job["outputs"]
        assert found["run"] == job["id"]
        pictures = found["outputs"][list(prompt)[1]]["images"]  # those of the preview node
        assert [picture["type"] for picture in pictures] == ["temp", "temp"]
        query = "&".join(f"{name}={value}" for name, value in pictures[0].items())
        assert second.get(f"/view?{query}").body.startswith(b"\x89PNG")
        assert not list((tmp_path / "out/papers").glob("look*"))
        assert results(second, opened(second, "others")[0]) == {}


def test_results_of_other_values_are_named(server):
    workflow, prompt = opened(server)
    paper, look, sheet = prompt
    run(server, workflow, prompt)
    body = {"client": "tab", "workflow": workflow, "prompt": prompt}
    same = server.post("/artgraph/results", body).json()
    assert (same["changed"], same["old"]) == ([], [])
    prompt[look] = node("preview_image", "look", image=(paper, 0), odd=1)
    other = server.post("/artgraph/results", body).json()
    assert (other["changed"], other["old"]) == ([look], sorted([look, sheet]))
    prompt[paper]["inputs"]["level"] = 0.5
    assert server.post("/artgraph/results", body).json()["changed"] == sorted([paper, look])
    assert server.post("/artgraph/results", body | {"prompt": [1]}).status == 400


def test_the_first_output_of_an_app_is_the_picture_of_its_run(server):
    workflow, prompt = opened(server)
    _, look, sheet = prompt
    prompt["9"] = node(
        *("save_image", "second"),
        **{"image": (look, 0), "name": "", "format": "png", "quality": 92},
    )
    workflow["extra"]["linearData"] = {"inputs": [], "outputs": [int(sheet), 9]}
    extra = {"extra_pnginfo": {"workflow": workflow}}
    job = server.finished(server.run(prompt, extra_data=extra).json()["prompt_id"])
    assert job["preview_output"]["nodeId"] == sheet
    workflow["extra"]["linearData"] = "nothing"
    job = server.finished(server.run(prompt, extra_data=extra).json()["prompt_id"])
    assert job["preview_output"]["nodeId"] == "9"


def test_nodes_of_two_files_have_different_ids(server):
    ids = [{n["id"] for n in opened(server, name)[0]["nodes"]} for name in ("papers", "others")]
    assert not ids[0] & ids[1]


def test_a_run_says_what_was_changed(server):
    workflow, prompt = opened(server)
    assert run(server, workflow, prompt)["artgraph"]["changes"] is None
    paper = next(iter(prompt))
    prompt[paper]["inputs"]["level"] = 0.5
    (knob,) = (n for n in workflow["nodes"] if n["type"] == "PrimitiveNode")
    knob["widgets_values"][0] = 0.5
    about = run(server, workflow, prompt)["artgraph"]
    assert about == {"graph": "papers.yaml", "changes": ["level: 0.25 → 0.5"]}


def test_another_tab_that_shows_the_graph_follows_its_run(server):
    workflow, prompt = opened(server)
    with Tab(server, "other") as other:
        server.post("/artgraph/results", {"client": "other", "workflow": workflow})
        run(server, workflow, prompt)
        other.wait("execution_success")
        assert {data["node"] for data in other.of("executed")} == set(prompt)
        assert other.of("execution_start")[0]["graph"] == "papers.yaml"


def test_a_number_is_drawn_live_and_nothing_is_saved(server, tmp_path):
    workflow, prompt = opened(server)
    run(server, workflow, prompt)
    before = (tmp_path / "out/papers").stat().st_mtime_ns
    paper, look, sheet = prompt
    prompt[paper]["inputs"]["level"] = 0.75
    body = {"prompt": prompt, "workflow": workflow, "nodes": [paper]}
    pictures = server.post("/artgraph/live", body).json()["pictures"]
    assert set(pictures) == {look, sheet}
    assert base64.b64decode(pictures[look]).startswith(b"\xff\xd8")
    assert (tmp_path / "out/papers").stat().st_mtime_ns == before
    assert server.get("/jobs").json()["pagination"]["total"] == 1


def test_a_training_is_not_done_live(server):
    steps = {"1": node("slow_training", "walk", steps=5, rate=0.1, pause=0.0, seed=0)}
    prompt = steps | {"2": node("grey", "paper", level=0.5, count=1)}
    prompt["3"] = node("preview_image", "look", image=("2", 0))
    answer = server.post("/artgraph/live", {"prompt": prompt, "nodes": ["1"]}).json()
    assert answer["pictures"] == {}


def test_samples_stay_on_a_training_that_is_reused(server):
    prompt = {"1": node("slow_training", "walk", steps=60, rate=0.1, pause=0.04, seed=0)}
    first = server.finished(server.run(prompt).json()["prompt_id"])
    second = server.finished(server.run(prompt).json()["prompt_id"])
    assert second["outputs"]["1"]["artgraph_reused"]
    names = [[i["filename"] for i in job["outputs"]["1"]["images"]] for job in (first, second)]
    assert names[0] == names[1]
    assert names[0][0].startswith("walk-samples")
    assert first["outputs"]["1"]["artgraph_curves"][0]["columns"]["step"][-1] == 60
