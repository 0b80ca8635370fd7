"""Sentences."""

from __future__ import annotations

from accel.text import clauses, text
from bridge.advisors.texts import TEXTS as ADVICE
from bridge.advisors.texts import say as advise
from bridge.advisors.texts import with_commas
from bridge.advisors.texture_facts import is_judged_by_project, name_words
from bridge.audit.results import Issue, Report, Row
from bridge.core.text import printable
from bridge.locale import language_of, translate

TEXTS = {
    "title": text("Texture audit of {name}"),
    "no_engine": text("no engine: the files alone"),
    "summary": text("Textures: {textures}. Wrong: {wrong}, waste: {waste}, notes: {note}"),
    "clean": text("Nothing is wrong."),
    "accepted": text("Accepted by the baseline: {count}"),
    "stale": text(
        "Entries of the baseline that fit nothing any more: {count}; --update-baseline removes them"
    ),
    "fixed": text("Mended textures: {count}; `popbridge revert {receipt}` puts them back"),
    "failed": text("A plugin has failed, so that not everything was judged."),
    "interrupted": text("Stopped: nothing was written."),
    "kept": text("What was examined is known to the next run."),
    "stopped": text(
        "Stopped while settings were written: `popbridge revert {receipt}` puts back what "
        "was, --fix writes the rest."
    ),
    "unlisted_issues": text("Not listed: {count}; --severity note lists all"),
    "fixable": text("--fix would settle: {count}"),
    "left_out": text("… {count} more: --limit 0 shows all, as --html FILE and --json FILE do"),
    "severity": text("severity"),
    "file": text("file"),
    "kind": text("kind"),
    "size": text("size"),
    "bytes": text("bytes"),
    "finding": text("what could be better"),
    "setting": text("settings"),
    "picture": text("picture"),
    "wrong": text("wrong"),
    "waste": text("waste"),
    "note": text("note"),
    "mended": text("mended"),
    "mended_issue": text("mended: {what}"),
    "duplicates": text("Duplicates and look-alikes, with what all but the largest of each take"),
    "memory": text("GPU memory"),
    "takes": text("{memory} of GPU memory on the desktop"),
    "frees": text("the settings free {memory} of it"),
    "freed": text("the settings freed {memory} of it"),
    "how": text("how alike"),
    "files": text("files"),
    "disk": text("disk"),
    "same_file": text("equal files"),
    "same_pixels": text("equal pixels"),
    "similar": text("look alike"),
    "filter": text("Filter by file, kind or finding"),
    "shown": text("{count} shown"),
    "more_pictures": text("Only the worst {count} have a picture here."),
    "unreadable": text("can't be examined: {reason}"),
    "unknown_settings": text("its import settings can't be read, and are left as they are: {reason}"),
    "unremarked": text("its engine's adapter can't say what else there is to it: {reason}"),
    "unjudged": text("isn't judged, as {plugin} failed at it: {reason}"),
    "unlisted": text("{reason}"),
    "not_applied": text("couldn't be mended: {reason}"),
    "duplicate_of": text(
        "{how}: {files}. {disk} on disk and {memory} of GPU memory more than the largest takes"
    ),
}

HELP = {
    "unreadable": text(
        "The file is broken, empty or no image of the format that it begins as: export it again."
    ),
    "unsupported": text(
        "The file is of a format that isn't examined here, or larger than what is, or took "
        "longer than the setting `deadline_ms`; nothing is said about it."
    ),
    "unknown_settings": text(
        "The import file has syntax that isn't known here, for example after a merge: "
        "correct it, or import the texture anew."
    ),
    "unlisted": text("A folder can't be listed: give the right to read it."),
    "unremarked": text(
        "The engine's adapter, which is a plugin, failed at its own remarks: what else is "
        "said holds. Tell whoever wrote it."
    ),
    "unjudged": text(
        "The engine's adapter, which is a plugin, failed at this texture: nothing is said of "
        "it, and it may well be right. Update the plugin, or tell whoever wrote it."
    ),
    "not_applied": text(
        "The import file couldn't be written: close what holds it, or give the right to "
        "write it. Where it was changed while the audit ran, run the audit again."
    ),
    "duplicate": text(
        "Several files hold the same picture, or one that looks like it: keep one, unless "
        "they are meant to differ, and let all refer to it."
    ),
    "normal_as_color": text(
        "A normal map has to be imported as one: as colour its vectors are bent, and light falls wrongly."
    ),
    "normal_convention": text(
        "The green channel points the other way than the engine reads it: bumps look like dents."
    ),
    "normal_directx": text(
        "The green channel points down (DirectX), and the import settings can't say so: materials must."
    ),
    "color_as_normal": text(
        "Imported as a normal map, it keeps only two of its channels: its colours are lost."
    ),
    "color_as_linear": text(
        "Colours are stored for the eye (sRGB): read as they are, they come out too bright and washed out."
    ),
    "packed_order": text(
        "The engine's materials read the channels in another order: reorder them in the file."
    ),
    "lossy_data": text(
        "Lossy compression is made for colours seen by the eye: numbers come out with its blocks in them."
    ),
    "lossy_hdr": text("Lossy compression cuts off what is brighter than white: light from it becomes dim."),
    "uncompressed": text(
        "Block compression takes a quarter or an eighth of a GPU's memory and is faster to read."
    ),
    "pixel_art_blocks": text("Block compression smears the few exact colours of pixel art."),
    "grey_as_rgb": text(
        "One channel holds the same: the file is smaller, and some engines keep it in less memory."
    ),
    "data_as_srgb": text("Numbers such as roughness are read as they are; sRGB decoding bends them."),
    "alpha_constant": text("An opaque alpha channel says nothing, and costs memory wherever it is kept."),
    "ui_mipmaps": text(
        "Pictures of an interface are shown at their size: smaller copies cost a third more memory."
    ),
    "no_mipmaps": text("What lies on 3D surfaces needs smaller copies for a distance, or it shimmers."),
    "too_large": text(
        "Larger than the project's limit: `max_size` in popbridge.toml, or the setting `textures.max_size`."
    ),
    "not_power_of_two": text(
        "GPU compression and repeating with mipmaps want sides that are powers of two: resize the file."
    ),
}
"""What each code of a finding is about; a code that isn't here is explained by its sentence alone."""


