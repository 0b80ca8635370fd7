"""How many files and sockets this process may have open: enough for its connections, where that can be."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger(__name__)

SPARE = 1024
"""For workers' pipes, the store, blobs on their way, and whatever else."""


def allow(connections: int) -> None:
    """Raises the limit for so many connections as far as this user may; warns where it stays lower."""
    if sys.platform == "win32":
        return  # Windows has no such limit for sockets
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # macOS has a lower limit of its own, which it doesn't tell
        most = soft
    if most < wanted:
        log.warning(
            "the system lets PopBridge open %d files, too few for %d connections: raise `ulimit -n`, or "
            "lower the setting 'connections'",
            most,
            connections,
        )
