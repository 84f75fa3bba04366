"""The editor in a real Chromium: pasted nodes, several messages, and the first page in Chinese."""

from browsing import PICTURE, Editor
from editing import Server

PASTE = """() => {
    const [node] = app.graph.nodes
    app.canvas.selectItems([node])
    app.canvas.copyToClipboard()
    for (let i = 0; i < 3; i++) app.canvas.pasteFromClipboard()
    return app.graph.nodes.filter(({type}) => type === node.type).map(({pos}) => [...pos].join())
}"""


def test_pasted_nodes_are_apart_and_several_warnings_are_one_message(browser, studio):
    (studio.folder / "cut.yaml").write_text("artgraph: 1\nnodes: {a: [\n")
    (studio.folder / "wide.yaml").write_text("artgraph: 1\n", encoding="utf-16")
    editor = Editor(browser, studio)
    editor.show(PICTURE, "pasted", seed=3)
    places = editor.ask(PASTE)
    assert len(set(places)) == len(places) == 4
    editor.ask("app.extensionManager.command.execute('Workspace.ToggleSidebarTab.workflows')")
    for name in ("cut", "wide"):
        editor.page.get_by_text(name, exact=True).first.click()
        editor.page.wait_for_timeout(1500)
    toast = editor.page.get_by_test_id("toast")
    toast.get_by_text("2 messages").first.wait_for()
    assert toast.count() == 1
    assert "cut.yaml:3: this YAML is incomplete" in toast.inner_text()
    assert (editor.outside, editor.errors) == ([], [])
    editor.page.context.close()


def test_the_first_page_is_chinese_and_nothing_is_missing(browser, tmp_path):
    with Server(tmp_path) as server:
        context = browser.new_context(locale="zh-CN", viewport={"width": 430, "height": 860})
        page = context.new_page()
        missing = []
        page.on("response", lambda found: missing.append(found.url) if found.status > 399 else None)
        page.goto(server.address)
        page.get_by_text("用自带的 GAN 绘画").wait_for(timeout=60_000)
        page.get_by_text("用我的图像训练").wait_for(timeout=60_000)
        page.locator(".artgraph-run-button").get_by_text("运行").wait_for(timeout=60_000)
        assert missing == []
        context.close()
