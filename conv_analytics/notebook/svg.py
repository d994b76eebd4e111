"""A small SVG writer: elements, attributes and texts, escaped in one place."""

from __future__ import annotations

from conv_analytics.notebook.html import escape

_NAMESPACE = "http://www.w3.org/2000/svg"
FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
#: Width of a character relative to the font size, slightly overestimated.
_CHARACTER = 0.56


class Drawing:
    """An SVG picture, built element by element.

    Attributes have their SVG names with ``_`` for ``-``, as in ``text_anchor="end"``; ``class_`` is ``class``. An
    attribute that is None is left out.

    Examples
    --------
    >>> drawing = Drawing(40, 20, title="A <line>")
    >>> drawing.add("path", d="M0 10H40", stroke="#000", stroke_width=1.5)
    >>> drawing.text(2, 8, "a < b")
    >>> "<title>A &lt;line&gt;</title>" in drawing.svg(), "a &lt; b</text>" in drawing.svg()
    (True, True)
    """

    def __init__(self, width: float, height: float, *, title: str = "", description: str = "") -> None:
        self.width, self.height = width, height
        self._title, self._description = title, description
        self._parts: list[str] = []

    def add(self, name: str, content: str | None = None, *, tip: str | None = None, **attributes: object) -> None:
        """Add an element with a text in it, and a tooltip."""
        inner = "" if tip is None else f"<title>{escape(tip)}</title>"
        inner += "" if content is None else escape(content)
        head = f"<{name}{_attributes(attributes)}"
        self._parts.append(f"{head}>{inner}</{name}>" if inner else f"{head}/>")

    def text(self, x: float, y: float, content: object, size: float = 12, **attributes: object) -> None:
        """Add a line of text; `y` is its baseline."""
        self.add("text", str(content), tip=None, x=x, y=y, font_size=size, **attributes)

    def open(self, name: str = "g", **attributes: object) -> None:
        """Open an element that contains the next ones."""
        self._parts.append(f"<{name}{_attributes(attributes)}>")

    def close(self, name: str = "g") -> None:
        """Close it."""
        self._parts.append(f"</{name}>")

    def svg(self) -> str:
        """The whole picture."""
        size = f'width="{number(self.width)}" height="{number(self.height)}"'
        box = f'viewBox="0 0 {number(self.width)} {number(self.height)}"'
        title = f"<title>{escape(self._title)}</title>" if self._title else ""
        title += f"<desc>{escape(self._description)}</desc>" if self._description else ""
        head = f'<svg xmlns="{_NAMESPACE}" {size} {box} role="img" font-family="{escape(FONT)}">'
        return f"{head}{title}{''.join(self._parts)}</svg>"


def number(value: float) -> str:
    """A number with at most two decimals.

    >>> number(2.0), number(2.346), number(-0.001)
    ('2', '2.35', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def text_width(text: str, size: float = 12) -> float:
    """Estimate the width of a text in pixels, slightly too large."""
    return len(text) * size * _CHARACTER


def fitted(text: str, width: float, size: float = 12) -> str:
    """A text cut to `width` with an ellipsis; empty if hardly anything would be left of it.

    >>> fitted("answered, 12.5 s", 60), fitted("answered", 10)
    ('answere…', '')
    """
    most = int(width / (size * _CHARACTER))
    if len(text) <= most:
        return text
    return f"{text[: most - 1]}…" if most > 3 else ""  # noqa: PLR2004 - two letters and an ellipsis say nothing


def _attributes(attributes: dict[str, object]) -> str:
    parts = []
    for name, value in attributes.items():
        if value is not None:
            text = number(value) if isinstance(value, int | float) else escape(value)
            parts.append(f' {name.rstrip("_").replace("_", "-")}="{text}"')
    return "".join(parts)


__all__ = ["FONT", "Drawing", "fitted", "number", "text_width"]
