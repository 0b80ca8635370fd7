"""Collects messages for people, checks their translations and compiles the catalogues.

    python tools/messages.py extract   adds missing messages to the catalogues and removes unused ones
    python tools/messages.py check     fails if messages are missing, unused or fuzzy, or placeholders differ
    python tools/messages.py compile   writes bridge/locale/LANGUAGE.json and those of the Godot addons
    python tools/messages.py join      merges the fragments in bridge/locale/LANGUAGE.d into LANGUAGE.po

A message's id is its English text, as in gettext. Messages are the arguments of `text("…")` and
`plural("…", "…", n)` in Python and of `say("…")` in GDScript, and constants in records, such as the help of
commands.
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
"""The Godot addons; each gets a catalogue of its own messages."""

_SAID = re.compile(r"""\bsay(?:_plural)?\(\s*("(?:[^"\\]|\\.)*")(?:\s*,\s*("(?:[^"\\]|\\.)*"))?""")
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\w*)(?:![rsa])?(?::[^{}]*)?\}|%\((\w+)\)s")


class Id(NamedTuple):
    """The id of a message: its English text, singular and plural."""

    text: str
    plural: str = ""


def messages() -> dict[Id, str]:
    """Returns all messages and where each is used."""
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
    """Yields the templates in a module. Raises ValueError for a template that isn't a string literal."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        has_plural = node.func.id == "plural"
        if node.func.id == "text" or has_plural:
            templates = [each.value for each in node.args[: 1 + has_plural] if isinstance(each, ast.Constant)]
            if len(templates) != 1 + has_plural or not all(isinstance(each, str) for each in templates):
                raise ValueError(f"{file}:{node.lineno}: the template must be a string literal")
            yield Id(*templates)


def of_addon(folder: Path) -> Iterator[Id]:
    """Yields the templates in an addon's GDScript."""
    for file in sorted(folder.rglob("*.gd")):
        for one, several in _SAID.findall(file.read_text(encoding="utf-8")):
            yield Id(json.loads(one), json.loads(several) if several and "say_plural" in one else "")


def declared() -> Iterator[tuple[str, str]]:
    """Yields messages that are constants in records, and where each is declared."""
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
    """Returns the language's catalogue: its .po file and its fragments."""
    found = _read(LOCALE / f"{language}.po", language)
    for file in fragments(language):
        for message in _read(file, language):
            if message.id:
                # Babel doesn't replace the translation of an existing message.
                found.delete(message.id)
                found[message.id] = message
    return found


def fragments(language: str) -> list[Path]:
    """Returns the fragments of a catalogue, separate files that avoid merge conflicts."""
    return sorted((LOCALE / f"{language}.d").glob("*.po"))


def _read(file: Path, language: str) -> Catalog:
    if not file.exists():
        return Catalog(locale=language)
    with file.open("rb") as opened:
        return read_po(opened, locale=language)


def write(found: Catalog, language: str) -> None:
    """Writes the language's .po file, sorted by id."""
    clean = Catalog(locale=language, project="PopBridge", version="", fuzzy=False)
    for message in found:
        if message.id:
            clean.add(message.id, message.string, flags=message.flags & {"fuzzy"})
    body = io.BytesIO()
    write_po(body, clean, width=0, sort_output=True, omit_header=True)
    # Babel's header contains dates, which would differ in each run.
    header = (
        f"# PopBridge's messages in {language}; compiled by tools/messages.py.\n"
        'msgid ""\nmsgstr ""\n'
        f'"Language: {language}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Plural-Forms: {clean.plural_forms}\\n"\n\n'
    )
    (LOCALE / f"{language}.po").write_bytes(header.encode() + body.getvalue())


def problems(language: str) -> Iterator[str]:
    """Yields the problems of a language's catalogue, one line each."""
    known = {_id(message): message for message in catalogue(language) if message.id}
    used = messages()
    for each, where in sorted(used.items()):
        message = known.get(each)
        if message is None:
            yield f"{language} lacks {each.text!r} ({where})"
            continue
        forms = _forms(message)
        if not all(forms):
            yield f"{language} doesn't translate {each.text!r} ({where})"
        elif message.fuzzy:
            yield f"{language} has a fuzzy translation of {each.text!r} ({where})"
        expected = _placeholders(each.plural or each.text)
        for form in filter(None, forms):
            # Translations of click's messages may omit placeholders.
            lacks = set() if where == "click" else expected - _placeholders(form)
            if lacks or _placeholders(form) - expected:
                yield f"{language} has other placeholders than {each.text!r}: {form!r}"
    for each in sorted(known.keys() - used.keys()):
        yield f"{language} has {each.text!r}, which is unused"


def _id(message: Message) -> Id:
    return Id(*message.id) if isinstance(message.id, tuple | list) else Id(message.id)


def _forms(message: Message) -> Sequence[str]:
    return tuple(message.string) if isinstance(message.string, tuple | list) else (message.string,)


def _placeholders(template: str) -> set[str]:
    return {one or other for one, other in _PLACEHOLDER.findall(template) if one or other}


def compiled(language: str, ids: Iterable[Id] | None = None) -> str:
    """Returns a catalogue as JSON, only with `ids` if they aren't None."""
    only = None if ids is None else set(ids)
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
    """Returns the compiled files and their contents."""
    found = {LOCALE / f"{language}.json": compiled(language) for language in LANGUAGES}
    for addon in ADDONS:
        if ids := list(of_addon(addon)):
            found |= {
                addon / "locale" / f"{language}.json": compiled(language, ids) for language in LANGUAGES
            }
    return found


def extract() -> int:
    """Adds missing messages to the catalogues and removes unused ones."""
    used = messages()
    for language in LANGUAGES:
        known = {_id(message): message for message in catalogue(language) if message.id}
        updated = Catalog(locale=language)
        for each in used:
            old = known.get(each)
            updated.add((each.text, each.plural) if each.plural else each.text, old.string if old else "")
        write(updated, language)
    return 0


def check() -> int:
    """Prints all problems; returns the exit code, 1 if there are any."""
    found = [problem for language in LANGUAGES for problem in problems(language)]
    found += [
        f"{file.relative_to(ROOT)} is stale: run `python tools/messages.py compile`" for file in stale()
    ]
    print("\n".join(found))
    return 1 if found else 0


def stale() -> list[Path]:
    """Returns the compiled files that differ from their catalogues."""
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
    """Merges the fragments into the .po files."""
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
