"""The audit's sentences, and how findings, kinds and the summary read in each form of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accel.text import AnyText, Text, plural, sentences, text
from accel.texture.kinds import percent
from bridge.advisors.texts import (
    EXPLANATIONS,
    FINDINGS,
    GROUP_TITLES,
    bytes_text,
    evidence_text,
    finding_text,
    group_effect,
)
from bridge.advisors.texts import TEXTS as ADVISOR_TEXTS
from bridge.advisors.texture_facts import is_judged_by_project, name_words
from bridge.api import OptionLabel
from bridge.audit.results import Group, Issue, Problem, Report, Row
from bridge.core.text import printable, value_text
from bridge.locale import translate

TEXTS = {
    "title": text("Texture audit of {name}"),
    "no_engine": text("no engine, files only"),
    "summary": text("{textures}: {errors}, {warnings}, {notes}."),
    "clean": text("No findings."),
    "accepted": text("Ignored by the baseline: {count}."),
    "stale": text("Outdated baseline entries: {count}; --update-baseline removes them."),
    "fixed": text("Fixed textures: {count}; `popbridge revert {receipt}` undoes that."),
    "failed": text("A plugin failed, so not everything was checked."),
    "interrupted": text("Stopped: nothing was written."),
    "kept": text("The next run continues from here."),
    "stopped": text(
        "Stopped while writing import settings: `popbridge revert {receipt}` undoes what was written, "
        "--fix writes the rest."
    ),
    "unlisted_issues": text("Not listed: {count}; --severity note lists all."),
    "fixable": text("--fix resolves {count}."),
    "show_all": text("--limit 0, --html FILE and --json FILE show all."),
    "left_out": text("… {count} more; --limit 0, --html FILE and --json FILE show all"),
    "severity": text("severity"),
    "file": text("file"),
    "kind": text("kind"),
    "size": text("size"),
    "bytes": text("file size"),
    "finding": text("findings"),
    "setting": text("settings"),
    "picture": text("picture"),
    "error": text("error"),
    "warning": text("warning"),
    "note": text("note"),
    "mended": text("fixed"),
    "duplicates": text("Duplicate and similar textures; sizes are of all but the largest"),
    "memory": text("GPU memory"),
    "in_editor": text("in the editor"),
    "memory_total": text("GPU memory on desktop: {memory}."),
    "memory_frees": text("GPU memory on desktop: {memory}; --fix frees {saved}."),
    "memory_freed": text("GPU memory on desktop: {memory}; the fixes freed {saved}."),
    "how": text("match"),
    "files": text("files"),
    "disk": text("disk"),
    "more_files": text("… {count} more"),
    "same_file": text("identical files"),
    "same_pixels": text("identical pixels"),
    "similar": text("similar images"),
    "count": text("count"),
    "code": text("code"),
    "frees": text("frees {size}"),
    "costs": text("costs {size}"),
    "change": text("{option}: {before} → {after}"),
    "on": text("On"),
    "off": text("Off"),
    "unreadable": text("Can't be read: {reason}."),
    "lfs_pointer": text("A Git LFS pointer, not the image. Run `git lfs pull`."),
    "unsupported": text("Not checked: {reason}."),
    "unknown_settings": text("Import settings not read: {reason}."),
    "unremarked": text("Extra checks of {plugin} failed: {reason}."),
    "unjudged": text("Not checked, because {plugin} failed: {reason}."),
    "unlisted": text("{reason}."),
    "not_applied": text("Not fixed: {reason}."),
    "duplicate": text("{how}: {files}. Keeping only the largest frees {disk} disk."),
    "duplicate_memory": text(
        "{how}: {files}. Keeping only the largest frees {disk} disk, {memory} GPU memory."
    ),
}

HELP: Mapping[str, AnyText] = {
    "unreadable": text("The image can't be read. Export it again."),
    "lfs_pointer": text("A Git LFS pointer instead of the image. Run `git lfs pull`, then audit again."),
    "unsupported": text("The file wasn't checked: its format, a limit, a timeout, or it was in use."),
    "unknown_settings": text(
        "The import file can't be parsed, so it stays unchanged: resolve its merge conflict, get it with "
        "`git lfs pull`, or reimport the texture."
    ),
    "unlisted": text("The folder can't be read. Grant read permission."),
    "unremarked": text("The engine's extra checks failed. The other findings are valid."),
    "unjudged": text("The engine adapter failed. It isn't a fault of the texture; update the plugin."),
    "not_applied": text(
        "The texture couldn't be fixed. Close or unlock the import file, then run the audit again."
    ),
    "duplicate": text("Duplicate or similar textures. Keep one unless they differ on purpose."),
    **{code: sentences(explanation) for code, explanation in EXPLANATIONS.items()},
}
"""Explanations by code; findings of other codes explain themselves."""

MATCHES: Mapping[str, Text] = {
    "file": TEXTS["same_file"],
    "pixels": TEXTS["same_pixels"],
    "looks": TEXTS["similar"],
}
"""By `Group.how`."""


TITLES: Mapping[str, Text] = {
    **GROUP_TITLES,
    "unreadable": plural("{n} image can't be read", "{n} images can't be read", 1),
    "lfs_pointer": plural("{n} image is a Git LFS pointer", "{n} images are Git LFS pointers", 1),
    "unsupported": plural("{n} file wasn't checked", "{n} files weren't checked", 1),
    "unknown_settings": plural("{n} import file can't be parsed", "{n} import files can't be parsed", 1),
    "unlisted": plural("{n} folder can't be read", "{n} folders can't be read", 1),
    "unjudged": plural("{n} texture wasn't checked", "{n} textures weren't checked", 1),
    "unremarked": plural("Extra checks failed for {n} texture", "Extra checks failed for {n} textures", 1),
    "not_applied": plural("{n} texture couldn't be fixed", "{n} textures couldn't be fixed", 1),
}
"""The title of all findings of a code; `n` is the number of textures."""

OTHER_TITLE = plural("{n} texture: {code}", "{n} textures: {code}", 1)
"""For an engine adapter's own codes whose remarks have no title."""

