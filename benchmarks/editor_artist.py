"""For benchmarks/editor_walk.py: a folder with planted faults, and a person in the editor."""

from __future__ import annotations

import random
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter, ImageOps

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from browsing import Editor, widget  # type: ignore[import-not-found]
from editing import Server  # type: ignore[import-not-found]

CLASSES = 5  # at most
PLACE = """([x, y]) => {
    const [ds, box] = [app.canvas.ds, app.canvas.canvas.getBoundingClientRect()]
    return [(x + ds.offset[0]) * ds.scale + box.left, (y + ds.offset[1]) * ds.scale + box.top]
}"""


def plant(source: Path, target: Path, count: int, draw: random.Random) -> list[str]:
    """Copy pictures, and add faults. Returns the classes; those in the wrong class are in [0]."""
    found = {p.name: sorted(p.rglob("*.png")) for p in source.iterdir() if p.is_dir()}
    names = sorted(found, key=lambda name: (-len(found[name]), name))[:CLASSES]
    files = {n: draw.sample(found[n], min(count // len(names), len(found[n]))) for n in names}
    for name in names:
        (target / name).mkdir(parents=True)
        for path in files[name]:
            shutil.copy(path, target / name / path.name)
    for number, name in enumerate((names * 4)[:4]):
        picture = white(files[name][number])
        changed = ImageOps.mirror(picture) if number % 2 else picture
        changed.save(target / name / f"zz copy {number}.jpg", quality=40)
    for name in names[:2]:
        picture = white(files[name][5]).resize((300, 300)).filter(ImageFilter.GaussianBlur(14))
        picture.save(target / name / "zz blurred.jpg")
    for name in names[1:3]:
        shutil.move(target / name / files[name][6].name, target / names[0] / f"zz not {name}.png")
    damaged = target / names[2] / files[names[2]][8].name
    damaged.write_bytes(damaged.read_bytes()[:200])
    (target / "notes.txt").write_text("what I want to do")
    frames = [white(path).resize((200, 200)) for path in files[names[0]][9:12]]
    frames[0].save(target / names[0] / "zz film.gif", save_all=True, append_images=frames[1:])
    return names


def white(path: Path) -> Image.Image:
    """Returns a picture in front of white."""
    with Image.open(path) as picture:
        clear = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")


class Artist(Editor):  # type: ignore[misc]
    """A person in front of the editor. Clicks and keys are counted.

    readable: the number of pictures that can be used, as the review sheet says.
    """

    clicks = keys = taken = readable = 0

    def __init__(self, browser: Any, server: Server, shots: Path | None) -> None:
        self.shots, self.start = shots, time.monotonic()
        super().__init__(browser, server)
        self.page.set_viewport_size({"width": 1440, "height": 900})

    def screen(self, name: str, wait: int = 700) -> None:
        if self.shots is not None:
            self.page.wait_for_timeout(wait)
            self.taken += 1
            self.page.screenshot(path=self.shots / f"{self.taken:02} {name}.png")

    def click(self, target: Any) -> None:
        self.clicks += 1
        target.first.click()

    def press(self, *keys: str) -> None:
        self.keys += len(keys)
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, text: str) -> None:
        self.keys += len(text)
        self.page.keyboard.type(text)

    def drag(self, start: list[float], end: list[float]) -> None:
        self.clicks += 1
        self.page.mouse.move(*start)
        self.page.wait_for_timeout(200)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=8)
        self.page.wait_for_timeout(200)
        self.page.mouse.up()

    def button(self, name: str) -> None:
        """Click a button of the node that loads the pictures."""
        node = "app.graph.nodes.find(n => n.title === 'pictures')"
        top = f"{widget('pictures', name)}.last_y"
        place = f"({PLACE})([{node}.pos[0] + 100, {node}.pos[1] + {top} + 10])"
        self.page.mouse.move(*self.ask(place))
        while self.ask("app.canvas.ds.scale") < 0.7:
            self.page.mouse.wheel(0, -120)
            self.page.wait_for_timeout(50)
        self.clicks += 1
        self.page.mouse.click(*self.ask(place))

    def find(self, name: str) -> None:
        """Scroll through the sheet until a picture is in view, and click it."""
        cell = self.page.locator(".rv-cell", has_text=name)
        self.page.mouse.move(700, 500)
        while not cell.count():
            self.page.mouse.wheel(0, 500)
            self.page.wait_for_timeout(200)
        self.click(cell)

    def passed(self, what: str) -> None:
        seconds = time.monotonic() - self.start
        print(f"{seconds:6.1f} s {self.clicks:4} clicks {self.keys:4} keys  {what}", flush=True)
