"""The textures that popups are about."""

from __future__ import annotations

import pytest
from sqlite_utils import Database

from bridge.core.messages import Popup
from bridge.store.claims import TextureClaims, TexturesTaken, TextureState
from bridge.store.sessions import SessionStore

POPUP = Popup(id=0, kind="k", title="t", body="b", actions=[])
STATES = {
    "res://a.png": TextureState("a.png", (1, 2, 3), {"mode": 0}),
    "res://b.png": TextureState("b.png"),
}


def popup(db: Database, advisor: str) -> int:
    return SessionStore(db).reserve_popup("s", advisor, POPUP, None, None)[0]


def test_a_texture_is_one_advisors_until_its_popup_is_settled(db: Database) -> None:
    claims, first, second = TextureClaims(db), popup(db, "one"), popup(db, "two")
    claims.claim(first, "p", "one", STATES)
    assert claims.taken("p", "two", ["res://b.png", "res://c.png"]) == {"res://b.png": (first, "one")}
    assert claims.taken("p", "one", ["res://b.png"]) == {} == claims.taken("q", "two", ["res://b.png"])
    with pytest.raises(TexturesTaken) as taken:
        claims.claim(second, "p", "two", STATES)
    assert taken.value.taken == dict.fromkeys(STATES, first) and taken.value.advisor == "one"
    SessionStore(db).settled(first)
    claims.claim(second, "p", "two", STATES)
    assert claims.of(second) == STATES and claims.of(first) == {}


def test_an_advisor_may_ask_again_about_its_own(db: Database) -> None:
    claims = TextureClaims(db)
    for _ in range(2):
        claims.claim(popup(db, "one"), "p", "one", STATES)
