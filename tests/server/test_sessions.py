"""Who has come back to a session, where several identify one after the other."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from bridge.core.messages import AuthProof, ClientInfo, Identify, Resume
from bridge.server.sessions import Sessions
from bridge.store.database import migrations
from bridge.store.store import Store

FIRST = Identify(
    protocol=1, client=ClientInfo(kind="editor", name="e", version="1"), instance="one", auth=AuthProof()
)


async def test_who_has_identified_last_hasnt_arrived_with_who_did_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "sessions.db", migrations)
    sessions = Sessions(store, keep_s=60)
    live, token, _ = await sessions.open(FIRST, None)
    resume = Resume(session=live.id, token=token, last_seq=0)
    second, third = (replace(FIRST, instance=name, resume=resume) for name in ("two", "three"))
    sessions.resume(second, None)
    sessions.resume(third, None)
    sessions.arrived(live, second)
    assert live.instance == "one"
    sessions.arrived(live, third)
    assert live.instance == "three"
    await store.close()
