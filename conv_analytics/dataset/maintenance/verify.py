"""Check a dataset folder: it has every byte that a commit recorded, every row once, and nothing else.

Nothing is written and nothing is repaired. Files are read one at a time, and of the rows only the keys.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from conv_analytics.dataset.maintenance import check_files, check_rows
from conv_analytics.dataset.maintenance.finding import Finding
from conv_analytics.dataset.maintenance.folder_state import FolderState
from conv_analytics.dataset.storage.application_folders import require_one_folder
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import DatasetError

#: In this order: later checks look only at what earlier ones found to be sound.
_CHECKS = (
    check_files.check_commits,
    check_files.check_table_files,
    check_files.check_leftovers,
    check_files.check_quarantine,
    check_files.check_inbox,
    check_rows.check_keys,
    check_rows.check_watermarks,
    check_rows.check_event_ids,
)


def verify(path: str | Path) -> list[Finding]:
    """Check a dataset folder against its commits, and its rows against each other.

    Parameters
    ----------
    path
        The folder that `export` wrote.

    Returns
    -------
    list of Finding
        At least one per check; a dataset without a finding of level ``error`` is whole.

    Raises
    ------
    DatasetError
        If the folder is not a dataset.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> from tempfile import TemporaryDirectory
    >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     done = export(client, folder, rate=0)
    ...     {str(finding.level) for finding in verify(folder)}
    {'ok'}
    """
    folder = FolderState.of(dataset_folder(path))
    with closing(folder.watermarks):
        ours = folder.layout.commits.is_dir() or any(map(check_files.is_own_name, folder.table_files))
        if not folder.numbers and not (folder.table_files and ours):
            require_one_folder(folder.layout.root)
            raise DatasetError(
                f"{folder.layout.name} is not a dataset: there is no commit in it. Name a folder that an export wrote."
            )
        for check in _CHECKS:
            check(folder)
        return folder.findings
