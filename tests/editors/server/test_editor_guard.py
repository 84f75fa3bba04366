"""What the editor's server refuses, and that it still answers afterwards."""

import http.client
import os
import re
import struct
import subprocess
import sys
import urllib.parse
import zlib

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

import attack
import hostile
from editing import PACK, Server, Tab, node

PICTURE = {"1": node("grey", level=0.5), "2": node("save_image", "one", image=("1", 0))}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "secret.txt").write_text("secret")
    (folder.parent / "outside.png").write_bytes(b"secret")
    with Server(folder) as server:
        yield server


def test_every_answer_says_what_the_browser_may_do(server):
    for path in ("/", "/api/object_info", "/nothing", "/scripts/app.js", "/api/users"):
        headers = server.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "connect-src 'self'" in policy
        assert "default-src 'self'" in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "evil.example:8188"},
        {"Host": "evil@127.0.0.1"},
        {"Host": "localhost#evil"},
        {"Host": "127.0.0.1:80@evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_other_sites_are_refused(server, headers):
    for method, path in (("POST", "/prompt"), ("GET", "/object_info"), ("GET", "/ws")):
        answer = server.ask(method, path, **headers)
        assert answer.status == 403, (method, path)


def test_a_link_from_another_page_opens_the_editor(server):
    headers = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert server.get("/", **headers).status == 200
    assert server.ask("POST", "/interrupt", **headers).status == 403


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "..%2Fsecret.txt",
        "%2e%2e/secret.txt",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "..\\secret.txt",
        "a%00.png",
        "con.png",
        "x" * 600,
        "../../outside.png",
    ],
)
def test_no_path_leads_outside(server, name):
    for kind in ("output", "input", "temp"):
        for query in (f"filename={name}", f"filename=secret.txt&subfolder={name}"):
            answer = server.get(f"/view?{query}&type={kind}")
            assert answer.status in (403, 404), (kind, query)
            assert answer.body != b"secret"
    inner = name.replace("/", "%2F")
    for path in (
        f"/userdata/{inner}",
        f"/userdata/workflows%2F{inner}",
        f"/templates/{inner}.json",
    ):
        answer = server.get(path)
        assert answer.status in (403, 404), path
        assert b"root:" not in answer.body
    assert server.post(f"/userdata/{inner}", b"{}").status in (403, 404)
    plain = urllib.parse.unquote(name)
    assert server.upload("a.png", b"\x89PNG", subfolder=plain).status in (400, 403)
    assert server.upload(plain, b"\x89PNG").status in (200, 400, 403, 415)  # its last part counts
    assert not (server.folder.parent / "secret.txt").exists()


def test_links_in_the_folders_are_not_followed_outside(server):
    (server.folder / "input").mkdir(exist_ok=True)
    link = server.folder / "input" / "link.png"
    link.symlink_to(server.folder.parent / "outside.png")
    assert server.get("/view?filename=link.png&type=input").status == 403


def test_uploads_are_pictures_of_a_limited_size(server):
    assert server.upload("virus.html", b"<script>").status == 415
    refused = server.upload("a.cr2", b"II*")
    assert refused.status == 415
    assert "RAW" in refused.body.decode()
    assert server.upload("big.png", b"x" * (101 * 2**20)).status == 413
    first, second = server.upload("a.png", b"1").json(), server.upload("a.png", b"2").json()
    assert (first["name"], second["name"]) == ("a.png", "a (2).png")
    assert server.upload("a.png", b"1").json()["name"] == "a.png"
    assert server.upload("a.png", b"3", overwrite="true").json()["name"] == "a.png"
    assert (server.folder / "input" / "a.png").read_bytes() == b"3"
    body = server.get("/view?filename=a.png&type=input")
    assert (body.status, body.headers["Content-Type"]) == (200, "image/png")
    assert server.get("/view?filename=a.png&type=input&preview=webp;90").status == 400


def test_a_picture_with_too_many_pixels_has_no_preview(server):
    parts = (b"IHDR", struct.pack(">II5B", 30_000, 30_000, 8, 0, 0, 0, 0)), (b"IDAT", b"x")
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in parts:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        data += struct.pack(">I", len(content)) + name + content + checksum
    assert server.upload("huge.png", data).status == 200
    answer = server.get("/view?filename=huge.png&type=input&preview=webp;90")
    assert answer.status == 400
    assert b"pixels" in answer.body


