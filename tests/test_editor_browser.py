"""The editor in a real Chromium, as an artist uses it.

With ARTGRAPH_SCREENSHOTS=FOLDER the pictures of docs/editor.md are taken on the way.
"""

import base64
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")
pytest.importorskip("playwright", reason="playwright is not installed")

from editing import Server, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"
)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--disable-dev-shm-usage", "--disable-component-update", "--no-first-run"]

PICTURE = """\
artgraph: 1
title: First picture
nodes:
  art:
    node: procedural_art
    with: {count: 16, size: 32, seed: SEED}
  pair:
    node: dataset_images
    from: {dataset: art}
    with: {count: 8}
  sheet:
    node: image_grid
    from: {image: pair.image, labels: pair.table}
  result:
    node: save_image
    from: {image: sheet}
"""
TRAINING = """\
artgraph: 1
nodes:
  walk:
    node: slow_training
    with: {steps: STEPS, pause: PAUSE, seed: SEED}
  table:
    node: save_table
    from: {table: walk}
"""
LEARNING = """\
artgraph: 1
title: My first model
about: Learn a set of pictures.
nodes:
  pictures:
    node: procedural_art
    with: {count: 256, size: 32}
  vae:
    node: train_vae
    from: {dataset: pictures}
    with: {steps: 60, batch: 8}
  examples:
    node: dataset_images
    from: {dataset: pictures}
    with: {count: 16}
  redrawn:
    node: vae_encode
    from: {vae: vae.vae, image: examples.image}
  drawn:
    node: vae_decode
    from: {vae: vae.vae, latent: redrawn}
  result:
    node: save_image
    from: {image: drawn_sheet}
  drawn_sheet:
    node: image_grid
    from: {image: drawn}
"""
BROKEN = """\
artgraph: 1
nodes:
  broken: {node: failing}
  after:
    node: noted
    from: {value: broken}
  fine: {node: text, with: {text: still here}}
"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("studio")) as server:
        yield server


class Editor:
    """A browser's tab with the editor in it."""

    def __init__(self, browser, server):
        self.server, self.outside, self.errors = server, [], []
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.open()

    def _note(self, request):
        if not request.url.startswith((self.server.address, "data:", "blob:", "ws://127.0.0.1")):
            self.outside.append(request.url)

    def open(self):
        self.page.goto(self.server.address)
        self.ready()

    def ready(self):
        self.page.wait_for_function("window.app?.graph?.nodes?.length && window.app.canvas")
        self.page.wait_for_timeout(500)

    def ask(self, script, argument=None):
        return self.page.evaluate(script, argument)

    def show(self, text, name="graph", **values):
        """Open a graph from its YAML."""
        for key, value in values.items():
            text = text.replace(key.upper(), str(value))
        self.ask(
            """async ([text, name]) => {
                const how = {method: 'POST', body: text}
                const answer = await fetch(`/artgraph/open?name=${name}.yaml`, how)
                const {workflow, error} = await answer.json()
                if (error) throw new Error(error)
                await app.loadGraphData(workflow, true, true, name)
            }""",
            [text, name],
        )
        self.wait_for("() => app.graph.nodes.length > 0")
        self.page.keyboard.press(".")
        self.page.wait_for_timeout(300)

    def wait_for(self, condition, argument=None, seconds=60):
        self.page.wait_for_function(condition, arg=argument, timeout=seconds * 1000)

    def run(self):
        self.page.get_by_test_id("queue-button").click()

    def newest(self, *statuses):
        """The newest job if it is in one of these states."""
        jobs = self.server.get("/jobs?limit=1").json()["jobs"]
        return jobs[0] if jobs and jobs[0]["status"] in statuses else None

    def finished(self):
        return until(lambda: self.newest("completed", "failed", "cancelled"))

    def pictures(self, title):
        """How many pictures the node of this title shows."""
        return self.ask(
            "title => app.graph.nodes.find(n => n.title === title)?.imgs?.length ?? 0", title
        )

    def shot(self, name, **options):
        """A picture for the documentation."""
        folder = os.environ.get("ARTGRAPH_SCREENSHOTS")
        if folder:
            self.page.wait_for_timeout(700)
            _save(self.page.screenshot(**options), Path(folder) / f"{name}.webp")

    def drop(self, name, data, kind):
        """Drop a file on the middle of the canvas."""
        self.ask(
            """([name, data, kind]) => {
                const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0))
                const transfer = new DataTransfer()
                transfer.items.add(new File([bytes], name, {type: kind}))
                const canvas = document.querySelector('#graph-canvas')
                const [clientX, clientY] = [innerWidth / 2, innerHeight / 2]
                const how = {
                    dataTransfer: transfer, bubbles: true, cancelable: true, clientX, clientY
                }
                for (const type of ['dragenter', 'dragover', 'drop'])
                    canvas.dispatchEvent(new DragEvent(type, how))
            }""",
            [name, base64.b64encode(data).decode(), kind],
        )


def _save(png, path):
    import io

    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(png)).convert("RGB").save(path, "WEBP", quality=80, method=6)


