"""Time zones by their name."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from conv_analytics.errors import ConfigError


def zone_info(name: str) -> ZoneInfo:
    """The time zone with that name.

    Raises
    ------
    ConfigError
        If there is none; the message gives examples of names.

    Examples
    --------
    >>> zone_info("Europe/London").key
    'Europe/London'
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise ConfigError(
            f"tz={name!r} is not a time zone. Use an IANA name, such as 'Europe/London' or 'UTC'."
        ) from error
