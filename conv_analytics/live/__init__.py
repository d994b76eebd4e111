"""Live events: an ASGI application that receives webhooks and keeps them in the inbox of a folder."""

from __future__ import annotations

from conv_analytics.live.application import Application, app
from conv_analytics.live.secrets import SECRET_VARIABLE, Secrets

__all__ = ["SECRET_VARIABLE", "Application", "Secrets", "app"]
