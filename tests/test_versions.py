"""Whoever changes what a node computes raises its version; record_versions.py says how."""

import importlib.util
import json
from pathlib import Path

SPEC = importlib.util.spec_from_file_location(
    "record_versions", Path(__file__).with_name("record_versions.py")
)
record = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(record)


def test_versions_rise_with_the_code():
    recorded = json.loads(record.RECORD.read_text())
    now = record.fingerprints()
    same_version = {
        name for name, (version, _) in now.items() if recorded.get(name, [0])[0] == version
    }
    changed = [name for name in same_version if now[name] != recorded[name]]
    assert not changed, (
        f"the code of {', '.join(sorted(changed))} has changed: raise the version where its result"
        " does, then run `python tests/record_versions.py`"
    )
    assert now == recorded, "run `python tests/record_versions.py` and commit versions.json"


def test_comments_and_docstrings_do_not_count(tmp_path):
    import ast

    one = ast.parse('def f(x):\n    """Say."""\n    return x + 1  # why')
    two = ast.parse("def f(x):\n    return (x\n            + 1)")
    other = ast.parse("def f(x):\n    return x + 2")
    assert record.normalised(one) == record.normalised(two) != record.normalised(other)
