"""How many processors this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def available_cpus() -> int:
    """Processors that this process may use: of the machine, of its affinity, and of the quota of its container.

    >>> available_cpus() >= 1
    True
    """
    # Python 3.13 has `os.process_cpu_count` for the first two.
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota(_CGROUPS, _own_cgroup())
    return own if quota is None else max(1, min(own, round(quota)))


def cgroup_quota(mounted: Path, cgroup: str) -> float | None:
    """The smallest quota of a control group and of those around it, in processors; None without one.

    Parameters
    ----------
    mounted
        Where control groups are mounted: the second version, or the first with its controller ``cpu``.
    cgroup
        The path of the group there.
    """
    folders = [mounted / cgroup.strip("/"), *(mounted / cgroup.strip("/")).parents]
    inside = [folder for folder in folders if folder == mounted or mounted in folder.parents]
    quotas = [quota for folder in (*inside, mounted / "cpu") if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _quota(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        return float(quota) / float(period) if quota not in {"max", "-1"} else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _own_cgroup() -> str:
    try:
        lines = _OWN.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition("::")[2] for line in lines if line.startswith("0::")), "")
