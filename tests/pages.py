"""The generated pages of the documentation: ``python -m tests.pages`` writes them anew."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from conv_analytics.analysis.columns import LEG_FLAGS, RESULTS
from conv_analytics.tables import TABLES, dictionary
from conv_analytics.tables.kinds import storage
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


ANALYSIS_HEAD = """\
# Analysis

`conv_analytics.analysis` answers questions about an export. Every function takes a `Dataset`, `Frames`, or a mapping
of table name to frame (pandas, pyarrow, Polars, DuckDB relations), and gives the same numbers whichever it is: pandas
gives pandas back, relations give relations, and a `Dataset` is computed by DuckDB and gives pandas. Importing the
package adds `df.conv` to pandas frames.

```python
from conv_analytics import open_dataset
from conv_analytics.analysis import calls, conversations, ledger, legs

dataset = open_dataset("exports")
legs(dataset)           # one row per leg
calls(dataset)          # one row per call: legs that overlap, or follow within 5 seconds
conversations(dataset)  # one row per conversation
ledger(dataset)         # what is missing, odd, concluded or unmeasured
```

The column `flags` of a frame is read as `frame["flags"]`: pandas has an attribute of that name itself. Countries of
numbers need `pip install 'conv-analytics[phone]'`; without it the calling code decides. Written by
`python -m tests.pages`.

"""


def analysis() -> str:
    """What the functions of the analysis give."""
    parts = [ANALYSIS_HEAD]
    for name, columns in RESULTS.items():
        rows = [f"| `{c.name}` | `{storage(c.kind).pandas}` | {c.unit or ''} | {c.doc} |" for c in columns]
        parts += [f"## {name}\n\n| column | dtype | unit | meaning |\n|---|---|---|---|\n", "\n".join(rows), "\n\n"]
    flags = "\n".join(f"- `{name}`: {doc}" for name, doc in LEG_FLAGS.items())
    return "".join([*parts, f"## Flags of legs\n\n{flags}\n"])


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

    (REFERENCE / "analysis.md").write_text(analysis(), encoding="utf-8")
    (REFERENCE / "tables.md").write_text(tables(), encoding="utf-8")
    README.write_text(readme_with(demo()), encoding="utf-8")
    bad_input.main()


if __name__ == "__main__":
    main()
