"""The editor in a real Chromium: what an artist finds in it, and how it looks."""

import re

from browsing import PICTURE
from editing import until


def test_it_has_our_name(editor):
    editor.wait_for("document.title.includes('artgraph')")
    assert "ComfyUI" not in editor.page.title()
    assert not editor.page.get_by_test_id("login-button").is_visible()
    assert not editor.page.get_by_text("Missing Node Packs").is_visible()


def opens_search(editor):
    """Double click on the canvas, which misses it while it is busy. Returns whether it worked."""
    editor.page.mouse.dblclick(640, 760)
    editor.page.wait_for_timeout(3_000)
    return editor.ask("document.activeElement.tagName === 'INPUT'")


def test_the_library_and_the_search(editor):
    page = editor.page
    page.get_by_test_id("node-library-tab-button").click()
    for category in ("prepare", "train", "draw", "repaint"):
        page.get_by_text(category, exact=True).first.wait_for()
    editor.shot("library")
    page.get_by_placeholder("Search Nodes").fill("contact")
    page.get_by_text("Contact sheet").first.wait_for()
    page.get_by_test_id("node-library-tab-button").click()
    page.get_by_placeholder("Search Nodes").wait_for(state="hidden")
    before = editor.ask("app.graph.nodes.length")
    editor.ask("app.canvas.ds.offset = [9999, 9999]")  # so that no node is under the mouse
    until(lambda: opens_search(editor))
    page.keyboard.type("train vae", delay=20)
    page.get_by_text("Train VAE").first.wait_for()
    page.keyboard.press("Enter")
    editor.wait_for("n => app.graph.nodes.length === n + 1", before)
    page.wait_for_timeout(500)
    editor.ask("app.canvas.finalizeGhostPlacement(false)")  # else the node follows the mouse


def test_the_templates_are_our_graphs(editor):
    page = editor.page
    page.get_by_label("Templates").first.click()
    page.locator("[role=dialog]").get_by_text("Style remix").first.wait_for()
    loaded = "[...document.querySelectorAll('[role=dialog] img')].filter(i => i.naturalWidth)"
    editor.wait_for(f"{loaded}.length >= 6")
    editor.shot("templates")
    page.locator("[role=dialog]").get_by_text("Latent walk").first.click()
    editor.wait_for("app.graph.nodes.some(n => n.type === 'Artgraph_latent_walk')")


def test_the_menu_copies_yaml_and_shows_the_plan(editor):
    editor.show(PICTURE, "planned", seed=1)
    editor.ask("app.extensionManager.command.execute('artgraph.yaml')")
    editor.page.locator(".artgraph-dialog pre", has_text="node: procedural_art").wait_for()
    editor.page.keyboard.press("Escape")
    editor.ask("app.extensionManager.command.execute('artgraph.plan')")
    editor.page.locator(".artgraph-dialog td", has_text="sheet").first.wait_for()
    editor.shot("plan")
    editor.page.locator(".artgraph-dialog button").click()


def test_the_settings_name_artgraph(editor):
    page = editor.page
    page.keyboard.press("Control+,")
    page.get_by_text("About", exact=True).last.click()
    page.locator(".about-badge[href='#artgraph']").wait_for()
    badges = page.locator(".about-badge").all()
    seen = [badge.inner_text().strip() for badge in badges if badge.is_visible()]
    assert len(seen) == 2
    assert "GPL-3.0" in seen[1]
    assert not page.locator("[data-nav-id=user]").is_visible()
    page.get_by_label("Close dialog").click()
    page.get_by_test_id("about-panel").wait_for(state="hidden")


def test_light_looks_as_good_as_dark(editor):
    noted = 'layout:\n  notes: [{text: "In *every* light", box: [380, 420, 300, 90]}]\n'
    editor.show(PICTURE + noted, "light", seed=1)
    editor.run()
    editor.wait_for("app.graph.nodes.find(n => n.title === 'result')?.imgs?.length === 1")
    editor.ask("app.extensionManager.setting.set('Comfy.ColorPalette', 'light')")
    ink, ground = editor.ask(
        """(() => {
            const text = document.querySelector('.comfy-markdown .tiptap')
            const [ink, ground] = [text, text.parentElement].map((e) => getComputedStyle(e))
            return [ink.color, ground.backgroundColor]
        })()"""
    )
    assert abs(_light(ink) - _light(ground)) > 0.4
    editor.shot("light")
    editor.ask("app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")


def _light(color):
    """Returns the lightness of a colour of the page, 0 to 1."""
    return sum(map(int, re.findall(r"\d+", color)[:3])) / 3 / 255
