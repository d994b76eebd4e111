"""Every sentence of the report is on a list that was read, and none of the words that readers stumble over is on it."""

from __future__ import annotations

import ast
import re

import pytest

from tests.notebook.report_sentences import LISTED, listing, template_texts, texts

#: Words that are no terms of telephony or statistics, or that said something else than was meant.
STUMBLED_OVER = (
    "spacing of packets", "score of the loss", "did its part", "broke off", "over within", "wait for ringing",
    "calls are good", "the one called", "lost packets", "who is worse", "it is not known", "concluded", "go with",
    "ghost legs", "too many calls are",
)  # fmt: skip


def test_every_sentence_is_listed() -> None:
    assert LISTED.read_text(encoding="utf-8") == listing(), (
        "read the sentences that changed, then run `python -m tests.notebook.report_sentences`"
    )


@pytest.mark.parametrize("words", STUMBLED_OVER)
def test_no_sentence_has_words_that_readers_stumble_over(words: str) -> None:
    assert [line for line in listing().splitlines() if words in line.lower()] == []


def test_the_list_is_made_of_all_texts() -> None:
    source = '''
"""A module."""
def f(n):
    """A function."""
    if n: raise ValueError("no such thing")
    return f"{n:,} legs were {'cut off' if n else 'left alone'}." + "Nothing at all."
'''
    assert [text for text in texts(ast.parse(source)) if " " in text] == [
        "{} legs were {}.", "cut off", "left alone", "Nothing at all."
    ]  # fmt: skip
    template = "<p>{% if x %}Some words{% endif %} <b>{{ n }} of them</b></p>{{ f('a b') }}"
    assert [text.strip() for text in template_texts(template) if text.strip()] == [
        "a b",
        "Some words",
        "{} of them",
        "{}",
    ]


def test_sentences_are_whole() -> None:
    """What begins with a capital and has a verb ends with a full stop, unless it is a heading or goes on."""
    said = re.findall(r"^- ((?:No|The|A|An) .* (?:is|are|was|were|has|have) .*)$", listing(), re.MULTILINE)
    assert said
    assert [text for text in said if not text.endswith((".", ":", "}", ",", "per", "by"))] == []
