"""What an advisor can find out of its session."""

from __future__ import annotations

from bridge.connection import ConnectionFile
from tests.server.test_flows import answered, popup
from tests.server.wire import session


async def test_an_advisor_is_told_which_of_its_popups_are_open(file: ConnectionFile) -> None:
    async with session(file, project={"id": "p", "name": "P"}) as wire:
        first, answered_one, last = [await popup(wire, state={"tag": tag}) for tag in ("a", "b", "c")]
        async with session(file, installation="another") as other:
            await popup(other, state={"tag": "another's"})
        await answered(wire, answered_one)
        found = await wire.request(1, "test.ask", {"do": "open"})
        assert found["value"] == [[first["id"], {"tag": "a"}], [last["id"], {"tag": "c"}]]
