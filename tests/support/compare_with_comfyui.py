"""Compares what the tests use instead of ComfyUI with a clone of ComfyUI, by reading its source.

    python tests/support/compare_with_comfyui.py PATH

PATH is the folder of a clone. Nothing of it is imported, so its requirements need not be installed.
Each line is a difference:

- a module, name or parameter of `comfy_stand_in.py` that the pack uses and ComfyUI does not have,
- a field of our V3 schema that ComfyUI's schema does not have, which is left out there,
- a title of ours that a node of ComfyUI has, too, if `editors/comfy/titles.py` does not list it.

docs/comfyui.md lists the differences of the tested versions. The exit code is 1 for any others.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from comfy_stand_in import COMMON, V3

from artgraph.contract.registry import load_nodes
from artgraph.editors.comfy.titles import SHARED

PACK = Path(__file__).parents[2] / "editors" / "comfy"
KNOWN = {  # differences that the pack can deal with: see docs/comfyui.md
    "comfy_api/latest: there is no Caching",
    "comfy_api/latest: there is no CacheProvider",
    "comfy_api/latest: there is no CacheValue",
    "comfy_api/latest: there is no has_intermediate_output",
    "comfy_api/latest: there is no register_provider",
    "the schema has no has_intermediate_output",
    "the schema has no search_aliases",
}
# Names that only the stand-in needs.
HELPERS = {"device", "field", "kind", "names", "Port", "__init__"}
Signature = list[tuple[str, bool]] | None  # parameters, and whether they may be left out


def main(folder: Path) -> int:
    differences = [*of_modules(folder), *of_schema(folder), *of_titles(folder)]
    for line in differences:
        print(f"{line}{' (known)' if line in KNOWN else ''}")
    unknown = [line for line in differences if line not in KNOWN]
    print(f"{len(differences)} differences, {len(unknown)} of them unknown")
    return 1 if unknown else 0


def of_modules(folder: Path) -> Iterator[str]:
    """Yields the names and parameters that the stand-in has and ComfyUI does not."""
    used = used_names()
    for name, text in (COMMON | V3).items():
        path = Path(name)
        module = path.parent if path.name == "__init__.py" else path.with_suffix("")
        if not text or not (
            names := {n: s for n, s in symbols(ast.parse(text)) if n in used - HELPERS}
        ):
            continue
        real = sources(folder, path)
        if not real:
            yield f"{module}: there is no such module"
            continue
        found: dict[str, Signature] = {}
        for tree in real:
            for other, signature in (*symbols(tree), *attributes(tree)):
                found.setdefault(other, signature)
        for symbol, ours in names.items():
            if symbol not in found:
                yield f"{module}: there is no {symbol}"
            elif (what := misfit(ours, found[symbol])) is not None:
                yield f"{module}: {symbol} {what}"


def sources(folder: Path, path: Path) -> list[ast.Module]:
    """Returns ComfyUI's source of a module; of a package, with the files beside it."""
    if path.name == "__init__.py":
        paths = sorted((folder / path.parent).glob("*.py"))
    else:
        paths = [folder / path] if (folder / path).is_file() else []
    return [ast.parse(file.read_text(encoding="utf-8")) for file in paths]


def used_names() -> set[str]:
    """Returns all names that the pack's files contain."""
    names: set[str] = set()
    for path in PACK.glob("*.py"):
        for item in ast.walk(ast.parse(path.read_text())):
            if isinstance(item, ast.Attribute):
                names.add(item.attr)
            elif isinstance(item, ast.alias):
                names.add(item.name.rpartition(".")[2])
            elif isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(item.name)
            elif isinstance(item, ast.Constant) and isinstance(item.value, str):
                names.add(item.value)
    return names


def symbols(tree: ast.AST) -> Iterator[tuple[str, Signature]]:
    """Yields the names that a module and its classes define, and the parameters of functions."""
    for item in ast.iter_child_nodes(tree):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            yield item.name, parameters(item)
        elif isinstance(item, ast.ClassDef):
            yield item.name, None
            yield from symbols(item)
        elif isinstance(item, ast.Assign):
            for target in item.targets:
                if isinstance(target, ast.Name):
                    yield target.id, None
            if isinstance(item.value, ast.Call):
                yield from ((k.arg, None) for k in item.value.keywords if k.arg)
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            yield item.target.id, None
        elif isinstance(item, ast.Import | ast.ImportFrom):
            yield from ((a.asname or a.name, None) for a in item.names)
        elif isinstance(item, ast.If | ast.Try):
            yield from symbols(item)


def attributes(tree: ast.AST) -> Iterator[tuple[str, Signature]]:
    """Yields the attributes that methods set, and those of the options of a command line."""
    for item in ast.walk(tree):
        if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store):
            yield item.attr, None
        elif isinstance(item, ast.Constant) and str(item.value).startswith("--"):
            yield str(item.value)[2:].replace("-", "_"), None


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Signature:
    """Returns the parameters without `self` and `cls`; None if the function accepts any."""
    inner = function.args
    if inner.vararg or inner.kwarg:
        return None
    names = [argument.arg for argument in inner.args]
    optional = [False] * (len(names) - len(inner.defaults)) + [True] * len(inner.defaults)
    pairs = [*zip(names, optional, strict=True)]
    pairs += [
        (argument.arg, default is not None)
        for argument, default in zip(inner.kwonlyargs, inner.kw_defaults, strict=True)
    ]
    return [(name, may) for name, may in pairs if name not in ("self", "cls")]


def misfit(ours: Signature, real: Signature) -> str | None:
    """Returns what is wrong if a call that fits our parameters does not fit the real ones."""
    if ours is None or real is None:
        return None
    if len(ours) > len(real):
        return f"has {len(real)} parameters, not {len(ours)}"
    needed = [name for name, may in real[len(ours) :] if not may]
    return f"also needs {', '.join(needed)}" if needed else None


def of_schema(folder: Path) -> Iterator[str]:
    """Yields the fields of our schema that ComfyUI's does not have."""
    keys: list[str] = []
    for item in ast.walk(ast.parse((PACK / "v3.py").read_text())):
        if isinstance(item, ast.Dict) and isinstance(
            item.keys[0] if item.keys else None, ast.Constant
        ):
            found = [key.value for key in item.keys if isinstance(key, ast.Constant)]
            keys = found if "node_id" in found else keys
    for tree in sources(folder, Path("comfy_api/latest/__init__.py")):
        for item in ast.walk(tree):
            if isinstance(item, ast.ClassDef) and item.name == "Schema":
                fields = {name for name, _ in symbols(item)}
                yield from (f"the schema has no {key}" for key in keys if key not in fields)


def of_titles(folder: Path) -> Iterator[str]:
    """Yields our titles that a node of ComfyUI has, too, and that the pack does not know of."""
    theirs: set[str] = set()
    for path in [folder / "nodes.py", *sorted((folder / "comfy_extras").glob("*.py"))]:
        for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(item, ast.Assign) and isinstance(item.value, ast.Dict):
                is_titles = "DISPLAY_NAME" in ast.unparse(item.targets[0])
                values = item.value.values if is_titles else []
            elif isinstance(item, ast.Call) and any(k.arg == "node_id" for k in item.keywords):
                values = [k.value for k in item.keywords if k.arg == "display_name"]
            else:
                continue
            theirs |= {str(v.value).casefold() for v in values if isinstance(v, ast.Constant)}
    for spec in load_nodes().values():
        if spec.title.casefold() in theirs and spec.title not in SHARED:
            yield f"a node of ComfyUI has the title {spec.title!r}, too"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
