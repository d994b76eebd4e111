"""Exit codes: what the outcome of a command means to a scheduler."""

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
    PublishIncomplete,
    StatusError,
    UnexpectedPayload,
)


class Exit(IntEnum):
    """The exit codes of every command."""

    COMPLETE = 0
    BUG = 1
    """An unexpected error; ``--debug`` shows where."""
    FAULTS = 1
    """`doctor` found errors."""
    USAGE = 2
    """The caller has to change something: an argument, a key, a host, a folder."""
    INCOMPLETE = 3
    """Something could not be read or written; what finished is committed, and the same command continues.

    Also if everything was read but far less arrived than in earlier nights: somebody has to look."""
    BEYOND = 4
    """A measured value is beyond the limit of a rule."""
    UNAVAILABLE = 69
    """The API did not answer at all. Nothing was committed; the same command may work later."""
    LOCKED = 75
    """Another run is writing to the folder; the same command works when that has ended."""
    INTERRUPTED = 130
    """Ctrl-C; what was read is kept."""
    TERMINATED = 143
    """SIGTERM; what was read is kept."""


#: The disk, not the caller, is at fault: what was written is intact, and the run can be repeated when there is room.
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

#: What a person has to fix. The Conversation API never answers a list with one of the last three: base_url is wrong.
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
#: Statuses from 300 up to here mean that the request is wrong, except for those that ask to wait.
_SERVER_ERRORS = 500
_TRY_LATER = frozenset({408, 425, 429})


def exit_of(error: ConvAnalyticsError) -> Exit:
    """The exit code of an error that ended a command.

    >>> exit_of(ConfigError("no key")).name
    'USAGE'
    """
    if isinstance(error, ExportIncomplete | PublishIncomplete):
        return Exit.INCOMPLETE
    if isinstance(error, DatasetLocked):
        return Exit.LOCKED
    if isinstance(error, DestinationError) and disk_failed(error):
        return Exit.INCOMPLETE
    if isinstance(error, _USAGE):
        return Exit.USAGE
    if isinstance(error, StatusError | ProxyError) and error.status is not None:
        # A redirect (3xx) comes from another host; a proxy that refuses (403, 407) needs other settings.
        return Exit.USAGE if error.status < _SERVER_ERRORS and error.status not in _TRY_LATER else Exit.UNAVAILABLE
    return Exit.UNAVAILABLE if isinstance(error, APIError) else Exit.BUG


def disk_failed(error: BaseException) -> bool:
    """Whether the disk is full, or broken, somewhere in the chain of causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _DISK:
            return True
        cause = cause.__cause__
    return False
