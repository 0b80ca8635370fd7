"""Shared options, JSON lines, completion."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.shell_completion import CompletionItem

from accel.text import AnyText, Text, text
from bridge.commands.terminal import say
from bridge.core.errors import UserError
from bridge.core.settings import Setting, Settings, resolve
from bridge.project.config import ESCAPES

if TYPE_CHECKING:
    from accel.workload import Workload


def read_settings(
    declared: Iterable[Setting],
    file: Path,
    environment: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
    *,
    plugins_disabled: bool = False,
) -> Settings:
    """As `resolve`, with the file read; warns of ignored and old names. Raises UserError."""
    values = read_settings_file(file)
    found = resolve(declared, flags, environment, values, str(file), plugins_disabled=plugins_disabled)
    for old, new in found.renamed:
        show_remark(
            text("The setting `{old}` is now `{new}`; the old name still works in 0.2.", old=old, new=new)
        )
    for name in found.ignored:
        show_remark(
            text(
                "{name} ({source}) is passed over: a plugin is disabled, see `popbridge plugins`.",
                name=name,
                source=file,
            )
        )
    return found


def show_remark(text: AnyText) -> None:
    """Something to know beside what was asked for, on stderr."""
    click.echo(f"popbridge: {say(text)}", err=True)


def read_settings_file(path: Path) -> dict[str, object]:
    """Settings by name from TOML, in tables or with dotted names; none where there is no file."""
    try:
        # Windows' editors and shells put a mark in front.
        return dict(_flat(tomllib.loads(path.read_bytes().decode("utf-8-sig"))))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise UserError(
            text(
                "The settings file {path} can't be read ({reason}): mend or remove it.",
                path=path,
                reason=_reason(error),
            )
        ) from None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return say(text("it isn't UTF-8"))
    reason, _, line = str(error).partition(" (at line ")
    if reason in ESCAPES:
        return say(
            text(
                "line {line}: in double quotes a backslash begins an escape; write / in its place",
                line=line.partition(",")[0],
            )
        )
    return getattr(error, "strerror", None) or str(error)


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def assignments(pairs: Iterable[str], what: str) -> dict[str, str]:
    """`NAME=VALUE` pairs. Raises UserError for one without a name."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UserError(text("{what} {pair} isn't NAME=VALUE.", what=what, pair=repr(pair)))
        found[name] = value
    return found


def say_json(value: Any) -> None:
    """One line of JSON, with texts in English; a file name's byte that is no UTF-8 comes out as Python's
    escape for it."""
    value = _in_english(value)
    try:
        click.echo(msgspec.json.encode(value, enc_hook=str).decode())
    except UnicodeEncodeError:
        click.echo(json.dumps(msgspec.to_builtins(value, enc_hook=str)))


def _in_english(value: Any) -> Any:
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, msgspec.Struct):
        fields = {name: _in_english(getattr(value, name)) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    if isinstance(value, Mapping):
        return {name: _in_english(one) for name, one in value.items()}
    return [_in_english(one) for one in value] if isinstance(value, list | tuple) else value


def json_text(value: object) -> str:
    """`value` as JSON; what JSON doesn't know by its own words."""
    return msgspec.json.encode(value, enc_hook=str).decode()


def flag_text(setting: Setting, about: str) -> str:
    """A setting's flag in help: what it is, its variable and its default."""
    return f"{about} [{setting.environment}; {setting_text(setting, setting.default)}]"


def setting_text(setting: Setting, value: object) -> str:
    """A setting's value as it may be set, and of many bytes how much that is."""
    text = json_text(value)
    if setting.unit == "bytes" and isinstance(value, int) and value >= 1 << 10:
        return f"{text} ({size_text(value)})"
    return text


def size_text(count: int) -> str:
    """Bytes, in the largest unit of which there is one, in the reader's language."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}"
    return say(text("{count} bytes", count=count))


def workloads(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Of one name."""
    from bridge.host import host

    return [name for name in sorted(host.load().workloads) if name.startswith(typed)]


def steps(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Of the last of several that are joined by `+`."""
    before, plus, last = typed.rpartition("+")
    return [f"{before}{plus}{name}" for name in workloads(context, param, last)]


def parameters(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """`NAME=` of the workload that is typed already; of several steps with the step in front."""
    from bridge.host import host

    known = host.load().workloads
    # Where an option lacks its value still, click leaves all arguments apart.
    workload = context.params.get("workload") or next(iter(context.args), "")
    found = [known[name] for name in str(workload).split("+") if name in known]
    return [f"{each}=" for each in _parameters(found) if f"{each}=".startswith(typed)]


def _parameters(found: Sequence[Workload]) -> Iterator[str]:
    import msgspec

    for workload in found:
        step = f"{workload.name.rpartition('.')[2]}." if len(found) > 1 else ""
        yield from (f"{step}{field.encode_name}" for field in msgspec.structs.fields(workload.params))


def files(context: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which the shell knows best."""
    return [CompletionItem(typed, type="file")]


def models(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """All that there are, on this machine or not."""
    from accel.models.catalog import MODELS

    return sorted(name for name in MODELS if name.startswith(typed))


def engines(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Those whose editors have an addon."""
    from bridge.host import host

    names = {adapter.engine for adapter in host.load().adapters if adapter.editor is not None}
    return sorted(name for name in names if name.startswith(typed))
