"""Exit codes: what a scheduler may conclude from the end of a command."""

from __future__ import annotations

import errno
from enum import IntEnum

from conv_analytics.errors import (
    APIError,
    AuthError,
    CertificateError,
    ConfigError,
    ConvAnalyticsError,
    DatasetError,
    DatasetLocked,
    DestinationError,
    ExportIncomplete,
    InvalidRequest,
    MemoryExhausted,
    NotFound,
    ProxyError,
    StatusError,
    UnexpectedPayload,
)


class Exit(IntEnum):
    """The exit codes of every command."""

    COMPLETE = 0
    BUG = 1
    """Something that nobody foresaw; ``--debug`` shows where."""
    USAGE = 2
    """The caller has to change something: an argument, a key, a host, a folder."""
    INCOMPLETE = 3
    """Something could not be read or written; what finished is committed, and the same command goes on.

    Also when everything was read but far less came than in the nights before: somebody has to look."""
    BEYOND = 4
    """Something measured is beyond the limit that a rule of the caller sets."""
    UNAVAILABLE = 69
    """The API gave no answer at all. Nothing was committed; the same command may work later."""
    LOCKED = 75
    """Another run writes to the folder; the same command works when it has ended."""
    INTERRUPTED = 130
    """Ctrl-C; what was read is kept."""
    TERMINATED = 143
    """SIGTERM; what was read is kept."""


#: The disk, not the caller, is at fault: what is there is fine, and the run can be repeated when there is room.
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

#: What a person must mend. The last three are answers that the Conversation API does not give when conversations are
#: listed: base_url names something else.
_USAGE = (
    ConfigError,
    AuthError,
    CertificateError,
    DatasetError,
    MemoryExhausted,
    UnexpectedPayload,
    NotFound,
    InvalidRequest,
)
#: Statuses from 300 up to here say what is wrong with the request, but for those that ask for patience.
_OF_SERVERS = 500
_PATIENCE = frozenset({408, 425, 429})


def exit_of(error: ConvAnalyticsError) -> Exit:
    """The exit code of an error that ended a command.

    >>> exit_of(ConfigError("no key")).name
    'USAGE'
    """
    if isinstance(error, ExportIncomplete):
        return Exit.INCOMPLETE
    if isinstance(error, DatasetLocked):
        return Exit.LOCKED
    if isinstance(error, DestinationError) and disk_failed(error):
        return Exit.INCOMPLETE
    if isinstance(error, _USAGE):
        return Exit.USAGE
    if isinstance(error, StatusError | ProxyError) and error.status is not None:
        # A redirection (3xx) is one of another host; a proxy that refuses (403, 407) wants other settings.
        return Exit.USAGE if error.status < _OF_SERVERS and error.status not in _PATIENCE else Exit.UNAVAILABLE
    return Exit.UNAVAILABLE if isinstance(error, APIError) else Exit.BUG


def disk_failed(error: BaseException) -> bool:
    """Whether the disk is full, or broken, somewhere in the chain of causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _DISK:
            return True
        cause = cause.__cause__
    return False
