"""The editor in a real Chromium: saving, opening, and files that are dropped on it."""

import io

from browsing import PICTURE, TRAINING, Editor, widget
from editing import until


def test_saving_and_opening_again_keeps_the_layout(editor, browser):
    page = editor.page
    editor.show(PICTURE, "kept", seed=3)
    editor.ask("app.graph.nodes.find(n => n.title === 'sheet').pos = [900, 500]")
    page.keyboard.press("Control+s")
    page.get_by_role("dialog").get_by_role("textbox").fill("kept")
    page.keyboard.press("Enter")
    file = editor.server.folder / "kept.yaml"
    until(file.is_file)
    assert "seed: 3" in file.read_text()
    other = Editor(browser, editor.server)
    other.page.get_by_test_id("workflows-tab-button").click()
    other.page.get_by_role("treeitem", name="kept").click()
    other.wait_for("app.graph.nodes.find(n => n.title.endsWith('sheet'))?.pos[0] === 900")
    file.write_text(file.read_text().replace("seed: 3", "seed: 4"))
    for tab in (editor, other):
        tab.wait_for(f"{widget('art', 'seed')}.value === 4", seconds=15)
    other.page.close()


INNER = """\
artgraph: 1
knobs: {count: 8}
nodes:
  art: {node: procedural_art, with: {count: 16, size: 32, seed: 1}}
  pair: {node: dataset_images, from: {dataset: art, count: knobs.count}}
  sheet: {node: image_grid, from: {image: pair.image}}
"""
OUTER = """\
artgraph: 1
nodes:
  one: {node: ./inner.yaml, with: {count: 4}}
  two: {node: ./inner.yaml}
  result: {node: save_image, from: {image: one/sheet}}
  other: {node: save_image, from: {image: two/sheet}}
"""


def test_graphs_inside_a_graph_are_read_again_and_saved(browser, studio):
    folder = studio.folder
    (folder / "inner.yaml").write_text(INNER)
    (folder / "outer.yaml").write_text(OUTER)
    editor = Editor(browser, studio)
    page = editor.page
    page.get_by_test_id("workflows-tab-button").click()
    page.get_by_role("treeitem", name="outer").click()
    editor.wait_for("app.graph.nodes.some(n => n.title.endsWith('two/sheet'))")
    (folder / "inner.yaml").write_text(INNER.replace("seed: 1", "seed: 2"))
    editor.wait_for(f"{widget('two/art', 'seed')}.value === 2", seconds=15)
    editor.ask(f"Object.assign({widget('one/art', 'seed')}, {{value: 7}}) && null")
    editor.ask("app.extensionManager.command.execute('Comfy.SaveWorkflow')")
    until(lambda: "art.seed: 7" in (folder / "outer.yaml").read_text())
    assert (folder / "outer.yaml").read_text().count("node: ./inner.yaml") == 2
    page.close()


def test_a_dropped_picture_brings_its_graph_or_becomes_a_node(editor):
    editor.show(PICTURE, "dropped", seed=1)
    editor.run()
    picture = editor.server.folder / "out" / "dropped" / "result.png"
    until(picture.is_file)
    editor.show(TRAINING, "other", steps=1, pause=0, seed=1)
    editor.drop("result.png", picture.read_bytes(), "image/png")
    editor.wait_for("app.graph.nodes.some(n => n.title.endsWith('sheet'))")
    plain = _png()
    editor.drop("photo.png", plain, "image/png")
    loader = "app.graph.nodes.find(n => n.type === 'Artgraph_load_image')"
    editor.wait_for(f"{loader}?.widgets[0].value === 'photo.png'")
    assert (editor.server.folder / "input" / "photo.png").read_bytes() == plain


def _png():
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (48, 32), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_folder_of_pictures_is_uploaded(editor, tmp_path):
    for style in ("dawn", "dusk"):
        (tmp_path / "mine" / style).mkdir(parents=True)
        (tmp_path / "mine" / style / "one.png").write_bytes(_png())
    graph = "artgraph: 1\nknobs: {mine: x}\nnodes:\n"
    graph += "  plain: {node: load_dataset, with: {folder: mine}}\n"
    editor.show(graph + "  data: {node: load_dataset, from: {folder: knobs.mine}}\n", "own")
    node = "app.graph.nodes.find(n => n.title === 'data')"
    button = f"{node}.widgets.find(w => w.type === 'button')"
    with editor.page.expect_file_chooser() as chooser:
        editor.ask(f"{button}.callback()")
    chooser.value.set_files(tmp_path / "mine")
    editor.wait_for(f"{widget('mine', 'value')}.value === 'mine'")  # the knob that is wired to it
    assert (editor.server.folder / "input" / "mine" / "dusk" / "one.png").is_file()
    editor.run()  # the button is not a value of the node
    until(lambda: (editor.server.folder / "out" / "own" / "manifest.json").is_file())
    assert editor.finished()["status"] == "completed"
