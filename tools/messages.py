"""Message catalogues: collect what is said to people, check its translations, compile them.

    python tools/messages.py extract   writes the ids that a catalogue lacks into it, untranslated
    python tools/messages.py check     fails for what is missing, unused, fuzzy, or has other placeholders
    python tools/messages.py compile   writes bridge/locale/LANGUAGE.json and those of the Godot addons
    python tools/messages.py join      moves the fragments in bridge/locale/LANGUAGE.d into LANGUAGE.po

A message's id is its English text, as in gettext. In Python it stands in `text("…")` or
`plural("…", "…", n)`,
in GDScript in `say("…")`. What is declared as a plain constant for people (summaries, help) is collected from
the records themselves.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), *(str(ROOT / "plugins" / each) for each in ("godot", "unity", "unreal"))]

from babel.messages.catalog import Catalog, Message  # noqa: E402
from babel.messages.pofile import read_po, write_po  # noqa: E402

LOCALE = ROOT / "bridge" / "locale"
LANGUAGES = ("zh_CN",)
SOURCES = ("bridge", "accel", "plugins")
ADDONS = tuple((ROOT / "plugins" / "godot" / "bridge_godot" / "editor").glob("godot*/addons/popbridge"))
"""The folders of the Godot addons; each gets what it says itself."""

_SAID = re.compile(r"""\bsay(?:_plural)?\(\s*("(?:[^"\\]|\\.)*")(?:\s*,\s*("(?:[^"\\]|\\.)*"))?""")
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\w*)(?:![rsa])?(?::[^{}]*)?\}|%\((\w+)\)s")


class Id(NamedTuple):
    """A message."""

    text: str
    plural: str = ""


def messages() -> dict[Id, str]:
    """Every message of the program, and where it stands."""
    found: dict[Id, str] = {}
    for folder in SOURCES:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if "editor" not in file.parts:
                for each in of_python(file):
                    found.setdefault(each, str(file.relative_to(ROOT)))
    for addon in ADDONS:
        for each in of_addon(addon):
            found.setdefault(each, str(addon.relative_to(ROOT)))
    for text, where in declared():
        if text:
            found.setdefault(Id(text), where)
    return found


def of_python(file: Path) -> Iterator[Id]:
    """The templates in a module. Raises ValueError for one that isn't written out."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        several = node.func.id == "plural"
        if node.func.id == "text" or several:
            written = [each.value for each in node.args[: 1 + several] if isinstance(each, ast.Constant)]
            if len(written) != 1 + several or not all(isinstance(each, str) for each in written):
                raise ValueError(f"{file}:{node.lineno}: write the template out as a string")
            yield Id(*written)


def of_addon(folder: Path) -> Iterator[Id]:
    """The templates in an addon's GDScript."""
    for file in sorted(folder.rglob("*.gd")):
        for one, several in _SAID.findall(file.read_text(encoding="utf-8")):
            yield Id(json.loads(one), json.loads(several) if several and "say_plural" in one else "")


def declared() -> Iterator[tuple[str, str]]:
    """What records say to people in plain constants, and what declares it."""
    from accel.models.catalog import MODELS
    from bridge.cli import COMMANDS, GROUPS, cli
    from bridge.commands import help
    from bridge.commands.listing import constants
    from bridge.core.errors import CLOSE_CODES, ERROR_CODES
    from bridge.core.settings import SETTINGS
    from bridge.host import host

    yield ", ", "between the items of a list"
    for code in ERROR_CODES:
        yield code.text, f"error {code.name}"
        yield code.hint, f"error {code.name}"
    for close in CLOSE_CODES:
        yield close.text, f"close code {close.name}"
    for setting in SETTINGS:
        yield setting.help, f"setting {setting.name}"
    for model in MODELS.values():
        yield model.task, f"model {model.name}"
    yield "unclear", "a model's licence"
    for workload in host.load().workloads.values():
        for text in constants(workload):
            yield text, f"workload {workload.name}"
    for text in (*help.CLICK_HEADINGS, *help.CLICK_ERRORS):
        yield text, "click"
    for text in (*GROUPS, *(entry.summary for entry in COMMANDS.values())):
        yield text, "`popbridge --help`"
    yield from _help(cli, "popbridge")


def _help(command: Any, path: str) -> Iterator[tuple[str, str]]:
    import click

    from bridge.commands.help import constants

    for text in constants(command):
        yield text, f"`{path} --help`"
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _help(inner, f"{path} {name}")


def catalogue(language: str) -> Catalog:
    """The language's .po with its fragments."""
    found = _read(LOCALE / f"{language}.po", language)
    for file in fragments(language):
        for message in _read(file, language):
            if message.id:
                # Babel doesn't replace the string of a message that is there.
                found.delete(message.id)
                found[message.id] = message
    return found


def fragments(language: str) -> list[Path]:
    """Files beside the .po, by which several people can work at a time."""
    return sorted((LOCALE / f"{language}.d").glob("*.po"))