SHORT_TITLES: Mapping[str, Text] = {
    "normal_as_color": text("Imported as colour"),
    "normal_convention": text("Green channel inverted"),
    "normal_directx": text("DirectX normal map"),
    "color_as_normal": text("Not a normal map"),
    "color_as_linear": text("Colour as linear"),
    "data_as_srgb": text("Data as sRGB"),
    "packed_order": text("Channel order"),
    "lossy_data": text("Lossy data"),
    "lossy_hdr": text("Lossy HDR"),
    "uncompressed": text("Not compressed"),
    "pixel_art_blocks": text("Block-compressed"),
    "alpha_constant": text("Unused alpha"),
    "grey_as_rgb": text("Grey as RGB"),
    "ui_mipmaps": text("Mipmaps on UI"),
    "no_mipmaps": text("No mipmaps"),
    "too_large": text("Over the size limit"),
    "not_power_of_two": text("Unsuitable size"),
    "unreadable": text("Can't be read"),
    "lfs_pointer": text("Git LFS pointer"),
    "unsupported": text("Not checked"),
    "unknown_settings": text("Settings not read"),
    "unlisted": text("Folder not read"),
    "unjudged": text("Not judged"),
    "unremarked": text("Extra checks failed"),
    "not_applied": text("Not fixed"),
}
"""Two or three words for each code."""


def problem_title(problem: Problem, locale: str) -> str:
    """Returns how many textures have a problem, and which: `2 normal maps are imported as colour`."""
    count = len({row.file for row, _ in problem.found})
    remark = problem.found[0][1].remark
    title = TITLES.get(problem.code) or (remark.title if remark is not None else "") or OTHER_TITLE
    if isinstance(title, str):
        return printable(title)
    return printable(translate(title.fill(n=count, code=problem.code), locale))


def short_title(issue: Issue, locale: str) -> str:
    """Returns an issue's title in two or three words."""
    remark = issue.remark
    title = SHORT_TITLES.get(issue.code) or (remark.short_title if remark is not None else "") or issue.code
    return printable(translate(title, locale))


def problem_effect(problem: Problem, locale: str) -> str:
    """Returns why a problem matters; empty if its findings say it themselves."""
    if problem.code in EXPLANATIONS:
        return translate(group_effect(problem.code, {issue.sentence for _, issue in problem.found}), locale)
    (_, issue), *_ = problem.found
    about = issue.remark.about if issue.remark is not None else HELP.get(problem.code, "")
    return printable(translate(about, locale)) if about else ""


def evidence_line(issue: Issue, locale: str) -> str:
    """Returns an issue's sentence without its explanation, printable."""
    if issue.finding is None:
        return sentence(issue, locale)
    shown = {name: f"{one:.2f}" if isinstance(one, float) else one for name, one in issue.values.items()}
    return printable(translate(FINDINGS[issue.sentence].fill(**shown), locale))


def memory_effect(saved: int, locale: str) -> str:
    """Returns the GPU memory that a fix frees or costs; empty for none."""
    if not saved:
        return ""
    return say("frees" if saved > 0 else "costs", locale, size=bytes_text(abs(saved)))


