"""Sets of pictures that are uploaded: whole or not at all, under any names, from two windows."""

import io
import json
import signal
import unicodedata

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

from editing import Server


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path) as server:
        yield server


def picture(colour):
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), colour).save(buffer, "PNG")
    return buffer.getvalue()


RED, BLUE = picture("red"), picture("blue")


def begin(server, name, paths, **more):
    return server.post("/artgraph/sets/begin", {"name": name, "paths": list(paths), **more}).json()


def send(server, upload, number, data):
    return server.post(f"/artgraph/sets/file?upload={upload}&number={number}", data)


def finish(server, upload, **more):
    return server.post("/artgraph/sets/finish", {"upload": upload, **more})


def upload(server, name, files, how="new"):
    """Upload a set: the contents of its files by their paths. Returns the last answer's JSON."""
    begun = begin(server, name, files)
    contents = list(files.values())
    for number in begun["take"]:
        assert send(server, begun["upload"], number, contents[number]).status == 200
    return finish(server, begun["upload"], how=how).json()


def stored(server, name):
    """Returns the contents of a set by the paths of its files."""
    root = server.folder / "input" / name
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def hidden(server):
    return [path.name for path in (server.folder / "input").glob(".*")]


def test_a_set_appears_when_it_is_complete(server):
    begun = begin(server, "cats", ["tabby/a.png", "b.png"])
    assert (begun["take"], begun["left"], begun["exists"]) == ([0, 1], "", None)
    send(server, begun["upload"], 1, RED)
    assert stored(server, "cats") == {}
    answer = finish(server, begun["upload"])
    assert answer.status == 400
    assert b"1 of the files have not arrived" in answer.body
    send(server, begun["upload"], 0, BLUE)
    assert finish(server, begun["upload"]).json()["pictures"] == 2
    assert stored(server, "cats") == {"tabby/a.png": BLUE, "b.png": RED}
    assert hidden(server) == []
    assert send(server, begun["upload"], 0, BLUE).status == 410
    assert finish(server, begun["upload"]).status == 410


def test_a_set_of_the_same_name_is_replaced_extended_or_left_alone(server):
    first = {"a.png": RED, "b.png": RED, "class/c.png": RED}
    upload(server, "cats", first)
    changed = {"a.png": BLUE, "class/c.png": RED, "d.png": RED}
    begun = begin(server, "Cats", changed)
    assert begun["exists"] == {"name": "cats", "pictures": 3, "is_set": True, "free": "Cats (2)"}
    for number in begun["take"]:
        send(server, begun["upload"], number, list(changed.values())[number])
    answer = finish(server, begun["upload"])
    assert (answer.status, answer.json()["exists"]["pictures"]) == (409, 3)
    assert stored(server, "cats") == first

    both = finish(server, begun["upload"], how="both").json()
    assert (both["name"], both["pictures"]) == ("Cats (2)", 3)
    assert stored(server, "cats") == first

    added = upload(server, "cats", changed, "add")
    assert (added["pictures"], added["same"], added["renamed"]) == (5, 1, [1, ["a (2).png"]])
    assert stored(server, "cats") == first | {"a (2).png": BLUE, "d.png": RED}

    assert upload(server, "cats", changed, "replace")["pictures"] == 3
    assert stored(server, "cats") == changed
    replaced = server.folder / ".artgraph" / "replaced" / "cats"
    assert sorted(path.name for path in replaced.glob("*.png")) == [
        *("a (2).png", "a.png", "b.png", "d.png"),
    ]
    assert hidden(server) == []


def test_a_review_in_a_set_survives_its_replacement(server):
    upload(server, "cats", {"a.png": RED})
    review = server.folder / "input" / "cats" / "review.yaml"
    review.write_text("a.png: {stars: 5}\n")
    assert upload(server, "cats", {"a.png": BLUE}, "replace")["kept"] == "review.yaml"
    assert review.read_text() == "a.png: {stars: 5}\n"


