"""Popbridge.toml: schema, errors in words, ignore patterns.

that may be meant.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
import tomllib
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import groupby
from pathlib import Path, PureWindowsPath
from stat import S_ISDIR
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from accel.atomic_file import replace_file
from accel.text import AnyText, text
from bridge.core.errors import UserError
from bridge.core.textures import UNSETTLED, finding_code_error

WORDS = {
    "array": text("a list"), "bool": text("true or false"), "date": text("a date"),
    "datetime": text("a time"), "float": text("a number"),
    "int": text("a whole number"), "int | null": text("a whole number"), "object": text("a table"),
    "str": text("text"),
    "time": text("a time"),
}  # fmt: skip
"""What msgspec calls a value, and what people call it."""
GIVEN = {"float": text("a number with a fraction")}
"""What one that is there is called otherwise: a whole number is a number, too."""


def explain_validation_error(
    error: msgspec.ValidationError, tables: Mapping[str, type[Struct]]
) -> tuple[str, AnyText]:
    """The place and what is wrong there; `tables` are the file's by their places, `always[]` for each of a
    list."""
    reason, _, at = str(error).partition(" - at `$")
    where = at.rstrip("`").removeprefix(".")
    return where, _said(reason, where, tables)


def _said(reason: str, where: str, tables: Mapping[str, type[Struct]]) -> AnyText:
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        table = tables.get(re.sub(r"\d+", "", where))
        return _unknown(found[1], table.__struct_fields__ if table else ())
    if found := re.fullmatch(r"Object missing required field `(.*)`", reason):
        return text("`{found}` is missing", found=found[1])
    if found := re.fullmatch(r"Expected `([^`]+)` ([<>]=? ?\S+)", reason):
        return text("it must be {word} {bound}", word=_word(found[1]), bound=found[2])
    if found := re.fullmatch(r"Expected `([^`]+)`, got `([^`]+)`", reason):
        if found.groups() == ("array", "object") and f"{where}[]" in tables:
            return text("write `[[{where}]]`, in double brackets", where=where)
        return text(
            "it must be {word}, and is {given}",
            word=_word(found[1]),
            given=GIVEN.get(found[2], _word(found[2])),
        )
    return f"{reason[:1].lower()}{reason[1:]}"


def _word(kind: str) -> AnyText:
    return WORDS.get(kind, f"`{kind}`")


def _unknown(name: str, fields: Sequence[str]) -> AnyText:
    # Imported here, as few files have a mistake.
    import difflib

    near = difflib.get_close_matches(name.lower(), fields, 1)
    if near:
        return text("`{name}` isn't known here (did you mean `{near}`?)", name=name, near=near[0])
    if fields:
        known = [f"`{one}`" for one in fields]
        return text("`{name}` isn't known here; there are {known}", name=name, known=known)
    return text("`{name}` isn't known here", name=name)


FOLDERS = "(?:[^/]*/)*?"
BELOW = "(?:/.*)?"
FLAGS = re.DOTALL | re.IGNORECASE


@lru_cache(1024)
def pattern(text: str) -> re.Pattern[str]:
    """The files, below a root and with `/`, that `text` matches: also all below a folder that it matches.

    Upper and lower case are alike: to Windows and macOS they are, and the same file is to mean the same
    everywhere. `*` and `?` stay within a name, `**` between slashes is any folders; brackets
    stand for themselves, and a backslash for a slash.
    """
    inner = text.replace("\\", "/").rstrip("/")
    parts = [part for part in inner.split("/") if part]
    if not parts:
        return re.compile("(?!)")
    if "/" not in inner:
        parts = ["**", *parts]
    runs = ["/".join(map(_name, run)) for wild, run in groupby(parts, "**".__eq__) if not wild]
    first = runs.pop(0) if parts[0] != "**" else ""
    last = ".+" if parts[-1] == "**" else runs.pop() if runs else ""
    if not last:
        return re.compile(first + BELOW, FLAGS)
    # The first place that fits is as good as any other and isn't looked for again: `**/a/**/b/**/c` would
    # take the cube of a path's length else.
    between = "".join(f"(?>{FOLDERS}{run}/)" for run in runs)
    return re.compile(f"{first}{first and '/'}{between}{FOLDERS}{last}{BELOW}", FLAGS)


def _name(part: str) -> str:
    """A pattern within a name, in which only the last star is tried in more than one place."""
    first, *others = (re.escape(fixed).replace(r"\?", "[^/]") for fixed in re.split(r"\*+", part))
    if not others:
        return first
    *between, last = others
    return first + "".join(f"(?>[^/]*?{fixed})" for fixed in between) + f"[^/]*{last}"


NAME = "popbridge.toml"
MAX_BYTES = 1 << 20
"""Nobody writes more by hand; what is larger is something else."""
MAX_TOLD = 5
"""Codes that are told one by one; more are counted."""
TRIES = 5
"""How often a rule is written anew because somebody saved the file meanwhile."""
BOM = b"\xef\xbb\xbf"

ESCAPES = frozenset({"Unescaped '\\' in a string", "Invalid hex value"})
"""What the parser says of paths as Windows has them: `"Assets\\UI"`."""

HEAD = """\
# What this project's people agreed on with PopBridge: what it does to textures in a folder without asking.
# Commit this file, and edit it as you like; without a rule you are asked again.
"""

_writing = threading.Lock()


class AlwaysRule(Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[always]]`."""

    folder: str
    """Below the project's root, with `/`; `.` is the root itself, without the folders in it."""
    advice: list[str]
    """The codes of findings that are settled without asking."""

    def __post_init__(self) -> None:
        place = PureWindowsPath(self.folder)
        # On each system alike, as the file is committed; and an engine's `res://` is no folder.
        if place.anchor or ".." in place.parts or "://" in self.folder:
            raise ValueError(
                text(
                    "`folder` is `{folder}`: name it from the project's root, as in `textures/rock`",
                    folder=self.folder,
                )
            )


class TextureSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[textures]`: for the advisor and the audit alike."""

    ignore: list[str] = field(default_factory=list)
    """What is never looked at: patterns as in `.gitignore`, `**` for any folders; without `!`."""
    max_size: Annotated[int, Meta(ge=1, le=65_536)] | None = None
    """Longest side that is accepted, pixels, in the place of the setting `textures.max_size`."""

    def __post_init__(self) -> None:
        for each in self.ignore:
            if each.startswith("!"):
                raise ValueError(
                    text("`ignore` has `{pattern}`, but `!` takes nothing in again here", pattern=each)
                )
            if not each.strip("/\\ "):
                raise ValueError(text("`ignore` has `{pattern}`, which names nothing", pattern=each))

    def ignores(self, file: str, path: str = "") -> bool:
        """Whether `file`, below the project's root and with `/`, is to be passed over.

        `path` is what the engine calls it, which may be another place than its folder's.
        """
        # Of `res://a.png` the scheme and what is between its slashes would count as folders, of `/Game/a`
        # what is before the first one.
        names = {file} if not path or "://" in path or path.startswith("/") else {file, path}
        return any(pattern(wanted).fullmatch(name) for wanted in self.ignore for name in names)


class ProjectFile(Struct, frozen=True, forbid_unknown_fields=True):
    """All that the file says."""

    always: list[AlwaysRule] = field(default_factory=list)
    textures: TextureSettings = TextureSettings()

    def rules(self) -> dict[str, list[str]]:
        """The codes of findings by folder, `""` for the root, without those that are passed over."""
        rules: dict[str, list[str]] = {}
        for rule in self.always:
            codes = rules.setdefault(_folder(rule.folder), [])
            codes += [code for code in rule.advice if code not in codes and not finding_code_error(code)]
        return rules

    def passed_over(self, unsettled: Collection[str] = ()) -> dict[str, int]:
        """Codes that no rule can name, so far as is known here, and which `[[always]]` has each first.

        `unsettled` are plugins' codes that no import settings settle.
        """
        codes = ((code, number) for number, rule in enumerate(self.always) for code in rule.advice)
        found: dict[str, int] = {}
        for code, number in codes:
            if code not in found and finding_code_error(code, unsettled):
                found[code] = number
        return found


TABLES: Mapping[str, type[Struct]] = {"": ProjectFile, "always[]": AlwaysRule, "textures": TextureSettings}
"""By where they are in the file."""


def read(root: Path) -> ProjectFile:
    """What the file in `root` says; nothing without one. Raises UserError that names file and line."""
    data = _bytes(root / NAME)
    return ProjectFile() if data is None else _parse(root / NAME, data)


