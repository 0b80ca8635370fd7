"""The list of a popup: its rows, and the leaves that an answer ticks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import UNSET
from msgspec.structs import replace

from bridge.core.errors import WRONG_VALUE, RemoteProtocolError
from bridge.core.messages import Action, Answer, Popup, PopupItem

MAX_ROWS = 200_000
MAX_DEPTH = 4
"""Levels of a list: an addon needs room for their indents."""


class PopupRows:
    """The rows of a list by id. Raises ValueError for a list that can't be answered."""

    def __init__(self, items: Sequence[PopupItem]) -> None:
        self.leaves: dict[str, PopupItem] = {}
        """The rows that can be ticked."""
        self._below: dict[str, range] = {}
        """The positions of the leaves at or below each row."""
        self._read(items, 1)
        self._names = list(self.leaves)
        for leaf in self.leaves.values():
            for needed in leaf.needs:
                if needed not in self.leaves:
                    raise ValueError(f"item {leaf.id!r} needs {needed!r}, which can't be ticked")
                if leaf.checked and not self.leaves[needed].checked:
                    raise ValueError(f"item {leaf.id!r} is ticked without {needed!r}, which it needs")

    def _read(self, items: Sequence[PopupItem], depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ValueError(f"a popup's list has at most {MAX_DEPTH} levels")
        for item in items:
            begin = len(self.leaves)
            if item.id in self._below:
                raise ValueError(f"two items have the id {item.id!r}")
            self._below[item.id] = range(0)
            if item.children:
                self._read(item.children, depth + 1)
            elif not item.locked and not item.status:
                self.leaves[item.id] = item
            self._below[item.id] = range(begin, len(self.leaves))
        if len(self._below) > MAX_ROWS:
            raise ValueError(f"a popup's list has at most {MAX_ROWS} rows")

    def ticked(self, checked: Iterable[str]) -> list[str]:
        """Returns the ids of the leaves that an answer ticks, in the list's order.

        Raises ValueError for an unknown or repeated id, a locked item, and an item without one that it needs.
        """
        seen: set[str] = set()
        positions: set[int] = set()
        for name in checked:
            if name in seen:
                raise ValueError(f"{name!r} is repeated")
            seen.add(name)
            if name not in self._below:
                raise ValueError(f"there is no item {name!r}")
            if not self._below[name]:
                raise ValueError(f"item {name!r} can't be ticked")
            positions.update(self._below[name])
        ids = [self._names[at] for at in sorted(positions)]
        chosen = set(ids)
        for name in ids:
            for needed in self.leaves[name].needs:
                if needed not in chosen:
                    raise ValueError(f"item {name!r} needs {needed!r}: tick both")
        return ids

    def initial(self) -> list[str]:
        """Returns the ids of the leaves that are ticked at first."""
        return [leaf.id for leaf in self.leaves.values() if leaf.checked]


def actions(popup: Popup) -> Iterator[Action]:
    """Yields the actions of a popup's buttons and of its menu."""
    yield from popup.actions
    yield from popup.menu


def resolve(popup: Popup, items: Sequence[PopupItem], answer: Answer) -> Answer:
    """Returns the answer with the ids of all ticked leaves and choices; UNSET without a list or choices.

    `items` are the popup's, wherever they are stored. Raises RemoteProtocolError for ids that the popup
    doesn't have.
    """
    action = next((each for each in actions(popup) if each.id == answer.action), None)
    rows = PopupRows(items)
    checked, choices = answer.checked, answer.choices
    try:
        ticked = rows.initial() if checked is UNSET else rows.ticked(checked)
    except ValueError as error:
        raise RemoteProtocolError(WRONG_VALUE, f"field 'checked': popup {popup.id}: {error}") from None
    offered = [choice.id for choice in action.choices] if action else []
    if choices is UNSET:
        chosen = [choice.id for choice in action.choices if choice.checked] if action else []
    else:
        chosen = list(choices)
        if len(set(chosen)) < len(chosen) or not set(chosen) <= set(offered):
            raise RemoteProtocolError(
                WRONG_VALUE, f"field 'choices': popup {popup.id}: name each of {offered} at most once"
            )
    return replace(answer, checked=ticked if items else UNSET, choices=chosen if offered else UNSET)
