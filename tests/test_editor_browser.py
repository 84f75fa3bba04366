"""The editor in a real Chromium: what an artist finds in it, and how it looks."""

from browsing import PICTURE


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


def test_the_menu_copies_yaml_and_shows_the_plan(editor):
    editor.show(PICTURE, "planned", seed=1)
    editor.ask("app.extensionManager.command.execute('artgraph.yaml')")
    editor.page.locator(".artgraph-dialog pre", has_text="node: procedural_art").wait_for()
    editor.page.keyboard.press("Escape")
    editor.ask("app.extensionManager.command.execute('artgraph.plan')")
    editor.page.locator(".artgraph-dialog td", has_text="sheet").first.wait_for()
    editor.shot("plan")
    editor.page.locator(".artgraph-dialog button").click()


def test_light_looks_as_good_as_dark(editor):
    editor.show(PICTURE, "light", seed=1)
    editor.run()
    editor.wait_for("app.graph.nodes.find(n => n.title === 'result')?.imgs?.length === 1")
    editor.ask("app.extensionManager.setting.set('Comfy.ColorPalette', 'light')")
    editor.shot("light")
    editor.ask("app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