@pytest.fixture(scope="module")
def editor(browser, server):
    editor = Editor(browser, server)
    yield editor
    assert editor.outside == []
    assert editor.errors == []


def test_it_opens_with_style_remix_under_our_name(editor):
    assert editor.ask("app.graph.nodes.length") > 40
    editor.wait_for("document.title.includes('artgraph')")
    assert "ComfyUI" not in editor.page.title()
    assert not editor.page.get_by_test_id("login-button").is_visible()
    assert not editor.page.get_by_text("Missing Node Packs").is_visible()
    editor.shot("editor")


def test_the_library_and_the_search(editor):
    page = editor.page
    page.get_by_test_id("node-library-tab-button").click()
    for category in ("data", "gan", "vae", "style"):
        page.get_by_text(category, exact=True).first.wait_for()
    page.get_by_placeholder("Search Nodes").fill("contact")
    page.get_by_text("Contact sheet").first.wait_for()
    editor.shot("library")
    page.get_by_test_id("node-library-tab-button").click()
    before = editor.ask("app.graph.nodes.length")
    page.mouse.dblclick(640, 760)
    page.keyboard.type("train vae", delay=20)
    page.get_by_text("Train VAE").first.wait_for()
    page.keyboard.press("Enter")
    editor.wait_for("n => app.graph.nodes.length === n + 1", before)


def test_the_templates_are_our_graphs(editor):
    page = editor.page
    page.get_by_label("Templates").first.click()
    page.get_by_text("Style remix").first.wait_for()
    editor.shot("templates")
    page.get_by_text("Latent walk").first.click()
    editor.wait_for("app.graph.nodes.some(n => n.type === 'Artgraph_latent_walk')")


def test_a_graph_runs_to_its_picture_and_is_reused(editor):
    editor.show(PICTURE, "first_picture", seed=1)
    editor.run()
    editor.wait_for("app.graph.nodes.find(n => n.title === 'result')?.imgs?.length === 1")
    assert editor.finished()["status"] == "completed"
    assert (editor.server.folder / "out" / "first_picture" / "result.png").is_file()
    before = editor.finished()["id"]
    editor.run()
    until(lambda: (editor.newest("completed") or {}).get("id") not in (None, before))
    manifest = json.loads((editor.server.folder / "out/first_picture/manifest.json").read_text())
    assert {entry["action"] for entry in manifest["nodes"].values()} == {"cached"}
    editor.shot("picture")


def test_a_training_shows_its_work_and_can_be_stopped(editor):
    editor.show(TRAINING, "walk", steps=2000, pause=0.01, seed=1)
    editor.run()
    editor.wait_for("app.graph.nodes.find(n => n.title === 'walk')?.imgs?.length > 0")
    editor.wait_for("document.title.includes('%')")
    editor.page.get_by_label("Cancel current run").first.click()
    assert editor.finished()["status"] == "cancelled"


@pytest.mark.skipif("ARTGRAPH_SCREENSHOTS" not in os.environ, reason="for the documentation")
def test_a_real_training_for_the_documentation(editor):
    editor.show(LEARNING, "first_model")
    editor.run()
    vae = "app.graph.nodes.find(n => n.title === 'vae')"
    editor.wait_for(f"{vae}?.imgs?.length > 0", seconds=120)
    editor.wait_for("document.body.innerText.includes('loss')", seconds=120)
    near = "Object.assign(app.canvas.ds, {scale: 0.85, offset: [110, 330]}) && null"
    editor.ask(near)
    editor.shot("training")
    until(lambda: editor.newest("completed"), 400)
    editor.page.wait_for_timeout(5000)
    editor.ask(near)
    editor.shot("trained")


def test_curves_and_saved_tables_are_shown(editor):
    editor.show(TRAINING, "curves", steps=60, pause=0.0, seed=1)
    editor.run()
    editor.wait_for(
        "app.graph.nodes.find(n => n.title === 'walk')?.imgs?.at(-1)?.src?.includes('walk-')"
    )
    editor.page.get_by_text("saved table.csv").first.wait_for()


def test_what_goes_wrong_is_told_on_the_node(editor):
    editor.show(BROKEN, "broken")
    editor.run()
    editor.page.locator(".artgraph-failed", has_text="It is broken").wait_for()
    editor.page.locator(".artgraph-failed", has_text="needs 'broken', which failed").wait_for()
    editor.page.locator(".artgraph-note", has_text="still here").wait_for()
    editor.shot("error")
    editor.page.keyboard.press("Escape")


def test_what_cannot_run_is_told_before(editor):
    editor.show(PICTURE, "unwired", seed=1)
    editor.ask("app.graph.nodes.find(n => n.title === 'sheet').disconnectInput(0)")
    jobs = editor.server.get("/jobs").json()["pagination"]["total"]
    editor.run()
    editor.wait_for("document.body.innerText.includes('missing a required input')")
    assert editor.server.get("/jobs").json()["pagination"]["total"] == jobs
    editor.page.keyboard.press("Escape")


