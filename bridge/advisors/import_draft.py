"""The import advisor's next popup, made beside the event loop: of thousands it takes half a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from msgspec import Struct
from msgspec.structs import replace

from bridge.advisors.advice import FileAdvice, Mark, in_order
from bridge.advisors.import_parts import Advice, packed
from bridge.advisors.import_popups import advice_popup
from bridge.api import Popup

Files = Mapping[str, FileAdvice]
"""By their paths."""


class Draft(Struct, frozen=True):
    """What would be asked now."""

    files: dict[str, FileAdvice]
    """All that it asks about; none where nothing is to be asked."""
    news: bool
    """Whether that differs from what is asked already."""
    popup: Popup | None = None
    """Without its `dedupe`; None where there is nothing new to show."""
    advice: Advice | None = None
    """What is kept with it."""
    once: Set[Mark] = frozenset()
    """What only the author can follow, and so is told once: no setting will ever answer it."""


def unsettled(found: Sequence[FileAdvice], asked: Files, said: Set[Mark]) -> list[FileAdvice]:
    """What of `found` wasn't settled yet (`said`), or is asked by the open popup already; the worst first."""
    return in_order(file for file in found if _asked(file, asked) or not file.marks() <= said)


def draft(
    found: Sequence[FileAdvice], asked: Files, said: Set[Mark], looked_at: Set[str], locale: str
) -> Draft:
    """What was found, together with what the open popup asks about files that weren't looked at."""
    found = unsettled(found, asked, said)
    files = {path: file for path, file in asked.items() if path not in looked_at}
    files.update({file.path: _kept(file, asked) for file in found})
    if not files or files == asked:
        return Draft(files, files != asked)
    ordered = in_order(files.values())
    once = {mark for file in found for mark in file.once()}
    return Draft(files, True, advice_popup(ordered, locale, ""), packed(ordered), once)


def _kept(file: FileAdvice, asked: Files) -> FileAdvice:
    """`file`, or what is asked already where the two differ in nothing that is said."""
    before = asked.get(file.path)
    return before if before is not None and replace(file, stamp=before.stamp) == before else file


def _asked(file: FileAdvice, asked: Files) -> bool:
    before = asked.get(file.path)
    return before is not None and before.marks() == file.marks()
