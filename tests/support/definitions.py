"""Reads the definitions of a checkout from its source: what each uses, and its digest.

Names are followed through relative imports. Docstrings, comments, descriptions, imports, error
messages and the names of files do not count, so that moving code changes no digest.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").is_file())
BY_MEMBER = "Context"  # the class of which only the members that a node uses count


class Definition(NamedTuple):
    """A name at the top level of a file, or `Class.member` for the class in BY_MEMBER."""

    path: Path
    name: str


class Tree:
    """The definitions of a checkout, and what each of them uses."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests: dict[Definition, dict[str, str]] = {}
        self._files: dict[Path, tuple[dict[str, ast.stmt], dict[str, tuple[Path, str]]]] = {}

    def nodes(self) -> dict[str, tuple[int, Definition]]:
        """Returns the version and the definition of every node, by id."""
        found = {}
        for path in sorted((self.root / "nodes").rglob("*.py")):
            for name, item in self._read(path)[0].items():
                call = next(
                    filter(None, map(_node_call, getattr(item, "decorator_list", ()))), None
                )
                if call is not None:
                    versions = [k.value for k in call.keywords if k.arg == "version"]
                    version = ast.literal_eval(versions[0]) if versions else 1
                    found[name] = (version, Definition(path, name))
        return dict(sorted(found.items()))

    def reach(self, start: Definition) -> set[Definition]:
        """Returns a definition and all that it uses, directly or indirectly."""
        done, waiting = set(), [start]
        while waiting:
            one = waiting.pop()
            if one not in done:
                done.add(one)
                waiting += self._uses(one)
        return done

    def digests(self, one: Definition) -> dict[str, str]:
        """Returns the digest of a definition by name, with one for each member of a class."""
        if one not in self._digests:
            self._digests[one] = self._digests_of(one)
        return self._digests[one]

    def _digests_of(self, one: Definition) -> dict[str, str]:
        item = self._item(one)
        if not isinstance(item, ast.ClassDef):
            return {one.name: digest_of(item)}
        parts: dict[str, list[ast.stmt]] = defaultdict(list)
        for member in item.body:
            parts[getattr(member, "name", "")].append(member)
        frame = ast.ClassDef(item.name, item.bases, item.keywords, parts.pop("", []), [], **_TYPES)
        frame.decorator_list = item.decorator_list
        found = {one.name: digest_of(frame)}
        for name, members in parts.items():
            found[f"{one.name}.{name}"] = digest_of(ast.Module(members, []))
        return found

    def names(self, path: Path) -> set[str]:
        """What a file defines, and the members of its classes as `Class.member`."""
        tops = self._read(path)[0]
        classes = [item for item in tops.values() if isinstance(item, ast.ClassDef)]
        return {*tops, *(f"{c.name}.{member}" for c in classes for member in _members(c))}

    def _item(self, one: Definition) -> ast.stmt:
        name, _, member = one.name.partition(".")
        item = self._read(one.path)[0][name]
        if not member:
            return item
        assert isinstance(item, ast.ClassDef)
        return _members(item)[member]

    def _uses(self, one: Definition) -> set[Definition]:
        (tops, outer), imports = self._read(one.path), _imports(one.path, self._item(one))
        imports, item = outer | imports, _plain(self._item(one))
        used = set()

        def add(path: Path, name: str, member: str | None = None) -> None:
            found = self._resolve(path, name)
            if found is None:
                return
            if found.name != BY_MEMBER:
                used.add(found)
            elif member in _members(self._item(found)):
                used.add(Definition(found.path, f"{found.name}.{member}"))

        def lookup(name: str, member: str | None = None) -> None:
            if name in imports:
                add(*imports[name], member)
            elif name in tops:
                add(one.path, name, member)

        contexts = {"self"} if one.name.startswith(f"{BY_MEMBER}.") else set()
        for inner in ast.walk(item):
            if isinstance(inner, ast.arg) and _is_name(inner.annotation, BY_MEMBER):
                contexts.add(inner.arg)
        for inner in ast.walk(item):
            if isinstance(inner, ast.Name):
                lookup(inner.id)
            elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
                owner = inner.value.id
                if owner in contexts:
                    lookup(BY_MEMBER, inner.attr)
                elif owner in imports and not imports[owner][1]:
                    add(imports[owner][0], inner.attr)
        return used - {one}

    def _resolve(self, path: Path, name: str) -> Definition | None:
        """Returns the definition of a name, also if files in between only import it."""
        while name and path.is_file():
            tops, imports = self._read(path)
            if name in tops:
                return Definition(path, name)
            path, name = imports.get(name, (path, ""))
        return None

    def _read(self, path: Path) -> tuple[dict[str, ast.stmt], dict[str, tuple[Path, str]]]:
        """Returns a file's definitions and imports by name.

        An import is a file and the name in that file, or "" if it is the whole module.
        """
        if path not in self._files:
            module = ast.parse(path.read_text())
            tops = {name: item for item in module.body for name in _names(item)}
            self._files[path] = tops, _imports(path, *module.body)
        return self._files[path]


