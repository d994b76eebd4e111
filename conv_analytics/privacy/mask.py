"""The mask: turns JSON of the API into the same JSON without personal data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

from conv_analytics.errors.redaction import HiddenBytes, safe_repr
from conv_analytics.privacy import exact_json
from conv_analytics.privacy.damaged_json import REFUSED, Mender
from conv_analytics.privacy.key import checked, load_key
from conv_analytics.privacy.pages import Pages
from conv_analytics.privacy.rules import Action, Kind, Rules, complete
from conv_analytics.privacy.tokens import Tokens
from conv_analytics.privacy.walk import Walker

#: The segments of a path that are not ids.
_NOUNS = frozenset({"", "v1", "v0.1", "v0.2", "v0.3", "conversations", "members", "events", "users", "sessions"})
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, repr=False)
class Mask:
    """Replaces personal data with tokens; for `export(..., mask=...)`.

    The same value gives the same token wherever it occurs, in every run with the same key, so joins still work. Without
    the key nobody can find the value of a token, not even by trying values.

    Parameters
    ----------
    key
        At least 16 bytes that only you know.
    rules
        An action (``hash``, ``drop``, ``keep``) for each kind; see `conv_analytics.privacy.Kind`. Kinds that are left
        out are hashed; ``dtmf`` is dropped.

    Raises
    ------
    ConfigError
        If the key is too short, or a rule names an unknown kind or action.

    Examples
    --------
    >>> mask = Mask(b"a key for this example only", {"text": "drop"})
    >>> mask.page(b'{"from": {"type": "phone", "number": "447700900000"}, "text": "Hello"}')
    b'{"from":{"type":"phone","number":"44x44b3c17ae87dd770"},"text":null}'
    """

    key: bytes
    rules: Mapping[Kind, Action] = field(default_factory=dict)
    _walker: Walker = field(init=False, compare=False)
    _pages: Pages = field(init=False, compare=False)
    _mender: Mender = field(init=False, compare=False)
    _tokens: Tokens = field(init=False, compare=False)

    def __init__(self, key: bytes | str, rules: Rules | None = None) -> None:
        # Frames live on in tracebacks, and those that show locals would show the key.
        hidden = HiddenBytes(key.encode() if isinstance(key, str) else key)
        del key
        settle = object.__setattr__
        settle(self, "key", checked(hidden))
        settle(self, "rules", complete(rules or {}))
        tokens = Tokens(self.key)
        settle(self, "_tokens", tokens)
        settle(self, "_walker", Walker(tokens, self.rules))
        settle(self, "_pages", Pages(self._walker))
        settle(self, "_mender", Mender(self._walker, self._mark))

    @classmethod
    def load(cls, rules: Rules | None = None, key_file: str | Path | None = None) -> Self:
        """A mask whose key is in a file, or in the environment variable ``CONV_ANALYTICS_MASK_KEY``."""
        return cls(load_key(key_file), rules)

    @property
    def key_id(self) -> str:
        """The id of the key, which a folder stores: two runs with the same id have the same key."""
        return self._tokens.hexes("key", "id")

    def page(self, body: bytes) -> bytes:
        """Mask the body of an answer, a page of a list or a single document.

        Never raises: what cannot be read is replaced, value by value, by a mark that a reader finds unreadable.
        """
        body = body.removeprefix(_BOM)
        try:
            return self._pages.page(body)
        except REFUSED:
            # Not a page of events, or one that the fast path cannot read.
            pass
        try:
            return exact_json.encode(self._walker.value(exact_json.decode(body), self._walker.page))
        except REFUSED:
            return self._mender.mend(body, self._walker.page)

    def unmasked_path(self, path: str) -> str:
        """A path for the API, with the original ids instead of tokens.

        The platform's own ids have no tokens, so a path of such ids is returned as it is.
        """
        return _mapped(path, self._tokens.original) if "i_" in path else path

    def masked_path(self, path: str) -> str:
        """The reverse: a path and its query, with tokens instead of ids."""
        return _mapped(path, lambda part: part if part in _NOUNS else self._tokens.identifier(part))

    def settings(self) -> dict[str, Any]:
        """The settings that a commit stores, without secrets."""
        return {"key_id": self.key_id, "rules": {kind.value: action.value for kind, action in self.rules.items()}}

    @safe_repr
    def __repr__(self) -> str:
        return f"Mask(key_id={self.key_id!r})"

    def __reduce__(self) -> Any:
        raise TypeError("A mask has a key and must not be stored; make it again where it is needed.")

    def _mark(self, raw: bytes) -> dict[str, Any]:
        return {"token": self._tokens.hexes("unreadable", raw.decode("latin-1")), "bytes": len(raw)}


def _mapped(target: str, change: Callable[[str], str]) -> str:
    """A path with changed segments; unchanged ones are written as they were."""
    path, mark, query = target.partition("?")
    parts = []
    for written in path.split("/"):
        part = unquote(written)
        changed = change(part)
        parts.append(written if changed == part else quote(changed, safe=""))
    return f"{'/'.join(parts)}{mark}{query}"
