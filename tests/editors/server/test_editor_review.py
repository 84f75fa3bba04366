"""The routes of the review sheet, and uploads of archives and films."""

import io
import json
import zipfile
from urllib.parse import quote

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

import hostile
import numpy as np
from editing import Server, until
from PIL import Image, ImageFilter

BY_HAND = """\
# chosen by hand
review: 1
pictures:
  cats/a.png: {stars: 4}   # the best one
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviewed")
    (folder.parent / "outside").mkdir(exist_ok=True)
    _picture(3).save(folder.parent / "outside" / "secret.png")
    with Server(folder) as server:
        yield server


def _picture(seed, size=(90, 60), cells=9):
    """Returns a picture of squares, which has no border and is not empty."""
    noise = np.random.default_rng(seed).integers(0, 256, (cells, cells, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.NEAREST)


@pytest.fixture
def pets(server, request):
    """Returns a new folder of pictures in two classes."""
    folder = server.folder / "input" / request.node.name
    for number, name in enumerate(("cats/a.png", "cats/b.png", "dogs/c.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _picture(number).save(folder / name)
    return folder


def opened(server, folder, **widgets):
    answer = server.post("/artgraph/review/open", {"folder": folder.name, **widgets})
    assert answer.status == 200, answer.body
    return answer.json()


def save(server, sheet, edits, digest=None):
    digest = sheet["digest"] if digest is None else digest
    body = {"sheet": sheet["sheet"], "digest": digest, "edits": edits}
    return server.post("/artgraph/review/save", body)


def picture(server, sheet, number, edge=256):
    return server.get(
        f"/artgraph/review/picture?sheet={sheet['sheet']}&number={number}&edge={edge}"
    )


def test_choices_are_saved_beside_the_folder_and_comments_stay(server, pets):
    file = pets.with_name(f"{pets.name}.review.yaml")
    sheet = opened(server, pets)
    assert sheet["pictures"] == [
        ["cats/a.png", "cats"],
        ["cats/b.png", "cats"],
        ["dogs/c.png", "dogs"],
    ]
    assert (sheet["file"], sheet["digest"], file.exists()) == (file.name, "", False)
    first = save(server, sheet, {"cats/b.png": {"drop": True}}).json()
    assert "cats/b.png: {drop: true}" in file.read_text()
    file.write_text(BY_HAND)
    refused = save(server, sheet, {"dogs/c.png": {"class": "cats"}}, first["digest"])
    assert refused.status == 409
    assert b"someone else" in refused.body
    assert file.read_text() == BY_HAND
    again = opened(server, pets, review=file.name)
    assert again["choices"] == {"cats/a.png": {"stars": 4}}
    crop = {"class": "cats", "crop": [0.1, 0, 0.5, 1]}
    assert save(server, again, {"dogs/c.png": crop}).status == 200
    assert file.read_text() == BY_HAND + "  dogs/c.png: {class: cats, crop: [0.1, 0.0, 0.5, 1.0]}\n"
    assert opened(server, pets)["choices"]["dogs/c.png"]["crop"] == [0.1, 0, 0.5, 1]


def test_small_pictures_keep_their_transparency_and_damaged_ones_say_why(server, pets):
    clear = Image.new("RGBA", (600, 300), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 300, 300))
    clear.save(pets / "cats" / "a.png")
    (pets / "cats" / "b.png").write_bytes((pets / "dogs" / "c.png").read_bytes()[:200])
    sheet = opened(server, pets)
    with Image.open(io.BytesIO(picture(server, sheet, 0).body)) as small:
        assert (small.format, small.size, small.mode) == ("WEBP", (256, 128), "RGBA")
        assert small.getpixel((200, 60))[3] == 0
    with Image.open(io.BytesIO(picture(server, sheet, 0, 1600).body)) as large:
        assert large.size == (600, 300)
    broken = picture(server, sheet, 1)
    assert broken.status == 422
    assert b"cut short" in broken.body
    assert picture(server, sheet, 3).status == 404
    assert picture(server, sheet, 0, 9).status == 404


def test_pictures_of_an_archive_are_shown(server, pets):
    archive = server.folder / "input" / "packed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(pets.rglob("*.png")):
            file.write(path, path.relative_to(pets))
    sheet = opened(server, archive)
    assert sheet["file"] == "packed.review.yaml"
    assert [picture(server, sheet, number).status for number in range(3)] == [200] * 3


def test_what_is_wrong_with_pictures_is_found_in_the_background(server, pets):
    _picture(0).convert("L").save(pets / "dogs" / "again.png")
    _picture(7, cells=3).filter(ImageFilter.GaussianBlur(8)).save(pets / "dogs" / "soft.png")
    Image.new("RGB", (90, 60), "white").save(pets / "dogs" / "white.png")
    _picture(8, (20, 12)).save(pets / "dogs" / "tiny.png")
    (pets / "cats" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    sheet = opened(server, pets, size=32)

    def state():
        found = server.get(f"/artgraph/review/flags?sheet={sheet['sheet']}").json()
        return None if "done" in found else found

    found = until(state, 120)
    words = {name: {flag[0] for flag in flags} for name, flags in found["flags"].items()}
    assert words["dogs/again.png"] == {"duplicate"}
    assert found["flags"]["dogs/again.png"][0][2] == "cats/a.png"
    assert "blurred" in words["dogs/soft.png"]
    assert {"border", "empty"} <= words["dogs/white.png"]
    assert "small" in words["dogs/tiny.png"]
    assert not {"cats/a.png", "cats/b.png", "dogs/c.png"} & set(words)
    assert "1 unreadable (cats/broken.png" in " ".join(found["notes"])


def test_only_reviews_in_the_editors_folders_are_written(server, pets, tmp_path):
    graph = server.folder / "graph.yaml"
    graph.write_text("artgraph: 1\nnodes: {}\n")
    (tmp_path / "elsewhere.yaml").write_text(BY_HAND)
    (pets.parent / "link.yaml").unlink(missing_ok=True)
    (pets.parent / "link.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    (server.folder / "out").mkdir(exist_ok=True)
    (server.folder / "out" / "in_out.yaml").write_text(BY_HAND)
    expected = {
        "graph.yaml": 422,
        "link.yaml": 400,
        "../out/in_out.yaml": 403,
        "a/../../x.yaml": 400,
    }
    expected |= {str(tmp_path / "elsewhere.yaml"): 400, "..": 400, "new.txt": 400, "\0": 400}
    for review, status in expected.items():
        answer = server.post("/artgraph/review/open", {"folder": pets.name, "review": review})
        assert answer.status == status, (review, answer.body)
    assert graph.read_text() == "artgraph: 1\nnodes: {}\n"
    assert (tmp_path / "elsewhere.yaml").read_text() == BY_HAND
    sheet = opened(server, pets, review="sub/new.yaml")
    assert save(server, sheet, {"cats/a.png": {"keep": True}}).status == 200
    assert "keep: true" in (server.folder / "input" / "sub" / "new.yaml").read_text()


def test_hostile_requests_show_and_change_nothing(server, pets):
    outside = server.folder.parent / "outside"
    (server.folder / "input" / "way_out").unlink(missing_ok=True)
    (server.folder / "input" / "way_out").symlink_to(outside)
    for folder in ("", "..", "../outside", str(outside), "way_out", "/etc", "\0", "a" * 9_000):
        answer = server.post("/artgraph/review/open", {"folder": folder})
        assert answer.status == 400, (folder, answer.body)
    (pets / "cats" / "link.png").symlink_to(outside / "secret.png")
    sheet = opened(server, pets)
    assert "cats/link.png" not in [name for name, _ in sheet["pictures"]]
    (pets / "cats" / "b.png").unlink()
    (pets / "cats" / "b.png").symlink_to(outside / "secret.png")  # after the sheet was opened
    assert picture(server, sheet, 1).status == 422
    wrong = [json.loads(text) for text in hostile._WRONG + hostile._NUMBERS[:5]]
    edits = [{"cats/a.png": value} for value in wrong if value not in (None, {})]
    names = ("drop", "keep", "class", "stars", "crop", "", "path")
    edits += [{"cats/a.png": {name: value}} for name in names for value in [*wrong, "\0", "../x"]]
    edits += [{name: {"drop": True}} for name in ("../../x", "", "/etc/passwd", "cats/none.png")]
    for number in ("-1", "1e3", "9" * 30, "", "../0"):
        assert picture(server, sheet, quote(number)).status == 404
    statuses = {save(server, sheet, edit).status for edit in edits} | {
        save(server, sheet, {}, digest).status for digest in (5, [], {})
    }
    assert statuses <= {200, 400, 409}
    closed = {"sheet": "x" * 30}
    assert picture(server, closed, 0).status == 410
    assert save(server, closed | {"digest": ""}, {}).status == 410
    assert server.get("/users").status == 200


def upload(server, name, data):
    return server.post(f"/artgraph/upload?name={quote(name)}", data)


def test_archives_and_films_are_uploaded(server):
    folder = server.folder / "input"
    assert upload(server, "set.tar.gz", b"one").json() == {"name": "set.tar.gz"}
    assert upload(server, "set.tar.gz", b"one").json() == {"name": "set.tar.gz"}
    assert upload(server, "set.tar.gz", b"two").json() == {"name": "set (2).tar.gz"}
    assert (folder / "set (2).tar.gz").read_bytes() == b"two"
    assert upload(server, "clip.MP4", b"film").json() == {"name": "clip.MP4"}
    assert upload(server, "../up.zip", b"x").json() == {"name": "up.zip"}
    assert upload(server, "a\0: b?.zip", b"x").json() == {"name": "a__ b_.zip"}
    refused = {"a.html": 415, "zip": 415, "": 415, "..": 415, ".zip/": 415}
    assert {name: upload(server, name, b"x").status for name in refused} == refused
    assert upload(server, "empty.zip", b"").status == 400
    assert not list(folder.glob(".*.part"))


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(server):
    head = b"POST /artgraph/upload?name=a.zip HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    answer = hostile.answer(server.port, head + b"Content-Length: 9000000000\r\n\r\nPK")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"more than 4 GiB - copy it into the input folder" in answer
