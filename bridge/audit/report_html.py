"""The report as an HTML page: one file that needs no network."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import bridge
from accel.text import AnyText, Text, plural, text
from accel.texture.kinds import Evidence
from bridge import web
from bridge.advisors.texts import bytes_text
from bridge.audit.results import Issue, Problem, Report, Row, problems_of
from bridge.audit.texts import (
    MATCHES,
    OptionTexts,
    kind_name,
    memory_effect,
    notices,
    problem_effect,
    problem_title,
    say,
    sentence,
    short_title,
)
from bridge.core.text import printable
from bridge.locale import language_of, translate

FOLDER = Path(__file__).parent / "page"
STYLES = (FOLDER / "report.css",)
MODULES = (FOLDER / "drawer.js", FOLDER / "report.js")
"""In the order of their imports."""

WORDS: Mapping[str, Text] = {
    "texture_audit": text("Texture audit"),
    "print": text("Print"),
    "theme": text("Light or dark"),
    "well_imported": text("Well imported"),
    "score_detail": text("textures without an error or a warning"),
    "findings": text("Findings"),
    "memory_desktop": text("GPU memory, desktop"),
    "problems": text("Problems"),
    "press": text("press to filter"),
    "textures": text("Textures"),
    "filter": text("File, kind or finding"),
    "all": text("All"),
    "all_kinds": text("All kinds"),
    "order": text("Order"),
    "by_severity": text("Most severe first"),
    "by_memory": text("Most memory freed first"),
    "by_file": text("By file"),
    "view": text("View"),
    "grid": text("Grid"),
    "table": text("Table"),
    "shown": text("{count} of {total} shown"),
    "nothing": text("Nothing matches."),
    "show_all": text("Show all"),
    "all_folders": text("Show all folders"),
    "more": text("{count} more"),
    "fixed": text("Fixed"),
    "previous": text("Previous"),
    "next": text("Next"),
    "close": text("Close"),
    "details": text("Texture"),
    "looks": text("How it looks"),
    "compare": text("Before and after"),
    "now": text("Now"),
    "after": text("After the fix"),
    "fixed_short": text("After"),
    "changes": text("Changes"),
    "import_file": text("Import file"),
    "copy_lines": text("Copy lines"),
    "copy_command": text("Copy the command"),
    "copied": text("Copied"),
    "picture": text("Picture"),
    "channels": text("Channels"),
    "mip": text("Mip level"),
    "taken_for": text("Taken for: {kind}, {percent}"),
    "supports": text("(for: {kind})"),
    "for": text("for"),
    "against": text("against"),
    "why": text("Why"),
    "by_folder": text("GPU memory by folder"),
    "stays": text("stays"),
    "freed": text("freed by the fixes"),
    "press_folder": text("Press a folder to see its textures."),
    "smaller": text("{count} smaller"),
    "texture_count": text("textures: {count}"),
    "duplicates": text("Duplicates"),
    "ignored": text("Ignored by the baseline"),
    "one_file": text("One file, no network"),
}
SEVERITIES: Mapping[str, Text] = {"error": text("Error"), "warning": text("Warning"), "note": text("Note")}
SCENES: Mapping[str, Text] = {
    "lit": text("lit from the upper left"),
    "far": text("from a distance"),
    "detail": text("enlarged four times"),
}
SOURCES: Mapping[str, Text] = {
    "pixels": text("Pixels"),
    "name": text("Name"),
    "folder": text("Folder"),
    "siblings": text("Neighbours"),
    "words": text("Words"),
    "slot": text("Used as"),
    "settings": text("Settings"),
    "project": text("Project"),
}
NAMED_FACTS = ("file", "size", "memory", "in_editor")
COLUMNS = ("picture", "severity", "file", "finding", "kind", "size", "memory")
SHORTCUTS: Sequence[tuple[Sequence[str], Text]] = (
    (("/",), text("filter")),
    (("J", "K"), text("next, previous")),
    (("Enter",), text("open a texture")),
    (("G",), text("grid or table")),
    (("Esc",), text("close")),
)
SCORE = text("{good} of {count}")
CHECKED = plural("{n} texture", "{n} textures", 1)
NOT_EXAMINED = plural("{n} texture couldn't be examined", "{n} textures couldn't be examined", 1)
CACHED = text("{count} from the cache")
SECONDS = text("{seconds} s")
HAVE_FINDINGS = text("{count} of {total} textures have findings")
FREES = text("{size} less")
COSTS = text("{size} more")
FIX = plural(
    "in the project's folder: fixes {n} finding; `popbridge revert` undoes it.",
    "in the project's folder: fixes {n} findings; `popbridge revert` undoes it.",
    1,
)
REVERT = text("undoes these fixes.")
NO_PICTURES = text("Textures without a picture: {count}; the page would be too large.")
NO_LIT = text("Textures without a preview of the fix: {count}; the page would be too large.")

LEAST_SAVED = 0.005
"""Share of the GPU memory that fixes must free or cost to be shown beside it."""
PROBLEM_ROWS = 60
"""Rows of a problem in which its card looks for pictures."""
CHUNK = 50
"""Rows whose pictures are in one element, which is only decoded when one of them is seen."""
MAX_GROUPS, MAX_NAMES, MAX_IGNORED = 100, 6, 200
MAX_EVIDENCE = 12
SCENE_OF = {
    "normal_convention": "lit", "normal_as_color": "lit", "color_as_normal": "lit", "data_as_srgb": "lit",
    "color_as_linear": "lit", "no_mipmaps": "far", "uncompressed": "detail",
    "pixel_art_blocks": "detail", "lossy_data": "detail",
}  # fmt: skip
"""What shows a finding; a picture of another finding of the texture would mislead."""


def pages(report: Report, locale: str) -> Iterator[str]:
    """Yields the page in pieces, as thousands of pictures are long."""
    script, style = web.bundle(*MODULES), web.styles(*STYLES)
    problems = problems_of(report.listed)
    found = _Page(report, problems, locale)
    return (
        web.environment(FOLDER)
        .get_template("report.html.jinja")
        .generate(
            report=report,
            script=script,
            style=style,
            policy=web.content_security_policy(script, style),
            icons=web.icons(),
            language="zh-CN" if language_of(locale) else "en",
            title=say("title", locale, name=printable(report.name)),
            name=printable(report.name),
            facts=found.facts(),
            notices=[printable(line) for line in notices(report, locale)],
            words=found.words(),
            score=_score(report),
            score_text=found.say(SCORE, good=report.well_imported, count=report.judged),
            score_omitted=found.unjudged(),
            **found.memory(),
            **found.command(),
            clean=found.clean(),
            omitted=found.omitted(),
            **found.duplicates(),
            **found.ignored(),
            version=bridge.__version__,
            shortcuts=[(keys, found.say(what)) for keys, what in SHORTCUTS],
            all_shown=found.say(
                HAVE_FINDINGS, count=sum(row.exists for row in report.listed), total=report.textures
            ),
            problems=[found.problem(problem) for problem in problems],
            folders=_folders(report),
            duplicates={printable(file): _base64(data) for file, data in report.pictures.items()}
            | found.copied,
            chunk=CHUNK,
            pictures=_pictures(report.listed),
            rows=map(found.row, report.listed),
            sentence=found.sentence,
            plain=printable,
            json=web.script_json,
        )
    )


def _score(report: Report) -> int:
    """Returns the share of well imported textures in percent of those examined; 100 only if all are."""
    return report.well_imported * 100 // max(report.judged, 1)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _pictures(rows: Sequence[Row]) -> Iterator[Iterator[str]]:
    """Yields chunks of lines, one for each row: its picture and how it looks before and after the fix."""
    for first in range(0, len(rows), CHUNK):
        yield (
            " ".join(map(_base64, (row.picture, *((row.lit.before, row.lit.after) if row.lit else ()))))
            for row in rows[first : first + CHUNK]
        )


def _folders(report: Report) -> list[dict[str, Any]]:
    """Returns each folder with its memory now and after the fixes, and the number of its textures."""
    freed: dict[str, int] = {}
    for row in report.rows:
        if row.options and not row.refused:
            folder = row.file.rpartition("/")[0]
            freed[folder] = freed.get(folder, 0) + row.memory - row.memory_after
    return [
        {
            "name": printable(name),
            "memory": folder.memory,
            "after": folder.memory - freed.get(name, 0),
            "textures": folder.textures,
        }
        for name, folder in sorted(report.folders.items())
    ]


class _Page:
    """What the page says about one report, in one language."""

    def __init__(self, report: Report, problems: Sequence[Problem], locale: str) -> None:
        self._report = report
        self._locale = locale
        self._options = OptionTexts(report.labels, locale)
        self._problems = {(problem.code, problem.rank): at for at, problem in enumerate(problems)}
        self._rows = {row.file: at for at, row in enumerate(report.listed)}
        self._sentences: dict[tuple[str, str, str], str] = {}
        self._names = {name: _capitalized(say(name, locale)) for name in NAMED_FACTS}
        self.copied: dict[str, str] = {}
        """Pictures of duplicates that have a row."""

    def say(self, sentence: Text, **values: object) -> str:
        return translate(sentence.fill(**values), self._locale)

    def words(self) -> dict[str, Any]:
        return {
            **{name: self.say(word) for name, word in WORDS.items()},
            "severities": {name: self.say(word) for name, word in SEVERITIES.items()},
            "scenes": {name: self.say(word) for name, word in SCENES.items()},
            "columns": {name: _capitalized(say(name, self._locale)) for name in COLUMNS},
        }

    def facts(self) -> list[str]:
        report = self._report
        textures = translate(CHECKED.fill(n=report.textures), self._locale)
        when = datetime.datetime.fromtimestamp(report.finished) if report.finished else None
        return [
            each
            for each in (
                _capitalized(printable(report.engine)) or say("no_engine", self._locale),
                printable(report.part),
                f"{when:%Y-%m-%d %H:%M}" if when else "",
                textures,
                self.say(CACHED, count=report.cached) if report.cached else "",
                self.say(SECONDS, seconds=f"{report.seconds:.1f}") if report.seconds else "",
            )
            if each
        ]

    def unjudged(self) -> str:
        """Returns how many textures the score leaves out; empty for none."""
        omitted = self._report.textures - self._report.judged
        return translate(NOT_EXAMINED.fill(n=omitted), self._locale) if omitted else ""

    def memory(self) -> dict[str, Any]:
        report, saved = self._report, self._report.saved
        after = report.memory - saved
        now = bytes_text(report.memory)
        if abs(saved) < LEAST_SAVED * report.memory or not saved:
            return {"memory_text": now, "memory_change": "", "memory_share": 100}
        return {
            "memory_text": f"{now} → {bytes_text(after)}",
            "memory_change": self.say(FREES if saved > 0 else COSTS, size=bytes_text(abs(saved))),
            "memory_share": round(100 * min(after / report.memory, 1), 2) if report.memory else 100,
        }

    def command(self) -> dict[str, str]:
        """Returns the command that fixes all, or undoes what was fixed."""
        report = self._report
        if report.receipt is not None:
            return {"command_line": f"popbridge revert {report.receipt}", "command_text": self.say(REVERT)}
        fixable = sum(issue.fixable for row in report.rows if not row.refused for issue in row.issues)
        if not fixable or not report.engine:
            return {"command_line": "", "command_text": ""}
        fixes = translate(FIX.fill(n=fixable), self._locale).replace("`", "")
        return {"command_line": "popbridge audit . --fix", "command_text": fixes}

    def clean(self) -> str:
        report = self._report
        if report.rows and not report.listed:
            return say("unlisted_issues", self._locale, count=report.unlisted)
        if report.rows or not report.textures or report.incomplete:
            return ""
        return say("clean", self._locale)

    def omitted(self) -> list[str]:
        rows = [row for row in self._report.listed if row.width]
        without = sum(not row.picture for row in rows)
        unlisted = self._report.unlisted
        lines = [say("unlisted_issues", self._locale, count=unlisted)] if unlisted else []
        lines += [self.say(NO_PICTURES, count=without)] if without and without < len(rows) else []
        return [*lines, self.say(NO_LIT, count=self._report.unlit)] if self._report.unlit else lines

    def duplicates(self) -> dict[str, Any]:
        report = self._report
        groups = []
        for group in report.groups[:MAX_GROUPS]:
            sizes = [f"{say('disk', self._locale)} {bytes_text(group.disk)}"]
            if group.memory:
                sizes.append(f"{say('memory', self._locale)} {bytes_text(group.memory)}")
            names = [printable(file) for file in group.files[:MAX_NAMES]]
            if (more := len(group.files) - MAX_NAMES) > 0:
                names.append(say("more_files", self._locale, count=more))
            first = group.files[0]
            if first in self._rows:
                self.copied[printable(first)] = _base64(report.listed[self._rows[first]].picture)
            how = translate(MATCHES[group.how], self._locale)
            groups.append({"picture": printable(first), "how": how, "files": names, "sizes": sizes})
        more = len(report.groups) - MAX_GROUPS
        return {
            "groups": groups,
            "more_groups": say("more_files", self._locale, count=more) if more > 0 else "",
        }

    def ignored(self) -> dict[str, Any]:
        ignored = self._report.ignored
        more = len(ignored) - MAX_IGNORED
        return {
            "ignored": [
                (printable(file), short_title(issue, self._locale)) for file, issue in ignored[:MAX_IGNORED]
            ],
            "more_ignored": say("more_files", self._locale, count=more) if more > 0 else "",
        }

    def problem(self, problem: Problem) -> dict[str, Any]:
        count = len({row.file for row, _ in problem.found})
        title = problem_title(problem, self._locale)
        return {
            "code": printable(problem.code),
            "severity": problem.severity,
            "count": count,
            # The card shows the number large.
            "title": title.removeprefix(f"{count} "),
            "short": short_title(problem.found[0][1], self._locale),
            "why": problem_effect(problem, self._locale),
            "effect": memory_effect(problem.saved, self._locale),
            "scene": SCENE_OF.get(problem.code, ""),
            "rows": list(dict.fromkeys(self._rows[row.file] for row, _ in problem.found[:PROBLEM_ROWS])),
        }

    def row(self, row: Row) -> dict[str, Any]:
        kind = kind_name(row.kind, self._locale) if row.kind else ""
        return {
            "file": printable(row.file),
            "width": row.width,
            "height": row.height,
            "memory": row.memory,
            "memory_after": row.memory_after if row.options else row.memory,
            "kind": kind,
            "percent": f"{row.probability:.0%}{'' if row.sure else '?'}" if row.kind else "",
            "found": [self._issue(issue) for issue in row.issues],
            "fixed": [sentence(issue, self._locale) for issue in row.mended],
            "changes": [
                [
                    self._options.name(name),
                    self._options.value(name, row.present.get(name)),
                    self._options.value(name, row.options[name]),
                    printable(name),
                ]
                for name in row.options
            ],
            "diff": [printable(line) for line in row.diff.split("\n")] if row.diff else [],
            "facts": self._facts(row),
            "evidence": list(self._evidence(row)),
            "scene": row.lit.scene if row.lit else "",
            "pictured": bool(row.picture),
            "explanation": [printable(translate(line, self._locale)) for line in _explanation(row)],
        }

    def _issue(self, issue: Issue) -> list[Any]:
        problem = self._problems[issue.code, issue.rank]
        return [problem, self.sentence(issue)]

    def sentence(self, issue: Issue) -> str:
        if issue.finding is None:
            return sentence(issue, self._locale)
        # Thousands of textures have the same few findings.
        key = issue.code, issue.sentence, repr(issue.values)
        if key not in self._sentences:
            self._sentences[key] = sentence(issue, self._locale)
        return self._sentences[key]

    def _facts(self, row: Row) -> list[list[str]]:
        form = " ".join(filter(None, (row.format.upper(), bytes_text(row.size) if row.size else "")))
        size = f"{row.width} × {row.height}" if row.width else ""
        memory = bytes_text(row.memory) if row.memory else ""
        if row.memory and row.options and row.memory_after != row.memory:
            memory += f" → {bytes_text(row.memory_after)}"
        named = (("file", form), ("size", size), ("memory", memory), ("in_editor", _in_editor(row)))
        return [[self._names[name], value] for name, value in named if value]

    def _evidence(self, row: Row) -> Iterator[list[Any]]:
        """Yields source, detail, kind, and the weight as a share of the largest: negative if against."""
        weights = [_support(row, each) for each in row.evidence[:MAX_EVIDENCE]]
        most = max(map(abs, weights), default=0.0) or 1.0
        for each, weight in zip(row.evidence, weights, strict=False):
            kind = kind_name(each.kind, self._locale) if each.kind else ""
            source = self.say(SOURCES[each.source]) if each.source in SOURCES else printable(each.source)
            yield [source, printable(each.detail), kind, round(weight / most, 3)]


def _capitalized(words: str) -> str:
    return words[:1].upper() + words[1:]


def _in_editor(row: Row) -> str:
    """Returns format, size and memory as the engine's editor tells them."""
    found = row.editor
    if found is None:
        return ""
    size = f"{found.width} × {found.height}" if found.width and found.height else ""
    return ", ".join(filter(None, (found.format, size, bytes_text(found.memory) if found.memory else "")))


def _support(row: Row, evidence: Evidence) -> float:
    """Returns how much a piece of evidence is for the row's kind, beside the kind that it supports most."""
    own = evidence.weights.get(row.kind or "", 0.0)
    others = [weight for kind, weight in evidence.weights.items() if kind != row.kind]
    return own - max([0.0, *others])


def _explanation(row: Row) -> list[AnyText]:
    """Returns why other findings weren't raised, and what would change the verdict; empty if unknown."""
    found = getattr(row, "explanation", None)
    if found is None:
        return []
    return [*(each.message for each in found.findings if not each.raised), *found.changes]
