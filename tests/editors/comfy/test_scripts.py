"""The scripts of artgraph's own editor and of the pack for ComfyUI fit together."""

import re
from pathlib import Path

import pytest

EDITORS = Path(__file__).parents[3] / "editors"
FILES = sorted(
    path for room in ("server", "comfy") for path in (EDITORS / room / "web").glob("*.js")
)
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in FILES}
IN_COMFYUI = [path.name for path in FILES if path.parent.parent.name == "comfy"]
EXPORT = re.compile(r"export (?:async )?(?:function\*? |const |let |class )(\w+)")
IMPORT = re.compile(r"import \{([^}]*)\} from '\./(\w+\.js)'")
GENERATED = {"suffixes.js"}  # by the server


def imported(script):
    """Returns the names that a script imports, with the script that they are from."""
    found = IMPORT.findall(TEXTS[script])
    return [(name.strip(), file) for names, file in found for name in names.split(",")]


@pytest.mark.parametrize("script", TEXTS)
def test_what_a_script_imports_is_exported_and_used(script):
    for name, file in imported(script):
        if file not in GENERATED:
            assert name in EXPORT.findall(TEXTS[file]), f"{file} does not export {name}"
        assert len(re.findall(rf"\b{name}\b", TEXTS[script])) > 1, f"{name} is not used"


@pytest.mark.parametrize("script", TEXTS)
def test_a_function_of_another_script_is_imported(script):
    text = re.sub(r"//.*", "", TEXTS[script])
    exported = {name for other in TEXTS.values() for name in EXPORT.findall(other)}
    own = {name for name, _ in imported(script)} | set(
        re.findall(r"\b(?:function\*?|const|let) (\w+)", text)
    )
    called = set(re.findall(r"(?:=> |\n *|\(|= )(\w+)\(", text)) & exported
    methods = set(re.findall(r"\n  (?:get |async )?(\w+)\([^()]*\) \{", text))
    assert not called - own - methods


@pytest.mark.parametrize("script", IN_COMFYUI)
def test_the_packs_scripts_need_only_each_other(script):
    assert {file for _, file in imported(script)} <= set(IN_COMFYUI)
