"""The kinds of personal data, and the action for each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user


class Kind(StrEnum):
    """A kind of personal data."""

    PHONE = "phone"
    """Phone numbers and extensions, under whichever key, also inside ``tel:`` addresses."""
    SIP = "sip"
    """SIP users and addresses."""
    NAME = "name"
    """Names of users and conversations."""
    TEXT = "text"
    """What was said or written: messages, captions, speech, parameters of templates, reasons in free text."""
    DTMF = "dtmf"
    """Keys that were pressed."""
    CUSTOM = "custom"
    """Data of the application: ``custom_data``, bodies of ``custom:*`` events, headers."""
    URL = "url"
    """Addresses of media, recordings, pictures, websockets and webhooks."""
    ADDRESS = "address"
    """Where somebody is: places, coordinates, IP addresses, e-mail addresses."""
    UNKNOWN = "unknown"
    """Any value under a key that this version does not know."""


class Action(StrEnum):
    """The action for a kind."""

    HASH = "hash"
    """A token takes its place; the same value always gives the same one."""
    DROP = "drop"
    """Null takes its place; an object or a list is emptied."""
    KEEP = "keep"
    """It stays."""


#: Rules as users write them: with words or with members.
Rules = Mapping[Kind, Action] | Mapping[str, str]

#: The rules of ``--mask`` alone. One pressed key is one of sixteen: a token would not hide it.
DEFAULTS: Mapping[Kind, Action] = MappingProxyType(
    {kind: Action.DROP if kind is Kind.DTMF else Action.HASH for kind in Kind}
)


def read_rules(text: str = "") -> dict[Kind, Action]:
    """Read rules from the command line, or from a file that ``@`` names, and add the defaults for other kinds.

    Parameters
    ----------
    text
        ``kind=action`` separated by commas or lines; ``#`` begins a comment.

    Raises
    ------
    ConfigError
        If a rule names an unknown kind or action, or the file cannot be read.

    Examples
    --------
    >>> rules = read_rules("phone=keep, text=drop")
    >>> rules[Kind.PHONE], rules[Kind.TEXT], rules[Kind.NAME]
    (<Action.KEEP: 'keep'>, <Action.DROP: 'drop'>, <Action.HASH: 'hash'>)
    """
    if text.startswith("@"):
        try:
            text = expand_user(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError(f"The file of mask rules {text[1:]} cannot be read: {reason}.") from None
    rules = dict(DEFAULTS)
    for line in text.splitlines():
        for rule in line.partition("#")[0].split(","):
            if rule.strip():
                kind, action = _rule(rule.strip())
                rules[kind] = action
    return rules


def complete(rules: Rules) -> dict[Kind, Action]:
    """Check rules from Python, and add the defaults for the kinds that they do not name."""
    return dict(DEFAULTS) | dict(_rule(f"{kind}={action}") for kind, action in rules.items())


def _rule(rule: str) -> tuple[Kind, Action]:
    kind, _, action = (part.strip() for part in rule.partition("="))
    if kind not in set(Kind) or action not in set(Action):
        raise ConfigError(
            f"{rule!r} is not a mask rule: write kind=action, such as text=drop. Kinds are {', '.join(Kind)};"
            f" actions are {', '.join(Action)}."
        )
    return Kind(kind), Action(action)