def _node_call(decorator: ast.expr) -> ast.Call | None:
    is_node = isinstance(decorator, ast.Call) and _is_name(decorator.func, "node")
    return decorator if is_node else None


def _is_name(item: ast.expr | None, name: str) -> bool:
    return isinstance(item, ast.Name) and item.id == name


def _members(item: ast.ClassDef) -> dict[str, ast.stmt]:
    return {name: member for member in item.body for name in _names(member)}


def _names(item: ast.stmt) -> list[str]:
    """Returns the names that a statement at the top level of a file or class defines."""
    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [item.name]
    if isinstance(item, ast.Assign | ast.AnnAssign):
        targets = item.targets if isinstance(item, ast.Assign) else [item.target]
        return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    if isinstance(item, ast.If | ast.Try | ast.With):
        return [name for inner in ast.iter_child_nodes(item) for name in _names(inner)]
    if isinstance(item, ast.ExceptHandler):
        return [name for inner in item.body for name in _names(inner)]
    return []


def _imports(path: Path, *items: ast.stmt) -> dict[str, tuple[Path, str]]:
    """Returns the relative imports in statements by name, as file and name in the file."""
    found = {}
    for item in items:
        for inner in ast.walk(item):
            if not isinstance(inner, ast.ImportFrom) or not inner.level:
                continue
            folder = path.parents[inner.level - 1].joinpath(*filter(None, [inner.module]))
            folder = Path(*str(folder).split(".")) if "." in (inner.module or "") else folder
            for alias in inner.names:
                name = alias.asname or alias.name
                if (folder / f"{alias.name}.py").is_file():
                    found[name] = (folder / f"{alias.name}.py", "")
                elif folder.with_suffix(".py").is_file():
                    found[name] = (folder.with_suffix(".py"), alias.name)
                else:
                    found[name] = (folder / "__init__.py", alias.name)
    return found


_TYPES = {"type_params": []} if sys.version_info >= (3, 12) else {}


class _Plain(ast.NodeTransformer):
    """Removes from code what does not affect results.

    These are docstrings, descriptions, imports, error messages and the decorator of a node.
    """

    def visit_Raise(self, item: ast.Raise) -> ast.Raise:
        return ast.Raise()

    def visit_ImportFrom(self, item: ast.ImportFrom) -> None:
        return None

    def visit_Import(self, item: ast.Import) -> None:
        return None

    def visit_keyword(self, item: ast.keyword) -> ast.keyword | None:
        return None if item.arg == "description" else self.generic_visit(item)

    def generic_visit(self, item: ast.AST) -> ast.AST:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            item.decorator_list = [d for d in item.decorator_list if not _node_call(d)]
            if ast.get_docstring(item, clean=False) is not None:
                item.body = item.body[1:]
        return super().generic_visit(item)


def _plain(item: ast.stmt | ast.Module) -> ast.AST:
    return _Plain().visit(copy.deepcopy(item))


def digest_of(item: ast.stmt | ast.Module) -> str:
    return short(ast.dump(_plain(item)))


def short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
