"""What encryption at rest costs: `python -m tools.bench.encryption`.

The same operations run on two databases, one of which encrypts, in alternating rounds. Times are CPU times of
the whole process, so that waiting for the disk doesn't count; nothing is synced.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sqlite_utils import Database

from bridge.client.client import Client
from bridge.core.messages import Action, Answer, Command, Error, Popup, PopupItem, Result
from bridge.store import journal, response_tables
from bridge.store.database import connect, migrations
from bridge.store.encryption import Vault, new_key
from bridge.store.journal import Asked
from bridge.store.receipts import ReceiptStore
from bridge.store.records import pack
from bridge.store.response_tables import CachedResponse
from bridge.store.sessions import SessionStore
from tools.bench.daemons import bridge
from tools.bench.timing import alternating_medians

OPERATIONS = 200
"""Operations per round."""
ROUNDS = 15
PARAMS = pack({"max_size": 4096, "path": "textures/rock/rock_albedo.png", "mode": "block"})
POPUP = Popup(
    id=0, kind="import.findings", title="Fix 12 textures?", body="Normal maps are imported as colour.",
    actions=[Action(id="fix", label="Fix 12 textures"), Action(id="no", label="Not now")],
    items=[PopupItem(id=str(n), title=f"textures/rock/rock_{n}.png", checked=True) for n in range(12)],
)  # fmt: skip
RESULT = Result(id=0, value={"kind": "normal", "confidence": 0.98, "mean": [128, 127, 255]})


def request(db: Database) -> None:
    """A durable request from `accept` to its acknowledged answer."""
    asked = Asked(
        scope="p", key=None, digest=os.urandom(32), workload="w", priority=1, deadline_ms=None, deadline=None,
        cache=True, root="/project", params=PARAMS, inputs=pack([{"name": "a", "path": "a.png"}]),
    )  # fmt: skip
    journal.accept(db, asked, "s", 1)
    (job,) = journal.claim(db, "me", (1.0, 1.0, 1.0), lambda workload: 1.0)
    journal.finish(db, job, "me", "done", RESULT, {"s": 0}, frees_key=True)
    SessionStore(db).acknowledged("s", 1)


def popup(db: Database) -> None:
    """A popup of twelve textures that is stored, sent, answered and settled."""
    store = SessionStore(db)
    number, _ = store.reserve_popup("s", "import", POPUP, {"session": "s"}, None)
    store.popup_sent("s", Popup(**{**_fields(POPUP), "id": number, "seq": 1}))
    store.answered("s", Answer(id=number, state="answered", action="fix"))
    store.popup(number)
    store.settled(number)


def receipt(db: Database) -> None:
    """A command that is stored, answered and read."""
    store = ReceiptStore(db)
    changes = [{"path": f"res://rock_{n}.png", "options": {"compress/mode": 2}} for n in range(12)]
    number, _ = store.open(
        "s", "p", "P", Command(id=0, name="c", args={"changes": changes}, deadline_ms=60_000), "12 textures"
    )
    store.answered(number, Error(id=number, code="forbidden", message="no"))


def response(db: Database) -> None:
    """A result that is stored in the cache and read from its file."""
    key = os.urandom(32)
    response_tables.insert(db.conn, CachedResponse(key, 1, pack(RESULT) * 4, {}))
    response_tables.read(db.conn, key)


CASES: Mapping[str, Callable[[Database], None]] = {
    "durable request": request, "popup": popup, "receipt": receipt, "cached result": response,
}  # fmt: skip


def _fields(popup: Popup) -> dict[str, object]:
    return {name: getattr(popup, name) for name in popup.__struct_fields__}


def _round(db: Database, work: Callable[[Database], None]) -> None:
    db.conn.execute("BEGIN IMMEDIATE")
    for _ in range(OPERATIONS):
        work(db)
    db.conn.execute("COMMIT")


REQUESTS = 300
"""Durable requests per round to each daemon."""


async def daemons() -> dict[str, float]:
    """Returns the CPU time in µs that each daemon takes for a durable request."""
    with bridge(encryption="false") as plain, bridge(encryption="true") as encrypted:
        spent: dict[str, list[float]] = {"plain": [], "encrypted": []}
        async with await Client.connect(plain[0]) as one, await Client.connect(encrypted[0]) as other:
            for number in range(ROUNDS + 1):
                for kind, client, (_, process) in (("plain", one, plain), ("encrypted", other, encrypted)):
                    begin = sum(process.cpu_times()[:2])
                    for _ in range(REQUESTS):
                        await client.request("bridge.echo", {"value": "x" * 200}, key=os.urandom(8).hex())
                    if number:
                        spent[kind].append((sum(process.cpu_times()[:2]) - begin) / REQUESTS * 1e6)
        return {kind: statistics.median(each) for kind, each in spent.items()}


def main() -> int:
    print(f"{'':>16}  {'plain':>10}  {'encrypted':>10}  {'more':>6}  {'file':>6}")
    for name, work in CASES.items():
        schema = response_tables.migrations if work is response else migrations
        with tempfile.TemporaryDirectory() as folder:
            files = {kind: Path(folder, f"{kind}.db") for kind in ("plain", "encrypted")}
            vaults = {"plain": Vault(), "encrypted": Vault([new_key()])}
            databases = {kind: connect(file, schema, durable=False, vault=vaults[kind])
                         for kind, file in files.items()}  # fmt: skip
            peers = {kind: partial(_round, db, work) for kind, db in databases.items()}
            took = {kind: ms * 1000 / OPERATIONS for kind, ms in alternating_medians(peers, ROUNDS).items()}
            for db in databases.values():
                db.conn.close()
            size = {kind: file.stat().st_size for kind, file in files.items()}
        more, grown = (each["encrypted"] / each["plain"] - 1 for each in (took, size))
        plain, encrypted = (f"{took[kind]:.0f} µs" for kind in ("plain", "encrypted"))
        print(f"{name:>16}  {plain:>10}  {encrypted:>10}  {more:>+6.0%}  {grown:>+6.0%}")
    took = asyncio.run(daemons())
    print(f"a daemon's durable request: {took['plain']:.0f} µs, {took['encrypted']:.0f} µs encrypted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
