"""What an editor of the tests does with the test plugin's advisor: popups answered, commands applied."""

from __future__ import annotations

from typing import Any

from tests.server.wire import Wire

APPLIED = {"before": [{"path": "a", "options": {"x": 1}}], "after": [{"path": "a", "options": {"x": 2}}]}
PUT_BACK = [{"path": "a", "options": {"x": 1}, "expected": {"x": 2}}]
"""The changes that bring back what was before `APPLIED`."""


def done(command: dict[str, Any]) -> dict[str, Any]:
    """The result of a revert that restored what it was to."""
    changes = command["args"]["changes"]
    before = [{"path": each["path"], "options": each.get("expected", {})} for each in changes]
    return {
        "before": before,
        "after": [{"path": each["path"], "options": each["options"]} for each in changes],
    }


async def popup(wire: Wire, **data: Any) -> dict[str, Any]:
    await wire.send("event", name="test.popup", data=data)
    return await wire.until("popup")


async def answered(wire: Wire, shown: dict[str, Any], action: str = "yes") -> str:
    await wire.send("answer", id=shown["id"], state="answered", action=action)
    return (await wire.until("popup_close", id=shown["id"]))["reason"]


async def applied(wire: Wire, value: Any = APPLIED, **data: Any) -> int:
    """Has a command sent, and answers it; gives its receipt's id."""
    await wire.send("event", name="test.command", data={"args": {"changes": []}, **data})
    command = await wire.until("command")
    await wire.send("result", id=command["id"], value=value)
    return int(command["id"])
