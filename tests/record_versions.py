"""A node's version must rise when what it computes changes: fingerprints of the nodes' code.

A fingerprint covers the node's function and all code of ours that it reaches: functions and
classes of its module, and whole modules that it imports, without comments and docstrings.
`python tests/record_versions.py` writes versions.json anew, after raising versions.
"""

import ast
import hashlib
import inspect
import json
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
RECORD = Path(__file__).parent / "versions.json"
CONTRACT = {"contract", "context", "errors", "registry", "wording"}  # no node computes with these


def fingerprints():
    """{node id: [version, fingerprint]} of all our nodes."""
    from artgraph.nodes.registry import load_nodes

    ours = {
        name: spec
        for name, spec in load_nodes().items()
        if spec.function.__module__.startswith("artgraph.")
    }
    return {name: [spec.version, fingerprint(spec.function)] for name, spec in sorted(ours.items())}


def fingerprint(function):
    path = Path(inspect.getfile(function))
    module = ast.parse(path.read_text())
    tops = {name: item for item in module.body for name in names_of(item)}
    (own,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    own.decorator_list = []
    parts, modules, seen, waiting = [], set(), set(), [own]
    while waiting:
        item = waiting.pop(0)
        parts.append(normalised(item))
        for inner in ast.walk(item):
            if isinstance(inner, ast.ImportFrom) and inner.level:
                modules |= imported(path, inner)
            name = inner.id if isinstance(inner, ast.Name) else None
            if name in tops and name not in seen:
                seen.add(name)
                waiting.append(tops[name])
    parts += [normalised(ast.parse(p.read_text())) for p in sorted(reach(modules))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def names_of(item):
    if isinstance(item, ast.FunctionDef | ast.ClassDef):
        return [item.name]
    if isinstance(item, ast.Assign):
        return [target.id for target in item.targets if isinstance(target, ast.Name)]
    if isinstance(item, ast.ImportFrom):
        return [alias.asname or alias.name for alias in item.names]
    return []


def imported(path, item):
    """The files of ours that an import statement names, less the contract."""
    base = path.parents[item.level - 1]
    folder = base.joinpath(*(item.module or "").split("."))
    found = {folder.with_suffix(".py")} if item.module else set()
    found |= {folder / f"{alias.name}.py" for alias in item.names}
    return {
        p for p in found if p.is_file() and not (p.parent.name == "nodes" and p.stem in CONTRACT)
    }


def reach(files):
    """The files and all of ours that they import in turn."""
    done, waiting = set(), list(files)
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        for item in ast.walk(ast.parse(path.read_text())):
            if isinstance(item, ast.ImportFrom) and item.level:
                waiting += imported(path, item)
    return done


def normalised(tree):
    """The code without comments, docstrings and layout."""
    for item in ast.walk(tree):
        body = getattr(item, "body", None)
        if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
            continue
        if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
            item.body = body[1:] or [ast.Pass()]
    return ast.dump(tree)


if __name__ == "__main__":
    lines = (f" {json.dumps(k)}: {json.dumps(v)}" for k, v in fingerprints().items())
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")
