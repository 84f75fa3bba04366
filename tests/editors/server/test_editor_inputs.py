"""What nodes offer as inputs, and results of runs that become inputs."""

import io
import os
import subprocess
import sys
from urllib.parse import quote

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

from editing import Server, node


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("inputs")) as server:
        yield server


def picture(colour="teal", size=(16, 12)):
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def write(path, data=b"data"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def choices(server, kind, name):
    info = server.get(f"/object_info/{kind}").json()[kind]
    return info["input"]["required"][name][0]


def test_nodes_offer_the_folders_archives_and_models_that_are_there(server, tmp_path):
    inputs = server.folder / "input"
    for name in ("cats/tabby/2.png", "cats/tabby/10.png", "dogs.zip", "own.safetensors"):
        write(inputs / name, picture())
    for name in (".part/set/a.png", "notes/a.txt", "cats/.hidden/a.png"):
        write(inputs / name, picture())
    write(tmp_path / "secret" / "secret.png", picture())
    (inputs / "out.png").symlink_to(tmp_path / "secret" / "secret.png")
    (inputs / "outside").symlink_to(tmp_path / "secret")
    write(server.folder / "out" / "run" / "gan.safetensors")
    folders = choices(server, "Artgraph_load_dataset", "folder")
    assert folders == ["", "cats", "cats/tabby", "dogs.zip"]
    pictures = choices(server, "Artgraph_load_image", "path")
    assert pictures == [*("cats/tabby/2.png", "cats/tabby/10.png"), "cats/", "cats/tabby/"]
    models = choices(server, "Artgraph_load_model", "path")
    assert models[0] == ""
    assert "base/gan_64.safetensors" in models
    assert models[-2:] == ["own.safetensors", "run/gan.safetensors [output]"]
    loader = server.get("/object_info/Artgraph_load_model").json()["Artgraph_load_model"]
    assert loader["input"]["required"]["path"][1]["file_upload"] == [".safetensors"]
    for name in ("out.png", "outside"):
        (inputs / name).unlink()


def test_imported_pictures_are_listed_the_newest_first(server):
    inputs = server.folder / "input"
    for number, name in enumerate(("new/old.png", "new/newer.png", "new/newest.png")):
        write(inputs / name, picture())
        os.utime(inputs / name, (2e9 + number, 2e9 + number))
    names = server.get("/internal/files/input").json()
    assert names[:3] == ["new/newest.png", "new/newer.png", "new/old.png"]
    assert all(server.get(f"/view?type=input&filename={quote(n)}").status == 200 for n in names)
    assert server.get("/internal/files/output").status == 404


def load(path):
    return node("load_image", "photo", path=path, alpha="flatten", background="#ffffff")


def save(**more):
    values = {"name": "", "format": "png", "quality": 92, "background": "#ffffff"}
    return node("save_image", "result", image=("1", 0), **values | more)


def test_a_result_is_the_input_of_a_run_of_a_file_and_of_a_run_in_the_shell(server):
    write(server.folder / "input" / "start.png", picture("navy"))
    job = server.run({"1": load("start.png"), "2": save()}).json()["prompt_id"]
    (shown,) = server.finished(job)["outputs"]["2"]["images"]
    value = f"{shown['subfolder']}/{shown['filename']} [output]"
    workflow = {
        "nodes": [
            {
                "id": 1,
                "type": "Artgraph_load_image",
                "title": "photo",
                "pos": [0, 0],
                "size": [200, 100],
                "inputs": [],
                "outputs": [{"name": "image", "type": "IMAGE", "links": [1]}],
                "widgets_values": [value, "flatten", "#ffffff"],
            },
            {
                "id": 2,
                "type": "Artgraph_save_image",
                "title": "again",
                "pos": [300, 0],
                "size": [200, 100],
                "inputs": [{"name": "image", "type": "IMAGE", "link": 1}],
                "outputs": [],
                "widgets_values": ["", "png", 92, "#ffffff"],
            },
        ],
        "links": [[1, 1, 0, 2, 0, "IMAGE"]],
        "version": 0.4,
    }
    graph = {"1": load(value), "2": save() | {"_meta": {"title": "again"}}}
    extra = {"extra_pnginfo": {"workflow": workflow}}
    answer = server.run(graph, extra_data=extra).json()
    assert answer["node_errors"] == {}
    assert server.finished(answer["prompt_id"])["status"] == "completed"
    (copy,) = (server.folder / "input" / "results").iterdir()
    assert copy.name == shown["filename"]

    workflow["nodes"][0]["widgets_values"][0] = value
    assert "results/" in server.post("/artgraph/yaml", workflow).json()["yaml"]
    workflow["nodes"][0]["widgets_values"][0] = value
    path = quote("workflows/again.json", safe="")
    assert server.post(f"/userdata/{path}", workflow).status == 200
    text = (server.folder / "again.yaml").read_text()
    assert f"path: results/{copy.name}" in text
    command = [sys.executable, "-m", "artgraph", "run", "again.yaml", "--input", "input"]
    environment = os.environ | {"ARTGRAPH_CACHE": str(server.folder / "shell")}
    subprocess.run(command, cwd=server.folder, env=environment, check=True)
    assert len(list((server.folder / "input" / "results").iterdir())) == 1  # one copy for all


def test_only_results_are_brought(server):
    write(server.folder / "out" / "run" / "model.safetensors", b"one")
    write(server.folder.parent / "secret.png", picture())
    (server.folder / "out" / "link.png").symlink_to(server.folder.parent / "secret.png")
    bring = {"value": "run/model.safetensors [output]"}
    assert server.post("/artgraph/bring", bring).json() == {"name": "results/model.safetensors"}
    assert server.post("/artgraph/bring", bring).json() == {"name": "results/model.safetensors"}
    write(server.folder / "out" / "run" / "model.safetensors", b"two")
    again = server.post("/artgraph/bring", bring).json()
    assert again == {"name": "results/model (2).safetensors"}
    for value in (
        *("../secret.png [output]", "/etc/passwd [output]", "link.png [output]", "run [output]"),
        *("gone.png [output]", "run/model.safetensors", " [output]", "", 1, None, ["x [output]"]),
        *("../../secret.png [input]", ".. [input]", "a\0.png [output]", "x" * 5_000 + " [output]"),
    ):
        assert server.post("/artgraph/bring", {"value": value}).status == 404, value
    there = {path.name for path in (server.folder / "input" / "results").iterdir()}
    assert "secret.png" not in there
    refused = server.run({"1": load("gone.png [output]"), "2": save()})
    assert "there is no file" in refused.body.decode().lower()


def test_a_mask_that_was_painted_is_the_value_of_its_node(server):
    write(server.folder / "input" / "painted.png", picture())
    answer = server.run({"1": load("painted.png [input]"), "2": save()}).json()
    assert server.finished(answer["prompt_id"])["status"] == "completed"


def test_of_the_layers_of_the_mask_editor_one_picture_is_stored(server):
    names = [
        server.upload(f"clipspace-{layer}-17.png", picture()).json()["name"]
        for layer in ("mask", "paint", "painted", "painted-masked")
    ]
    stored = server.folder / "input" / names[-1]
    assert stored.name.startswith("painted")
    assert stored.is_file()
    assert not [*(server.folder / "input").glob("clipspace*")]


def test_single_pictures_with_any_name_are_stored(server):
    for name, safe in (
        ("Screenshot at 10:30.png", "Screenshot at 10_30.png"),
        ("caf\u00e9 \U0001f431.png", "caf\u00e9 \U0001f431.png"),
        ("cafe\u0301.png", "caf\u00e9.png"),
        ("con.png", "_con.png"),
    ):
        start = '------edge\r\nContent-Disposition: form-data; name="image"; '
        body = f'{start}filename="{name}"\r\n\r\n'.encode() + picture() + b"\r\n------edge--\r\n"
        form = "multipart/form-data; boundary=----edge"
        answer = server.post("/upload/image", body, Content_Type=form)
        assert answer.json()["name"] == safe
    film = server.post(f"/artgraph/upload?name={quote('a: b?.mp4')}", b"film")
    assert film.json() == {"name": "a_ b_.mp4"}
    model = server.post("/artgraph/upload?name=own.safetensors", b"model")
    assert model.status == 200
