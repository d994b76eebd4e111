"""`explore`: browse the calls of a dataset in a notebook."""

from __future__ import annotations

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.errors import ConfigError
from conv_analytics.notebook.explorer.explorer import Explorer
from conv_analytics.notebook.explorer.folder import dataset_in
from conv_analytics.notebook.explorer.panel import ExportPanel, export_panel


def explore(
    data: Data | None = None,
    *,
    tz: str = "UTC",
    mask: bool = True,
    profile: str | Profile = "recommended",
    client: Conversations | AsyncConversations | None = None,
    panel: ExportPanel | None = None,
) -> Explorer:
    """Browse calls: filter them, select some, open the timeline of one; and export them first if needed.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping of table name to frame; when absent the dataset in the panel's folder.
    tz
        IANA name of the time zone that is shown, and of the days that calls are filtered by.
    mask
        False shows numbers, names and texts unmasked, and says UNMASKED. Otherwise they reach neither the browser nor
        the saved notebook.
    profile
        The rulebook of the verdicts on audio.
    client
        Adds a panel above that exports this client's application to the dataset's folder (``exports`` without one);
        after each run, the new state of the folder is shown.
    panel
        The same with a panel that you configure: ``explore(panel=export_panel(client, "exports", rate=30))``.

    Returns
    -------
    Explorer
        Shows itself in a notebook, and is an anywidget: ``mo.ui.anywidget(explore(...))`` in marimo. Its ``calls``,
        ``selected``, ``filters`` and ``timeline`` follow the reader's actions, and setting the filters changes the
        view.

    Raises
    ------
    ConfigError
        If the zone or the profile is unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-05-04 09:00", "2026-05-04 10:00"], utc=True)
    >>> hangups = pd.DataFrame({
    ...     "conversation_id": ["CON-1", "CON-2"], "event_id": [7, 9], "leg_id": ["a", "b"], "at": at,
    ...     "direction": "outbound", "to_number": ["447700900001", "447700900002"], "sip_code": [486, 480],
    ... })
    >>> x = explore({"hangups": hangups})
    >>> x
    <Explorer: 2 calls; 0 (0.0%) answered; 0 with poor audio, of 0 measured; \
0 of the answered calls unmeasured; people masked>
    >>> x.filter(outcomes="busy").calls["conversation_id"].to_list()
    ['CON-1']
    >>> x.filters
    Filters(since=None, until=None, networks=(), countries=(), directions=(), outcomes=('busy',), verdicts=(), text='')
    """
    zone_info(tz)
    if client is not None:
        if panel is not None:
            raise ConfigError("Give a client or a panel: a panel has its client.")
        panel = export_panel(client, getattr(data, "path", "exports"), tz=tz)
    if data is None:
        data = {} if panel is None else dataset_in(panel.fields.folder, panel.work)
    return Explorer(data, tz=tz, mask=mask, profile=profile, panel=panel)


__all__ = ["explore"]
