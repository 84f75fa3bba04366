"""The pages of the documentation, and a pattern for the examples in them."""

import re
from pathlib import Path

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").is_file())
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(
    r"((?:^<!-- .* -->\n)*)^```(python|yaml|console)\n((?:(?!```).*\n)*)```$", re.MULTILINE
)
