"""Pages on the API: every section and number that is cited is there, and their words are those of the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conv_analytics.resources import vocabulary
from conv_analytics.resources.vocabulary import EventType

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "notebooks" / "reference"
API, LIVE = (REFERENCE / name for name in ("api-contract.md", "live-contract.md"))
_CITED = re.compile(
    r"(live )?\bcontract,? (\d+(?:\.\d+)?(?:(?:,| to| and|;) \d+\.\d+)*)"
    r"(?:[,;] (?:nos?\. |#)(L?\d+(?:(?:,| and| to) L?\d+)*))?",
    re.IGNORECASE,
)


def _citations() -> Iterator[tuple[Path, Path, str, str | None]]:
    """File, page, section and number of everything that cites a page."""
    for folder in (ROOT / "conv_analytics", ROOT / "tests", REFERENCE):
        for path in sorted(folder.rglob("*")):
            if path.suffix not in {".py", ".md"} or path in {API, LIVE, Path(__file__)}:
                continue
            # A citation may go over the end of a line, in a comment too.
            lines = path.read_text(encoding="utf-8").splitlines()
            text = " ".join(line.strip().removeprefix("#").removeprefix(":").strip() for line in lines)
            for match in _CITED.finditer(text):
                page = LIVE if match[1] else API
                for section in re.findall(r"\d+(?:\.\d+)?", match[2]):
                    yield path, page, section, None
                for number in re.findall(r"L?\d+", match[3] or ""):
                    yield path, page, match[2], number


def _sections(page: Path) -> dict[str, str]:
    """The text of each section by its number."""
    parts = re.split(r"^#{2,3} (\d+(?:\.\d+)?) .*$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_citation_leads_to_a_section() -> None:
    sections = {page: _sections(page) for page in (API, LIVE)}
    cited = list(_citations())
    assert len(cited) > 400
    assert {page for _, page, _, _ in cited} == {API, LIVE}
    wrong = [
        f"{path.relative_to(ROOT)}: {page.name} {section}, no. {number}"
        for path, page, section, number in cited
        if section not in sections[page]
        or (number is not None and not re.search(rf"^\| {number} \|", sections[page][section], re.MULTILINE))
    ]
    assert not wrong


@pytest.mark.parametrize("page", [API, LIVE], ids=lambda page: page.stem)
def test_the_numbers_of_a_table_are_in_order(page: Path) -> None:
    numbered = [text for text in _sections(page).values() if "| no. |" in text]
    assert numbered
    for text in numbered:
        numbers = [int(number) for number in re.findall(r"^\| L?(\d+) \|", text, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_every_event_type_of_the_code_is_on_the_page() -> None:
    text = _sections(API)["5.3"]
    named: set[str] = set()
    for group in re.findall(r"\| ([^|]*`[^|]*) \|", text) + re.findall(r"old data have more: (.*)", text, re.DOTALL):
        last = ""
        for word in re.findall(r"`([^`]+)`", group):
            # `:seen` behind `message:submitted` is message:seen.
            last = f"{last.rsplit(':', 1)[0]}{word}" if word.startswith(":") else word
            named.add(last)
    families = tuple(word.removesuffix("*") for word in named if word.endswith("*"))
    assert [str(each) for each in EventType if str(each) not in named and not str(each).startswith(families)] == []


@pytest.mark.parametrize("words", ["ConversationState", "MemberState", "LegStatus", "CallStatus", "ChannelType"])
def test_every_word_of_the_code_is_on_the_page(words: str) -> None:
    text = _sections(API)["5.1"]
    assert {str(word) for word in getattr(vocabulary, words)} <= set(re.findall(r"`([^`]+)`", text))


@pytest.mark.parametrize("words", ["ReasonCode", "HangupReason"])
def test_every_reason_of_the_code_is_on_the_page(words: str) -> None:
    text = _sections(API)["5.2"]
    assert {str(word) for word in getattr(vocabulary, words)} <= set(re.findall(r"`([^`]+)`", text))
