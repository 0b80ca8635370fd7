"""Runs Autobahn's cases against one server in a process of its own: `-m tools.bench.autobahn URL CASE...`.

Prints the outcomes as a line of JSON. `kosoku` patches Python's own modules for old code and installs other
modules under existing names, so nothing else may run in the same process.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

PARALLEL = 2


class Outcome(Struct):
    """The outcome of one case."""

    case: str
    passed: bool
    close: int | None
    """The server's close code."""
    said: str
    """The verdicts on the messages and on the close."""


def run(url: str, cases: Sequence[str]) -> list[Outcome]:
    """Runs each case, given as ids or globs, against the server at `url`."""
    # Autobahn's cases leave their files open.
    command = [sys.executable, "-W", "ignore", "-m", "tools.bench.autobahn", url, *cases]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=list[Outcome])


async def _run(url: str, cases: Sequence[str]) -> list[Outcome]:
    import kosoku

    try:
        results: Sequence[Any] = await kosoku.run_fuzzingclient(url, list(cases), concurrency=PARALLEL)
    except kosoku.FailureError as error:
        results = error.results
    return [
        Outcome(r.case_id, r.passed, r.remote_close_code, f"{r.behavior.value}, {r.behavior_close.value}")
        for r in results
    ]


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(_run(sys.argv[1], sys.argv[2:]))).decode(), flush=True)
    # A thread of kosoku that wakes this one while Python exits would abort the process.
    os._exit(0)