def _read(file: Path, language: str) -> Catalog:
    if not file.exists():
        return Catalog(locale=language)
    with file.open("rb") as opened:
        return read_po(opened, locale=language)


def write(found: Catalog, language: str) -> None:
    """The language's .po, sorted by id."""
    clean = Catalog(locale=language, project="PopBridge", version="", fuzzy=False)
    for message in found:
        if message.id:
            clean.add(message.id, message.string, flags=message.flags & {"fuzzy"})
    body = io.BytesIO()
    write_po(body, clean, width=0, sort_output=True, omit_header=True)
    # Babel's own header has dates, which would differ from run to run.
    header = (
        f"# PopBridge's messages in {language}; compiled by tools/messages.py.\n"
        'msgid ""\nmsgstr ""\n'
        f'"Language: {language}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Plural-Forms: {clean.plural_forms}\\n"\n\n'
    )
    (LOCALE / f"{language}.po").write_bytes(header.encode() + body.getvalue())


def problems(language: str) -> Iterator[str]:
    """What is wrong with a language's catalogue, a line each."""
    known = {_id(message): message for message in catalogue(language) if message.id}
    wanted = messages()
    for each, where in sorted(wanted.items()):
        message = known.get(each)
        if message is None:
            yield f"{language} lacks {each.text!r} ({where})"
            continue
        forms = _forms(message)
        if not all(forms):
            yield f"{language} doesn't translate {each.text!r} ({where})"
        elif message.fuzzy:
            yield f"{language} isn't sure of {each.text!r} ({where})"
        for form in filter(None, forms):
            # What is said by click knows more than we need.
            lacks = set() if where == "click" else wanted_by(each) - _placeholders(form)
            if lacks or _placeholders(form) - wanted_by(each):
                yield f"{language} has other placeholders than {each.text!r}: {form!r}"
    for each in sorted(known.keys() - wanted.keys()):
        yield f"{language} has {each.text!r}, which nothing says"


def wanted_by(each: Id) -> set[str]:
    """The placeholders that a translation has."""
    return _placeholders(each.plural or each.text)


def _id(message: Message) -> Id:
    return Id(*message.id) if isinstance(message.id, tuple | list) else Id(message.id)


def _forms(message: Message) -> Sequence[str]:
    return tuple(message.string) if isinstance(message.string, tuple | list) else (message.string,)


def _placeholders(template: str) -> set[str]:
    return {one or other for one, other in _PLACEHOLDER.findall(template) if one or other}


def compiled(language: str, wanted: Iterable[Id] | None = None) -> str:
    """The JSON of a catalogue, with those of `wanted` alone where that is given."""
    only = None if wanted is None else set(wanted)
    found: dict[str, str | Sequence[str]] = {}
    for message in catalogue(language):
        if message.id and (only is None or _id(message) in only) and all(_forms(message)):
            forms = _forms(message)
            found[_id(message).text] = list(forms) if _id(message).plural else forms[0]
    lines = (
        f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in sorted(found.items())
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def targets() -> Mapping[Path, str]:
    """Each compiled file with what belongs into it."""
    found = {LOCALE / f"{language}.json": compiled(language) for language in LANGUAGES}
    for addon in ADDONS:
        if ids := list(of_addon(addon)):
            found |= {
                addon / "locale" / f"{language}.json": compiled(language, ids) for language in LANGUAGES
            }
    return found


def extract() -> int:
    """Adds what catalogues lack, and drops what nothing says."""
    wanted = messages()
    for language in LANGUAGES:
        known = {_id(message): message for message in catalogue(language) if message.id}
        made = Catalog(locale=language)
        for each in wanted:
            old = known.get(each)
            made.add((each.text, each.plural) if each.plural else each.text, old.string if old else "")
        write(made, language)
    return 0


def check() -> int:
    """The exit code: 1 where something is wrong."""
    found = [problem for language in LANGUAGES for problem in problems(language)]
    found += [f"{file.relative_to(ROOT)} isn't current: compile it" for file in stale()]
    print("\n".join(found))
    return 1 if found else 0


def stale() -> list[Path]:
    """Compiled files that aren't what their catalogues give."""
    return [
        file
        for file, content in targets().items()
        if not file.exists() or file.read_text(encoding="utf-8") != content
    ]


def compile_all() -> int:
    """Writes the compiled files."""
    for file, content in targets().items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(content, encoding="utf-8", newline="\n")
    return 0


def join() -> int:
    """Moves fragments into their .po."""
    for language in LANGUAGES:
        write(catalogue(language), language)
        for file in fragments(language):
            file.unlink()
    return 0


COMMANDS: Mapping[str, Callable[[], int]] = {
    "extract": extract,
    "check": check,
    "compile": compile_all,
    "join": join,
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: python tools/messages.py {'|'.join(COMMANDS)}")
    sys.exit(COMMANDS[sys.argv[1]]())