def test_the_style_sheet_is_not_replaced(server):
    assert server.post("/userdata/user.css", b"*{}").status == 403
    assert b"artgraph" in server.get("/user.css").body


def test_a_file_that_is_not_a_picture_is_only_downloaded(server):
    server.post("/userdata/page.html", b"<script>alert(1)</script>")
    answer = server.get("/userdata/page.html")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment"


def test_five_hundred_hostile_requests_leave_it_answering(server):
    statuses = attack.attack(server, seed=0, count=500)
    assert {200, 400, 403, 404} <= statuses.keys()
    assert max(statuses) < 500
    with Tab(server) as tab:
        server.post("/queue", {"clear": True})
        prompt_id = server.run(PICTURE).json()["prompt_id"]
        assert server.finished(prompt_id)["status"] == "completed"
        assert "status" in tab.kinds()


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_malformed_requests_are_refused(server, kind):
    for data in kind():
        said = hostile.answer(server.port, data)
        status = said.partition(b"\r\n")[0]
        assert not status or re.match(rb"HTTP/1\.[01] [1-4]\d\d ", status), (
            data[:200],
            said[-300:],
        )
        assert b"root:" not in said
    assert not (server.folder.parent / "etc").exists()
    server.post("/queue", {"clear": True})
    prompt_id = server.run(PICTURE).json()["prompt_id"]
    assert server.finished(prompt_id)["status"] == "completed"


def test_broken_connections_do_no_harm(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.putrequest("POST", "/prompt")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"{")
    connection.close()
    assert server.get("/users").status == 200


def test_requests_from_outside_need_the_token(tmp_path):
    with Server(tmp_path, "--listen", "0.0.0.0") as server:
        token = server.query.removeprefix("?token=")
        assert len(token) >= 30
        for path in ("/", "/object_info", "/ws", "/?token=wrong"):
            assert server.get(path).status == 401
        assert server.get("/users", Authorization=f"Bearer {token}").status == 200
        assert server.get("/users", Authorization=f"Bearer {token}x").status == 401
        first = server.get(f"/{server.query}")
        assert first.status == 302
        assert first.headers["Location"] == "/"
        for path in ("//evil.example/", "/\\evil.example/", "///evil.example"):
            away = server.get(f"{path}{server.query}").headers.get("Location", "/")
            assert re.match(r"/(?![/\\])", away), away
        assert "0.0.0.0" not in server.first_line, "no other computer can open that"
        cookie = first.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        known = cookie.split(";")[0]
        assert server.get("/users", Cookie=known, Host="studio.local:80").status == 200
        assert server.get("/users", Cookie=known, Origin="http://evil.example").status == 403


def test_the_server_warns_about_an_untested_editor(tmp_path):
    other = tmp_path / "other" / "comfyui_frontend_package-1.999.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Name: comfyui-frontend-package\nVersion: 1.999.0\n")
    folders = [str(other.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    with Server(tmp_path, PYTHONPATH=os.pathsep.join(folders)) as server:
        assert "graphs are in" in server.process.stdout.readline()
        assert "version 1.999.0 of the editor was not tested" in server.process.stdout.readline()
        assert (
            server.get("/system_stats").json()["system"]["required_frontend_version"] == "1.999.0"
        )


def test_one_server_per_folder_and_errors_for_wrong_options(server, tmp_path):
    command = [sys.executable, "-m", "artgraph", "edit", "--no-browser", "--pack", str(PACK)]

    def refused(*words, cwd=tmp_path):
        done = subprocess.run(
            [*command, *words], cwd=cwd, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    done = subprocess.run(command, cwd=server.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"an editor is already open on {server.folder} (process {server.process.pid});"
        f" it is at {server.address}/\n"
    )
    code, words = refused("--port", str(server.port))
    assert code == 2
    assert "try another --port" in words
    assert refused("--folder", "nowhere")[0] == 3
    assert refused("no_such_graph")[0] == 3
    assert refused("--device", "tpu")[0] == 2
