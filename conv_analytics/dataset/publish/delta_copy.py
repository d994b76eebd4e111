"""One Delta table with the rows of a dataset's table: its position, and one transaction after the other."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from conv_analytics.dataset.publish.delta_schema import NAME_PROPERTY, DeltaSchema
from conv_analytics.dataset.store import bucket
from conv_analytics.errors import ConfigError, PublishIncomplete

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable

    from conv_analytics.dataset.publish.delta_writes import Transaction
    from conv_analytics.dataset.publish.target import Target

T = TypeVar("T")

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
#: Messages of a store about errors that no retry can fix.
_REFUSED = re.compile(r"status(?: code)?:? 40[13]|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|NoSuchBucket")


class Position(NamedTuple):
    """The last commit of an application that a Delta table has."""

    commit: int
    run: str


class DeltaCopy:
    """The rows of one application in one Delta table.

    Parameters
    ----------
    target
        Location of the tables.
    schema
        The table.
    application_id
        The application.
    """

    def __init__(self, target: Target, schema: DeltaSchema, application_id: str) -> None:
        self.schema = schema
        self._target, self._uri = target, target.uri(schema.name)
        self._table: DeltaTable | None = None
        # Two identifiers of one transaction: they are committed together, and no clean-up of the log forgets them.
        self._commit_id, self._run_id = (f"conv_analytics:{application_id}:{what}" for what in ("commit", "run"))

    def position(self) -> Position | None:
        """The position of the table; None if it has nothing of the application.

        Raises
        ------
        ConfigError
            If the Delta table there is another one, or of a newer version.
        PublishIncomplete
            If it cannot be read.
        """
        return self._with_retries(lambda: self._position(self._open()))

    def write(self, position: Position, rows: Transaction) -> int | None:
        """Write the rows of a commit; return the version of the table, or None if it has them already.

        When an answer is lost, or another writer was faster, the transactions of the table are read before anything is
        repeated.

        Raises
        ------
        PublishIncomplete
            If that fails; the table is unchanged, or has the transaction: the next call checks.
        """
        tried = False

        def write_once() -> int | None:
            nonlocal tried
            table = self._open() or self._create()
            there = self._position(table)
            if there is not None and there.commit >= position.commit:
                return table.version() if tried else None
            self._add_columns(table)
            tried = True
            try:
                rows.write(table, self._properties(position))
            except Exception:
                if rows.failed is not None:
                    raise rows.failed from rows.failed.__cause__
                raise
            return table.version()

        return self._with_retries(write_once)

    def _position(self, table: DeltaTable | None) -> Position | None:
        commit = None if table is None else table.transaction_version(self._commit_id)
        run = None if table is None else table.transaction_version(self._run_id)
        return None if commit is None else Position(commit, f"{run or 0:08x}")

    def _properties(self, position: Position) -> CommitProperties:
        from deltalake import CommitProperties, Transaction  # noqa: PLC0415  an extra

        numbers = {self._commit_id: position.commit, self._run_id: int(position.run, 16)}
        return CommitProperties(
            app_transactions=[Transaction(name, number) for name, number in numbers.items()],
            custom_metadata={"conv_analytics": f"commit {position.commit} of run {position.run}"},
        )

    def _open(self) -> DeltaTable | None:
        """The current Delta table; None if there is none."""
        from deltalake import DeltaTable  # noqa: PLC0415  an extra
        from deltalake.exceptions import TableNotFoundError  # noqa: PLC0415

        if self._table is not None:
            self._table.update_incremental()
            return self._table
        try:
            table = DeltaTable(self._uri, storage_options=self._target.storage_options)
        except TableNotFoundError:
            return None
        self._require_own(table)
        self._table = table
        return table

    def _create(self) -> DeltaTable:
        from deltalake import DeltaTable  # noqa: PLC0415  an extra
        from deltalake.exceptions import DeltaError  # noqa: PLC0415

        try:
            DeltaTable.create(
                self._uri,
                self.schema.schema,
                mode="error",
                partition_by=list(self.schema.partitions),
                name=self.schema.name,
                description=self.schema.doc,
                configuration=self.schema.configuration,
                storage_options=self._target.storage_options,
                raise_if_key_not_exists=False,
            )
        except (DeltaError, OSError):
            # Another writer was faster, or this one succeeded, and the answer was lost.
            if (table := self._open()) is None:
                raise
            return table
        table = self._open()
        assert table is not None
        return table

    def _require_own(self, table: DeltaTable) -> None:
        """Refuse a foreign table, and one of a newer version."""
        if table.metadata().configuration.get(NAME_PROPERTY) != self.schema.name:
            raise ConfigError(
                f"{self._uri} is a Delta table that this package did not make. Name another place for its tables."
            )
        if unknown := {field.name for field in table.schema().fields} - {*self.schema.schema.names}:
            raise ConfigError(
                f"{self._uri} has a column that this version does not know ({min(unknown)}): a newer one wrote it."
                " Upgrade conv_analytics."
            )

    def _add_columns(self, table: DeltaTable) -> None:
        """Add the columns that tables of earlier versions lack."""
        from deltalake import Schema  # noqa: PLC0415  an extra

        there = {field.name for field in table.schema().fields}
        if lacking := [field for field in Schema.from_arrow(self.schema.schema).fields if field.name not in there]:
            table.alter.add_columns(lacking)

    def _with_retries(self, call: Callable[[], T]) -> T:
        """The result of a call, retried while a store does not answer or other writers are faster."""
        from deltalake import exceptions  # noqa: PLC0415  an extra

        end, wait_s = time.monotonic() + bucket.PATIENCE_S, _FIRST_WAIT_S
        while True:
            try:
                return call()
            except (exceptions.SchemaMismatchError, exceptions.DeltaProtocolError) as error:
                raise PublishIncomplete(self._uri, str(error)) from error
            except (exceptions.DeltaError, OSError) as error:
                # On a disk, only conflicts with other writers are worth a retry.
                passing = self._target.in_bucket or isinstance(error, exceptions.CommitFailedError)
                if not passing or _REFUSED.search(str(error)) or time.monotonic() + wait_s > end:
                    raise PublishIncomplete(self._uri, str(error)) from error
            except BaseException as error:
                # A panic of the library is not an `Exception`; so far it has come from broken connections.
                if type(error).__name__ != "PanicException":
                    raise
                if time.monotonic() + wait_s > end:
                    raise PublishIncomplete(self._uri, str(error)) from error
            self._table = None
            time.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311  so that two writers do not keep step
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


__all__ = ["DeltaCopy", "Position"]
