"""The audit's sentences, and how findings, kinds and the summary read in each form of the report."""

from __future__ import annotations

from collections.abc import Mapping

from accel.text import AnyText, Text, plural, sentences, text
from accel.texture.kinds import percent
from bridge.advisors.texts import EXPLANATIONS, bytes_text, evidence_text, finding_text
from bridge.advisors.texts import TEXTS as ADVISOR_TEXTS
from bridge.advisors.texture_facts import is_judged_by_project, name_words
from bridge.audit.results import Group, Issue, Report, Row
from bridge.core.text import printable
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
    "mended_issue": text("Fixed: {what}"),
    "duplicates": text("Duplicate and similar textures; sizes are of all but the largest"),
    "memory": text("GPU memory"),
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
    "filter": text("Filter by file, kind or finding"),
    "shown": text("{count} shown"),
    "more_pictures": text("Only the first {count} have a picture."),
    "unreadable": text("Can't be read: {reason}."),
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
    "unsupported": text("The file wasn't checked: its format, a limit, a timeout, or it was in use."),
    "unknown_settings": text("The import file can't be parsed. It stays unchanged: fix it or reimport."),
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
        sizes = {"memory": bytes_text(report.memory), "saved": bytes_text(max(report.saved, 0))}
        lines.append(TEXTS[key].fill(**sizes))
    if fixed:
        lines.append(TEXTS["fixed"].fill(count=fixed, receipt=report.receipt))
    if report.accepted:
        lines.append(TEXTS["accepted"].fill(count=report.accepted))
    if report.stale:
        lines.append(TEXTS["stale"].fill(count=report.stale))
    return [translate(line, locale) for line in lines]
