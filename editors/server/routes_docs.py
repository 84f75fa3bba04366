"""The pages of docs/ as HTML, so that the help of the editor also works without the internet."""

from __future__ import annotations

import html
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from aiohttp import web

routes = web.RouteTableDef()
DOCS = Path(__file__).parents[2] / "docs"
_FIRST = ("artists", "editor", "folders", "graphs", "data", "models", "reference")
_INSIDE = re.compile(r"#|https?:|\w+\.md(#|$)")
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title} - artgraph</title>
<link rel="icon" href="/favicon.ico">
<link rel="stylesheet" href="/extensions/artgraph/docs.css">
<nav>{links}</nav>
<main>
{text}
</main>
</html>
"""


@routes.get(r"/artgraph/docs/{name:[a-z]+\.md}")
async def page(request: web.Request) -> web.Response:
    """Returns a page of the documentation."""
    path = DOCS / request.match_info["name"]
    if not path.is_file():
        raise web.HTTPNotFound(text="there is no such page")
    return web.Response(text=rendered(path), content_type="text/html")


@routes.get(r"/artgraph/docs/{name:pictures/\w+\.(webp|jpg)}")
async def picture(request: web.Request) -> web.StreamResponse:
    path = DOCS / request.match_info["name"]
    if not path.is_file():
        raise web.HTTPNotFound(text="there is no such picture")
    return web.FileResponse(path)


def rendered(path: Path) -> str:
    """Returns a page of the documentation as HTML."""
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = renderer.parse(re.sub(r"<!--.*?-->\n?", "", path.read_text(), flags=re.DOTALL))
    title = path.stem
    for token, text in pairwise(tokens):
        if token.type == "heading_open":
            title = text.content if token.tag == "h1" else title
            token.attrSet("id", _anchor(text.content))
    for token in tokens:
        _keep_links_inside(token)
    found = {page.stem: page for page in sorted(DOCS.glob("*.md"))}
    names = [name for name in _FIRST if name in found]
    links = " ".join(f'<a href="{name}.md">{name}</a>' for name in names)
    text = renderer.renderer.render(tokens, renderer.options, {})
    return _PAGE.format(title=html.escape(title), links=links, text=text)


def _keep_links_inside(token: Any) -> None:
    """Remove the addresses of files that are not part of the documentation."""
    for child in token.children or ():
        address = str(child.attrGet("href") or "")
        if address and not _INSIDE.match(address):
            child.attrs.pop("href")


def _anchor(heading: str) -> str:
    """Returns the name of a heading in links, as on the websites that show Markdown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
