"""The list of the import advisor's popups: problems, their textures, and the changes of each texture."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct

from accel.text import AnyText, sentences
from bridge.advisors.advice import FileAdvice
from bridge.advisors.findings import ERROR, NOTE, Finding
from bridge.advisors.import_batch import MAX_LISTED
from bridge.advisors.texts import (
    EXPLANATIONS,
    GROUP_TITLES,
    TEXTS,
    bytes_text,
    finding_line,
    group_effect,
    join_list,
    say,
)
from bridge.api import Choice, OptionLabel, PopupItem, SessionView
from bridge.core.text import printable, value_text
from bridge.host import isolation, validation
from bridge.locale import translate

MAX_RULES = 100
"""Rules that a popup offers; those for the most textures come first."""
MAX_NAMES = 8
"""Names of a unit's textures."""
MAX_VALUE = 80
"""Characters of an option's value."""
MAX_KEY = 200
"""Characters of an option's own name."""

Rule = tuple[str, str]
"""A folder below the project's root and the code of a finding."""


class OptionTexts:
    """Import options in the words of the engine's editor."""

    def __init__(self, session: SessionView) -> None:
        self._locale = session.locale
        self._labels: Mapping[str, OptionLabel] = {}
        self._changes: dict[tuple[str, str, str], str] = {}
        self._memory: dict[int, str] = {0: ""}
        adapter, version = session.adapter, session.version
        if adapter is not None and version is not None:
            try:
                labels = adapter.option_labels(version, session.locale)
                self._labels = validation.check_labels(labels, adapter.name)
            # An adapter is a plugin: without labels the raw names are shown.
            except (Exception, SystemExit) as error:
                isolation.log.warning("%s: no labels of options: %s", adapter.name, isolation.describe(error))

    def change(self, name: str, before: Any, after: Any) -> str:
        """Returns an option's change: `Compress › Mode: Lossless → VRAM Compressed`."""
        # Thousands of textures have the same few changes.
        key = name, repr(before), repr(after)
        if key not in self._changes:
            old = TEXTS["absent"] if before is None else self.value(name, before)
            new = TEXTS["takes_away"] if after is None else self.value(name, after)
            change = TEXTS["change"].fill(option=self.name(name), before=old, after=new)
            self._changes[key] = translate(change, self._locale)
        return self._changes[key]

    def state(self, options: Mapping[str, Any]) -> str:
        """Returns the values of options, for one line."""
        return " · ".join(
            translate(
                TEXTS["observed"].fill(
                    option=self.name(name),
                    value=TEXTS["absent"] if value is None else self.value(name, value),
                ),
                self._locale,
            )
            for name, value in options.items()
        )

    def memory(self, saved: int) -> str:
        """Returns the GPU memory that a fix frees or costs, in bytes; empty for none."""
        if saved not in self._memory:
            key = "frees" if saved > 0 else "costs"
            self._memory[saved] = say(key, self._locale, size=bytes_text(abs(saved)))
        return self._memory[saved]

    def name(self, name: str) -> str:
        return self._labels[name].name if name in self._labels else printable(name)

    def value(self, name: str, value: Any) -> AnyText:
        values = self._labels[name].values if name in self._labels else {}
        try:
            if value in values:
                return values[value]
        # Not hashable.
        except TypeError:
            pass
        if isinstance(value, bool):
            return TEXTS["on" if value else "off"]
        shown = printable(value if isinstance(value, str) and value else value_text(value))
        return shown if len(shown) <= MAX_VALUE else f"{shown[: MAX_VALUE - 1]}…"


class _Entry(Struct, frozen=True, gc=False):
    """A texture in a group."""

    number: int
    """The file's place in the advice, from 1."""
    file: FileAdvice
    findings: Sequence[Finding]
    """Those with the group's code."""
    saved: int
    """Bytes of GPU memory that their fix frees; negative if it costs memory."""


def group_codes(files: Sequence[FileAdvice]) -> list[str]:
    """Returns the codes of all findings: the most severe first, then those that save the most memory."""
    ranks: dict[str, int] = {}
    saved: dict[str, int] = {}
    for file in files:
        for finding in file.findings:
            ranks[finding.code] = max(ranks.get(finding.code, NOTE), finding.rank)
            saved[finding.code] = saved.get(finding.code, 0) + finding.saved
    return sorted(ranks, key=lambda code: (-ranks[code], -saved[code], code))


def list_items(
    files: Sequence[FileAdvice], codes: Sequence[str], texts: OptionTexts, locale: str
) -> list[PopupItem]:
    """Returns the list of the first MAX_LISTED files by `codes`, the result of `group_codes`.

    The ids are `group`, `group.file` and `group.file.change`, each counted from 1.
    """
    groups: dict[str, list[_Entry]] = {code: [] for code in codes}
    for number, file in enumerate(files[:MAX_LISTED], 1):
        by_code: dict[str, list[Finding]] = {}
        for finding in file.findings:
            by_code.setdefault(finding.code, []).append(finding)
        for code, findings in by_code.items():
            groups[code].append(_Entry(number, file, findings, sum(f.saved for f in findings)))
    numbers = {code: number for number, code in enumerate(codes, 1)}
    return [_group(code, entries, numbers, texts, locale) for code, entries in groups.items() if entries]


