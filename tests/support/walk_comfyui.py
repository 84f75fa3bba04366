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
        if not page.get_by_text("artgraph", exact=True).count():
            self.ask("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
        page.get_by_text("artgraph", exact=True).first.click()
        page.get_by_text(title, exact=False).last.click()
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
        else:
            self.page.mouse.click(*self.point(title, widget))
        self.page.get_by_text(value, exact=True).last.click()
        self.page.mouse.move(*self.point(title))

    def inside(self, title: str) -> Any:
        number = self.ask(f"title => ({NODE})(title).id", title)
        return self.page.locator(f'[data-node-id="{number}"]')

    def run(self) -> None:
        self.page.get_by_test_id("queue-button").click()

    def search(self, words: str, x: float, y: float) -> None:
        """Add a node with the search box, which a double click on the empty canvas opens."""
        self.page.mouse.dblclick(x, y)
        self.wait(0.7)
        self.page.keyboard.type(words, delay=30)
        self.wait(1.5)
        self.page.keyboard.press("Enter")
        self.wait(0.7)
