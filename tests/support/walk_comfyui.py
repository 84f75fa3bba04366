"""Walks through ComfyUI as an artist does, in a browser: pictures in, a VAE and a GAN, a film.

    PYTHONPATH=FOLDER_ABOVE_ARTGRAPH python tests/support/walk_comfyui.py PATH --pictures FOLDER

PATH is the folder of a clone of ComfyUI. `--python` is its Python, by default the one in `venv`
there or beside it. This Python needs playwright and Chromium. With `--nodes2`, the nodes are those
of Nodes 2.0, and with `--shots FOLDER`, a screenshot of each stage is saved. Each line is a stage
that was seen on the screen, with its seconds and the seconds that ComfyUI has computed. The exit
code is 1 if a stage is not seen. With `--base FOLDER`, ComfyUI's folders and the cache stay, so
that a walk that was cut off is faster the next time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from comfy_hand import READY, Hand

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]

FPS = 8  # pictures a second of the canvas, which a browser without a graphics card draws slowly


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
    """Train and save a VAE and a GAN from the templates, and draw with both."""
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
    draw(hand, steps, gan, vae)


def draw(hand: Hand, steps: Walk, gan: str, vae: str) -> None:
    """Build a workflow that draws with both models, and run it."""
    hand.ask("app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    hand.wait(1.5)
    scale = 0.5 if hand.nodes2 else 0.6  # in Nodes 2.0, nodes are wider
    hand.ask(
        "scale => { Object.assign(app.canvas.ds, {scale}); app.canvas.ds.offset.fill(0) }", scale
    )
    for title, x, y, name in NODES:
        hand.search(title, x, y, name)
    for ends in WIRES:
        hand.wire(*ends)
    hand.choose("my GAN", "path", gan)
    hand.choose("my VAE", "path", vae)
    steps.stage("both models chosen in another workflow", f"{gan}, {vae}")
    hand.run()
    hand.look_at("Preview Image")  # the page loads pictures when their node is drawn
    hand.until("Preview Image", lambda seen: seen["pictures"], 300)
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

    def is_saved() -> bool:
        return "saved" in hand.seen("Save model")["text"]

    found = hand.until(
        title, lambda seen: seen["curves"] and ("left" in seen["text"] or is_saved()), 600
    )
    hand.until(title, lambda seen: seen["pictures"], 300)
    line = "was stored already" if is_saved() else found["text"].split("\n")[0]
    steps.stage(f"{kind} in training", line)


def saved(hand: Hand, steps: Walk, kind: str) -> str:
    """Returns the name under which *Save model* says that it has saved a model."""
    found = hand.until("Save model", lambda seen: "saved" in seen["text"], 1500)
    hand.look_at(f"Train {kind}")
    text = hand.seen(f"Train {kind}")["text"]
    steps.stage(f"{kind} trained", " ".join(line for line in text.split("\n") if "→" in line))
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
    parser.add_argument("--steps", type=int, default=120, help="of the VAE")
    parser.add_argument("--minutes", type=float, default=1.5, help="for the GAN")
    parser.add_argument("--base", type=Path, help="folder for ComfyUI's files, which then stay")
    parser.add_argument("--shots", type=Path, help="folder for screenshots")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that ComfyUI ends, too
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        base = (options.base or Path(folder)).resolve()
        server, address = start(options.comfyui, options.python, base)
        try:
            path = shutil.which("chromium") or shutil.which("chromium-browser")
            browser = driver.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1500, "height": 900})
            page.set_default_timeout(30_000)
            page.goto(address)
            page.wait_for_function(READY, timeout=120_000)
            hand = Hand(page, options.shots)
            hand.set("LiteGraph.Canvas.MaximumFps", FPS)
            hand.set("Comfy.VueNodes.Enabled", options.nodes2)
            hand.nodes2 = options.nodes2
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
    pack = base / "custom_nodes" / "artgraph"
    pack.parent.mkdir(parents=True, exist_ok=True)
    pack.unlink(missing_ok=True)
    pack.symlink_to(ROOT)
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
    for _ in range(1200):
        try:
            urllib.request.urlopen(address, timeout=5)
            return server, address
        except OSError:
            time.sleep(0.5)
    server.terminate()
    raise SystemExit((base / "log.txt").read_text()[-2000:])


if __name__ == "__main__":
    sys.exit(main())
