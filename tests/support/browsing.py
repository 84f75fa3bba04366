"""The editor in a real Chromium: one browser, one server and one tab for all tests of a process.

With ARTGRAPH_SCREENSHOTS=FOLDER, the tests also take the screenshots of docs/editor.md.
"""

import base64
import io
import os
import shutil
from pathlib import Path

import pytest
from editing import Server, until

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


@pytest.fixture(scope="session")
def browser():
    """A running Chromium. The test is skipped if a requirement is not installed."""
    pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
    pytest.importorskip("comfyui_frontend_package", reason="the extra `edit` is not installed")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def studio(tmp_path_factory):
    """A server in a folder of graphs. Its nodes are those drawn on the canvas, not Nodes 2.0."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / ".artgraph").mkdir()
    (folder / ".artgraph" / "settings.json").write_text('{"Comfy.VueNodes.Enabled": false}')
    with Server(folder) as server:
        yield server


@pytest.fixture(scope="session")
def editor(browser, studio):
    """A tab. At the end, no script may have failed, and no other site may have been requested."""
    editor = Editor(browser, studio)
    yield editor
    assert editor.outside == []
    assert editor.errors == []


class Editor:
    """A browser's tab with the editor in it."""

    def __init__(self, browser, server, is_graph=True):
        self.server, self.outside, self.errors = server, [], []
        self._earlier = None  # the newest job before the last run
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.open()
        if is_graph:
            self.as_graph()

    def _note(self, request):
        if not request.url.startswith((self.server.address, "data:", "blob:", "ws://127.0.0.1")):
            self.outside.append(request.url)

    def open(self):
        self.page.goto(self.server.address)
        self.ready()

    def ready(self):
        self.page.wait_for_function("window.app?.graph?.nodes?.length && window.app.canvas")
        self.page.wait_for_timeout(500)

    def as_graph(self):
        """Leave App mode."""
        self.ask("app.extensionManager.workflow.activeWorkflow.activeMode = 'graph'")

    def ask(self, script, argument=None):
        return self.page.evaluate(script, argument)

    def show(self, text, name="graph", **values):
        """Open a graph from its YAML, and close all other graphs."""
        for key, value in values.items():
            text = text.replace(key.upper(), str(value))
        self.ask(
            """async ([text, name]) => {
                const how = {method: 'POST', body: text}
                const answer = await fetch(`/artgraph/open?name=${name}.yaml`, how)
                const {workflow, error} = await answer.json()
                if (error) throw new Error(error)
                await app.loadGraphData(workflow, true, true, name)
                // Tests find nodes by their names.
                for (const node of app.graph.nodes)
                    node.title = node.properties.artgraph?.name ?? node.title
                const store = app.extensionManager.workflow
                for (const other of [...store.openWorkflows])
                    if (other !== store.activeWorkflow) await store.closeWorkflow(other)
            }""",
            [text, name],
        )
        self.wait_for("() => app.graph.nodes.length > 0")
        self.ask("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        self.rest()

    def rest(self):
        """Wait until the view and the nodes no longer move."""
        self.ask(
            """async () => {
                const view = () => {
                    const {scale, offset} = app.canvas.ds
                    const places = app.graph.nodes.map(({pos, size}) => [...pos, ...size])
                    return JSON.stringify([scale, ...offset, ...places])
                }
                for (let before, now = view(); before !== now; now = view()) {
                    before = now
                    await new Promise(done => setTimeout(done, 300))
                    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame)
                }
            }"""
        )

    def wait_for(self, condition, argument=None, seconds=120):
        self.page.wait_for_function(condition, arg=argument, timeout=seconds * 1000)

    def run(self):
        newest = self.newest_job()
        self._earlier = newest and newest["id"]
        self.page.get_by_test_id("queue-button").click()

    def newest(self, *statuses):
        """Returns the newest job if it has one of these statuses, else None."""
        job = self.newest_job()
        return job if job and job["status"] in statuses else None

    def newest_job(self):
        jobs = self.server.get("/jobs?limit=1").json()["jobs"]
        return jobs[0] if jobs else None

    def finished(self):
        """Returns the job of the last `run`, when it has finished."""

        def poll():
            job = self.newest("completed", "failed", "cancelled")
            return job if job and job["id"] != self._earlier else None

        return until(poll)

    def pictures(self, title):
        """Returns the number of pictures that the node with this title shows."""
        return self.ask(
            "title => app.graph.nodes.find(n => n.title === title)?.imgs?.length ?? 0", title
        )

    def shot(self, name, **options):
        """Save a screenshot for the documentation, if ARTGRAPH_SCREENSHOTS is set."""
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
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(png)).convert("RGB").save(path, "WEBP", quality=80, method=6)


def widget(title, name):
    """Returns a JavaScript expression for a widget of the node with this title."""
    node = f"app.graph.nodes.find(n => [n.title, n.properties.artgraph?.name].includes('{title}'))"
    return f"{node}?.widgets.find(w => w.name === '{name}')"
