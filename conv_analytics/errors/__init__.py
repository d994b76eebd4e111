"""The exceptions of this package, as one tree.

::

    ConvAnalyticsError
      ConfigError                usage or configuration is wrong; no request was sent (exit code 2)
      APIError                   a request failed: .method, .url
        TransportError           no answer: connection refused or reset, timeout
          ProxyError             the proxy was not reached, or refused: .status
          CertificateError       the certificate is not trusted
        StatusError              an answer with an error status: .status, .problem, .retry_after
          AuthError              401, 403
          NotFound               404, 410: does not exist, or no access
          InvalidRequest         400, 422
          Conflict               409
          RateLimited            429
          ServerError            5xx
        UnexpectedPayload        a success whose body is not what was requested
        CursorLoop               a listing without an end: pages repeat, or bring nothing new
        ResponseTooLarge         a body above the limit
      DatasetError
        TableNotFound            .table, .available
        ColumnNotFound           .table, .column, .available
        SchemaChanged            .table, .column
        CorruptFile              .path
        DestinationError         .destination
        DatasetLocked            .destination, .owner: another run is writing there (exit code 75)
        PublishIncomplete        .table: a Delta table was not read or written; what is published stays (exit code 3)
      MemoryExhausted            a query that needs more memory than DuckDB may use
      ExportIncomplete           some tasks failed, everything that finished is committed: .report, .result
        ExportStopped            it was stopped: everything read so far is kept

Each message says what happened, to which request or file, and what to do next. None holds a key or a token.
"""

from __future__ import annotations

from conv_analytics.errors.advice import status_error
from conv_analytics.errors.problem import ProblemDetails
from conv_analytics.errors.redaction import redact
from conv_analytics.errors.skew import clock_remark, duration
from conv_analytics.errors.tree import (
    APIError,
    AuthError,
    CertificateError,
    ColumnNotFound,
    ConfigError,
    Conflict,
    ConvAnalyticsError,
    CorruptFile,
    CursorLoop,
    DatasetError,
    DatasetLocked,
    DestinationError,
    ExportIncomplete,
    ExportStopped,
    InvalidRequest,
    MemoryExhausted,
    NotFound,
    PagingWarning,
    ProxyError,
    PublishIncomplete,
    RateLimited,
    ResponseTooLarge,
    SchemaChanged,
    ServerError,
    StatusError,
    TableNotFound,
    TransportError,
    UnexpectedPayload,
)

__all__ = [
    "APIError",
    "AuthError",
    "CertificateError",
    "ColumnNotFound",
    "ConfigError",
    "Conflict",
    "ConvAnalyticsError",
    "CorruptFile",
    "CursorLoop",
    "DatasetError",
    "DatasetLocked",
    "DestinationError",
    "ExportIncomplete",
    "ExportStopped",
    "InvalidRequest",
    "MemoryExhausted",
    "NotFound",
    "PagingWarning",
    "ProblemDetails",
    "ProxyError",
    "PublishIncomplete",
    "RateLimited",
    "ResponseTooLarge",
    "SchemaChanged",
    "ServerError",
    "StatusError",
    "TableNotFound",
    "TransportError",
    "UnexpectedPayload",
    "clock_remark",
    "duration",
    "redact",
    "status_error",
]
