"""What the editor says about a folder of pictures before a run: the same as the run."""

import io
import os

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

from editing import Server, until


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("looks")) as server:
        yield server


def save(path, size=(24, 16), colour="teal"):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def look(server, folder, **more):
    """Returns what the server says in the end."""
    answer = server.post("/artgraph/looks", {"folder": folder, **more})
    assert answer.status == 200, answer.body
    path = f"/artgraph/looks/state?look={answer.json()['look']}"
    return until(lambda: (state := server.get(path).json())["done"] and state, 20)


def said_by_run(server, folder, review=None, **more):
    """Returns the last line that `load_dataset` says."""
    from artgraph.contract.context import Context
    from artgraph.contract.errors import InputError
    from artgraph.nodes.load_dataset import load_dataset

    inputs, lines = server.folder / "input", []
    more["review"] = review and inputs / review
    try:
        load_dataset(
            folder=inputs / folder, **more, ctx=Context(log=lines.append, warn=lines.append)
        )
    except InputError as error:
        lines.append(f"{error.what} - {error.advice}")
    return lines[-1]


def joined(state):
    return "; ".join([state["line"], *state["doubts"]])


def test_it_is_what_the_run_says(server):
    mixed = server.folder / "input" / "mixed"
    for name in ("dawn/a.png", "dawn/b.png", "dusk/c.jpg", "dusk/10.png", "dusk/9.png"):
        save(mixed / name)
    (mixed / "dusk" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (mixed / "notes.txt").write_text("text")
    (mixed / "layers.psd").write_bytes(b"8BPS")
    (mixed / "empty").mkdir()
    state = look(server, "mixed")
    assert (state["opened"], state["total"], state["sheet"]) == (6, 6, True)
    assert state["classes"] == [["dawn", 2], ["dusk", 3]]
    assert state["line"] == "5 pictures in 2 classes, 33% of the area is cut off on average"
    for words in ("1 unreadable (dusk/broken.png", "1 PSD", "1 class folder is empty"):
        assert words in joined(state)
    assert joined(state) == said_by_run(server, "mixed")
    wide = {"aspect": "auto", "fit": "pad", "size": 32}
    said = joined(look(server, "mixed", **wide))
    assert said == said_by_run(server, "mixed", **wide)
    assert "10% of the area is white border" in said


def test_tables_and_reviews_are_used(server):
    labelled = server.folder / "input" / "labelled"
    for name in ("a.png", "b.png", "c.png"):
        save(labelled / name, (16, 16))
    (labelled / "metadata.csv").write_text("file_name,label\na.png,red\nb.png,blue\nc.png,red\n")
    state = look(server, "labelled")
    assert state["classes"] == [["blue", 1], ["red", 2]]
    assert joined(state) == said_by_run(server, "labelled")
    review = server.folder / "input" / "labelled.review.yaml"
    review.write_text("review: 1\npictures:\n  a.png: {drop: true}\n")
    state = look(server, "labelled", review="labelled.review.yaml")
    assert joined(state) == said_by_run(server, "labelled", review="labelled.review.yaml")
    assert "1 dropped by the review" in state["line"]


def test_the_sheet_shows_each_class(server):
    from PIL import Image

    for kind, colour in (("red", "#ff0000"), ("green", "#00ff00"), ("blue", "#0000ff")):
        for number in range(30):
            save(server.folder / "input" / "colours" / kind / f"{number}.png", (16, 16), colour)
    state = look(server, "colours")
    answer = server.get(f"/artgraph/looks/sheet?look={state['look']}")
    assert answer.headers["Content-Type"] == "image/webp"
    with Image.open(io.BytesIO(answer.body)) as sheet:
        assert sheet.size == (6 * 98 + 2, 3 * 98 + 2)
        rows = [sheet.convert("RGB").getpixel((50, 50 + 98 * row)) for row in range(3)]
    assert [row.index(max(row)) for row in rows] == [2, 1, 0]  # blue, green, red


def test_the_empty_places_of_a_sheet_are_transparent(server):
    from PIL import Image

    for number in range(7):
        save(server.folder / "input" / "seven" / f"{number}.png", (16, 16), "#ff0000")
    answer = server.get(f"/artgraph/looks/sheet?look={look(server, 'seven')['look']}")
    with Image.open(io.BytesIO(answer.body)) as sheet:
        opacity = [sheet.getpixel((50 + 98 * column, 150))[3] for column in range(2)]
    assert opacity == [255, 0]


def test_a_changed_folder_is_looked_at_again_and_an_unchanged_one_is_not(server):
    folder = server.folder / "input" / "growing"
    save(folder / "a.png")
    first = look(server, "growing")
    assert first["line"].startswith("1 picture in 1 class")
    assert look(server, "growing")["look"] == first["look"]
    save(folder / "b.png")
    second = look(server, "growing")
    assert second["look"] != first["look"]
    assert second["line"].startswith("2 pictures in 1 class")
    folder.joinpath("a.png").write_bytes(b"now damaged")
    assert look(server, "growing")["line"].startswith("1 picture in 1 class")


def test_a_folder_without_pictures_says_what_the_run_says(server):
    folder = server.folder / "input" / "texts"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("text")
    problem = look(server, "texts")["problem"]
    assert "1 TXT (a.txt)" in problem
    assert problem == said_by_run(server, "texts")
    (folder / "a.png").write_bytes(b"nothing")
    problem = look(server, "texts")["problem"]
    assert "the only picture in 'texts' can't be read" in problem
    assert problem == said_by_run(server, "texts")


def test_folders_outside_and_wrong_requests_are_refused(server, tmp_path):
    save(tmp_path / "secret" / "a.png")
    (server.folder / "input").mkdir(exist_ok=True)
    os.symlink(tmp_path / "secret", server.folder / "input" / "link")  # noqa: PTH211
    outside = ["..", "../..", "/etc", str(tmp_path / "secret"), "link", "link/", "nothing", "\0"]
    for folder in [*outside, "", 1, None, ["mixed"], {"a": 1}, "x" * 5_000]:
        answer = server.post("/artgraph/looks", {"folder": folder})
        assert answer.status == 400, folder
        assert b"a.png" not in answer.body
    save(server.folder / "input" / "one" / "a.png")
    odd = {"size": 10**9, "fit": "x", "aspect": "9:1", "background": "url(x)", "table": 3}
    assert look(server, "one", **odd)["line"].startswith("1 picture in 1 class")
    for more in ({"graph": "../../x.json"}, {"graph": "a/../../x"}):
        assert server.post("/artgraph/looks", {"folder": "one", **more}).status == 403
    for more in ({"table": "no.csv"}, {"review": "no.yaml"}, {"review": "/etc/passwd"}):
        assert server.post("/artgraph/looks", {"folder": "one", **more}).status == 400
    for path in ("state", "sheet", "state?look=x", "sheet?look=../x"):
        assert server.get(f"/artgraph/looks/{path}").status == 410
    assert server.post("/artgraph/looks", b"[]").status == 400
    assert server.post("/artgraph/looks", {"folder": "one"}, Origin="null").status == 403
