"""Autobahn's WebSocket cases through `kosoku`: `python -m tools.bench.conformance [CASE...]`.

They run against an echo server on the daemon's protocol class and settings, first with the daemon's limits.
Cases that a limit rejects, with its close code, run again without limits.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bridge.core.messages import MAX_FRAME
from bridge.server.uvicorn_protocols import BridgeProtocol
from tools.bench.autobahn import Outcome, run
from tools.bench.daemons import echo_app

EXPECTED = {"7.1.5"}
"""Sends a close between the fragments of a message: `websockets` answers 1002, the case expects 1000."""
CAPPED = {1008: f"more than {BridgeProtocol.max_fragments} fragments", 1009: f"more than {MAX_FRAME} bytes"}
"""Close codes for messages over the limits."""

TEMPLATE = """## WebSocket conformance

Autobahn's cases, run with `kosoku` against an echo on the daemon's own protocol class and server settings
(`tools/bench/conformance.py`). permessage-deflate is on, because cases 12 and 13 test nothing else; the
daemon itself doesn't offer it, because of its cost. Heartbeats are off, because a case counts an
unexpected ping as a failure. The aim: all pass except 7.1.5.

| cases | passed | failed |
|---|---|---|
{rows}

Failed: {failed}.

With the daemon's caps ({fragments} fragments and {frame} KiB in a message) these cases were refused
with the caps' close codes, so they were run again without caps:

{capped}
"""


def outcomes(cases: Sequence[str]) -> tuple[list[Outcome], list[Outcome]]:
    """Returns the outcomes, without limits where one rejected the case, and the rejected cases."""
    with echo_app("--deflate") as (url, _):
        first = run(url, cases)
    capped = [one for one in first if not one.passed and one.close in CAPPED]
    again: list[Outcome] = []
    if capped:
        with echo_app("--deflate", "--uncapped") as (url, _):
            again = run(url, [one.case for one in capped])
    second = {one.case: one for one in again}
    return [second.get(one.case, one) for one in first], capped


def measure(cases: Sequence[str] = ("*",)) -> str:
    """Returns the section of docs/explanation/reliability.md."""
    found, capped = outcomes(cases)
    groups = sorted({int(one.case.partition(".")[0]) for one in found})
    rows = []
    for group in groups:
        mine = [one for one in found if one.case.startswith(f"{group}.")]
        passed = sum(one.passed for one in mine)
        rows.append(f"| {group}.* | {passed} | {len(mine) - passed} |")
    failed = [f"{one.case} ({one.said}, close {one.close})" for one in found if not one.passed]
    whats = [
        f"- {what} ({code}): " + ", ".join(one.case for one in capped if one.close == code)
        for code, what in CAPPED.items()
        if any(one.close == code for one in capped)
    ]
    return TEMPLATE.format(
        rows="\n".join(rows),
        failed=", ".join(failed) or "none",
        fragments=BridgeProtocol.max_fragments,
        frame=MAX_FRAME // 1024,
        capped="\n".join(whats) or "- none",
    )


def main() -> None:
    print(measure(sys.argv[1:] or ("*",)))


if __name__ == "__main__":
    main()
