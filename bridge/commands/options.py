"""Code shared by commands: options, settings, JSON output and shell completion."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.shell_completion import CompletionItem
from msgspec import Struct

from accel.models.catalog import MODELS
from accel.text import AnyText, Text, text
from bridge.commands.terminal import say
from bridge.core.errors import UserError
from bridge.core.settings import Setting, Settings, resolve
from bridge.host.plugin_policy import read_settings_file

if TYPE_CHECKING:
    from bridge.host.host import Registry

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")


STDOUT = "-"
"""A file argument that means stdout."""
NEVER = "never"
"""The value of --fail-on that ignores findings."""


class AuditOptions(Struct, frozen=True):
    """The command line of `popbridge audit`."""

    place: str
    """A project, or a folder or file in one."""
    reports: dict[str, str | None]
    """The file of each report, by format; `-` is stdout."""
    fix: bool
    baseline: str | None
    update_baseline: bool
    severity: str
    fail_on: str
    use_names: bool
    use_cache: bool
    limit: int
    statistics: bool
    locale: str
    workers: int | None
    quiet: bool = False
    lists_all: bool = False
    """Whether the JSON report lists all textures, with explanations."""
    with_editor: bool = False
    """Whether the engine's editor is asked, too."""
    editor: str | None = None
    """The editor's program; None to search it."""
    editor_timeout_s: float = 1800
    require_project: bool = False
    """Whether a folder that is no project of a known engine is an error."""


class RunOptions(Struct, frozen=True):
    """The options of `popbridge run` that apply to the whole run."""

    out: Path | None
    resume: bool
    force: bool
    as_json: bool
    daemon: bool
    timeout_s: float | None
    quiet: bool = False
    to_stdout: bool = False
    """Whether the one output file goes to stdout."""
    dry_run: bool = False


def read_settings(
    declared: Iterable[Setting],
    file: Path,
    environment: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
    *,
    plugins_disabled: bool = False,
) -> Settings:
    """Returns the value and source of each declared setting. Raises UserError.

    Prints a notice for each ignored or old name. `plugins_disabled` as in `resolve`.
    """
    values = read_settings_file(file)
    settings = resolve(declared, flags, environment, values, str(file), plugins_disabled=plugins_disabled)
    for old, new in settings.renamed:
        show_notice(
            text("The setting `{old}` is now `{new}`; the old name still works in 0.2.", old=old, new=new)
        )
    for name in settings.ignored:
        show_notice(ignored_setting(name, str(file)))
    return settings


def ignored_setting(name: str, source: str) -> Text:
    """Returns the notice for a setting that may belong to a disabled plugin."""
    return text(
        "Ignoring {name} ({source}): it may belong to a disabled plugin. See `popbridge plugins`.",
        name=name,
        source=source,
    )


def show_notice(notice: AnyText) -> None:
    """Prints a line on stderr."""
    click.echo(f"popbridge: {say(notice)}", err=True)


def assignments(pairs: Iterable[str], option: str) -> dict[str, str]:
    """Returns the values of `NAME=VALUE` pairs by name. Raises UserError."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UserError(text("{option} {pair} isn't NAME=VALUE.", option=option, pair=repr(pair)))
        values[name] = value
    return values


def print_json(value: Any) -> None:
    """Prints one line of JSON, with texts in English. Bytes of file names that aren't UTF-8 are escaped as in
    Python."""
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
    """Returns `value` as JSON; `str(value)` for types that JSON lacks."""
    return msgspec.json.encode(value, enc_hook=str).decode()


def flag_text(setting: Setting, description: str) -> str:
    """Returns the help of a setting's flag: description, environment variable and default."""
    return f"{description} [{setting.environment}; {setting_text(setting, setting.default)}]"


def setting_text(setting: Setting, value: object) -> str:
    """Returns a setting's value as it is written in a settings file; large sizes also in KiB to GiB."""
    text = json_text(value)
    if setting.unit == "bytes" and isinstance(value, int) and value >= 1 << 10:
        return f"{text} ({size_text(value)})"
    return text


def size_text(count: int) -> str:
    """`512 bytes`, `1.5 MiB`, in the user's language."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}"
    return say(text("{count} bytes", count=count))


def _registry() -> Registry:
    # Loads the plugins: only completion pays for it.
    from bridge.host import host

    try:
        return host.load()
    except UserError:
        # The settings file is invalid; the command itself says so.
        return host.Registry()


def workloads(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Completes the name of a workload."""
    return [name for name in sorted(_registry().workloads) if name.startswith(typed)]


def steps(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Completes the last of several workloads joined by `+`."""
    before, plus, last = typed.rpartition("+")
    return [f"{before}{plus}{name}" for name in workloads(context, param, last)]


def parameters(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Completes `NAME=` for the workload on the command line; with several steps, `STEP.NAME=`."""
    known = _registry().workloads
    # While an option lacks its value, click leaves all arguments in `args`.
    workload = context.params.get("workload") or next(iter(context.args), "")
    chosen = [known[name] for name in str(workload).split("+") if name in known]
    offers = []
    for each in chosen:
        step = f"{each.name.rpartition('.')[2]}." if len(chosen) > 1 else ""
        offers += [f"{step}{field.encode_name}=" for field in msgspec.structs.fields(each.params)]
    return [offer for offer in offers if offer.startswith(typed)]


def files(context: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Leaves the completion of files to the shell."""
    return [CompletionItem(typed, type="file")]


def models(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Completes the name of a model, pulled or not."""
    return sorted(name for name in MODELS if name.startswith(typed))


def engines(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Completes the name of an engine that has an editor addon."""
    names = {adapter.engine for adapter in _registry().adapters if adapter.installer is not None}
    return sorted(name for name in names if name.startswith(typed))
