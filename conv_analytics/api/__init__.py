"""The API: authentication, retrying, paging, and the two clients."""

from conv_analytics.api.auth import BasicAuth, BodyKeySecretAuth, JWTAuth, QueryKeySecretAuth
from conv_analytics.api.client import AsyncConversations, Conversations
from conv_analytics.api.notices import ClockSkewed, Notice, RequestSent, ResponseReceived, Retried
from conv_analytics.api.page import RawPage
from conv_analytics.api.retry import Retry
from conv_analytics.api.transform import camel_case_keys, kebab_case_keys, omit, snake_case_keys

__all__ = [
    "AsyncConversations",
    "BasicAuth",
    "BodyKeySecretAuth",
    "ClockSkewed",
    "Conversations",
    "JWTAuth",
    "Notice",
    "QueryKeySecretAuth",
    "RawPage",
    "RequestSent",
    "ResponseReceived",
    "Retried",
    "Retry",
    "camel_case_keys",
    "kebab_case_keys",
    "omit",
    "snake_case_keys",
]