def test_a_cancelled_or_broken_upload_leaves_the_set_as_it_was(server):
    upload(server, "cats", {"a.png": RED})
    begun = begin(server, "cats", ["a.png", "b.png"])
    send(server, begun["upload"], 0, BLUE)
    server.post("/artgraph/sets/cancel", {"upload": begun["upload"]})
    assert finish(server, begun["upload"], how="replace").status == 410
    assert (stored(server, "cats"), hidden(server)) == ({"a.png": RED}, [])

    begun = begin(server, "cats", ["a.png", "b.png"])
    send(server, begun["upload"], 0, BLUE)
    assert len(hidden(server)) == 1
    server.stop(signal.SIGKILL)
    with Server(server.folder) as again:
        assert (stored(again, "cats"), hidden(again)) == ({"a.png": RED}, [])


def test_a_set_that_was_being_replaced_when_the_editor_was_killed_is_put_back(server):
    upload(server, "cats", {"a.png": RED})
    server.stop()
    cats = server.folder / "input" / "cats"
    cats.rename(cats.with_name(".cats.replaced"))  # the step between the two renames
    with Server(server.folder) as again:
        assert (stored(again, "cats"), hidden(again)) == ({"a.png": RED}, [])


def test_a_file_that_breaks_off_has_not_arrived(server):
    import http.client

    begun = begin(server, "cats", ["a.png"])
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.putrequest("POST", f"/artgraph/sets/file?upload={begun['upload']}&number=0")
    connection.putheader("Content-Length", str(len(RED)))
    connection.endheaders(RED[:20])
    connection.close()
    assert finish(server, begun["upload"]).status == 400
    assert send(server, begun["upload"], 0, b"").status == 400
    answer = finish(server, begun["upload"], without=[0])
    assert (answer.status, answer.body[:32]) == (400, b"none of the files has arrived - ")


def test_two_windows_never_mix_their_pictures(server):
    one, two = begin(server, "cats", ["a.png", "x.png"]), begin(server, "cats", ["a.png"])
    for number, data in ((0, RED), (1, RED)):
        send(server, one["upload"], number, data)
    send(server, two["upload"], 0, BLUE)
    assert finish(server, one["upload"]).json()["pictures"] == 2
    assert finish(server, two["upload"]).status == 409  # it exists since then
    assert finish(server, two["upload"], how="replace").json()["pictures"] == 1
    assert stored(server, "cats") == {"a.png": BLUE}


NAMES = {
    "Screenshot 2026-11-26 at 10:30:05.png": "Screenshot 2026-11-26 at 10_30_05.png",
    "a:b.png": "a_b.png",
    "caf\u00e9/\u732b \U0001f431.PNG": "caf\u00e9/\u732b \U0001f431.PNG",
    unicodedata.normalize("NFD", "\u00e9t\u00e9.png"): "\u00e9t\u00e9.png",
    "what?/<b>*.jpg": "what_/_b__.jpg",
    "back\\slash.png": "back_slash.png",
    "con.png": "_con.png",
    "/etc/x.png": "etc/x.png",
    "end. /y .png": "end_/y_.png",
    "line\nbreak.png": "line_break.png",
    "a_b.png": "a_b (2).png",
    f"{'long' * 60}.png": None,
}


def test_names_of_all_kinds_are_made_safe(server):
    answer = upload(server, "my: set?", dict.fromkeys(NAMES, RED))
    assert (answer["name"], answer["pictures"]) == ("my_ set_", len(NAMES))
    names = stored(server, "my_ set_")
    assert {name for name in NAMES.values() if name} < names.keys()
    (long,) = names.keys() - set(NAMES.values())
    assert (long.endswith(".png"), len(long)) == (True, 144)
    everything = {path.name for path in server.folder.iterdir()}
    assert everything == {"input", ".artgraph", "server.log"}
    for name in ("..", ".", "", "/", ".hidden", "a/b"):
        assert "/" not in upload(server, name, {"a.png": RED}, "both")["name"].lstrip("_.")
    assert {path.name for path in server.folder.iterdir()} == everything


