"""`read_events`: from files of events to typed DataFrames, without an account."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from conv_analytics.exporter.conversation_states import ConversationStates
from conv_analytics.exporter.event_objects import EventFiles, Files, ObjectBatch
from conv_analytics.exporter.options import DEFAULT_TABLES
from conv_analytics.exporter.report import LISTED, Report
from conv_analytics.exporter.results import Frames
from conv_analytics.exporter.sinks import MemorySink
from conv_analytics.instants import utc_text
from conv_analytics.privacy import Mask
from conv_analytics.tables import TABLES
from conv_analytics.tables.flatten import Rows, flatten_conversations, flatten_records
from conv_analytics.tables.seen_events import SeenEvents
from conv_analytics.tables.voice_rows import flatten_voice_events
from conv_analytics.tables.webhooks import flatten_webhooks

if TYPE_CHECKING:
    import pandas as pd

#: The value of the column `source` of events that files have as a list has them.
LISTED_SOURCE = "list"
