"""artgraph's own texts of the editor in Chinese."""

import re

import yaml

from artgraph.editors.formats.load import shipped_graphs
from artgraph.editors.server.routes_info import SHARED, WEB
from artgraph.editors.server.texts import WORDS

_SAID = re.compile(r"said\('((?:[^'\\]|\\.)*)'")
_TEXT = re.compile(r"'([^']*)'")
SCRIPTS = [path.read_text(encoding="utf-8") for web in (WEB, SHARED) for path in web.glob("*.js")]


def texts_of_graphs():
    for path in shipped_graphs().values():
        graph = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield from (graph["title"], graph["about"])
        for name, knob in graph.get("knobs", {}).items():
            yield knob["about"]
            words = name.replace("_", " ")
            words = re.sub(r"\b(cnn|fps|gan|vae)\b", lambda found: found[0].upper(), words)
            yield words[0].upper() + words[1:]


def texts_of_scripts():
    for text in SCRIPTS:
        yield from _SAID.findall(text)
        for begin in ("const CARDS = [", "const PAGES = [", "const DOCS = ["):
            if begin in text:
                part = text.split(begin)[1].split("\n]")[0]
                yield from (t for t in _TEXT.findall(part) if not re.fullmatch("[a-z_]+", t))


def test_all_texts_of_the_graphs_and_of_the_first_page_are_chinese():
    needed = {*texts_of_graphs(), *texts_of_scripts()}
    assert [text for text in sorted(needed) if text not in WORDS["zh"]] == []


def test_no_translation_is_unused_and_each_has_its_parts():
    scripts = "".join(SCRIPTS)
    graphs = set(texts_of_graphs())
    unused = [
        text for text in WORDS["zh"] if text not in graphs and text.lower() not in scripts.lower()
    ]
    assert unused == []
    for english, chinese in WORDS["zh"].items():
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", chinese))