def test_what_is_left_out_is_named_with_its_reason(server):
    paths = ["a.png", "labels.csv", "deep/labels.csv", "notes.txt", "b.psd", ".DS_Store"]
    paths += ["../../out.png", "._a.png", ".hidden.png", "Thumbs.db", "@eaDir/a.png"]
    paths += ["@eaDir/b.png", "pics.zip"]
    begun = begin(server, "cats", paths)
    assert begun["take"] == [0, 1]
    said = ("1 PSD (b.psd)", "1 TXT (notes.txt)", "2 hidden (.., .hidden.png)")
    for words in (*said, "1 system folder (@eaDir)", "1 ZIP (pics.zip)"):
        assert words in begun["left"]
    assert any("PSD can't be read" in note for note in begun["notes"])
    nothing = begin(server, "cats", ["notes.txt", "b.psd"])
    assert nothing["take"] == []
    assert hidden(server) == hidden(server)[:1]  # of the upload that has begun, and no other one
    shards = begin(server, "shards", ["1.tar", "2.tar"])
    assert shards["take"] == [0, 1]


HOSTILE = [
    {"name": "x", "paths": "a.png"},
    {"name": "x", "paths": [1]},
    {"name": "x", "paths": [""]},
    {"name": "x", "paths": ["\0.png"]},
    {"name": "x", "paths": ["a" * 1001]},
    {"name": "x", "paths": ["a.png"], "bytes": -1},
    {"name": "x", "paths": ["a.png"], "bytes": "many"},
    {"name": "x", "paths": None},
    {},
]


def test_hostile_requests_are_refused(server):
    for body in HOSTILE:
        assert server.post("/artgraph/sets/begin", body).status == 400
    too_much = {"name": "x", "paths": ["a.png"], "bytes": 10**18}
    assert server.post("/artgraph/sets/begin", too_much).status == 507
    too_many = {"name": "x", "paths": ["a.png"] * 100_001}
    assert server.post("/artgraph/sets/begin", too_many).status == 413
    key = begin(server, {"a": 1}, ["a.png", "b.txt"])["upload"]
    for number in ("1", "2", "-1", "x", "", "0/../1", "99999999999"):
        assert send(server, key, number, RED).status == 400
    assert send(server, "nonsense", 0, RED).status == 410
    for body in ({"upload": [key]}, {"upload": None}, {}):
        assert server.post("/artgraph/sets/finish", body).status == 410
        assert server.post("/artgraph/sets/cancel", body).status == 200
    for more in ({"how": "all"}, {"how": []}, {"without": "x"}, {"without": ["0"]}):
        assert finish(server, key, **more).status == 400
    for path in ("begin", "file?upload=x&number=0", "finish", "cancel"):
        answer = server.post(f"/artgraph/sets/{path}", b"{}", Origin="http://other.site")
        assert answer.status == 403
    large = b"\x89PNG" + bytes(101 * 2**20)
    assert send(server, key, 0, large).status == 413
    assert server.get("/users").status == 200


def test_a_link_is_not_replaced_and_nothing_behind_it_is_written(server, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "a.png").write_bytes(RED)
    (server.folder / "input").mkdir()
    (server.folder / "input" / "cats").symlink_to(elsewhere)
    (server.folder / "input" / "dogs").write_text("a file")
    for name in ("cats", "dogs"):
        begun = begin(server, name, ["a.png"])
        assert (begun["exists"]["is_set"], begun["exists"]["pictures"]) == (False, 0)
        send(server, begun["upload"], 0, BLUE)
        for how in ("new", "replace", "add"):
            assert finish(server, begun["upload"], how=how).status == 409
        assert finish(server, begun["upload"], how="both").json()["name"] == f"{name} (2)"
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == {"a.png": RED}
    assert (server.folder / "input" / "dogs").read_text() == "a file"


def test_the_oldest_of_many_uploads_is_discarded(server):
    keys = [begin(server, f"set {number}", ["a.png"])["upload"] for number in range(9)]
    assert [send(server, key, 0, RED).status for key in (keys[0], keys[1])] == [410, 200]
    assert len(hidden(server)) == 8
    server.stop()
    assert hidden(server) == []


def test_answers_contain_no_path_of_this_computer(server):
    begun = begin(server, "cats", ["a.png"])
    send(server, begun["upload"], 0, RED)
    for answer in (begun, finish(server, begun["upload"]).json()):
        assert str(server.folder) not in json.dumps(answer)
