"""Graphs and other files of the editor."""

import io
import json
import os
import re
import subprocess
import sys
from urllib.parse import quote

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

from editing import PACK, Server, Tab, name_of, until

from artgraph.pictures.suffixes import READABLE

GRAPH = """\
# what this is for
artgraph: 1
title: Two greys
knobs:
  dark: {value: 0.25, about: How dark}
nodes:
  paper: # the ground
    node: grey
    from: {level: knobs.dark}
    with: {count: 2}
  light:
    node: mean
    from: {image: paper}
  sheet:
    node: save_image
    from: {image: paper}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("files")) as server:
        yield server


@pytest.fixture
def greys(server):
    """Returns a new graph file that is open in the editor."""
    path = server.folder / "greys.yaml"
    path.write_text(GRAPH)
    return path


def load(server, name="greys.json"):
    return server.get(f"/userdata/{quote(f'workflows/{name}', safe='')}").json()


def save(server, workflow, name="greys.json", query="overwrite=true&full_info=true"):
    return server.post(f"/userdata/{quote(f'workflows/{name}', safe='')}?{query}", workflow)


def listed(server):
    query = "dir=workflows&recurse=true&split=false&full_info=true"
    return {file["path"]: file for file in server.get(f"/userdata?{query}").json()}


def named(workflow, title):
    return next(node for node in workflow["nodes"] if name_of(node) == title)


def test_the_requests_at_the_start_of_the_editor(server):
    for prefix in ("", "/api"):
        assert server.get(f"{prefix}/users").json() == {"storage": "server", "migrated": True}
        for file in server.get(f"{prefix}/extensions").json():
            assert "javascript" in server.get(file).headers["Content-Type"]
        assert server.get(f"{prefix}/features").json()["supports_preview_metadata"]
        info = server.get(f"{prefix}/object_info").json()
        stats = server.get(f"{prefix}/system_stats").json()
        for path in ("i18n", "global_subgraphs", "workflow_templates", "experiment/models"):
            assert server.get(f"{prefix}/{path}").status == 200
    keys = {"name", "display_name", "description", "category", "output_node", "python_module"}
    keys |= {"input", "input_order", "output", "output_name", "output_is_list"}
    assert all(set(definition) >= keys for definition in info.values())
    assert {"Artgraph_save_image", "LoadImage", "SaveImage", "PreviewImage"} <= set(info)
    assert info["Artgraph_train_vae"]["category"] == "train"
    assert stats["system"]["required_frontend_version"].split(".")[0] == "1"
    assert "--disable-api-nodes" in stats["system"]["argv"]
    assert "ComfyUI" not in server.get("/").body.decode().split("<body")[1].split("<script")[0]
    for file in ("artgraph.js", "docs/Artgraph_train_vae.md"):
        assert server.get(f"/extensions/artgraph/{file}").status == 200


def test_settings_are_stored(server):
    assert server.get("/settings").json()["Comfy.TutorialCompleted"] is True
    server.post("/settings/Comfy.ColorPalette", b'"light"')
    server.post("/settings", b'{"a": 1}')
    settings = server.get("/settings").json()
    assert (settings["Comfy.ColorPalette"], settings["a"]) == ("light", 1)


def test_shipped_graphs_are_templates(server):
    (group,) = server.get("/templates/index.json").json()
    templates = {template["name"]: template for template in group["templates"]}
    assert templates["style_remix"]["title"] == "Style remix"
    for name in templates:
        assert server.get(f"/templates/{name}.json").json()["nodes"]
        assert server.get(f"/templates/{name}-1.webp").headers["Content-Type"] == "image/webp"


def test_a_graph_is_listed_opened_and_saved_without_loss(server, greys):
    assert listed(server)["greys.json"]["size"] == len(GRAPH)
    workflow = load(server)
    assert {"paper", "light", "sheet", "dark"} <= {name_of(n) for n in workflow["nodes"]}
    info = save(server, workflow).json()
    assert info["path"] == "workflows/greys.json"
    assert greys.read_text() == GRAPH  # nothing has changed: comments and form are as they were


def test_a_moved_node_changes_the_layout_alone(server, greys):
    workflow = load(server)
    named(workflow, "light")["pos"] = [1234, 567]
    save(server, workflow)
    assert greys.read_text().startswith(GRAPH.rstrip())
    assert named(load(server), "light")["pos"] == [1234, 567]


def test_a_saved_graph_runs_on_the_command_line_to_the_same_digests(server, greys):
    workflow = load(server)
    named(workflow, "dark")["widgets_values"][0] = 0.75
    save(server, workflow)
    assert "value: 0.75" in greys.read_text()
    command = [sys.executable, "-m", "artgraph", "run", "greys.yaml", "--json", "--pack", str(PACK)]
    environment = os.environ | {"ARTGRAPH_CACHE": str(server.folder / "cache")}
    ran = subprocess.run(
        command, cwd=server.folder, env=environment, capture_output=True, check=True
    )
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    first = {event["node"]: event["outputs"] for event in events if event["event"] == "finished"}
    assert set(first) == {"paper", "light", "sheet"}

    ids = {name_of(node): str(node["id"]) for node in workflow["nodes"]}
    paper = {"level": 0.75, "count": 2}
    inputs = {"paper": paper, "light": {"image": [ids["paper"], 0]}}
    inputs["sheet"] = {"image": [ids["paper"], 0], "name": "", "format": "png", "quality": 92}
    kinds = {"paper": "grey", "light": "mean", "sheet": "save_image"}
    prompt = {
        ids[name]: {
            "class_type": f"Artgraph_{kind}",
            "inputs": inputs[name],
            "_meta": {"title": name},
        }
        for name, kind in kinds.items()
    }
    workflow["extra"]["artgraph_file"] = "greys.json"
    extra = {"extra_pnginfo": {"workflow": workflow}}
    with Tab(server, "same") as tab:
        server.run(prompt, "same", extra_data=extra)
        tab.wait("execution_success")
    assert set(tab.of("execution_cached")[0]["nodes"]) == {ids[name] for name in kinds}

    picture = (server.folder / "out" / "greys" / "sheet_0001.png").read_bytes()
    opened = server.post("/artgraph/open?name=sheet_0001.png", picture).json()
    assert {"paper", "dark"} <= {name_of(node) for node in opened["workflow"]["nodes"]}


def test_a_change_on_disk_is_reported_and_stored(server, greys):
    workflow = load(server)
    with Tab(server, "watching") as tab:
        greys.write_text(GRAPH.replace("0.25", "0.5"))
        change = {"path": "workflows/greys.json", "file": "greys.yaml"}
        assert tab.wait("artgraph.changed", seconds=10) == change
    named(workflow, "dark")["widgets_values"][0] = 0.1
    save(server, workflow)
    (backup,) = (server.folder / ".artgraph" / "backups").iterdir()
    assert "0.5" in backup.read_text()


def test_existing_names_moving_and_deleting(server, greys):
    workflow = load(server)
    assert save(server, workflow, query="overwrite=false").status == 409
    assert save(server, workflow, "sub/copy.json").status == 200
    assert (server.folder / "sub" / "copy.yaml").is_file()
    assert "sub/copy.json" in listed(server)
    source, target = (quote(f"workflows/{n}.json", safe="") for n in ("sub/copy", "moved"))
    assert server.post(f"/userdata/{source}/move/{target}").status == 200
    assert load(server, "moved.json")["nodes"]
    assert (
        server.post(f"/userdata/{target}/move/{quote('workflows/greys.json', safe='')}").status
        == 409
    )
    assert server.ask("DELETE", f"/userdata/{target}").status == 204
    assert not (server.folder / "moved.yaml").exists()


def test_a_workflow_that_is_not_a_graph_is_saved_unchanged(server):
    foreign = {"nodes": [{"id": 1, "type": "KSampler"}], "links": [], "version": 0.4}
    assert save(server, foreign, "foreign.json").status == 200
    assert load(server, "foreign.json") == foreign
    assert "foreign.json" in listed(server)


def test_a_wrong_file_is_reported(server):
    (server.folder / "wrong.yaml").write_text("artgraph: 1\nnodes:\n  a: {node: [nonsense}\n")
    answer = server.get("/userdata/workflows%2Fwrong.json")
    assert answer.status == 422
    assert answer.body.startswith(b"wrong.yaml:3: ")
    (server.folder / "wide.yaml").write_text(GRAPH, encoding="utf-16")
    answer = server.get("/userdata/workflows%2Fwide.json")
    assert (answer.status, answer.body[:24]) == (422, b"wide.yaml: this is UTF-1")
    assert {"wrong.json", "wide.json"} <= listed(server).keys()


def test_a_graph_with_problems_opens_and_names_them(server):
    path = server.folder / "unfinished.yaml"
    text = "artgraph: 1\nnodes:\n  a: {node: nonsense, with: {x: 1}}\n"
    text += "  b: {node: mean}\n  c: {node: grey, with: {count: 99999999, odd: true}}\n"
    path.write_text(text)
    workflow = load(server, "unfinished.json")
    problems = workflow["extra"]["artgraph_problems"]
    ids = {name_of(node): str(node["id"]) for node in workflow["nodes"]}
    assert problems["nodes"].keys() == set(ids.values())
    assert "'nonsense'" in problems["nodes"][ids["a"]]["errors"][0]["message"]
    assert save(server, workflow, "unfinished.json").status == 200
    assert path.read_text() == text


def test_the_plan_and_the_yaml_of_the_open_graph(server, greys):
    workflow = load(server)
    assert "title: Two greys" in server.post("/artgraph/yaml", workflow).json()["yaml"]
    rows = server.post("/artgraph/plan", workflow).json()["rows"]
    assert [row["node"] for row in rows] == ["paper", "sheet", "light"]
    assert all(set(row) == {"node", "action", "why", "time"} for row in rows)


def test_opening_pictures_and_texts(server, greys):
    assert server.post("/artgraph/open?name=x.yaml", GRAPH.encode()).json()["name"] == "x"
    assert server.post("/artgraph/open?name=x.png", b"\x89PNG\r\n\x1a\n").json() == {}
    assert "error" in server.post("/artgraph/open?name=x.yaml", b"artgraph: 1\nnodes: [").json()
    wide = server.post("/artgraph/open?name=x.yaml", GRAPH.encode("utf-16")).json()
    assert wide["name"] == "x"
    assert (
        "no graph in it" in server.post("/artgraph/open?name=x.yaml", b"\xff" * 9).json()["error"]
    )
    assert until(lambda: server.get("/artgraph/start").json()["name"]) == "draw"


def test_pictures_that_browsers_do_not_show_are_shown_as_webp(server):
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (600, 300), (200, 30, 30)).save(buffer, "TIFF")
    assert server.upload("scan.tif", buffer.getvalue()).status == 200
    nodes = server.get("/object_info/Artgraph_load_image").json()
    assert "scan.tif" in nodes["Artgraph_load_image"]["input"]["required"]["path"][0]
    for query in ("", "&preview=webp"):
        answer = server.get(f"/view?filename=scan.tif&type=input{query}")
        assert answer.headers["Content-Type"] == "image/webp"
        with Image.open(io.BytesIO(answer.body)) as shown:
            assert shown.size == (512, 256)
    answer = server.upload("bad.avif", b"nothing")
    assert answer.status == 200
    assert answer.json()["problem"].startswith("it is not a picture")
    assert server.get("/view?filename=bad.avif&type=input").status == 400


def test_a_table_of_labels_is_uploaded_with_its_pictures(server):
    for name in ("a.png", "b.png"):
        assert server.upload(name, b"a picture", subfolder="labelled/in").status == 200
    table = b"file_name,label\nin/a.png,red\n"
    assert server.upload("metadata.csv", table, subfolder="labelled").status == 200
    assert server.upload("notes.txt", b"text", subfolder="labelled").status == 415
    assert (server.folder / "input" / "labelled" / "metadata.csv").read_bytes() == table
    assert "'.csv'" in server.get("/extensions/artgraph/suffixes.js").body.decode().replace(
        '"', "'"
    )


def test_previews_show_a_checkerboard_behind_transparent_parts(server):
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 255, 0, 0)).save(buffer, "PNG")
    assert server.upload("clear.png", buffer.getvalue()).status == 200
    answer = server.get("/view?filename=clear.png&type=input&preview=webp")
    with Image.open(io.BytesIO(answer.body)) as shown:
        low, high = shown.convert("RGB").getchannel(0).getextrema()
        assert 190 < low < 215
        assert high > 245


def test_the_page_knows_all_suffixes_of_pictures(server):
    answer = server.get("/extensions/artgraph/suffixes.js")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    text = answer.body.decode()
    assert text.startswith("export const READABLE = [")
    assert all(f'"{suffix}"' in text for suffix in READABLE)


def test_the_documentation_is_served_with_its_pictures_and_links(server):
    pages = {"artists.md", "editor.md", "graphs.md", "reference.md"}
    for name in pages:
        text = server.get(f"/artgraph/docs/{name}").body.decode()
        assert "<h1 id=" in text
        for kind, address in re.findall(r'(src|href)="([^"#]+)', text):
            if kind == "src" or address.endswith(".md"):
                assert server.get(f"/artgraph/docs/{address}").status == 200, address
            else:
                assert address.startswith(("http", "/")), address
    assert server.get("/artgraph/docs/..%2FREADME.md").status == 404
    assert server.get("/artgraph/docs/pictures/..%2F..%2FLICENSE").status == 404
    assert server.get("/artgraph/docs/artists.md", Host="evil.example").status == 403