def passed_over(root: Path, found: ProjectFile, unsettled: Collection[str] = ()) -> list[AnyText]:
    """What of the file in `root` is passed over, and why: a sentence for each of the first codes.

    `unsettled` are plugins' codes that no import settings settle.
    """
    return list(_passed_over(root / NAME, found.passed_over(unsettled), unsettled))


def nowhere(root: Path, found: ProjectFile) -> list[AnyText]:
    """Rules of the file in `root` whose folders aren't there, a sentence each: a name may be misspelt."""
    rules = enumerate(found.always)
    gone = [(n, rule.folder) for n, rule in rules if _is_gone(root / _folder(rule.folder))]
    told: list[AnyText] = [
        text("{name}: always[{n}]: there is no folder `{folder}`.", name=NAME, n=n, folder=folder)
        for n, folder in gone[:MAX_TOLD]
    ]
    more = text(
        "{name}: {count} more rules are for folders that aren't there.", name=NAME, count=len(gone) - MAX_TOLD
    )
    return [*told, more] if len(gone) > MAX_TOLD else told


def _is_gone(folder: Path) -> bool:
    try:
        return not S_ISDIR(folder.stat().st_mode)
    except PermissionError:
        # Whether it is there can't be told from here.
        return False
    # Too long a name, for example, which `is_dir` raises too before Python 3.14.
    except (OSError, ValueError):
        return True


def _passed_over(path: Path, codes: Mapping[str, int], unsettled: Collection[str]) -> Iterator[AnyText]:
    for code, number in list(codes.items())[:MAX_TOLD]:
        known = code in UNSETTLED or code in unsettled
        said = (
            text("{path}: {place}: {mistake}. It is passed over, and the rest of the file holds.")
            if known
            else text(
                "{path}: {place}: {mistake}. It is passed over, and the rest of the file holds: a newer "
                "PopBridge may know it."
            )
        )
        yield said.fill(path=path, place=f"always[{number}]", mistake=finding_code_error(code, unsettled))
    if len(codes) > MAX_TOLD:
        yield text("{path}: {count} more codes are passed over.", path=path, count=len(codes) - MAX_TOLD)


def check_rule(where: object, folder: str, code: str) -> None:
    """Raises UserError, which names `where` the rule would be, for one that can settle nothing."""
    try:
        AlwaysRule(folder, [code])
        wrong = finding_code_error(code)
    except ValueError as error:
        wrong = str(error)
    if wrong:
        raise UserError(text("{where}: no such rule can be kept: {wrong}.", where=where, wrong=wrong))


def add_rules(root: Path, rules: Mapping[str, Sequence[str]]) -> None:
    """Adds codes of findings, by folder, to what the file has; all else in it stays, to the byte.

    Raises UserError where the file can't be read or written, or has a mistake, or would have one: it is left
    as it is then.
    """
    path = root / NAME
    for folder, codes in rules.items():
        for code in codes:
            check_rule(path, folder, code)
    with _writing:
        for _ in range(TRIES):
            before = _bytes(path)
            after = _with(path, before or b"", rules)
            if after is None:
                return
            # Somebody may have saved it in an editor meanwhile: their version is the one to add to.
            if _replace(path, before, after):
                return
    raise UserError(
        text("{path} changes all the time: save it, close it, and press the button once more.", path=path)
    )


def _parse(path: Path, data: bytes) -> ProjectFile:
    try:
        values = tomllib.loads(data.removeprefix(BOM).decode())
        return msgspec.convert(values, ProjectFile)
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise UserError(
            text("{path}, line {line}: isn't UTF-8. Save it as UTF-8.", path=path, line=number)
        ) from None
    except tomllib.TOMLDecodeError as error:
        line, reason = _place(str(error), data)
        wrong = (
            text(
                "{path}, line {line}: in double quotes a backslash begins an escape: write `/` in its place. "
                "Correct it; nothing was changed."
            )
            if reason in ESCAPES
            else text("{path}, line {line}: {reason}. Correct it; nothing was changed.")
        )
        words = f"{reason[:1].lower()}{reason[1:]}"
        raise UserError(wrong.fill(path=path, line=line, reason=words)) from None
    except msgspec.ValidationError as error:
        place, said = explain_validation_error(error, TABLES)
        wrong = (
            text("{path}: {place}: {said}. Correct it; nothing was changed.", place=place)
            if place
            else text("{path}: {said}. Correct it; nothing was changed.")
        )
        raise UserError(wrong.fill(path=path, said=said)) from None
    except RecursionError:
        raise UserError(
            text("{path} is nested far too deeply. Correct it; nothing was changed.", path=path)
        ) from None


