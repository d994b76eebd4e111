"""The last import of the fork server: what it has imported is the same to all its processes, and never collected."""

from __future__ import annotations

import gc

gc.freeze()
