"""Textures as an editor reported them, kept with a popup to ask about them anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import msgpack

from bridge.api import Event, SessionView
from bridge.server.texture_states import IMPORTED, imported_event, reported_states
from bridge.store.claims import TextureState

ROCK = {
    "path": "/Game/T_Rock_N.T_Rock_N", "type": "texture", "options": {"srgb": True}, "blob": "0" * 64,
    "used_as": [{"kind": "normal", "slot": "Normal"}], "unit": "/Game/Group",
}  # fmt: skip
VIEW = SessionView("s", "p", "P", None, None, None, "en")


def test_what_only_the_editor_knows_is_reported_anew(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    plain: dict[str, Any] = {"path": "a", "type": "texture", "options": {}, "file": "a.png"}
    event = Event(name=IMPORTED, data={"batch": 1, "more": False, "assets": [ROCK, plain, 7]})
    states = reported_states(event, tmp_path)
    assert states["a"].stamp is not None and states[str(ROCK["path"])].stamp is None
    stored = msgpack.decode(msgpack.encode(states), type=dict[str, TextureState])
    again = imported_event(VIEW, stored)
    assert again is not None and again.data["assets"] == [ROCK, plain]


def test_states_of_older_versions_are_read() -> None:
    old = {"file": "a.png", "stamp": [1, 2, 3], "options": {"mode": 0}}
    (state,) = msgpack.decode(msgpack.encode({"a": old}), type=dict[str, TextureState]).values()
    assert state == TextureState("a.png", (1, 2, 3), {"mode": 0})
