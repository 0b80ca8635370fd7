"""`popbridge.toml`: its schema, its errors for people, its ignore patterns and its rules."""

from __future__ import annotations

import difflib
import errno
import re
import threading
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path, PureWindowsPath
from stat import S_ISDIR
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from accel.text import AnyText, Text, text
from bridge.core.errors import UserError
from bridge.core.textures import UNSETTLED, finding_code_error
from bridge.project.safe_files import ProjectFolder

WORDS = {
    "array": text("a list"), "bool": text("true or false"), "date": text("a date"),
    "datetime": text("a time"), "float": text("a number"),
    "int": text("a whole number"), "int | null": text("a whole number"), "object": text("a table"),
    "str": text("text"),
    "time": text("a time"),
}  # fmt: skip
"""The kinds of values, by msgspec's names."""
ACTUAL_WORDS = {"float": text("a number with a fraction")}
"""Other words for a value of the wrong kind: a whole number is a number, too."""


def explain_validation_error(
    error: msgspec.ValidationError, tables: Mapping[str, type[Struct]]
) -> tuple[str, AnyText]:
    """The place of an error in the file, and the error; `tables` by place, `always[]` for items of a list."""
    reason, _, at = str(error).partition(" - at `$")
    where = at.rstrip("`").removeprefix(".")
    # What a record's __post_init__ raised.
    cause = error.__cause__.args[0] if error.__cause__ and error.__cause__.args else None
    return where, cause if isinstance(cause, Text) else _explanation(reason, where, tables)


def _explanation(reason: str, where: str, tables: Mapping[str, type[Struct]]) -> AnyText:
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        table = tables.get(re.sub(r"\d+", "", where))
        return _unknown_name(found[1], table.__struct_fields__ if table else ())
    if found := re.fullmatch(r"Object missing required field `(.*)`", reason):
        return text("`{name}` is missing", name=found[1])
    if found := re.fullmatch(r"Expected `([^`]+)` ([<>]=? ?\S+)", reason):
        return text("it must be {kind} {bound}", kind=_word(found[1]), bound=found[2])
    if found := re.fullmatch(r"Expected `([^`]+)`, got `([^`]+)`", reason):
        if found.groups() == ("array", "object") and f"{where}[]" in tables:
            return text("write `[[{where}]]`, in double brackets", where=where)
        return text(
            "it must be {kind}, but is {actual}",
            kind=_word(found[1]),
            actual=ACTUAL_WORDS.get(found[2], _word(found[2])),
        )
    return f"{reason[:1].lower()}{reason[1:]}"


def _word(kind: str) -> AnyText:
    return WORDS.get(kind, f"`{kind}`")


def _unknown_name(name: str, fields: Sequence[str]) -> AnyText:
    near = difflib.get_close_matches(name.lower(), fields, 1)
    if near:
        return text("unknown name `{name}` (did you mean `{close}`?)", name=name, close=near[0])
    if fields:
        known = [f"`{one}`" for one in fields]
        return text("unknown name `{name}`; known names: {known}", name=name, known=known)
    return text("unknown name `{name}`", name=name)


FOLDERS = "(?:[^/]*/)*?"
BELOW = "(?:/.*)?"
FLAGS = re.DOTALL | re.IGNORECASE


@lru_cache(1024)
def pattern(text: str) -> re.Pattern[str]:
    """A pattern for file paths below a root, with `/`; it also matches everything in a matching folder.

    Ignores case on every system, because Windows and macOS do. `*` and `?` don't match a slash; `**` between
    slashes matches any folders. Brackets are literal, and a backslash is a slash.
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
    # Atomic groups: the first match is as good as any, and backtracking over `**/a/**/b/**/c` would take
    # cubic time.
    between = "".join(f"(?>{FOLDERS}{run}/)" for run in runs)
    return re.compile(f"{first}{first and '/'}{between}{FOLDERS}{last}{BELOW}", FLAGS)


def _name(part: str) -> str:
    """The pattern of one name; only the last star backtracks."""
    first, *others = (re.escape(fixed).replace(r"\?", "[^/]") for fixed in re.split(r"\*+", part))
    if not others:
        return first
    *between, last = others
    return first + "".join(f"(?>[^/]*?{fixed})" for fixed in between) + f"[^/]*{last}"


NAME = "popbridge.toml"
MAX_BYTES = 1 << 20
"""A larger file isn't written by hand."""
MAX_LISTED = 5
"""Codes that are listed; others are counted."""
TRIES = 5
"""How often to write a rule when others change the file at the same time."""
BOM = b"\xef\xbb\xbf"

ESCAPES = frozenset({"Unescaped '\\' in a string", "Invalid hex value"})
"""The parser's errors for Windows paths in double quotes: `"Assets\\UI"`."""

