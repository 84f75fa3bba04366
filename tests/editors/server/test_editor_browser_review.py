"""The review sheet in a real Chromium, and the buttons that upload archives and films."""

import csv
import io
import os
import zipfile

import numpy as np
import yaml
from browsing import widget
from editing import until
from PIL import Image, ImageOps

from artgraph.pictures.styles import render_all

GRAPH = """\
artgraph: 1
nodes:
  pictures: {node: load_dataset, with: {folder: art, size: 32}}
  film: {node: load_video}
  pair: {node: dataset_images, from: {dataset: pictures}, with: {count: 64}}
  table: {node: save_table, from: {table: pair.table}}
  sheet: {node: save_image, from: {image: pair.image}}
"""
CHANGE = """
    const node = app.graph.nodes.find(n => n.title === 'table')
    const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker
    const capture = () => (tracker.captureCanvasState ?? tracker.checkState).call(tracker)
    capture()
    node.pos = [1234, 567]
    capture()
    app.canvas.selectNode(node)
"""
STYLES = ("bauhaus", "kandinsky", "mondrian", "truchet")
COUNT = 24


def _paint(folder):
    """Paint a folder of four classes, with a small copy of a picture."""
    pixels = np.empty((COUNT, 200, 200, 3), np.uint8)
    for _ in render_all(STYLES, 3, pixels):
        pass
    for number in range(COUNT):
        path = folder / STYLES[number % 4] / f"{number // 4}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[number]).save(path)
    Image.fromarray(pixels[1]).resize((30, 30)).save(folder / "mondrian" / "again.png")


def _press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def _open_sheet(editor):
    editor.ask(f"{widget('pictures', 'review pictures')}.callback()")
    editor.page.wait_for_selector(".rv-loaded")


def test_choices_in_the_sheet_are_in_the_next_run(editor):
    folder = editor.server.folder / "input" / "art"
    _paint(folder)
    file = folder.with_name("art.review.yaml")
    editor.show(GRAPH, "reviewed")
    page = editor.page
    editor.ask(f"() => {{ {CHANGE} }}")
    _open_sheet(editor)
    counter = page.locator(".rv-counter")
    assert counter.inner_text() == "25 pictures, 4 classes, 0 dropped"
    _press(page, "d", "ArrowRight", "5", "Shift+ArrowRight", "k")  # drop 0; keep 1 and 2
    _press(page, "ArrowRight", "c")  # 3
    page.keyboard.type("houses")
    _press(page, "Enter", "Home", "ArrowRight", "x")
    image = page.locator(".rv-stage .rv-fit")
    page.wait_for_function("document.querySelector('.rv-stage img').naturalWidth > 0")
    box = image.bounding_box()
    right = [box["x"] + box["width"] * 0.6, box["y"] + 2]
    page.mouse.move(*right)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.99, box["y"] + box["height"] - 2, steps=3)
    page.mouse.up()
    editor.shot("review_crop")
    _press(page, "Enter", "End", "d", "Control+z", "Delete", "z", "Home", "1", "0")
    if os.environ.get("ARTGRAPH_SCREENSHOTS"):
        page.wait_for_selector(".rv-flag")
    editor.shot("review")
    assert counter.inner_text() == "25 pictures, 5 classes, 1 dropped"
    _press(page, "Escape")
    page.wait_for_selector(".rv-sheet", state="detached")
    text = file.read_text()
    assert text.startswith("review: 1\npictures:\n  bauhaus/0.png: {drop: true}\n")
    assert "bauhaus/1.png: {keep: true, stars: 5, crop: [0.6" in text
    assert "bauhaus/3.png: {class: houses}" in text
    assert editor.ask(f"{widget('pictures', 'review')}.value") == "art.review.yaml"
    page.wait_for_timeout(300)  # until the editor would have undone its change
    assert editor.ask("app.graph.nodes.length") == 5  # the keys were not for the graph
    assert editor.ask("app.graph.nodes.find(n => n.title === 'table').pos[0]") == 1234

    _open_sheet(editor)  # undo goes on where it was
    _press(page, "z")
    until(lambda: "bauhaus/0.png: {drop: true, stars: 1}" in file.read_text() or None)
    file.write_text(text + "# by hand\n")
    _press(page, "Home", "k")
    page.locator(".rv-status >> text=Reload").click()
    page.wait_for_function("!document.querySelector('.rv-problem')")
    assert file.read_text() == text + "# by hand\n"
    _press(page, "Escape")
    page.wait_for_selector(".rv-sheet", state="detached")

    editor.run()
    out = editor.server.folder / "out" / "reviewed"
    assert editor.finished()["status"] in ("completed", "failed")  # `film` has no film
    with (out / "table.csv").open(newline="") as table:
        rows = [list(row.values()) for row in csv.DictReader(table)]
    assert all("bauhaus/0.png" not in row for row in rows)
    assert any("houses" in row and "bauhaus/3.png" in row for row in rows)
    first = next(at for at, row in enumerate(rows) if "bauhaus/1.png" in row)
    left, top, width, height = yaml.safe_load(text)["pictures"]["bauhaus/1.png"]["crop"]
    with Image.open(sorted(out.glob("sheet_*.png"))[first]) as picture:
        loaded = np.asarray(picture.convert("RGB"), float)
    with Image.open(folder / "bauhaus" / "1.png") as whole:
        part = whole.crop((*(round(200 * v) for v in (left, top, left + width, top + height)),))
        expected = np.asarray(ImageOps.fit(part, (32, 32)), float)
        uncropped = np.asarray(whole.resize((32, 32)), float)
    assert abs(loaded - expected).mean() < 12 < abs(loaded - uncropped).mean()


def test_archives_and_films_are_chosen_on_their_nodes(editor, tmp_path):
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        buffer = io.BytesIO()
        Image.new("RGB", (48, 32), "teal").save(buffer, "PNG")
        archive.writestr("cats/a.png", buffer.getvalue())
    (tmp_path / "clip.mp4").write_bytes(b"a film")
    editor.show(GRAPH, "chosen")
    for title, button, file, name in (
        ("pictures", "choose a zip, tar or Parquet file", "pets.zip", "folder"),
        ("film", "choose a film", "clip.mp4", "path"),
    ):
        with editor.page.expect_file_chooser() as chooser:
            editor.ask(f"{widget(title, button)}.callback()")
        chooser.value.set_files(str(tmp_path / file))
        editor.wait_for(f"{widget(title, name)}.value === '{file}'")
        assert (editor.server.folder / "input" / file).is_file()
    editor.drop("dropped.zip", (tmp_path / "pets.zip").read_bytes(), "application/zip")
    loaded = "app.graph.nodes.some(n => n.widgets?.some(w => w.value === 'dropped.zip'))"
    editor.wait_for(loaded)