def say(key: str, locale: str, **values: object) -> str:
    """A sentence in the language of `locale`, filled in."""
    return translate(TEXTS[key].fill(**values), locale)


def sentence(issue: Issue, locale: str) -> str:
    """What an issue says about its file."""
    if issue.remark is not None:
        return issue.remark.zh if language_of(locale) and issue.remark.zh else issue.remark.text
    if issue.finding is not None:
        return advise(issue.sentence, locale, **issue.values)
    return say(issue.sentence, locale, **issue.values)


def kind_of(row: Row, locale: str) -> str:
    """The kind of a texture; with a question mark where it is a guess."""
    name = kind_name(row.kind, locale) if row.kind else ""
    return name if row.sure or not name else f"{name}?"


def reasons(row: Row, locale: str) -> str:
    """How sure its kind is, and what says so: `97% (_nrm, the project's other textures)`."""
    if row.kind is None:
        return ""
    said = name_words(row.kind, row.evidence)
    said += [translate(ADVICE["by_project"], locale)] if is_judged_by_project(row.kind, row.evidence) else []
    told = printable(with_commas(said, locale))
    return f"{row.probability:.0%} ({told})" if told else f"{row.probability:.0%}"


def kind_name(kind: str, locale: str) -> str:
    """A kind in the reader's language."""
    known = ADVICE.get(f"kind_{kind}")
    return translate(known, locale) if known and language_of(locale) else kind


def explain(code: str, locale: str) -> str:
    """What findings of this code are about; empty for one that explains itself."""
    return translate(HELP[code], locale) if code in HELP else ""


def explain_issue(issue: Issue, locale: str) -> str:
    """What issues like this one are about; its own sentence where nothing more general is known."""
    told = explain(issue.code, locale)
    if not told and issue.remark is not None:
        told = issue.remark.about_zh if language_of(locale) and issue.remark.about_zh else issue.remark.about
    return told or printable(sentence(issue, locale))


def bytes_text(count: int) -> str:
    """Bytes for people, in binary units."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def notices(report: Report, locale: str) -> list[str]:
    """What is odd about the project, and what of its `popbridge.toml` is passed over: a sentence each."""
    return [*oddities(report, locale), *passed_over(report, locale)]


def oddities(report: Report, locale: str) -> list[str]:
    """What is odd about the project."""
    return [translate(said, locale) for said in report.notices]


def passed_over(report: Report, locale: str) -> list[str]:
    """What of its `popbridge.toml` is passed over, and why."""
    return [translate(said, locale) for said in report.passed_over]


def summary(report: Report, locale: str) -> list[str]:
    """The sentences; none for what there is nothing to say about."""
    counts = {word: report.count(word) for word in ("wrong", "waste", "note")}
    lines = [say("summary", locale, textures=report.textures, **counts)]
    if report.unlisted:
        lines.append(say("unlisted_issues", locale, count=report.unlisted))
    if fixable := sum(_fixable(row) for row in report.rows):
        lines.append(say("fixable", locale, count=fixable))
    if report.memory:
        told = [say("takes", locale, memory=bytes_text(report.memory))]
        if report.saved > 0:
            key = "freed" if any(row.mended for row in report.rows) else "frees"
            told.append(say(key, locale, memory=bytes_text(report.saved)))
        lines.append(translate(clauses(told), locale))
    if count := sum(bool(row.mended) for row in report.rows):
        lines.append(say("fixed", locale, count=count, receipt=report.receipt))
    if report.accepted:
        lines.append(say("accepted", locale, count=report.accepted))
    if report.stale:
        lines.append(say("stale", locale, count=report.stale))
    return lines


def _fixable(row: Row) -> int:
    """Issues that --fix would settle; none where it has just tried in vain."""
    return 0 if row.refused else sum(issue.fixable for issue in row.issues)
