"""Plain English: texts for people must not contain phrases that are hard to read.

The test reads the pages of the documentation and, in the code, docstrings, comments, and the
messages of errors, warnings and settings. A folder in CLEAN must not contain any of the phrases.
For the other folders, `pytest -rx tests/test_english.py` reports the number of phrases per file.
"""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CLEAN = {
    "cli",
    "contract",
    "docs",
    "editors",
    "graphs",
    "models",
    "nodes",
    "pictures",
    "root",
    "runner",
}

# After these words, "where" refers to a place and not to a condition.
PLACES = ("folder", "place", "point", "line", "step", "say", "says", "show", "shows", "know")

PHRASES = {
    r"(?<!there )\b(?:is|are|was|were|be) no (?!longer\b|more\b)": "write 'is not a'",
    r"\b(?:tells?|telling|told)\b": "write 'says', 'reports' or 'distinguishes'",
    r"\bmend(?:s|ed|ing)?\b": "write 'repairs', 'corrects' or 'fixes'",
    r"\bin words\b": "say what happens: 'warns', 'reports'",
    r"\b(?:stands?|stood|standing)\b(?!-)": "write 'is' or 'means'",
    r"\b(?:lies|lay)\b(?! out)": "write 'is in'",
    r"\btak(?:es?|en|ing) in\b|\btook in\b": "write 'accepts' or 'reads'",
    r"\bin the place of\b": "write 'instead of'",
    r"\bnought\b": "write 'zero'",
    r"\bof one's own\b": "write 'of your own'",
    "".join(f"(?<!\\b{word} )" for word in PLACES) + r"\bwhere\b": "write 'if' or 'when'",
    r"\bhas its say\b|\bhave (?:its|their) say\b": "say what it does",
    r"\bis as (?:it|before)\b|\bare as (?:they|before)\b": "write 'is unchanged'",
}
ANY = re.compile("|".join(f"({phrase})" for phrase in PHRASES), re.IGNORECASE)

# (file, the words found in it): why it may stay.
EXCEPTIONS: dict[tuple[str, str], str] = {}

# A string (which may contain a #), or a comment. Much faster than `tokenize`.
COMMENT = re.compile(
    r'""".*?"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|#+ ?([^\n]*)', re.DOTALL
)

MESSAGES = {"description", "about", "help", "title"}  # arguments whose texts people read
SPEAKERS = {"warn", "log", "problem", "Problem", "require"}  # calls whose texts people read


def rooms():
    """Returns the folders of the package, as pyproject.toml lists them, `docs` and `root`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]
    return sorted({name.split(".")[1] for name in packages if "." in name} | {"docs", "root"})


def files(room):
    """Returns the files of a folder that contain texts for people."""
    if room == "root":
        return sorted(ROOT.glob("*.py"))
    if room == "docs":
        pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
        pages += sorted((ROOT / "docs").glob("*.md"))
        return [page for page in pages if page.name != "reference.md"]  # made from docstrings
    return sorted((ROOT / room).rglob("*.py"))


def texts(path):
    """Yields (line, text) of everything in a file that a person reads."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        for line, text in paragraphs(source):
            yield line, re.sub(r"`[^`]*`", "", text)
        return
    for item in ast.walk(ast.parse(source)):
        if isinstance(item, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(item)
            if docstring:
                yield item.body[0].lineno, docstring
        elif isinstance(item, ast.Raise) and item.exc is not None:
            yield item.lineno, strings(item.exc)
        elif isinstance(item, ast.Call) and name_of(item.func) in SPEAKERS:
            yield item.lineno, strings(item)
        elif isinstance(item, ast.keyword) and item.arg in MESSAGES:
            yield item.value.lineno, strings(item.value)
    yield from comments(source)


def paragraphs(source):
    """Yields (line, text) of the paragraphs of a page, without its examples."""
    source = re.sub(
        r"^( *)```.*?^\1```$", lambda m: re.sub(r"[^\n]", "", m[0]), source, flags=re.M | re.S
    )
    line = 1
    for text in re.split(r"(\n\n+)", source):
        yield line, text
        line += text.count("\n")


def strings(item):
    """Returns the texts in an expression, joined by `{}` in place of the values."""
    return "{}".join(
        part.value
        for part in ast.walk(item)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


def name_of(function):
    return getattr(function, "attr", getattr(function, "id", None))


def comments(source):
    """Yields (line, text) of the comments. Comments on consecutive lines are one text."""
    first, last, words = 0, -1, []
    for match in COMMENT.finditer(source):
        if match[1] is None:
            continue
        line = source.count("\n", 0, match.start()) + 1
        if line != last + 1 and words:
            yield first, "\n".join(words)
            words = []
        if not words:
            first = line
        last = line
        words.append(match[1])
    if words:
        yield first, "\n".join(words)


def name_in_root(path):
    return path.relative_to(ROOT).as_posix()


def found(path, name):
    """Yields (line, words, advice) of each phrase in a file that is not in EXCEPTIONS."""
    for start, text in texts(path):
        plain = re.sub(r"\s", " ", text)
        for match in ANY.finditer(plain):
            words = match[0].strip()
            if (name, words.lower()) not in EXCEPTIONS:
                line = start + text.count("\n", 0, match.start())
                advice = list(PHRASES.values())[match.lastindex - 1]
                yield line, words, advice


@pytest.mark.parametrize("room", rooms())
def test_texts_are_plain(room):
    lines, counts = [], {}
    for path in files(room):
        name = name_in_root(path)
        for line, words, advice in found(path, name):
            lines.append(f"{name}:{line}: {words!r} - {advice}")
            counts[name] = counts.get(name, 0) + 1
    if room in CLEAN:
        assert not lines, "\n" + "\n".join(lines)
    else:
        assert lines, f"{room} is plain: add it to CLEAN in tests/test_english.py"
        most = sorted(counts.items(), key=lambda item: -item[1])
        per_file = ", ".join(f"{name} {count}" for name, count in most)
        pytest.xfail(f"{len(lines)} phrases: {per_file}")


def test_every_exception_is_needed():
    for name, words in EXCEPTIONS:
        plain = (re.sub(r"\s", " ", text) for _, text in texts(ROOT / name))
        there = {match[0].strip().lower() for text in plain for match in ANY.finditer(text)}
        assert words in there, f"{name} does not have {words!r} any more: remove it from EXCEPTIONS"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('def f():\n    """It is no number."""', "is no"),
        ("x = 1  # what was mended", "mended"),
        ('raise ValueError(f"{x} is told {y}")', "told"),
        ('warn("it lies there")', "lies"),
        ('Field(description="stands for all")', "stands"),
        ("# it goes on\n# where it was", "where"),
        ('raise ValueError("there is no file - it is no longer there")', None),
        ('text = "is no message"', None),
    ],
)
def test_a_phrase_is_found_where_people_read_it(tmp_path, text, words):
    path = tmp_path / "code.py"
    path.write_text(text)
    assert [word for _, word, _ in found(path, path.name)] == ([words] if words else [])
