"""The popup contract: which popups are open, what takes the place of what, what may be answered."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from bridge.core.errors import WRONG_VALUE, RemoteProtocolError
from bridge.core.messages import Answer, Popup, PopupClose


class Popups:
    """The open popups of one session."""

    def __init__(self) -> None:
        self._open: dict[int, Popup] = {}
        self._expires: dict[int, float] = {}

    def __iter__(self) -> Iterator[Popup]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, popup_id: int) -> bool:
        return popup_id in self._open

    def get(self, popup_id: int) -> Popup | None:
        """The open popup of that id."""
        return self._open.get(popup_id)

    @property
    def expiring(self) -> bool:
        """Whether any of them expires some time."""
        return bool(self._expires)

    def open(self, popup: Popup, now: float) -> list[PopupClose]:
        """Opens `popup`; gives the closing of whichever it takes the place of (`dedupe`)."""
        superseded = [
            PopupClose(id=old.id, reason="superseded")
            for old in self._open.values()
            if popup.dedupe is not UNSET and old.dedupe == popup.dedupe and old.id != popup.id
        ]
        for closing in superseded:
            self._forget(closing.id)
        self._forget(popup.id)
        self._open[popup.id] = popup
        if isinstance(popup.expires_ms, int):
            self._expires[popup.id] = now + popup.expires_ms / 1000
        return superseded

    def answer(self, answer: Answer) -> PopupClose:
        """Settles a popup; an answer to none that is open (sent twice, or too late) is told so.

        Raises RemoteProtocolError for an action that the popup doesn't have.
        """
        popup = self._open.get(answer.id)
        if popup is None:
            return PopupClose(id=answer.id, reason="unknown")
        actions = [action.id for action in popup.actions]
        if answer.state == "answered" and answer.action not in actions:
            named = f"has no action {answer.action!r}" if answer.action else "was answered without an action"
            raise RemoteProtocolError(
                WRONG_VALUE, f"field 'action': popup {answer.id} {named}: name one of {actions}"
            )
        self._forget(answer.id)
        return PopupClose(id=answer.id, reason=answer.state)

    def close(self, popup_id: int) -> bool:
        """Closes a popup that nobody needs to answer any more; False where it isn't open."""
        is_open = popup_id in self._open
        self._forget(popup_id)
        return is_open

    def expire(self, now: float) -> list[PopupClose]:
        """Closes what nobody answered in time."""
        late = [popup_id for popup_id, at in self._expires.items() if at <= now]
        for popup_id in late:
            self._forget(popup_id)
        return [PopupClose(id=popup_id, reason="expired") for popup_id in late]

    def _forget(self, popup_id: int) -> None:
        self._open.pop(popup_id, None)
        self._expires.pop(popup_id, None)
