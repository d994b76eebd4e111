"""Every sentence that a report can say: ``python -m tests.notebook.report_sentences`` writes the list anew.

The list, `report_sentences.md`, is made from the texts in the source of the report and of what it quotes: a sentence
that is new or changed changes the list, and whoever changes it reads it there as a reader of the report would.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2] / "conv_analytics"
LISTED = Path(__file__).with_suffix(".md")
#: What a report says itself, and what it quotes: findings, units, the ledger, and the meaning of SIP codes.
SOURCES = (
    "notebook/report/*.py", "notebook/report/*.j2", "analysis/problems/sentences.py", "analysis/problems/kinds/*.py",
    "analysis/audio/unit_decisions.py", "analysis/audio/units.py", "analysis/entities/ledger.py",
    "analysis/entities/sip.py", "glossary.py",
)  # fmt: skip
HEAD = """\
# What a report can say

Every text of more than one word in the source of the report and of what it quotes; `{}` stands for a number or name.
Written by `python -m tests.notebook.report_sentences`: read what changes as a reader of the report would.
"""
_SKIPPED = (ast.Raise, ast.Assert)
_NO_WORDS = re.compile(r"^[^a-zA-Z]*$|^\S*$|select|ca-|^%|%H|strftime")


def texts(tree: ast.AST) -> Iterator[str]:
    """The texts in a module that are neither documentation nor the message of an error."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _SKIPPED) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from node.value.splitlines()
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    yield from texts(part)
        else:
            yield from texts(node)


def template_texts(source: str) -> Iterator[str]:
    """The texts of a template, without its tags."""
    yield from re.findall(r"'([^']*\s[^']*)'", source)
    plain = re.sub(r"\{%.*?%\}", "\n", source, flags=re.DOTALL)
    plain = re.sub(r"\{\{.*?\}\}", "{}", plain, flags=re.DOTALL)
    yield from re.sub(r"<[^>]*>", "\n", plain).splitlines()


def listing() -> str:
    """The whole list."""
    parts = [HEAD]
    for path in sorted({path for pattern in SOURCES for path in ROOT.glob(pattern)}):
        source = path.read_text(encoding="utf-8")
        found = template_texts(source) if path.suffix == ".j2" else texts(ast.parse(source))
        said = [" ".join(text.split()) for text in found if not _NO_WORDS.search(text.strip())]
        if said:
            lines = "".join(f"- {text}\n" for text in dict.fromkeys(said))
            parts.append(f"\n## {path.relative_to(ROOT).as_posix()}\n\n{lines}")
    return "".join(parts)


if __name__ == "__main__":
    LISTED.write_text(listing(), encoding="utf-8")
