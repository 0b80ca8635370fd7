"""What a plugin sends is of plain types, or refused by the field that isn't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.core.messages import Action, Command, Field, Popup
from bridge.server.commands import sendable


def popup(**changes: Any) -> Popup:
    made = Popup(id=0, kind="k", title="T", body="B", actions=[Action(id="ok", label="OK")])
    return msgspec.structs.replace(made, **changes)


def test_what_can_be_sent_stays_as_it_is_and_keys_become_text() -> None:
    assert sendable(popup(expires_ms=5), Popup) == popup(expires_ms=5)
    field = Field(name="n", type="choice", label="N", value={1: (2, 3)})
    made = sendable(popup(fields=[field]), Popup)
    assert isinstance(made.fields, list) and made.fields[0].value == {"1": (2, 3)}


@pytest.mark.parametrize(
    ("message", "kind", "error", "says"),
    [
        (popup(title=None), Popup, ValueError, "Expected `str`, got `null` - at `popup.title`"),
        (popup(actions=[Action(id="", label="x")]), Popup, ValueError, "at `popup.actions[0].id`"),
        (popup(actions=["ok"]), Popup, ValueError, "Expected `object`, got `str` - at `popup.actions[0]`"),
        (popup(severity="bad"), Popup, ValueError, "Invalid enum value 'bad' - at `popup.severity`"),
        (popup(body="\udcff"), Popup, ValueError, "popup.body is text that UTF-8 doesn't have"),
        (popup(image=Path("a.png")), Popup, ValueError, "popup.image is pathlib."),
        ({"title": "T"}, Popup, TypeError, "a Popup, got {'title': 'T'}"),
        (Command(id=0, name="", args={}, deadline_ms=1), Command, ValueError, "at `command.name`"),
        (Command(id=0, name="x", args={"a": [1j]}, deadline_ms=1), Command, ValueError, "args['a'][0]"),
    ],
)  # fmt: skip
def test_what_nobody_could_read_is_refused_by_its_field(
    message: Any, kind: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as told:
        sendable(message, kind)
    assert says in str(told.value)
