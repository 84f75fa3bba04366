"""The editor in a real Chromium: pictures that are dropped and pasted, and shown on nodes."""

import pytest
from browsing import widget
from PIL import Image

GRAPH = """\
artgraph: 1
knobs: {mine: ''}
nodes:
  data: {node: load_dataset, from: {folder: knobs.mine}}
  pair: {node: dataset_images, from: {dataset: data}}
  result: {node: save_image, from: {image: pair.image}}
"""
LOOK = "document.querySelector('.artgraph-look b')?.textContent"


@pytest.fixture
def folder(tmp_path):
    for name in ("dawn/a.png", "dawn/b.png", "dusk/c.png"):
        write(tmp_path / "shots" / name)
    (tmp_path / "shots" / "notes.txt").write_text("text")
    return tmp_path / "shots"


def write(path, colour="teal"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 32), colour).save(path)


def drop(editor, paths, place):
    """Drop real files or folders on the page, as a file manager does."""
    session = editor.page.context.new_cdp_session(editor.page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        x, y = place
        session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
    session.detach()


def middle(editor, title):
    """Returns where the page shows the middle of a node."""
    return editor.ask(
        """title => {
            const {pos, size} = app.graph.nodes.find(n => n.title === title)
            const {x, y} = app.canvas.canvas.getBoundingClientRect()
            const inside = [pos[0] + size[0] / 2, pos[1] + 10]
            const [left, top] = app.canvas.ds.convertOffsetToCanvas(inside)
            return [x + left, y + top]
        }""",
        title,
    )


def names(editor, folder):
    root = editor.server.folder / "input" / folder
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_a_dropped_folder_is_shown_on_its_node_and_replaced_as_a_whole(editor, folder):
    editor.show(GRAPH, "dropped_set")
    drop(editor, [folder], middle(editor, "data"))
    editor.wait_for(f"{widget('mine', 'value')}.value === 'shots'")  # the knob that is wired to it
    editor.wait_for(f"{LOOK}?.startsWith('3 pictures in 2 classes')")
    editor.wait_for("document.querySelector('.artgraph-look img').naturalWidth > 0")
    said = editor.page.inner_text(".artgraph-look")
    assert "dawn 2 · dusk 1" in said
    assert names(editor, "shots") == {"dawn/a.png", "dawn/b.png", "dusk/c.png"}
    editor.page.get_by_text("Left out: 1 TXT (notes.txt)").first.wait_for()

    (folder / "dawn" / "a.png").unlink()
    drop(editor, [folder], middle(editor, "data"))
    editor.page.get_by_role("button", name="Replace “shots”").click()
    editor.wait_for(f"{LOOK}?.startsWith('2 pictures in 2 classes')")
    assert names(editor, "shots") == {"dawn/b.png", "dusk/c.png"}
    assert editor.ask("app.graph.nodes.length") == 4


def test_dropped_pictures_become_a_set_and_a_pasted_one_a_node(editor, folder):
    editor.show(GRAPH, "dropped_files")
    drop(editor, [folder / "dawn" / "a.png", folder / "dawn" / "b.png"], (640, 780))
    loader = "app.graph.nodes.find(n => n.type === 'Artgraph_load_dataset' && n.title !== 'data')"
    editor.wait_for(f"{loader}?.widgets[0].value === 'pictures'")
    assert names(editor, "pictures") == {"a.png", "b.png"}
    editor.ask(
        """async () => {
            const canvas = new OffscreenCanvas(40, 30)
            canvas.getContext('2d').fillRect(0, 0, 40, 30)
            const picture = await canvas.convertToBlob({type: 'image/png'})
            await navigator.clipboard.write([new ClipboardItem({'image/png': picture})])
        }"""
    )
    editor.page.mouse.click(640, 120)
    editor.page.keyboard.press("Control+v")
    picture = "app.graph.nodes.find(n => n.type === 'Artgraph_load_image')"
    editor.wait_for(f"{picture}?.widgets[0].value === 'pasted.png'")
    assert (editor.server.folder / "input" / "pasted.png").is_file()
