"""What every drawing rests on: colours that can be seen, people that cannot, text that stays text."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from conv_analytics.notebook import html, palette, svg
from conv_analytics.privacy.display import Display
from tests.notebook.colours import BLINDNESS, nearest

NASTY = ("<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "\x00\x1b[2J", "\u202egnp.exe", "\ud800",
         "\"'><svg onload=alert(1)>", "]]>", "&amp;", "\u2028")  # fmt: skip


@pytest.mark.parametrize("theme", palette.THEMES.values(), ids=palette.THEMES)
def test_text_and_marks_can_be_read(theme: palette.Theme) -> None:
    for ground in (theme.ground, theme.raised):
        assert min(palette.contrast(colour, ground) for colour in (theme.text, theme.quiet, theme.accent)) >= 4.5
        assert min(palette.contrast(colour, ground) for colour in theme.kinds.values()) >= 3
    measured = [palette.contrast(theme.quality[name], theme.ground) for name in ("good", "poor", "unmeasured")]
    assert min(measured) >= 3


@pytest.mark.parametrize("theme", palette.THEMES.values(), ids=palette.THEMES)
@pytest.mark.parametrize("blindness", [None, *BLINDNESS])
def test_classes_differ_for_everybody(theme: palette.Theme, blindness: str | None) -> None:
    verdicts = [theme.quality[name] for name in ("good", "fair", "poor")]
    assert nearest(verdicts, blindness) >= 25
    # States and kinds have patterns and shapes as well; these floors keep the colours from being worse than they are.
    assert nearest(theme.states.values(), blindness) >= 12
    assert nearest(theme.kinds.values(), blindness) >= 25


def test_the_measure_knows_a_traffic_light_for_what_it_is() -> None:
    light = ("#2e9e4f", "#e0a020", "#d03030")
    assert nearest(light, "deutan") < nearest(light) / 3
    assert palette.contrast("#ffffff", "#000000") == pytest.approx(21)


@pytest.mark.parametrize("text", NASTY)
def test_no_text_becomes_markup(text: str) -> None:
    drawing = svg.Drawing(10, 10, title=text, description=text)
    drawing.text(1, 1, text, fill=text)
    drawing.add("rect", tip=text, width=1)
    root = ET.fromstring(drawing.svg().encode())
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "title", "desc", "text", "rect"}
    ET.fromstring(html.table([text], [[text]], text).encode())
    written = html.json_for_script({"text": text})
    assert "<" not in written
    assert json.loads(written) == {"text": text}
    written.encode("ascii")


def test_a_page_allows_its_own_script_only() -> None:
    text = html.page("<t>", "body", scripts=["export const a = 1;"])
    assert "script-src &#x27;sha256-" in text
    assert "unsafe-inline" not in text.partition("script-src")[2].partition('"')[0]
    assert "default-src &#x27;none&#x27;" in text
    assert "<title>&lt;t&gt;</title>" in text


def test_people_are_masked_the_same_way_everywhere() -> None:
    shown = Display()
    number = shown.party("447700901234")
    assert number.startswith("+44***1234#")
    assert shown.party("+44 7700 901234") == number
    assert shown.party("447700911234") != number
    body = {"from": {"type": "phone", "number": "447700901234"}, "text": "Hello Bob", "digits": "1234",
            "headers": {"x": "secret"}, "sip": {"uri": "sip:bob@192.0.2.7"}}  # fmt: skip
    told = json.dumps(shown.body("message", json.dumps(body)))
    assert number in told.replace("\\u2022", "")
    for secret in ("7700901234", "Bob", '1234"', "secret", "bob", "192.0.2.7"):
        assert secret not in told.replace(number, ""), secret


@pytest.mark.parametrize("secret", ["447700901234", "+44 7700 901 234", "192.0.2.7", "sip:bob@example.org", "Bob Smith",
                                    "bob@example.org", "2001:db8:0:0::7", "wss://example.org/u?token=abc"])  # fmt: skip
def test_free_words_lose_people(secret: str) -> None:
    shown = Display()
    shown.add_names(["Bob Smith"])
    text = shown.text(f"no answer from {secret} today")
    assert secret not in text
    assert text.startswith("no answer from ")
    assert text.endswith(" today")


@pytest.mark.parametrize("plain", ["CON-aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "anonymous", "MEM-1",
                                   "44x44b3c17ae87dd770", "t_44b3c17ae87dd770_5"])  # fmt: skip
def test_ids_and_tokens_stay(plain: str) -> None:
    assert Display().party(plain) == plain


def test_unmasked_is_as_it_was() -> None:
    shown = Display(on=False)
    assert shown.text("447700901234") == "447700901234"
    assert shown.body("audio:dtmf", '{"digit": "5"}') == {"digit": "5"}
    assert shown.digits("12") == "12"
    assert Display().digits("12") == "••"
