"""What a person does and sees in ComfyUI's page: for tests/support/walk_comfyui.py."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

READY = (
    "window.app?.graph && app.canvas && app.extensionManager"
    " && !!LiteGraph.registered_node_types.Artgraph_load_model"
)
NODE = "title => app.graph.nodes.find(n => n.title.startsWith(title))"
# The place of a widget on the canvas, or of the title of the node.
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
    const inside = (boxes, kind) => boxes.flatMap(b => [...b.querySelectorAll(kind)]).filter(seen)
    const ours = inside(boxes, 'img').filter(p => p.naturalWidth)
    const drawn = [...document.querySelectorAll(`[data-node-id="${{node.id}}"]`)]  // in Nodes 2.0
    const others = inside(drawn, 'img').filter(p => !ours.includes(p))
    const pictures = node.imgs?.length ? node.imgs : others
    return {{
        text: boxes.filter(b => b.isConnected).map(b => b.innerText ?? '').join(' '),
        curves: inside(boxes, 'svg').length,
        sheets: ours.length,
        pictures: pictures.length,
        url: pictures[0]?.src ?? ''
    }}
}}"""
IS_WIRED = f"([title, name]) => ({NODE})(title).inputs.find(i => i.name === name).link"
SLOT = f"""([title, name, isOutput]) => {{
    const node = ({NODE})(title), slots = isOutput ? node.outputs : node.inputs
    const place = slots.findIndex(s => s.name === name)
    const key = `${{isOutput ? '-out-' : '-in-'}}${{place}}`
    const dots = document.querySelectorAll(`[data-node-id="${{node.id}}"] [data-slot-key]`)
    const dot = [...dots].find(d => d.dataset.slotKey.endsWith(key))
    if (dot) {{
        const at = dot.getBoundingClientRect()
        return [at.left + at.width / 2, at.top + at.height / 2]
    }}
    const {{ left, top }} = app.canvas.canvas.getBoundingClientRect(), view = app.canvas.ds
    const at = node.getConnectionPos(!isOutput, place)
    return [0, 1].map(i => [left, top][i] + (at[i] + view.offset[i]) * view.scale)
}}"""


class Hand:
    """What a person does and sees in ComfyUI's page."""

    def __init__(self, page: Any, shots: Path | None = None) -> None:
        self.page, self.shots = page, shots
        self.nodes2 = False

    def set(self, name: str, value: object) -> None:
        """Change a setting of ComfyUI."""
        self.ask("([n, v]) => app.extensionManager.setting.set(n, v)", [name, value])
        self.wait(1)

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
            self.inside(title).get_by_role("button", name=widget).last.click()
            return
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
            box.press("Enter")
            return
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
        typing = "document.activeElement?.tagName === 'INPUT'"
        for _ in range(5):  # without the box, keys would be shortcuts
            self.page.mouse.dblclick(x, y)
            self.wait(1)
            if self.ask(typing):
                break
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
        assert self.ask(IS_WIRED, [end, target]) is not None, f"no wire from {start} to {end}"

    def slot(self, title: str, name: str, is_output: bool) -> tuple[float, float]:
        x, y = self.ask(SLOT, [title, name, is_output])
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

        self.look_at(title)  # the page loads the film when the node is drawn
        found = self.until(title, lambda seen: seen["url"], 600)
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
