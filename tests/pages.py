"""The generated pages of the documentation: ``python -m tests.pages`` writes them anew."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from conv_analytics.tables import TABLES, dictionary
from tests.cli.running import environment

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "notebooks" / "reference"
README = ROOT / "README.md"

TABLES_HEAD = """\
# Tables

Every table and column, from the declarations that the package itself uses. Written by `python -m tests.pages`; do not
edit by hand. `conv-analytics tables` prints the same on a terminal, and `conv_analytics.describe()` gives it as a
DataFrame.

"""


def tables() -> str:
    """The data dictionary."""
    names = " · ".join(f"[{name}](#{name})" for name in TABLES)
    return f"{TABLES_HEAD}{names}\n\n{dictionary.as_markdown(TABLES.values())}"


def demo() -> str:
    """What the demo prints, as the README shows it."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "conv_analytics", "demo", "--quiet"],
            cwd=folder, env=environment(), capture_output=True, encoding="utf-8", check=True,
        )  # fmt: skip
    return plain(done.stdout.partition("\nGo on with:")[0]).rstrip() + "\n"


def plain(text: str) -> str:
    """The same text on every machine: times differ."""
    return re.sub(r"in [\d.]+ s", "in 1.2 s", text)


def readme_with(picture: str) -> str:
    """The README with another picture of the demo's output."""
    text = README.read_text(encoding="utf-8")
    return re.sub(
        r"(<!-- demo -->\n\n```text\n).*?(```\n)", lambda found: found[1] + picture + found[2], text, flags=re.DOTALL
    )


def main() -> None:
    """Write every page."""
    from tests.cli import bad_input

    (REFERENCE / "tables.md").write_text(tables(), encoding="utf-8")
    README.write_text(readme_with(demo()), encoding="utf-8")
    bad_input.main()


if __name__ == "__main__":
    main()