class OptionTexts:
    """Import options in the words of the engine's editor."""

    def __init__(self, labels: Mapping[str, OptionLabel], locale: str) -> None:
        self._labels = labels
        self._locale = locale

    def name(self, name: str) -> str:
        return printable(self._labels[name].name if name in self._labels else name)

    def value(self, name: str, value: Any) -> str:
        values = self._labels[name].values if name in self._labels else {}
        # A list can't be a key.
        if isinstance(value, str | int | float) and value in values:
            return printable(values[value])
        if isinstance(value, bool):
            return say("on" if value else "off", self._locale)
        shown = printable(value if isinstance(value, str) and value else value_text(value))
        return shown if len(shown) <= MAX_VALUE else f"{shown[: MAX_VALUE - 1]}…"

    def change(self, name: str, present: Mapping[str, Any], options: Mapping[str, Any]) -> str:
        """Returns `Compress › Mode: Lossless → VRAM Compressed`."""
        before, after = self.value(name, present.get(name)), self.value(name, options[name])
        return say("change", self._locale, option=self.name(name), before=before, after=after)


MAX_VALUE = 80
"""Characters of an option's value."""


def say(key: str, locale: str, **values: object) -> str:
    """Returns a text of `TEXTS` in the language of `locale`."""
    return translate(TEXTS[key].fill(**values), locale)


def issue_text(issue: Issue) -> AnyText:
    """Returns an issue's sentence about its file."""
    if issue.remark is not None:
        return issue.remark.text
    if issue.finding is not None:
        return finding_text(issue.code, issue.sentence, issue.values)
    return TEXTS[issue.sentence].fill(**issue.values)


def sentence(issue: Issue, locale: str) -> str:
    """Returns `issue_text` in the language of `locale`, printable."""
    return printable(translate(issue_text(issue), locale))


def explain(code: str, locale: str) -> str:
    """Returns the explanation of a code's findings; empty for codes without an explanation."""
    return translate(HELP.get(code, ""), locale)


def explain_issue(issue: Issue, locale: str) -> str:
    """Returns the explanation of an issue's code, or without one the issue's own sentence."""
    about = HELP.get(issue.code) or (issue.remark.about if issue.remark is not None else "")
    return translate(about, locale) if about else sentence(issue, locale)


def duplicate_text(group: Group, files: AnyText) -> Text:
    """Returns the cost of a group of `files`."""
    key = "duplicate_memory" if group.memory else "duplicate"
    sizes = {"disk": bytes_text(group.disk), "memory": bytes_text(group.memory)}
    return TEXTS[key].fill(how=MATCHES[group.how], files=files, **sizes)


def kind_of(row: Row, locale: str) -> str:
    """Returns the texture's kind, with a question mark if it isn't sure."""
    if not row.kind:
        return ""
    return kind_name(row.kind, locale) + ("" if row.sure else "?")


def kind_name(kind: str, locale: str) -> str:
    """Returns the kind in the language of `locale`."""
    return translate(ADVISOR_TEXTS.get(f"kind_{kind}", kind), locale)


def reasons(row: Row, locale: str) -> str:
    """Returns the confidence in the kind, with evidence: `97% (_nrm, the project's other textures)`."""
    if row.kind is None:
        return ""
    words = name_words(row.kind, row.evidence)
    evidence = evidence_text(words, is_judged_by_project(row.kind, row.evidence))
    shown = printable(translate(evidence, locale))
    confidence = f"{percent(row.probability)}%"
    return f"{confidence} ({shown})" if shown else confidence


def notices(report: Report, locale: str) -> list[str]:
    """Returns sentences about the whole project, and about the ignored parts of its `popbridge.toml`."""
    return [translate(each, locale) for each in (*report.notices, *report.passed_over)]


def summary(report: Report, locale: str) -> list[str]:
    """Returns the last lines of a report."""
    lines: list[Text] = [
        TEXTS["summary"].fill(
            textures=plural("{n} texture", "{n} textures", report.textures),
            errors=plural("{n} error", "{n} errors", report.count("error")),
            warnings=plural("{n} warning", "{n} warnings", report.count("warning")),
            notes=plural("{n} note", "{n} notes", report.count("note")),
        )
    ]
    if report.unlisted:
        lines.append(TEXTS["unlisted_issues"].fill(count=report.unlisted))
    # What --fix tried in vain in this run isn't promised again.
    if fixable := sum(issue.fixable for row in report.rows if not row.refused for issue in row.issues):
        lines.append(TEXTS["fixable"].fill(count=fixable))
    fixed = sum(bool(row.mended) for row in report.rows)
    if report.memory:
        key = "memory_total" if report.saved <= 0 else "memory_freed" if fixed else "memory_frees"
        now = report.memory - (report.saved if key == "memory_freed" else 0)
        sizes = {"memory": bytes_text(now), "saved": bytes_text(max(report.saved, 0))}
        lines.append(TEXTS[key].fill(**sizes))
    if fixed:
        lines.append(TEXTS["fixed"].fill(count=fixed, receipt=report.receipt))
    if report.accepted:
        lines.append(TEXTS["accepted"].fill(count=report.accepted))
    if report.stale:
        lines.append(TEXTS["stale"].fill(count=report.stale))
    return [translate(line, locale) for line in lines]
