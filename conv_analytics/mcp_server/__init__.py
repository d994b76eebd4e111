"""Questions about an export for assistants, over the Model Context Protocol: read-only, people masked."""

from __future__ import annotations

from conv_analytics.mcp_server.server import server

__all__ = ["server"]
