"""The editor in a real Chromium: App mode, from the first page to a graph, with Nodes 2.0."""

import pytest
from browsing import Editor
from editing import Server

BY_HAND = """() => {
    const kinds = ['procedural_art', 'dataset_images', 'save_image']
    const [art, pictures, saved] = kinds.map((kind) => {
        const node = LiteGraph.createNode(`Artgraph_${kind}`)
        app.graph.add(node)
        return node
    })
    art.connect(0, pictures, 0)
    pictures.connect(0, saved, 0)
    const knob = LiteGraph.createNode('PrimitiveNode')
    knob.title = 'How many'
    app.graph.add(knob)
    knob.connect(0, art, art.findInputSlot('count'))
}"""
TEMPLATE = """async (name) => {
    const workflow = await (await fetch(`/templates/${name}.json`)).json()
    await app.loadGraphData(workflow, true, true, name)
}"""
MIDDLE = "[data-testid=linear-center-panel]"


@pytest.fixture(scope="module")
def app_editor(browser, tmp_path_factory):
    """A tab that shows the first page of a new folder."""
    with Server(tmp_path_factory.mktemp("app")) as server:
        editor = Editor(browser, server, is_graph=False)
        yield editor
        editor.page.context.close()
        assert editor.errors == []
        assert editor.outside == []


def labels(editor):
    """Returns the names of the inputs."""
    items = editor.page.get_by_test_id("app-mode-widget-item")
    items.first.wait_for()
    return [item.get_by_test_id("builder-widget-label").inner_text() for item in items.all()]


def press_after_typing(page, number):
    """Type the last number, and press Run at once, for so long that live pictures could appear."""
    page.wait_for_timeout(2000)  # the process that draws is ready
    field = (
        page.get_by_test_id("app-mode-widget-item").last.get_by_role("spinbutton").bounding_box()
    )
    page.mouse.click(field["x"] + field["width"] / 2, field["y"] + field["height"] / 2)
    page.keyboard.press("Control+a")
    page.keyboard.type(number)
    button = page.locator(".artgraph-run-button").bounding_box()
    page.mouse.move(button["x"] + button["width"] / 2, button["y"] + button["height"] / 2)
    page.mouse.down()
    page.wait_for_timeout(500)
    page.mouse.up()


def test_the_first_page_draws_and_turns_into_a_graph(app_editor):
    page = app_editor.page
    page.locator(".artgraph-card", has_text="Train on my pictures").wait_for()
    assert page.locator(".artgraph-card").count() == 4
    assert labels(app_editor) == ["Seed", "Count", "Truncation"]
    page.get_by_text("Another seed gives other pictures").wait_for()
    assert not page.get_by_text("Welcome to Apps").is_visible()
    app_editor.wait_for(
        "[...document.querySelectorAll('.artgraph-card img')].every(i => i.naturalWidth)"
    )
    app_editor.shot("app")
    press_after_typing(page, "0.9")
    page.locator(f"{MIDDLE} img[src*='drawn']").first.wait_for()
    assert app_editor.finished()["status"] == "completed"
    app_editor.shot("app_drawn")
    page.get_by_label("Enter node graph").first.click()
    page.get_by_text("Sample latent · pictures").wait_for()
    app_editor.wait_for("app.canvas.ds.scale >= 0.7")
    page.get_by_label("Enter app mode").first.click()
    page.locator(f"{MIDDLE} img[src*='drawn']").first.wait_for()


def test_a_card_opens_another_app(app_editor):
    page = app_editor.page
    app_editor.ask(TEMPLATE, "latent_walk")
    page.locator(".artgraph-start h2", has_text="Latent walk").wait_for()
    page.locator(".artgraph-card", has_text="Train on my pictures").click()
    page.locator(".artgraph-start h2", has_text="My pictures, a GAN").wait_for()
    assert "Folder" in labels(app_editor)
    assert page.get_by_role("button", name="choose a folder of pictures").count() == 2
    app_editor.ask("app.extensionManager.command.execute('artgraph.start')")
    page.locator("dialog .artgraph-card", has_text="Morph two pictures").click()
    page.locator(".artgraph-start h2", has_text="Morph").wait_for()
    assert page.locator("dialog").count() == 0


def test_a_graph_made_by_hand_is_an_app_too(app_editor):
    page = app_editor.page
    app_editor.ask("app.loadGraphData({nodes: [], links: [], version: 0.4}).then(() => null)")
    app_editor.ask(BY_HAND)
    app_editor.ask("app.extensionManager.command.execute('Comfy.ToggleLinear')")
    page.locator(".artgraph-run-button").wait_for()
    assert labels(app_editor) == ["How many"]
    app_editor.ask("app.graph.nodes.find(n => n.title === 'How many').widgets[0].value = 8")
    # The new number may have drawn pictures already, in place of the first page and its button.
    page.get_by_role("button", name="Run", exact=True).last.click()
    page.locator(f"{MIDDLE} img[src*='save_image']").first.wait_for()
