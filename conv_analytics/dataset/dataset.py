"""An export folder with all its operations: read, verify, compact, copy, prune, replay, publish."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from conv_analytics.dataset.handover.handover import HandOver

if TYPE_CHECKING:
    from conv_analytics.dataset.maintenance.compact import Compacted
    from conv_analytics.dataset.maintenance.copy import Copied
    from conv_analytics.dataset.maintenance.finding import Finding
    from conv_analytics.dataset.maintenance.prune import Expired
    from conv_analytics.dataset.maintenance.replay import Replayed
    from conv_analytics.dataset.publish.publish import OnTable
    from conv_analytics.dataset.publish.published import Published


class Dataset(HandOver):
    """The tables of an export folder as of one commit; later runs do not change what it shows.

    A mapping of table name to DataFrame: ``dataset["hangups"]``. For tables that do not fit into memory, `arrow` takes
    columns and days, and `duckdb` returns a connection with a view per table. `table`, `to_arrow`, `to_duckdb`,
    `to_polars`, `to_dask` and `to_spark` hand it over to other engines. `history` lists the runs, `verify` checks the
    folder, `compact` copies it to a smaller one, `copy_to` copies it unchanged, `expired` and `prune` find and remove
    old data, `replay` reads the quarantine again, and `publish` brings Delta Lake tables up to date.
    """

    def verify(self) -> list[Finding]:
        """Check the folder as it is now: files against the commits, keys, event ids and watermarks.

        A folder whose commit log is damaged cannot be opened; `conv-analytics verify` checks that one, too.

        Returns
        -------
        list of Finding
            At least one per check; a folder without a finding of level ``error`` is whole.

        Examples
        --------
        >>> from conv_analytics import Conversations, export, open_dataset
        >>> from conv_analytics.sandbox import Sandbox
        >>> from tempfile import TemporaryDirectory
        >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     dataset = export(client, folder, rate=0).dataset
        ...     {str(finding.level) for finding in dataset.verify()}
        {'ok'}
        """
        from conv_analytics.dataset.maintenance.verify import verify  # noqa: PLC0415  slow to import, and rarely used

        return verify(self._layout.root)

    def compact(self, target: str | Path, *, replay: bool = False) -> Compacted:
        """Copy the folder to a new one with few large files and only the latest row of each conversation and member.

        The folder itself is only read. The copy continues where the folder ended: `export` requests only new data, and
        the history of runs is kept.

        Parameters
        ----------
        target
            A folder that does not exist, or is empty.
        replay
            Also read the quarantine again, and fill the empty cells that it left.

        Raises
        ------
        ConfigError
            If the target is not empty, or is inside this folder.
        CorruptFile
            If a file differs from its record.
        DatasetError
            If a file cannot be read or the target cannot be written; the target then holds no commit.

        Examples
        --------
        >>> from conv_analytics import Conversations, export, open_dataset
        >>> from conv_analytics.sandbox import Sandbox
        >>> from tempfile import TemporaryDirectory
        >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     for _ in range(2):
        ...         dataset = export(client, f"{folder}/exports", rate=0).dataset
        ...     done = dataset.compact(f"{folder}/copy")
        ...     len(open_dataset(f"{folder}/copy")["conversations"]), done.superseded
        (3, 3)
        """
        from conv_analytics.dataset.maintenance.compact import compact  # noqa: PLC0415  slow to import, and rarely used

        return compact(self._layout.root, target, replay=replay)

    def copy_to(self, target: str | Path, *, work: str | Path | None = None) -> Copied:
        """Copy the dataset unchanged, from a folder or bucket to another: the same files, the same commits.

        Every file is checked against its recorded SHA-256. The call may be repeated: an interrupted copy is resumed,
        and an earlier copy gets the new commits. `export` to the copy continues where the dataset ended.

        Parameters
        ----------
        target
            A folder or a URL (``s3://BUCKET/PATH``, ``az://CONTAINER/PATH``) that is empty, or has an earlier copy.
        work
            The local work folder of a target in a bucket: see `open_dataset`.

        Raises
        ------
        ConfigError
            If the target holds something else, or is inside this dataset.
        CorruptFile
            If a file differs from its record.
        DatasetError
            If a file cannot be read or the target cannot be written; the target has the commits before.
        DatasetLocked
            If a run writes to the target.

        Examples
        --------
        >>> from conv_analytics import Conversations, export, open_dataset
        >>> from conv_analytics.sandbox import Sandbox
        >>> from tempfile import TemporaryDirectory
        >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     dataset = export(client, f"{folder}/exports", rate=0).dataset
        ...     copied = dataset.copy_to(f"{folder}/copy")
        ...     again = dataset.copy_to(f"{folder}/copy")
        ...     copied.commits, again.commits, len(open_dataset(f"{folder}/copy")["conversations"])
        (1, 0, 3)
        """
        from conv_analytics.dataset.maintenance.copy import copy  # noqa: PLC0415  rarely used

        return copy(self._layout.root, target, work=work)

    def expired(self, older_than: timedelta | date) -> Expired:
        """The data older than a given age, which `prune` would remove. Nothing is changed.

        A conversation is expired when all its rows, in every table, are of days (UTC) before the first one that is
        kept; the days of conversations and members are those when a run last saw them.

        Parameters
        ----------
        older_than
            An age, such as ``timedelta(days=400)``, or the first day that is kept.

        Returns
        -------
        Expired
            Counts of conversations, rows, files and bytes; false when nothing is expired.

        Raises
        ------
        ConfigError
            If the age is less than a day.

        Examples
        --------
        >>> from conv_analytics import Conversations, export
        >>> from conv_analytics.sandbox import Sandbox
        >>> from datetime import timedelta
        >>> from tempfile import TemporaryDirectory
        >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     dataset = export(client, folder, rate=0).dataset
        ...     dataset.expired(timedelta(days=400)).conversations
        0
        """
        from conv_analytics.dataset.maintenance.prune import expired  # noqa: PLC0415  rarely used

        return expired(self._layout.root, older_than)

    def prune(self, older_than: timedelta | date) -> Expired:
        """Permanently remove the data that `expired` counts, in a separate commit; it is never called automatically.

        Rows of other conversations in the same files are written to new files first. Watermarks stay: no later run
        exports the removed events again, unless it reads everything again (``full=True``), and `ingest` of the same
        files does not add them again. This dataset stays at its commit, but its files are removed: open the folder
        again.

        Parameters
        ----------
        older_than
            An age, such as ``timedelta(days=400)``, or the first day that is kept.

        Raises
        ------
        ConfigError
            If the age is less than a day.
        DatasetError
            If the folder cannot be read or written.
        DatasetLocked
            If another run writes to it.

        Examples
        --------
        >>> from conv_analytics import Conversations, export
        >>> from conv_analytics.sandbox import Sandbox
        >>> from datetime import timedelta
        >>> from tempfile import TemporaryDirectory
        >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     done = export(client, folder, rate=0).dataset.prune(timedelta(days=400))
        >>> done.files, done.removed_by
        (0, None)
        """
        from conv_analytics.dataset.maintenance.prune import prune  # noqa: PLC0415  rarely used

        return prune(self._layout.root, older_than)

    def replay(self) -> Replayed:
        """Read the quarantine again, and commit the records that have a row now, as after an upgrade.

        This dataset stays at its commit: open the folder again to see the new rows. Nothing is written when there is
        nothing to add, and no row is added twice.

        Raises
        ------
        DatasetError
            If the folder cannot be read or written; its rows stay as they were.
        DatasetLocked
            If another run writes to it.

        Examples
        --------
        >>> from conv_analytics import Conversations, export, open_dataset
        >>> from conv_analytics.sandbox import Sandbox
        >>> from tempfile import TemporaryDirectory
        >>> with Sandbox(conversations=30, broken=0.05) as sandbox, TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     done = export(client, folder, rate=0)
        ...     result = done.dataset.replay()
        >>> result.records == result.unreadable == done.report.quarantined, result.commit
        (True, None)
        """
        from conv_analytics.dataset.maintenance.replay import replay  # noqa: PLC0415  slow to import, and rarely used

        return replay(self._layout.root)

    def publish(
        self,
        to: str,
        *,
        application_id: str | None = None,
        dry_run: bool = False,
        on_table: OnTable | None = None,
    ) -> Published:
        """Bring Delta Lake tables up to this dataset: the commits that they lack, each in one transaction per table.

        Events are appended; rows of conversations and members take the place of those with the same key; where an event
        came from a list and from a webhook, the list's rows count, as in `table`. A transaction carries the number of
        its commit: after any failure, the same call publishes the rest, and nothing twice. The first call
        publishes everything there is in one transaction per table. Needs deltalake (extra ``delta``); see
        notebooks/reference/delta.md for types, concurrent writers and readers.

        Parameters
        ----------
        to
            The parent of the tables: ``delta://FOLDER``, ``delta://s3://BUCKET/PATH`` or
            ``delta://az://CONTAINER/PATH``. Several applications may share it: all tables are partitioned by
            ``application_id``.
        application_id
            The application, for a folder whose runs did not record one.
        dry_run
            Only report what would be published.
        on_table
            Called with each `PublishedTable` when it is written.

        Returns
        -------
        Published
            The rows written, per commit and table; empty when the Delta tables were up to date.

        Raises
        ------
        ConfigError
            If `to` is not such a place, lies in this dataset, has the tables of another folder, or is ahead of this
            one.
        DestinationError
            If nothing can be written there, or its server lets two writers create the same object.
        PublishIncomplete
            If a table cannot be read or written; what is published stays.
        CorruptFile
            If a file differs from its record; its commit is not published.

        Examples
        --------
        >>> from conv_analytics import Conversations, export
        >>> from conv_analytics.sandbox import Sandbox
        >>> from tempfile import TemporaryDirectory
        >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     dataset = export(client, f"{folder}/exports", rate=0).dataset
        ...     first, again = (dataset.publish(f"delta://{folder}/lake") for _ in range(2))
        >>> first.to_frame().query("table == 'conversations'")[["commit", "action", "rows", "version"]]
           commit   action  rows  version
        0       1  replace     3        1
        >>> again.tables
        ()
        """
        from conv_analytics.dataset.publish.publish import publish  # noqa: PLC0415  an extra

        return publish(self, to, application_id=application_id, dry_run=dry_run, on_table=on_table)
