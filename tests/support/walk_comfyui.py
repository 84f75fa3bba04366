"""Walks through ComfyUI as an artist does, in a browser: pictures in, a VAE and a GAN, a film.

    PYTHONPATH=FOLDER_ABOVE_ARTGRAPH python tests/support/walk_comfyui.py PATH --pictures FOLDER

PATH is the folder of a clone of ComfyUI. `--python` is its Python, by default the one in `venv`
there or beside it. This Python needs playwright and Chromium. With `--nodes2`, the nodes are those
of Nodes 2.0, and with `--shots FOLDER`, a screenshot of each stage is saved. Each line is a stage
that was seen on the screen, with its seconds and the seconds that ComfyUI has computed. The exit
code is 1 if a stage is not seen.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
READY = (
    "window.app?.graph && app.canvas && app.extensionManager"
    " && !!LiteGraph.registered_node_types.Artgraph_load_model"
)
NODE = "title => app.graph.nodes.find(n => n.title.startsWith(title))"
# Moves the view to a node, as large as it is readable, and returns the place of a widget on it.
PLACE = f"""([title, widget]) => {{
    const node = ({NODE})(title)
    const [x, y] = node.pos
    const of = node.widgets?.find(w => w.name === widget)
    const down = of ? of.last_y + 10 : -15
    return [x + node.size[0] * (of ? 0.6 : 0.3), y + down]
}}"""
SHOWN = f"""title => {{
    const node = ({NODE})(title)
    const boxes = [...(node.widgets ?? [])].map(w => w.element).filter(Boolean)
    const seen = one => one.getBoundingClientRect().height > 20
    const pictures = boxes.flatMap(b => [...b.querySelectorAll('img')]).filter(seen)
    return {{
        text: boxes.filter(b => b.isConnected).map(b => b.innerText ?? '').join(' '),
        curves: boxes.flatMap(b => [...b.querySelectorAll('svg')]).filter(seen).length,
        sheets: pictures.filter(p => p.naturalWidth).length,
        pictures: node.imgs?.length ?? 0,
        url: node.imgs?.[0]?.src ?? ''
    }}
}}"""


class Hand:
    """What a person does and sees in ComfyUI's page."""

    def __init__(self, page: Any, shots: Path | None = None) -> None:
        self.page, self.shots = page, shots
        self.nodes2 = False

    def set_nodes2(self, value: bool) -> None:
        self.nodes2 = value
        self.ask("v => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', v)", value)
        self.wait(3)

    def ask(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def wait(self, seconds: float) -> None:
        self.page.wait_for_timeout(1000 * seconds)

    def shot(self, name: str) -> None:
        if self.shots:
            self.page.screenshot(path=str(self.shots / f"{name}.png"))

    def template(self, title: str) -> None:
        """Open one of our templates from the list, as a graph."""
        page = self.page
        list_ = page.get_by_role("dialog").filter(has_text="artgraph")
        if not list_.count():
            self.ask("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
        list_.get_by_text("artgraph", exact=True).first.click()
        list_.get_by_text(title, exact=False).last.click()
        page.wait_for_function(
            "t => app.extensionManager.workflow.activeWorkflow.path.includes(t)", arg=title
        )
        self.wait(3)
        for skip in page.get_by_text("Skip", exact=True).all()[:1]:
            skip.click()
        for graph in page.get_by_label("Enter node graph").all()[:1]:
            graph.click()
            self.wait(1)

    def look_at(self, title: str) -> None:
        """Move the view to a node."""
        self.ask(
            f"""title => {{
                const node = ({NODE})(title), view = app.canvas.ds
                view.scale = 1
                view.offset[0] = 420 - node.pos[0]
                view.offset[1] = 160 - node.pos[1]
                app.canvas.setDirty(true, true)
            }}""",
            title,
        )
        self.wait(0.7)

    def point(self, title: str, widget: str = "") -> tuple[float, float]:
        x, y = self.ask(PLACE, [title, widget])
        left, top, scale, right, down = self.ask(
            "() => { const b = app.canvas.canvas.getBoundingClientRect(), d = app.canvas.ds;"
            " return [b.left, b.top, d.scale, ...d.offset] }"
        )
        return left + (x + right) * scale, top + (y + down) * scale

    def press(self, title: str, widget: str) -> None:
        self.look_at(title)
        if self.nodes2:
            return self.inside(title).get_by_role("button", name=widget).last.click()
        self.page.mouse.click(*self.point(title, widget))

    def upload(self, title: str, folder: Path) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.press(title, "choose a folder of pictures")
        chooser.value.set_files(str(folder))

    def number(self, title: str, widget: str, value: float) -> None:
        """Type a number into a widget."""
        self.look_at(title)
        if self.nodes2:
            box = self.inside(title).locator("input").first
            box.fill(str(value))
            return box.press("Enter")
        self.page.mouse.dblclick(*self.point(title, widget))
        self.page.locator(".graphdialog input").fill(str(value))
        self.page.keyboard.press("Enter")

    def choose(self, title: str, widget: str, value: str) -> None:
        """Choose a value of a list."""
        self.look_at(title)
        if self.nodes2:
            self.inside(title).get_by_role("combobox").first.click()
            self.page.get_by_role("option").get_by_text(value, exact=True).click()
            return
        self.page.mouse.click(*self.point(title, widget))
        self.page.locator(".litemenu-entry").get_by_text(value, exact=True).click()
        self.page.mouse.move(*self.point(title))

    def inside(self, title: str) -> Any:
        number = self.ask(f"title => ({NODE})(title).id", title)
        return self.page.locator(f'[data-node-id="{number}"]')

    def run(self) -> None:
        self.page.get_by_test_id("queue-button").click()

    def search(self, title: str, x: float, y: float, name: str = "") -> None:
        """Add a node with the search box, which a double click on the empty canvas opens.

        name: what this script calls the node; empty for its title.
        """
        self.page.mouse.dblclick(x, y)
        self.wait(1)
        self.page.keyboard.type(title.removesuffix(" (artgraph)"), delay=20)
        found = self.page.get_by_role("option").filter(has_text=title)
        found.first.click()
        self.wait(0.5)
        self.page.mouse.move(x, y)
        if self.ask("app.graph.nodes.at(-1).flags.ghost"):  # it follows the mouse up to a click
            self.page.mouse.click(x, y)
        if name:
            self.ask("name => { app.graph.nodes.at(-1).title = name }", name)
        self.wait(0.3)

    def wire(self, start: str, output: str, end: str, target: str) -> None:
        """Drag a wire from an output of a node to an input of another."""
        ends = [self.slot(start, output, True), self.slot(end, target, False)]
        self.page.mouse.move(*ends[0])
        self.page.mouse.down()
        self.page.mouse.move(*ends[1], steps=8)
        self.wait(0.2)
        self.page.mouse.up()
        self.wait(0.2)
        is_wired = f"""([title, name]) => ({NODE})(title).inputs.find(i => i.name === name).link"""
        assert self.ask(is_wired, [end, target]) is not None, f"no wire from {start} to {end}"

    def slot(self, title: str, name: str, is_output: bool) -> tuple[float, float]:
        script = f"""([title, name, isOutput]) => {{
            const node = ({NODE})(title), slots = isOutput ? node.outputs : node.inputs
            const place = slots.findIndex(s => s.name === name)
            const box = app.canvas.canvas.getBoundingClientRect(), view = app.canvas.ds
            const dots = [...document.querySelectorAll(`[data-node-id="${{node.id}}"] [data-slot-key]`)]
            const kind = isOutput ? '-out-' : '-in-'
            const dot = dots.find(d => d.dataset.slotKey.endsWith(`${{kind}}${{place}}`))
            if (dot) {{
                const at = dot.getBoundingClientRect()
                return [at.left + at.width / 2, at.top + at.height / 2]
            }}
            const [x, y] = node.getConnectionPos(!isOutput, place)
            return [box.left + (x + view.offset[0]) * view.scale, box.top + (y + view.offset[1]) * view.scale]
        }}"""
        x, y = self.ask(script, [title, name, is_output])
        return x, y

    def seen(self, title: str) -> dict[str, Any]:
        """Returns what a node shows."""
        found: dict[str, Any] = self.ask(SHOWN, title)
        return found

    def until(self, title: str, condition: Any, seconds: float) -> dict[str, Any]:
        """Returns what a node shows as soon as a condition holds for it."""
        end = time.monotonic() + seconds
        while not condition(found := self.seen(title)):
            errors = self.page.locator(".artgraph-failed").all_inner_texts()
            if errors or time.monotonic() > end:
                raise AssertionError(f"{title} shows {found} after {seconds} s {errors}")
            self.wait(0.5)
        return found

    def film(self, title: str) -> str:
        """Returns how many pictures the film on a node has, after it was seen to move."""
        from PIL import Image

        found = self.until(title, lambda seen: seen["url"] and seen["pictures"] == 1, 60)
        self.look_at(title)
        views = []
        for _ in range(4):
            self.wait(0.4)
            views.append(self.page.locator("body").screenshot())
        count = getattr(
            Image.open(io.BytesIO(self.page.request.get(found["url"]).body())), "n_frames", 1
        )
        assert count > 1, f"{title} shows one picture"
        assert len(set(views)) > 1, f"the film on {title} does not move"
        return f"{count} pictures"


class Walk:
    """The stages, each with its seconds, and the seconds that ComfyUI has computed in it."""

    def __init__(self, hand: Hand, server: subprocess.Popen[bytes]) -> None:
        self.hand, self.server = hand, server
        self.begin = self.last = time.monotonic()
        self.computed = self._computed()

    def stage(self, name: str, what: str = "") -> None:
        now, computed = time.monotonic(), self._computed()
        print(
            f"{now - self.last:6.1f} s {computed - self.computed:6.1f} s  {name}: {what}",
            flush=True,
        )
        self.last, self.computed = now, computed
        self.hand.shot(name.replace(" ", "_"))

    def _computed(self) -> float:
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def walk(hand: Hand, steps: Walk, pictures: Path, vae_steps: int, minutes: float) -> None:
    hand.template("My pictures, a VAE")
    hand.upload("Load pictures", pictures)
    found = hand.until(
        "Load pictures", lambda seen: seen["sheets"] and "picture" in seen["text"], 60
    )
    steps.stage("pictures on the node", found["text"])
    hand.number("steps", "value", vae_steps)
    hand.run()
    train(hand, steps, "VAE")
    vae = saved(hand, steps, "VAE")
    steps.stage("film of the VAE", hand.film("Save animation"))

    hand.template("My pictures, a GAN")
    hand.choose("Load pictures", "folder", pictures.name)
    hand.until("Load pictures", lambda seen: seen["sheets"], 30)
    hand.number("minutes", "value", minutes)
    hand.run()
    train(hand, steps, "GAN")
    gan = saved(hand, steps, "GAN")

    hand.ask("app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    hand.wait(1.5)
    hand.ask("() => { Object.assign(app.canvas.ds, {scale: 0.6}); app.canvas.ds.offset.fill(0) }")
    for title, x, y, name in NODES:
        hand.search(title, x, y, name)
    for ends in WIRES:
        hand.wire(*ends)
    hand.choose("my GAN", "path", gan)
    hand.choose("my VAE", "path", vae)
    steps.stage("both models chosen in another workflow", f"{gan}, {vae}")
    hand.run()
    hand.until("Preview Image", lambda seen: seen["pictures"] > 1, 120)
    hand.look_at("Preview Image")
    steps.stage("pictures that both have drawn")
    steps.stage("film on the node", hand.film("Save animation"))


NODES = (
    ("Load model (artgraph)", 90, 160, "my GAN"),
    ("Sample latent", 290, 160, ""),
    ("Latent walk", 500, 160, ""),
    ("Generate", 720, 160, ""),
    ("Save animation", 940, 160, ""),
    ("Load model (artgraph)", 90, 520, "my VAE"),
    ("VAE encode (artgraph)", 320, 520, ""),
    ("VAE decode (artgraph)", 560, 520, ""),
    ("Preview Image", 800, 520, ""),
)
WIRES = (
    ("my GAN", "gan", "Sample latent", "gan"),
    ("Sample latent", "latent", "Latent walk", "latent"),
    ("my GAN", "gan", "Generate", "gan"),
    ("Latent walk", "latent", "Generate", "latent"),
    ("Generate", "image", "Save animation", "image"),
    ("my VAE", "vae", "VAE encode", "vae"),
    ("Sample latent", "image", "VAE encode", "image"),
    ("my VAE", "vae", "VAE decode", "vae"),
    ("VAE encode", "vae_latent", "VAE decode", "latent"),
    ("VAE decode", "image", "Preview Image", "images"),
)


def train(hand: Hand, steps: Walk, kind: str) -> None:
    title = f"Train {kind}"
    hand.look_at(title)
    found = hand.until(title, lambda seen: seen["curves"] and "left" in seen["text"], 300)
    hand.until(title, lambda seen: seen["pictures"], 60)
    steps.stage(f"{kind} in training", found["text"].split("\n")[0])


def saved(hand: Hand, steps: Walk, kind: str) -> str:
    """Returns the name under which *Save model* says that it has saved a model."""
    found = hand.until("Save model", lambda seen: "saved" in seen["text"], 500)
    hand.look_at(f"Train {kind}")
    steps.stage(f"{kind} trained", hand.seen(f"Train {kind}")["text"].split("\n")[0])
    hand.look_at("Save model")
    steps.stage(f"{kind} saved", found["text"])
    return found["text"].split()[-1].removeprefix("models/artgraph/")


def main() -> int:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("comfyui", type=Path)
    parser.add_argument("--pictures", type=Path, required=True, help="a folder of pictures")
    parser.add_argument("--python", type=Path, help="the Python that runs ComfyUI")
    parser.add_argument("--nodes2", action="store_true", help="draw the nodes as Nodes 2.0")
    parser.add_argument("--steps", type=int, default=150, help="of the VAE")
    parser.add_argument("--minutes", type=float, default=2.0, help="for the GAN")
    parser.add_argument("--shots", type=Path, help="folder for screenshots")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        server, address = start(options.comfyui, options.python, Path(folder))
        try:
            path = shutil.which("chromium") or shutil.which("chromium-browser")
            browser = driver.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1500, "height": 900})
            page.set_default_timeout(30_000)
            page.goto(address)
            page.wait_for_function(READY, timeout=120_000)
            hand = Hand(page, options.shots)
            hand.set_nodes2(options.nodes2)
            steps = Walk(hand, server)
            try:
                walk(hand, steps, options.pictures, options.steps, options.minutes)
            except Exception as error:
                hand.shot("failed")
                print(f"not seen: {error}")
                return 1
            print(f"{time.monotonic() - steps.begin:.0f} s in all")
            return 0
        finally:
            server.terminate()
            server.wait()


def start(comfyui: Path, python: Path | None, base: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Starts ComfyUI with this repository as its only pack. Returns its address, too."""
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes" / "artgraph").symlink_to(ROOT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = [comfyui / "venv", comfyui.parent / "venv", comfyui / ".venv"]
    found = [place / "bin" / "python" for place in places if (place / "bin" / "python").exists()]
    arguments = [python or found[0], "main.py", "--cpu", "--port", str(port)]
    arguments += ["--base-directory", base, "--database-url", f"sqlite:///{base}/comfyui.db"]
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    environment["ARTGRAPH_CACHE"] = str(base / "cache")
    with (base / "log.txt").open("wb") as log:
        server = subprocess.Popen(
            arguments, cwd=comfyui, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=5)
            return server, address
        except OSError:
            time.sleep(0.5)
    server.terminate()
    raise SystemExit((base / "log.txt").read_text()[-2000:])


if __name__ == "__main__":
    sys.exit(main())