def _place(message: str, data: bytes) -> tuple[str, str]:
    """The line and the parser's words: of `Expected ... (at line 3, column 5)` or `(at end ...)`."""
    reason, _, at = message.partition(" (at ")
    found = re.search(r"line (\d+)", at)
    line = found[1] if found else str(data.rstrip().count(b"\n") + 1)
    return line, reason


def _with(path: Path, data: bytes, rules: Mapping[str, Sequence[str]]) -> bytes | None:
    """The file's bytes with these rules; None where it has them all. Raises UserError."""
    present = _parse(path, data).rules()
    wanted = {
        folder: [code for code in codes if code not in present.get(folder, ())]
        for folder, codes in rules.items()
    }
    if not any(wanted.values()):
        return None
    mark, body = (BOM, data[len(BOM) :]) if data.startswith(BOM) else (b"", data)
    edited = mark + _edited(body.decode() or HEAD, wanted).encode()
    expected = {folder: {*present.get(folder, ()), *codes} for folder, codes in wanted.items() if codes}
    after = _parse(path, edited).rules()
    # Somebody's file is at stake: what the editing library made of it is read once more.
    if any(set(after.get(folder, ())) != codes for folder, codes in expected.items()):
        raise UserError(text("{path} can't be edited safely: add the rule by hand.", path=path))
    return edited


def _edited(text: str, wanted: Mapping[str, Sequence[str]]) -> str:
    # Imported here, as most runs of the daemon write no rule.
    import tomlkit

    windows = "\r\n" in text and not re.search(r"(?<!\r)\n", text)
    document = tomlkit.parse(text.replace("\r\n", "\n") if windows else text)
    for folder, codes in wanted.items():
        if codes:
            _add(document, folder, codes)
    edited = tomlkit.dumps(document)
    return edited.replace("\n", "\r\n") if windows else edited


def _add(document: Any, folder: str, codes: Sequence[str]) -> None:
    import tomlkit

    for rule in document.get("always", ()):
        if _folder(rule["folder"]) == folder:
            rule["advice"].extend(codes)
            return
    if "always" not in document:
        document.append("always", tomlkit.aot())
    always = document["always"]
    rule = tomlkit.table() if isinstance(always, tomlkit.items.AoT) else tomlkit.inline_table()
    if isinstance(rule, tomlkit.items.Table):
        rule.trivia.indent = "\n"
    rule.append("folder", folder or ".")
    rule.append("advice", list(codes))
    always.append(rule)


def _bytes(path: Path) -> bytes | None:
    """The file's bytes; None where there is none. Raises UserError."""
    try:
        if not path.is_file() and path.exists():
            # To open a pipe is to wait for whoever writes into it.
            raise UserError(text("{path} can't be read: it is no regular file.", path=path))
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            text(
                "{path} can't be read ({getattr}).",
                path=path,
                getattr=getattr(error, "strerror", None) or error,
            )
        ) from None
    if len(data) > MAX_BYTES:
        raise UserError(
            text(
                "{path} has more than {max_bytes} MiB: it can't be a list of rules.",
                path=path,
                max_bytes=MAX_BYTES >> 20,
            )
        )
    return data


def _replace(path: Path, before: bytes | None, after: bytes) -> bool:
    """Writes it in one step; False where the file is no longer as it was `before`. Raises UserError."""
    place = path.resolve()
    draft = place.with_name(f".{NAME}.{uuid.uuid4().hex[:12]}")
    try:
        if before is not None and not place.stat().st_mode & 0o222:
            # A folder's rights alone would let it be replaced.
            raise PermissionError(errno.EACCES, "it is read-only", str(place))
        with draft.open("xb") as file:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        if before is not None:
            shutil.copymode(place, draft)
        if _bytes(path) != before:
            return False
        replace_file(draft, place)
        return True
    except OSError as error:
        raise UserError(
            text("{path} can't be written ({strerror}).", path=path, strerror=error.strerror or error)
        ) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _folder(folder: str) -> str:
    """A folder as findings have it: `./materials/` is `materials`, `.` is empty."""
    parts = [part for part in folder.replace("\\", "/").split("/") if part not in ("", ".")]
    return "/".join(parts)
