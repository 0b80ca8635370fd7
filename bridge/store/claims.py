"""Table `popup_textures`: what each popup is about, and the state that its advice was made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct
from sqlite_utils import Database

from bridge.store.column_encryption import seal, unseal
from bridge.store.records import pack, unpack

Stamp = tuple[int, int, int]
"""A file's size in bytes, and when its content and its metadata changed, nanoseconds since 1970."""


class TextureState(Struct, frozen=True):
    """A texture as an editor reported it."""

    file: str
    """Below the project's root."""
    stamp: Stamp | None = None
    """The file's when it was reported; None if unknown."""
    options: dict[str, Any] | None = None
    """Its import settings at the time of the report; None if unknown."""
    blob: str = ""
    """The SHA-256 of its pixels, if the editor uploaded them."""
    used_as: list[Any] = []
    """The uses that the editor knows."""
    unit: str = ""
    """The path of what holds its settings, if that isn't the texture alone."""


States = Mapping[str, TextureState]
"""By the engine's path."""


class TexturesTaken(Exception):
    """Another advisor's popup is about some of the textures."""

    def __init__(self, taken: Mapping[str, int], advisor: str) -> None:
        """`taken` has the popup by path, `advisor` is one that asks."""
        super().__init__(advisor)
        self.taken = taken
        self.advisor = advisor


class TextureClaims:
    """One row for each popup that is about textures. Those of settled popups don't count."""

    def __init__(self, db: Database) -> None:
        self._connection = db.conn

    def claim(self, popup_id: int, project: str, advisor: str, states: States) -> None:
        """Stores the textures of a new popup. Raises TexturesTaken."""
        if taken := self.taken(project, advisor, states.keys()):
            raise TexturesTaken(
                {path: popup for path, (popup, _) in taken.items()}, next(iter(taken.values()))[1]
            )
        self._connection.execute(
            "DELETE FROM popup_textures WHERE popup IN (SELECT id FROM popups WHERE status = 'settled')"
        )
        self._connection.execute(
            "INSERT INTO popup_textures (popup, project, advisor, textures) VALUES (?, ?, ?, ?)",
            (popup_id, project, advisor, self._seal(popup_id, states)),
        )

    def taken(self, project: str, advisor: str, paths: Collection[str]) -> dict[str, tuple[int, str]]:
        """Returns those of `paths` that unsettled popups of other advisors are about: the popup and its
        advisor."""
        rows = self._connection.execute(
            "SELECT popup, popup_textures.advisor, textures FROM popup_textures "
            "JOIN popups ON popups.id = popup "
            "WHERE project = ? AND popup_textures.advisor != ? AND status != 'settled'",
            (project, advisor),
        )
        found: dict[str, tuple[int, str]] = {}
        for popup_id, owner, textures in rows.fetchall():
            known = unpack(self._unseal(popup_id, textures), dict[str, Any])
            found |= dict.fromkeys(paths & known.keys(), (popup_id, owner))
        return found

    def of(self, popup_id: int) -> dict[str, TextureState]:
        """Returns the textures that a popup is about."""
        row = self._connection.execute(
            "SELECT textures FROM popup_textures WHERE popup = ?", (popup_id,)
        ).fetchone()
        states: dict[str, TextureState] = {}
        return unpack(self._unseal(popup_id, row[0]), dict[str, TextureState]) if row else states

    def _seal(self, popup_id: int, states: States) -> object:
        return seal(self._connection, "popup_textures", (popup_id,), "textures", pack(states))

    def _unseal(self, popup_id: int, stored: Any) -> Any:
        return unseal(self._connection, "popup_textures", (popup_id,), "textures", stored)