def test_saving_and_opening_again_keeps_the_layout(editor, browser):
    page = editor.page
    editor.show(PICTURE, "kept", seed=3)
    editor.ask("app.graph.nodes.find(n => n.title === 'sheet').pos = [900, 500]")
    page.keyboard.press("Control+s")
    page.get_by_role("textbox").last.fill("kept")
    page.keyboard.press("Enter")
    file = editor.server.folder / "kept.yaml"
    until(file.is_file)
    assert "seed: 3" in file.read_text()
    other = Editor(browser, editor.server)
    other.page.get_by_test_id("workflows-tab-button").click()
    other.page.get_by_role("treeitem", name="kept").click()
    other.wait_for("app.graph.nodes.find(n => n.title === 'sheet')?.pos[0] === 900")
    file.write_text(file.read_text().replace("seed: 3", "seed: 4"))
    for tab in (editor, other):
        tab.wait_for(f"{widget('art', 'seed')}.value === 4", seconds=15)
    other.page.close()


def widget(title, name):
    node = f"app.graph.nodes.find(n => n.title === '{title}')"
    return f"{node}?.widgets.find(w => w.name === '{name}')"


def test_a_dropped_picture_brings_its_graph_or_becomes_a_node(editor):
    editor.show(PICTURE, "dropped", seed=1)
    editor.run()
    picture = editor.server.folder / "out" / "dropped" / "result.png"
    until(picture.is_file)
    editor.show(TRAINING, "other", steps=1, pause=0, seed=1)
    editor.drop("result.png", picture.read_bytes(), "image/png")
    editor.wait_for("app.graph.nodes.some(n => n.title === 'sheet')")
    plain = _png()
    editor.drop("photo.png", plain, "image/png")
    loader = "app.graph.nodes.find(n => n.type === 'Artgraph_load_image')"
    editor.wait_for(f"{loader}?.widgets[0].value === 'photo.png'")
    assert (editor.server.folder / "input" / "photo.png").read_bytes() == plain


def _png():
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (48, 32), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_folder_of_pictures_is_taken_in(editor, tmp_path):
    for style in ("dawn", "dusk"):
        (tmp_path / "mine" / style).mkdir(parents=True)
        (tmp_path / "mine" / style / "one.png").write_bytes(_png())
    editor.show("artgraph: 1\nnodes:\n  mine: {node: load_dataset, with: {folder: x}}\n", "own")
    button = "app.graph.nodes[0].widgets.find(w => w.type === 'button')"
    with editor.page.expect_file_chooser() as chooser:
        editor.ask(f"{button}.callback()")
    chooser.value.set_files(tmp_path / "mine")
    editor.wait_for("app.graph.nodes[0].widgets.find(w => w.name === 'folder').value === 'mine'")
    assert (editor.server.folder / "input" / "mine" / "dusk" / "one.png").is_file()


def test_the_menu_copies_yaml_and_shows_the_plan(editor):
    editor.show(PICTURE, "planned", seed=1)
    editor.ask("app.extensionManager.command.execute('artgraph.yaml')")
    editor.page.locator(".artgraph-dialog pre", has_text="node: procedural_art").wait_for()
    editor.page.keyboard.press("Escape")
    editor.ask("app.extensionManager.command.execute('artgraph.plan')")
    editor.page.locator(".artgraph-dialog td", has_text="sheet").first.wait_for()
    editor.shot("plan")
    editor.page.locator(".artgraph-dialog button").click()


def test_a_reload_in_mid_run_finds_the_run_again(editor):
    editor.show(TRAINING, "reloaded", steps=400, pause=0.02, seed=2)
    editor.run()
    until(lambda: editor.newest("in_progress"))
    editor.page.reload()
    editor.ready()
    editor.wait_for("document.title.includes('%')")
    assert until(lambda: editor.newest("completed"))["status"] == "completed"
    editor.wait_for(
        "app.graph.nodes.find(n => n.title === 'walk')?.imgs?.at(-1)?.src?.includes('walk-')"
    )


def test_light_looks_as_good_as_dark(editor):
    editor.show(PICTURE, "light", seed=1)
    editor.run()
    editor.wait_for("app.graph.nodes.find(n => n.title === 'result')?.imgs?.length === 1")
    editor.ask("app.extensionManager.setting.set('Comfy.ColorPalette', 'light')")
    editor.shot("light")
    editor.ask("app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")


def test_a_restart_in_mid_queue_goes_on(browser, tmp_path):
    first = Server(tmp_path)
    editor = Editor(browser, first)
    editor.show(TRAINING, "long", steps=300, pause=0.02, seed=5)
    editor.run()
    until(lambda: editor.newest("in_progress"))
    editor.show(PICTURE, "next", seed=5)
    editor.run()
    until(lambda: len(first.get("/jobs").json()["jobs"]) == 2)
    first.stop(signal.SIGKILL)
    time.sleep(0.5)
    with Server(tmp_path, "--port", str(first.port)) as second:
        editor.server = second
        until(lambda: all(j["status"] == "completed" for j in second.get("/jobs").json()["jobs"]))
        editor.wait_for("app.graph.nodes.find(n => n.title === 'result')?.imgs?.length === 1")
        editor.page.close()
