"""How long a folder of pictures takes in the editor until it is a dataset for a training.

    python benchmarks/editor_walk.py FOLDER [--count 200] [--seed 1] [--shots OUT]

FOLDER contains three or more sub-folders with at least 12 PNG files each. Some are copied, and
faults are added: copies, blurred ones, wrong classes, a damaged file, a text and an animation. A
browser then does with mouse and keys what docs/editor.md suggests, from the graph *Prepare
pictures* to a short training. Seconds and clicks are printed, and each screen is saved in OUT. The
exit code is 1 if the run used, dropped or moved another number of pictures than the sheet. Needs
the extra `edit`, playwright and Chromium.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

import yaml
from editor_artist import PLACE, Artist, plant
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from browsing import FLAGS, widget  # type: ignore[import-not-found]
from editing import Server  # type: ignore[import-not-found]

NAME = "Bilder für später 🐦"  # spaces, umlauts and an emoji
TRAINER = "app.graph.nodes.find(n => n.comfyClass === 'Artgraph_train_classifier')"


def bring_in(artist: Artist, folder: Path) -> None:
    """Open the graph and choose the folder."""
    artist.screen("start")
    artist.click(artist.page.get_by_label("Templates"))
    artist.screen("templates", 2000)
    artist.click(artist.page.get_by_text("Prepare pictures"))
    artist.wait_for("app.graph.nodes.some(n => n.title === 'unique')")
    artist.page.wait_for_timeout(1000)
    artist.screen("prepare")
    with artist.page.expect_file_chooser() as chooser:
        artist.button("choose a folder of pictures")
    chooser.value.set_files(folder)
    artist.wait_for(f"{widget('folder', 'value')}.value")
    artist.screen("uploaded")
    artist.passed("the folder is in the editor")


def review(artist: Artist, classes: list[str]) -> None:
    """Drop what is flagged, correct classes, crop, rate, keep, undo."""
    page = artist.page
    artist.button("review pictures")
    page.wait_for_selector(".rv-loaded")
    artist.screen("sheet")
    artist.wait_for("!document.querySelector('.rv-filters').innerText.includes('%')")
    artist.passed("the pictures have their flags")
    artist.screen("flags")
    artist.readable = int(page.locator(".rv-notes").inner_text().split()[0])
    artist.click(page.locator(".rv-filters button").nth(1))
    for kind in ("blurred", "duplicate"):
        artist.click(page.locator(".rv-kinds button", has_text=kind))
        artist.press("Control+a", "d")
        artist.screen(kind)
    artist.press("Home", "Space")
    artist.screen("large", 1500)
    artist.press("Escape", "f")
    for name in classes[1:3]:
        artist.find(f"zz not {name}.png")
        artist.press("c")
        artist.write(name)
        artist.screen("class")
        artist.press("Enter")
    artist.press("Home", "ArrowRight", "x")
    page.wait_for_function("document.querySelector('.rv-stage img')?.naturalWidth > 0")
    box = page.locator(".rv-stage .rv-fit").bounding_box()
    corners = ([box["x"] + box["width"] * s, box["y"] + box["height"] * s] for s in (0.2, 0.8))
    artist.drag(*corners)
    artist.screen("crop")
    artist.press("Enter", "ArrowRight", "5", "ArrowRight", "1", "ArrowRight", "k", "d", "z")
    artist.screen("reviewed")
    page.set_viewport_size({"width": 430, "height": 900})
    artist.screen("narrow", 1500)
    page.set_viewport_size({"width": 1440, "height": 900})
    artist.click(page.locator(".rv-close"))
    page.wait_for_selector(".rv-sheet", state="detached")
    artist.passed("the pictures are reviewed")


def train(artist: Artist) -> None:
    """Add a training of three steps to the graph, and run it."""
    artist.click(artist.page.get_by_label("Fit View (.)"))
    artist.page.wait_for_timeout(800)
    artist.clicks += 3
    artist.page.mouse.dblclick(1000, 180)
    artist.page.wait_for_timeout(800)
    artist.write("Train classifier")
    artist.screen("search")
    artist.press("Enter")
    artist.wait_for(f"{TRAINER} !== undefined")
    artist.page.wait_for_timeout(800)  # the node follows the mouse
    artist.page.mouse.click(1000, 180)
    artist.page.wait_for_timeout(500)
    balanced = "app.graph.nodes.find(n => n.title === 'balanced')"
    ends = (f"{balanced}.getConnectionPos(false, 0)", f"{TRAINER}.getConnectionPos(true, 0)")
    artist.screen("added")
    artist.drag(*(artist.ask(f"({PLACE})({end})") for end in ends))
    artist.screen("wired")
    artist.wait_for(f"{TRAINER}.inputs[0].link != null", seconds=10)
    artist.ask(f"{TRAINER}.widgets.find(w => w.name === 'steps').value = 3")
    artist.clicks += 1
    artist.run()
    status = artist.finished()["status"]
    artist.screen("done", 2000)
    artist.passed(f"the run with a training is {status}")
    if status != "completed":
        raise SystemExit(1)


def same(artist: Artist, folder: Path) -> bool:
    """Print what the sheet decided and what the run used. Returns whether the numbers are equal."""
    review_file = folder.with_name(f"{folder.name}.review.yaml")
    choices = yaml.safe_load(review_file.read_text("utf-8"))["pictures"].values()
    dropped = sum("drop" in choice for choice in choices)
    moved = sum("class" in choice and "drop" not in choice for choice in choices)
    expected = f"{artist.readable - dropped} pictures in "
    outputs = artist.ask("Object.values(app.nodeOutputs).flatMap(o => o.artgraph_warnings ?? [])")
    for line in outputs:
        print("*", line)
    line = next(line for line in outputs if "by the review" in line)
    print(f"the sheet: {expected}..., {dropped} dropped, {moved} moved")
    return line.startswith(expected) and f"{dropped} dropped, {moved} moved" in line


def main() -> int:
    """Do the walk. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shots", type=Path)
    options = parser.parse_args()
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="artgraph-walk-") as temporary:
        source, studio = Path(temporary, NAME), Path(temporary, "studio")
        studio.mkdir()
        classes = plant(options.folder, source, options.count, random.Random(options.seed))
        with Server(studio) as server, sync_playwright() as driver:
            path = shutil.which("chromium") or shutil.which("chromium-browser")
            browser = driver.chromium.launch(executable_path=path, args=FLAGS)
            artist = Artist(browser, server, options.shots)
            bring_in(artist, source)
            review(artist, classes)
            train(artist)
            is_same = same(artist, studio / "input" / NAME)
            browser.close()
    print("\n".join(artist.errors))
    return 0 if is_same and not artist.errors else 1


if __name__ == "__main__":
    sys.exit(main())
