"""Files of commits that a folder lacks, as after a partial restore: found by their sizes, without reading any."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping

from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.markup import line

#: What can be done about missing files. No export to the same folder brings them back, with all events requested again
#: neither: its watermarks and its other tables say that they were read.
ADVICE = (
    "`conv-analytics verify` names them. Restore them from a copy of the folder; without one, export to a new folder"
    " what the API still has."
)


def missing_files(layout: Layout, history: Iterable[Commit]) -> dict[str, int]:
    """The number of files of some commits that are missing or have another size, by table.

    Only in a folder: a bucket would have to be listed for it, which every run would wait for. `verify` does that.
    """
    if layout.bucket is not None:
        return {}
    root, missing = f"{layout.root}{os.sep}", Counter[str]()
    for commit in history:
        for file in commit.files:
            try:
                # Plain texts: it is done for every file at the start of every run.
                found = os.stat(root + file.path).st_size  # noqa: PTH116
            except (OSError, ValueError):
                found = None
            if found != file.bytes:
                missing[file.table] += 1
    return dict(sorted(missing.items()))


def describe_missing(missing: Mapping[str, int]) -> str:
    """Missing files as half a sentence.

    >>> describe_missing({"events": 1200, "hangups": 1})
    '1,201 files of the folder are missing or cut off (events: 1,200, hangups: 1)'
    """
    total = sum(missing.values())
    verb = "file of the folder is" if total == 1 else "files of the folder are"
    return line(f"{total:,} {verb} missing or cut off ({', '.join(f'{name}: {n:,}' for name, n in missing.items())})")