HEAD = """\
# What this project's people agreed on with PopBridge: what it does to textures in a folder without asking.
# Commit this file, and edit it as you like; without a rule you are asked again.
"""

_writing = threading.Lock()


class AlwaysRule(Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[always]]`."""

    folder: str
    """A folder below the project's root, with `/`; `.` is the root itself, without its subfolders."""
    advice: list[str]
    """The codes of findings to fix without asking."""

    def __post_init__(self) -> None:
        place = PureWindowsPath(self.folder)
        # The same on every system, because the file is committed. An engine's `res://` isn't a folder.
        if place.anchor or ".." in place.parts or "://" in self.folder:
            raise ValueError(
                text(
                    "`folder` is `{folder}`; it must be a path below the project, such as `textures/rock`",
                    folder=self.folder,
                )
            )


class TextureSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[textures]`, for import checks and audits."""

    ignore: list[str] = field(default_factory=list)
    """Files that are never checked: patterns as in `.gitignore`, `**` for any folders; without `!`."""
    max_size: Annotated[int, Meta(ge=1, le=65_536)] | None = None
    """The longest side to accept, in pixels; overrides the setting `textures.max_size`."""
    ask: bool = True
    """Whether editors show popups about imported textures; rules are followed in any case."""

    def __post_init__(self) -> None:
        for each in self.ignore:
            if each.startswith("!"):
                raise ValueError(text("`ignore` has `{pattern}`, but `!` isn't supported", pattern=each))
            if not each.strip("/\\ "):
                raise ValueError(text("`ignore` has an empty pattern, `{pattern}`", pattern=each))

    def ignores(self, file: str, path: str = "") -> bool:
        """Whether to skip `file`, a path below the project's root with `/`.

        `path` is the engine's name of the file, which may have other folders.
        """
        # The scheme of `res://a.png` and the root of `/Game/a` aren't folders.
        names = {file} if not path or "://" in path or path.startswith("/") else {file, path}
        return any(pattern(each).fullmatch(name) for each in self.ignore for name in names)


class PrivacySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[privacy]`, for what the daemon stores about the project."""

    encrypt: bool = False
    """Whether blobs made from the project's files, such as thumbnails, are encrypted."""


class ProjectFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of the file."""

    always: list[AlwaysRule] = field(default_factory=list)
    textures: TextureSettings = TextureSettings()
    privacy: PrivacySettings = PrivacySettings()

    def rules(self) -> dict[str, list[str]]:
        """The codes of findings by folder, `""` for the root, without ignored ones."""
        rules: dict[str, list[str]] = {}
        for rule in self.always:
            codes = rules.setdefault(_folder(rule.folder), [])
            codes += [code for code in rule.advice if code not in codes and not finding_code_error(code)]
        return rules

    def ignored_codes(self, unsettled: Collection[str] = ()) -> dict[str, int]:
        """Codes that no rule can have, and the index of the first `[[always]]` with each.

        `unsettled` are plugins' codes that no import settings fix.
        """
        codes = ((code, number) for number, rule in enumerate(self.always) for code in rule.advice)
        found: dict[str, int] = {}
        for code, number in codes:
            if code not in found and finding_code_error(code, unsettled):
                found[code] = number
        return found


TABLES: Mapping[str, type[Struct]] = {
    "": ProjectFile,
    "always[]": AlwaysRule,
    "textures": TextureSettings,
    "privacy": PrivacySettings,
}
"""The tables by their place in the file."""


def read(root: Path) -> ProjectFile:
    """The file in `root`; defaults without one. Raises UserError with file and line."""
    data = _bytes(root / NAME)
    return ProjectFile() if data is None else _parse(root / NAME, data)


def ignored_code_notices(root: Path, found: ProjectFile, unsettled: Collection[str] = ()) -> list[AnyText]:
    """A sentence for each ignored code of the file in `root`, up to MAX_LISTED.

    `unsettled` are plugins' codes that no import settings fix.
    """
    return list(_ignored_code_notices(root / NAME, found.ignored_codes(unsettled), unsettled))


def missing_folder_notices(root: Path, found: ProjectFile) -> list[AnyText]:
    """A sentence for each rule of the file in `root` whose folder doesn't exist, up to MAX_LISTED."""
    rules = enumerate(found.always)
    missing = [(n, rule.folder) for n, rule in rules if _is_missing(root / _folder(rule.folder))]
    notices: list[AnyText] = [
        text("{file}: always[{index}]: folder `{folder}` does not exist.", file=NAME, index=n, folder=folder)
        for n, folder in missing[:MAX_LISTED]
    ]
    if len(missing) > MAX_LISTED:
        count = len(missing) - MAX_LISTED
        notices.append(
            text("{file}: {count} more rules are for folders that do not exist.", file=NAME, count=count)
        )
    return notices


def _is_missing(folder: Path) -> bool:
    try:
        return not S_ISDIR(folder.stat().st_mode)
    except PermissionError:
        # It may exist.
        return False
    except (OSError, ValueError):
        # Too long a name, for example, for which `is_dir` raises before Python 3.14.
        return True


def _ignored_code_notices(
    path: Path, codes: Mapping[str, int], unsettled: Collection[str]
) -> Iterator[AnyText]:
    for code, number in list(codes.items())[:MAX_LISTED]:
        known = code in UNSETTLED or code in unsettled
        notice = (
            text("{path}: {place}: {reason}. The code is ignored.")
            if known
            else text("{path}: {place}: {reason}. The code is ignored; a newer PopBridge may know it.")
        )
        yield notice.fill(path=path, place=f"always[{number}]", reason=finding_code_error(code, unsettled))
    if len(codes) > MAX_LISTED:
        yield text("{path}: {count} more codes are ignored.", path=path, count=len(codes) - MAX_LISTED)


def check_rule(where: object, folder: str, code: str) -> None:
    """Raises UserError, which names `where` the rule would be, for a rule that can't apply."""
    try:
        AlwaysRule(folder, [code])
        reason = finding_code_error(code)
    except ValueError as error:
        reason = error.args[0]
    if reason:
        raise UserError(text("{where}: this rule can't be added: {reason}.", where=where, reason=reason))


def add_rules(root: Path, rules: Mapping[str, Sequence[str]]) -> None:
    """Adds codes of findings, by folder, to the file; all other bytes stay the same.

    Raises UserError if the file can't be read or written, or is invalid before or after; then it stays as it
    is.
    """
    path = root / NAME
    for folder, codes in rules.items():
        for code in codes:
            check_rule(path, folder, code)
    _edit(path, lambda data: _with(path, data, rules))


def remove_rules(root: Path, rules: Mapping[str, Sequence[str]]) -> None:
    """Removes codes of findings, by folder, from the file; rules without codes are removed, too.

    A file that contains only what `add_rules` wrote is deleted. Raises UserError like `add_rules`.
    """
    path = root / NAME
    _edit(path, lambda data: _without(path, data, rules))


def set_asking(root: Path, ask: bool) -> None:
    """Writes `ask` of `[textures]` into the file. Raises UserError like `add_rules`."""
    path = root / NAME
    _edit(path, lambda data: _asking(path, data, ask))


def _edit(path: Path, edit: Callable[[bytes], bytes | None]) -> None:
    """Replaces the file by what `edit` returns for its bytes; None leaves it, empty bytes delete it."""
    with _writing:
        for _ in range(TRIES):
            before = _bytes(path)
            after = edit(before or b"")
            if after is None:
                return
            # If somebody saved it in between, their version is edited.
            if _replace(path, before, after):
                return
    raise UserError(text("{path} keeps changing. Save it, close it and try again.", path=path))


def _parse(path: Path, data: bytes) -> ProjectFile:
    try:
        values = tomllib.loads(data.removeprefix(BOM).decode())
        return msgspec.convert(values, ProjectFile)
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise UserError(
            text("{path}, line {line} isn't UTF-8. Save the file as UTF-8.", path=path, line=number)
        ) from None
    except tomllib.TOMLDecodeError as error:
        line, reason = _place(str(error), data)
        wrong = (
            text(
                "{path}, line {line}: a backslash in double quotes begins an escape; use `/` instead. "
                "Nothing was changed."
            )
            if reason in ESCAPES
            else text("{path}, line {line}: {reason}. Fix it; nothing was changed.")
        )
        words = f"{reason[:1].lower()}{reason[1:]}"
        raise UserError(wrong.fill(path=path, line=line, reason=words)) from None
    except msgspec.ValidationError as error:
        place, explanation = explain_validation_error(error, TABLES)
        wrong = (
            text("{path}: {place}: {reason}. Fix it; nothing was changed.", place=place)
            if place
            else text("{path}: {reason}. Fix it; nothing was changed.")
        )
        raise UserError(wrong.fill(path=path, reason=explanation)) from None
    except RecursionError:
        raise UserError(
            text("{path} is nested too deeply. Fix it; nothing was changed.", path=path)
        ) from None


def _place(message: str, data: bytes) -> tuple[str, str]:
    """The line and the reason from `Expected ... (at line 3, column 5)` or `(at end ...)`."""
    reason, _, at = message.partition(" (at ")
    found = re.search(r"line (\d+)", at)
    line = found[1] if found else str(data.rstrip().count(b"\n") + 1)
    return line, reason


def _with(path: Path, data: bytes, rules: Mapping[str, Sequence[str]]) -> bytes | None:
    """The file's bytes with these rules; None if it has them all. Raises UserError."""
    present = _parse(path, data).rules()
    wanted = {
        folder: [code for code in codes if code not in present.get(folder, ())]
        for folder, codes in rules.items()
    }
    if not any(wanted.values()):
        return None
    edited = _edited(data, partial(_add_all, rules=wanted))
    expected = {folder: {*present.get(folder, ()), *codes} for folder, codes in wanted.items() if codes}
    after = _parse(path, edited).rules()
    # Checks the result of the editing library.
    if any(set(after.get(folder, ())) != codes for folder, codes in expected.items()):
        raise UserError(text("Can't edit {path} safely. Add the rule by hand.", path=path))
    return edited


def _without(path: Path, data: bytes, rules: Mapping[str, Sequence[str]]) -> bytes | None:
    """The file's bytes without these rules; None if it has none of them, empty if nothing else is left."""
    present = _parse(path, data).rules()
    if not any(code in present.get(folder, ()) for folder, codes in rules.items() for code in codes):
        return None
    edited = _edited(data, partial(_remove_all, rules=rules))
    expected = {
        folder: left
        for folder, codes in present.items()
        if (left := [code for code in codes if code not in rules.get(folder, ())])
    }
    if {folder: codes for folder, codes in _parse(path, edited).rules().items() if codes} != expected:
        raise UserError(text("Can't edit {path} safely. Delete the rule by hand.", path=path))
    return _unless_empty(edited)


def _asking(path: Path, data: bytes, ask: bool) -> bytes | None:
    """The file's bytes with this value of `ask`; the default isn't written."""
    if _parse(path, data).textures.ask == ask:
        return None
    edited = _edited(data, partial(_set_ask, ask=ask))
    if _parse(path, edited).textures.ask != ask:
        raise UserError(text("Can't edit {path} safely. Change `ask` by hand.", path=path))
    return _unless_empty(edited)


def _unless_empty(edited: bytes) -> bytes:
    return b"" if edited.decode().strip() == HEAD.strip() else edited


def _edited(data: bytes, edit: Callable[[Any], None]) -> bytes:
    """The file's bytes after `edit` has changed its tomlkit document; other lines stay the same."""
    # Most daemons never write a rule.
    import tomlkit

    mark, body = (BOM, data[len(BOM) :]) if data.startswith(BOM) else (b"", data)
    text = body.decode() or HEAD
    windows = "\r\n" in text and not re.search(r"(?<!\r)\n", text)
    document = tomlkit.parse(text.replace("\r\n", "\n") if windows else text)
    edit(document)
    edited = tomlkit.dumps(document)
    return mark + (edited.replace("\n", "\r\n") if windows else edited).encode()


def _add_all(document: Any, rules: Mapping[str, Sequence[str]]) -> None:
    for folder, codes in rules.items():
        if codes:
            _add(document, folder, codes)


def _remove_all(document: Any, rules: Mapping[str, Sequence[str]]) -> None:
    always = document["always"]
    for at in reversed(range(len(always))):
        rule = always[at]
        codes = rules.get(_folder(rule["folder"]), ())
        left = [code for code in rule["advice"] if code not in codes]
        if not left and rule["advice"]:
            del always[at]
            continue
        for code in [code for code in rule["advice"] if code in codes]:
            rule["advice"].remove(code)
    if not always:
        del document["always"]


def _set_ask(document: Any, ask: bool) -> None:
    import tomlkit

    if ask:
        del document["textures"]["ask"]
        if not document["textures"]:
            del document["textures"]
        return
    if "textures" not in document:
        document.append("textures", tomlkit.table())
    document["textures"]["ask"] = ask


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
            # Opening a pipe would block.
            raise UserError(text("Can't read {path}: it isn't a regular file.", path=path))
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            text(
                "Can't read {path} ({reason}).",
                path=path,
                reason=getattr(error, "strerror", None) or error,
            )
        ) from None
    if len(data) > MAX_BYTES:
        raise UserError(
            text(
                "{path} is larger than {limit} MiB. It can't be a list of rules.",
                path=path,
                limit=MAX_BYTES >> 20,
            )
        )
    return data


def _replace(path: Path, before: bytes | None, after: bytes) -> bool:
    """Replaces the file atomically; False if it has changed since `before`. Raises UserError."""
    try:
        with ProjectFolder(path.parent) as folder:
            if after:
                folder.write(NAME, after, was=before or b"", sync=True)
            elif before is not None:
                folder.write(NAME, after, was=before)
                folder.remove(NAME)
    except OSError as error:
        if error.errno == errno.EBUSY or (before is not None and isinstance(error, FileNotFoundError)):
            return False
        raise UserError(
            text("Can't write {path} ({reason}).", path=path, reason=error.strerror or error)
        ) from None
    return True


def _folder(folder: str) -> str:
    """A folder as in findings: `./materials/` is `materials`, `.` is empty."""
    parts = [part for part in folder.replace("\\", "/").split("/") if part not in ("", ".")]
    return "/".join(parts)
