"""What a change of import settings really did: the reported result, corrected by what was read afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from accel.text import AnyText, text
from bridge.core.revert import file_error
from bridge.core.text import value_text

Options = Mapping[str, Any]
Observed = Mapping[str, Options]
"""Import settings by path, as the daemon read them from the project's files."""

EDITOR = text("The editor")
"""The reporter of results of commands that an editor carried out."""

NOT_SET = text("{option} is {now}, not {wanted}.")
UNCHANGED = text("{option} is still {now}, not {wanted}.")
FALSE_REPORT = text("{reporter} reported {option} as {reported}, but it is {now}; {wanted} was asked for.")
FALSE_BEFORE = text("{reporter} reported {option} as {reported} before the change, but it was {was}.")
NO_BEFORE = text("{reporter} didn't report the settings before the change, so it can't be reverted.")
NOT_ASKED = text("{reporter} reported about this file, which no change was asked for. The report is ignored.")
NO_RESULT = text("{reporter} reported nothing about this file, and its settings can't be read here.")


def verify_result(
    changes: Any,
    value: Any,
    before: Observed,
    after: Observed,
    reporter: AnyText = EDITOR,
    *,
    whole: bool = False,
) -> dict[str, Any]:
    """Returns the result of `changes` with observed values in place of those that `reporter` reported.

    `value` is the reported `{before, after, errors}`, `before` and `after` what was observed; a file that is
    missing there can't be read here, and the report counts. An option that isn't as asked for, a report that
    contradicts the observation, and a missing `before` each add an entry to `errors`, with the values. What
    should have changed and didn't is in neither list, so that no revert touches it.

    With `whole`, the observations have all settings of their files. Then nothing reported stands in place of
    an observation, also for settings that were changed along with those asked for, and reports about other
    files are dropped.
    """
    value = value if isinstance(value, Mapping) else {}
    reported = {name: by_path(value.get(name)) for name in ("before", "after")}
    wanted = by_path(changes)
    errors = [dict(each) for each in _maps(value.get("errors"))]
    result: dict[str, Any] = {**value, "before": [], "after": []}
    # A report may name more files than were asked for.
    for path in dict.fromkeys([*wanted, *reported["after"], *reported["before"]]):
        if whole and before and path not in wanted:
            errors.append(file_error(path, NOT_ASKED.fill(reporter=reporter)))
            continue
        file = _File(
            wanted.get(path, {}),
            reported["before"].get(path),
            reported["after"].get(path),
            before.get(path) if whole or path in after else None,
            after.get(path) if path in before else None,
            any(each.get("path") == path for each in errors),
            reporter,
            whole,
        )
        errors += [file_error(path, sentence) for sentence in file.errors()]
        idle = file.idle()
        for name, options in (("before", file.was()), ("after", file.now())):
            left = {option: options[option] for option in options if option not in idle} if options else {}
            if options is not None and (left or not idle):
                result[name].append({"path": path, "options": left})
    return {**result, "errors": errors}


class _File(Struct, frozen=True):
    """One file of a change."""

    wanted: Options
    reported_before: Options | None
    reported_after: Options | None
    before: Options | None
    after: Options | None
    is_explained: bool
    """Whether the reporter named an error of this file."""
    reporter: AnyText
    is_whole: bool

    def was(self) -> dict[str, Any] | None:
        """Returns the options before the change; None if unknown."""
        return self._values(self.before, self.reported_before)

    def now(self) -> dict[str, Any] | None:
        """Returns the options after the change; None if unknown."""
        return self._values(self.after, self.reported_after)

    def _values(self, observed: Options | None, reported: Options | None) -> dict[str, Any] | None:
        if observed is None:
            return None if reported is None else dict(reported)
        # What was changed along with them is reverted, too.
        names = self.reported_before or {}
        if self.is_whole:
            others = {name: observed.get(name) for name in names if self._has_changed(name)}
        else:
            others = {name: observed.get(name, (reported or {}).get(name)) for name in names}
        return {**others, **{name: observed.get(name) for name in self.wanted}}

    def _has_changed(self, name: str) -> bool:
        """Whether an option differs in what was observed, or may, if only one of the states was."""
        one, other = self.before, self.after
        return one is None or other is None or not is_same(one.get(name), other.get(name))

    def unmet(self) -> list[str]:
        """Returns the options that aren't as asked for."""
        now, reported = self.now() or {}, self.reported_after or {}
        # An engine writes a default where an option was removed, and its editor reports that.
        return [
            name
            for name, value in self.wanted.items()
            if name in now
            and not is_same(now[name], value)
            and (value is not None or reported.get(name) is None)
        ]

    def idle(self) -> list[str]:
        """Returns the options that should have changed and didn't."""
        was, now = self.was() or {}, self.now() or {}
        return [name for name in self.unmet() if name in was and is_same(was[name], now[name])]

    def errors(self) -> Iterator[AnyText]:
        was, now, reported = self.was(), self.now(), self.reported_after or {}
        idle = self.idle()
        if now is None:
            if self.wanted and not self.is_explained:
                yield NO_RESULT.fill(reporter=self.reporter)
            return
        for name in self.unmet():
            values = {"option": name, "now": value_text(now[name]), "wanted": value_text(self.wanted[name])}
            if name in reported and not is_same(reported[name], now[name]):
                shown = value_text(reported[name])
                yield FALSE_REPORT.fill(reporter=self.reporter, reported=shown, **values)
            elif not self.is_explained:
                yield (UNCHANGED if name in idle else NOT_SET).fill(**values)
        if self.reported_after is not None and self.reported_before is None:
            yield NO_BEFORE.fill(reporter=self.reporter)
        seen = (self.before if self.is_whole else was) or {}
        for name, value in (self.reported_before or {}).items() if self.before is not None else ():
            if not is_same(seen.get(name), value):
                yield FALSE_BEFORE.fill(
                    reporter=self.reporter,
                    option=name,
                    reported=value_text(value),
                    was=value_text(seen.get(name)),
                )


def is_same(one: Any, other: Any) -> bool:
    """Whether two option values are equal; 1 equals 1.0 but not true, and NaN equals NaN."""
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return bool(one == other) or repr(one) == repr(other)


def as_changes(observed: Observed) -> list[dict[str, Any]]:
    """Returns settings by path as the list of a command's changes, which `by_path` reads."""
    return [{"path": path, "options": dict(options)} for path, options in observed.items()]


def by_path(entries: Any) -> dict[str, dict[str, Any]]:
    """Returns the options by path, of a list from a peer or the database; what isn't a change is skipped.

    Options of several entries for one path are merged.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in _maps(entries):
        if isinstance(path := entry.get("path"), str) and isinstance(entry.get("options"), Mapping):
            found.setdefault(path, {}).update(entry["options"])
    return found


def _maps(entries: Any) -> Sequence[Mapping[str, Any]]:
    return [each for each in entries if isinstance(each, Mapping)] if isinstance(entries, list) else []
