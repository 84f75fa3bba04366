"""How long it takes from `pip install` to the first sheet of your own pictures, in App mode.

    python benchmarks/first_sheet.py FOLDER [--count 60] [--seed 1] [--width 1440] [--shots OUT]

FOLDER contains sub-folders with PNG files; some of them are copied. artgraph is installed from this
checkout into a new environment, the editor is started in an empty folder, and a browser does what a
person does on the first page: a card, the folder, Run. Seconds and clicks are printed, and each
screen is saved in OUT. At a width below 700 pixels, the editor shows its layout for phones. The
exit code is 1 if the sheet has not arrived after ten minutes or ten clicks, if a script failed, or
if another site was requested. Needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from browsing import FLAGS  # type: ignore[import-not-found]
from editing import Server  # type: ignore[import-not-found]

ROOT = Path(__file__).parents[1]
MOST_SECONDS, MOST_CLICKS = 600, 10
PHONE = 700  # width in pixels below which the editor has its layout for phones
SHEET = "img[src*='dreams']:visible"  # the address of the picture that the node `dreams` saves


class Walk:
    """A person in front of the first page. The clicks are counted."""

    def __init__(self, page: Page, shots: Path | None, start: float) -> None:
        self.page, self.shots, self.start = page, shots, start
        self.clicks = self.taken = 0

    def click(self, target: Any) -> None:
        self.clicks += 1
        target.click()

    def passed(self, what: str) -> None:
        """Print the time, and save the screen."""
        seconds = time.monotonic() - self.start
        print(f"{seconds:6.1f} s {self.clicks:3} clicks  {what}", flush=True)
        if self.shots is not None:
            self.page.wait_for_timeout(700)
            self.taken += 1
            name = re.sub(r"\W+", "_", what)
            width = self.page.evaluate("innerWidth")
            self.page.screenshot(path=self.shots / f"{width}_{self.taken} {name}.png")


def install(folder: Path) -> Path:
    """Install artgraph with the extras `edit` and `pretrained`. Returns the interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c"]
    words += [str(ROOT / "constraints.txt"), f"{ROOT}[edit,pretrained]"]
    subprocess.run([python, *words], check=True)
    return python


def copy_some(source: Path, target: Path, count: int, draw: random.Random) -> None:
    """Copy random pictures, without their sub-folders."""
    target.mkdir(parents=True)
    for number, path in enumerate(draw.sample(sorted(source.rglob("*.png")), count)):
        shutil.copy(path, target / f"{number:03} {path.name}")


def walk(walker: Walk, address: str, folder: Path) -> None:
    """Do what a person does until the sheet is there."""
    page = walker.page
    page.goto(address)
    card = page.locator(".artgraph-card", has_text="Train on my pictures")
    card.wait_for()
    walker.passed("the first page")
    walker.click(card)
    page.locator(".artgraph-start h2", has_text="My pictures, a GAN").wait_for()
    walker.passed("the app")
    with page.expect_file_chooser() as chooser:
        walker.click(page.locator(".artgraph-folder-button"))
    chooser.value.set_files(folder)
    page.get_by_text(re.compile(r"contains \d+ picture files")).first.wait_for()
    walker.passed("the pictures are in the editor")
    walker.click(page.locator(".artgraph-run-button"))
    page.wait_for_timeout(20_000)
    walker.passed("20 s of the run")
    page.locator(SHEET).first.wait_for(timeout=2 * MOST_SECONDS * 1000)
    walker.passed("the first sheet")


def main() -> int:
    """Install and walk. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--shots", type=Path)
    options = parser.parse_args()
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    height = 900 if options.width >= PHONE else 932
    errors: list[str] = []
    outside: list[str] = []
    with tempfile.TemporaryDirectory(prefix="artgraph-first-") as temporary:
        pictures, studio = Path(temporary, "My pictures"), Path(temporary, "studio")
        studio.mkdir()
        copy_some(options.folder, pictures, options.count, random.Random(options.seed))
        with sync_playwright() as driver:
            path = shutil.which("chromium") or shutil.which("chromium-browser")
            browser = driver.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": options.width, "height": height})
            page.set_default_timeout(120_000)
            walker = Walk(page, options.shots, time.monotonic())
            python = install(Path(temporary, "venv"))
            print(f"{time.monotonic() - walker.start:6.1f} s   0 clicks  installed", flush=True)
            with Server(studio, python=str(python)) as server:
                page.on("pageerror", lambda error: errors.append(str(error)))
                page.on("request", _outside(server.address, outside))
                walk(walker, server.address, pictures)
            seconds = time.monotonic() - walker.start
            browser.close()
    print("\n".join(errors + outside))
    is_quick = seconds <= MOST_SECONDS and walker.clicks <= MOST_CLICKS
    return 0 if is_quick and not errors and not outside else 1


def _outside(address: str, found: list[str]) -> Callable[[Any], None]:
    """Returns what adds the requests to other sites to a list."""

    def add(request: Any) -> None:
        if not request.url.startswith((address, "data:", "blob:", "ws://127.0.0.1")):
            found.append(request.url)

    return add


if __name__ == "__main__":
    sys.exit(main())