def _group(
    code: str, entries: list[_Entry], numbers: Mapping[str, int], texts: OptionTexts, locale: str
) -> PopupItem:
    entries.sort(key=lambda entry: (-entry.saved, entry.file.file))
    rank = max(finding.rank for entry in entries for finding in entry.findings)
    title = GROUP_TITLES[code].fill(n=len(entries)) if code in GROUP_TITLES else code
    sentences = {finding.sentence for entry in entries for finding in entry.findings}
    return PopupItem(
        id=str(numbers[code]),
        title=translate(title, locale),
        detail=translate(group_effect(code, sentences), locale),
        value=texts.memory(sum(entry.saved for entry in entries)),
        severity="error" if rank >= ERROR else "note" if rank <= NOTE else "warning",
        children=[_texture(code, entry, numbers, texts, locale) for entry in entries],
    )


def _texture(
    code: str, entry: _Entry, numbers: Mapping[str, int], texts: OptionTexts, locale: str
) -> PopupItem:
    file = entry.file
    own = f"{numbers[code]}.{entry.number}"
    fixes = file.fixes()
    changes = fixes.get(code, {})
    # A sentence without values says no more than the group's title.
    told = [finding for finding in entry.findings if finding.values][:MAX_NAMES]
    lines = [of_texture(finding_line(f.sentence, f.values), f) for f in told]
    evidence = translate(sentences(lines), locale)
    if file.textures:
        shared = unit_text("unit" if changes else "unit_told", file)
        if conflict := conflict_text(file, code):
            shared = sentences([shared, conflict])
        where = translate(shared, locale)
    else:
        where = printable(file.folder)
    units = fixes if file.is_joint else [code]
    leaves = [
        f"{numbers[unit]}.{entry.number}.{at}"
        for unit in units
        for at in range(1, len(fixes[unit]) + 1)
    ] if changes else []  # fmt: skip
    children = [
        PopupItem(
            id=(name := f"{own}.{at}"),
            title=texts.change(option, file.present.get(option), value),
            detail=evidence if at == 1 else "",
            key=printable(option)[:MAX_KEY],
            checked=True,
            needs=[leaf for leaf in leaves if leaf != name],
        )
        for at, (option, value) in enumerate(changes.items(), 1)
    ]
    return PopupItem(
        id=own,
        title=printable(file.name),
        detail=where if changes or file.textures else evidence or where,
        value=texts.memory(entry.saved),
        picture=file.preview or UNSET,
        path=file.item_path,
        locked="" if changes else say("locked", locale),
        children=children,
    )


def of_texture(line: AnyText, finding: Finding, show: Callable[[str], str] = printable) -> AnyText:
    """Returns a line about a finding with the texture that it is about, if several share their settings."""
    if not finding.texture:
        return line
    return TEXTS["of_texture"].fill(texture=_names([finding.texture], show), line=line)


def unit_text(
    key: Literal["unit", "unit_told"], file: FileAdvice, show: Callable[[str], str] = printable
) -> AnyText:
    """Returns how many textures have the settings of a unit, and their names."""
    names = _names([each.file for each in file.textures], show)
    return TEXTS[key].fill(n=len(file.textures), textures=names)


def conflict_text(file: FileAdvice, code: str, show: Callable[[str], str] = printable) -> AnyText:
    """Returns why a finding about a unit isn't fixed; empty if nothing prevents it."""
    if code not in file.conflicts:
        return ""
    return TEXTS["unit_conflict"].fill(textures=_names(file.conflicts[code], show))


def _names(files: Sequence[str], show: Callable[[str], str]) -> AnyText:
    names = [file.rpartition("/")[2] for file in files[:MAX_NAMES]]
    shown = [show(name if len(name) <= MAX_VALUE else f"{name[: MAX_VALUE - 1]}…") for name in names]
    return join_list([*shown, "…"] if len(files) > MAX_NAMES else shown)


def offered_rules(files: Iterable[FileAdvice]) -> list[Rule]:
    """Returns the rules that would fix the files' findings, those for the most textures first."""
    counts: dict[Rule, int] = {}
    for file in files:
        for folder in file.folders:
            for code in file.fixes():
                counts[folder, code] = counts.get((folder, code), 0) + 1
    return sorted(counts, key=lambda rule: (-counts[rule], rule))[:MAX_RULES]


def rule_choices(rules: Sequence[Rule], locale: str) -> list[Choice]:
    """Returns a line for each rule; the ids are the rules' places, from 1."""
    return [
        Choice(
            id=str(number),
            label=say(
                "rule",
                locale,
                folder=printable(folder) or TEXTS["project_root"],
                title=EXPLANATIONS[code].title if code in EXPLANATIONS else code,
            ),
            detail=f"folder = {value_text(folder or '.')}, advice = [{value_text(code)}]",
        )
        for number, (folder, code) in enumerate(rules, 1)
    ]


def chosen_rules(rules: Sequence[Rule], choices: Collection[str]) -> list[Rule]:
    """Returns the rules of the ticked lines."""
    return [rule for number, rule in enumerate(rules, 1) if str(number) in choices]


class Outcome(Struct, frozen=True, gc=False):
    """What became of the fix of a file."""

    file: FileAdvice
    status: Literal["done", "partly", "failed", "kept"]
    """`partly`: some settings are as they should be, others aren't, or the editor reported an error."""
    reason: str
    """The settings that were observed, and why others weren't set."""


def outcome_items(outcomes: Iterable[Outcome], limit: int = MAX_LISTED) -> list[PopupItem]:
    """Returns a row for each file, what failed first, with what was observed or why it wasn't changed."""
    order = {"failed": 0, "partly": 1, "kept": 2, "done": 3}
    rows = sorted(outcomes, key=lambda row: (order[row.status], row.file.file))
    return [
        PopupItem(
            id=str(number),
            title=printable(row.file.name),
            detail=row.reason[:4096],
            picture=row.file.preview or UNSET,
            path=row.file.item_path,
            status="failed" if row.status == "partly" else row.status,
        )
        for number, row in enumerate(rows[:limit], 1)
    ]
