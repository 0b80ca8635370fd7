"""`popbridge plugins`, `popbridge workloads` and `popbridge config`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import click
import msgspec
from msgspec.inspect import Field, Type

from accel.param_errors import items, own_fields_first, words
from accel.text import AnyText, clauses, text
from accel.workload import Workload
from bridge.commands import options
from bridge.commands.options import as_json, json_text, print_json, read_settings, setting_text
from bridge.commands.run.plan import find_workload
from bridge.commands.terminal import is_narrow, look_up, paragraphs, say, table, wrap
from bridge.host import host
from bridge.host.discovery import PluginRecord
from bridge.paths import Paths

SOURCES = {
    "a flag": text("a flag"),
    "the settings file": text("the settings file"),
    "the default": text("the default"),
}
HEADS = {
    "plugin": text("plugin"),
    "distribution": text("distribution"),
    "version": text("version"),
    "status": text("status"),
    "adds": text("adds, or why it isn't loaded"),
}
KINDS = {
    "adapter": text("adapter {names}"),
    "workload": text("workload {names}"),
    "advisor": text("advisor {names}"),
    "setting": text("setting {names}"),
}
SEVERAL = {
    "adapter": text("adapters {names}"),
    "workload": text("workloads {names}"),
    "advisor": text("advisors {names}"),
    "setting": text("settings {names}"),
}
COLUMNS = (text("setting"), text("value"), text("from"), text("environment"), text("description"))
STATES = {"ok": text("ok"), "disabled": text("disabled"), "blocked": text("blocked")}
NEWS = {"new": text("{status}, new"), "changed": text("{status}, changed")}


@click.command()
@as_json
@click.option("--traceback", is_flag=True, help="Show where disabled plugins failed.")
def plugins(as_json: bool, traceback: bool) -> None:
    """List plugins.

    Shows what each plugin adds, or why it isn't loaded. A plugin is new or changed if a daemon hasn't started
    with this version of it yet.
    """
    records = host.load().plugins
    if as_json:
        for plugin in records:
            print_json(plugin)
        return
    heads = {name: say(head) for name, head in HEADS.items()}
    rows = [(one.name, one.distribution, one.version, say(_state(one)), _adds(one)) for one in records]
    if is_narrow():
        paragraphs((f"{name}  {status}", adds) for name, _, _, status, adds in rows)
    else:
        table(rows, tuple(heads.values()), less=(heads["distribution"], heads["version"]))
    for plugin in records if traceback else ():
        if plugin.status == "disabled":
            failed = say(text("{plugin}: {reason}", plugin=plugin.text, reason=plugin.reason))
            click.echo(f"\n{failed}\n{plugin.traceback}".rstrip())


def _state(plugin: PluginRecord) -> AnyText:
    status = STATES[plugin.status]
    return NEWS[plugin.news].fill(status=status) if plugin.news else status


def _adds(plugin: PluginRecord) -> str:
    """Returns the contributions by kind, or why the plugin is disabled."""
    if plugin.reason:
        return say(plugin.reason)
    by_kind: dict[str, list[str]] = {}
    for kind, _, name in (each.partition(" ") for each in plugin.provides):
        by_kind.setdefault(kind, []).append(name)
    parts = (
        (SEVERAL if len(names) > 1 else KINDS)[kind].fill(names=names) for kind, names in by_kind.items()
    )
    return say(clauses(parts)) or say(text("nothing"))


@click.command()
@click.argument("name", required=False, shell_complete=options.workloads)
@as_json
def workloads(name: str | None, as_json: bool) -> None:
    """List workloads, or one's parameters.

    `popbridge run` and editors run workloads by NAME.
    """
    registry = host.load()
    if name is None:
        listed = sorted(registry.workloads.values(), key=lambda workload: workload.name)
    else:
        listed = [find_workload(name, registry.workloads, registry.disabled)]
    if as_json:
        for workload in listed:
            print_json(_facts(workload))
        return
    if name is not None:
        for line in describe_workload(listed[0]):
            click.echo(line)
        return
    for workload in listed:
        click.echo(wrap(f"{workload.name}  {workload_summary(workload)}", 4))
    hint = say(text("`popbridge workloads NAME` shows the parameters of one."))
    click.echo(f"\n{hint}")


@click.command()
@as_json
def config(as_json: bool) -> None:
    """Show settings and where each value comes from.

    From highest to lowest precedence: flags of `popbridge serve`, environment variables, the settings file,
    defaults.
    """
    registry = host.load()
    declared = registry.settings
    paths = Paths.find()
    settings = read_settings(declared, paths.settings_file, os.environ, plugins_disabled=registry.lacks)
    if as_json:
        for setting in declared:
            print_json(
                {
                    "name": setting.name,
                    "value": settings[setting.name],
                    "source": settings.sources[setting.name],
                    "default": setting.default,
                    "environment": setting.environment,
                    "help": setting.help,
                }
            )
        return
    heads = tuple(map(say, COLUMNS))
    rows = [
        (
            s.name,
            setting_text(s, settings[s.name]),
            _source(settings.sources[s.name]),
            s.environment,
            look_up(s.help),
        )
        for s in declared
    ]
    if is_narrow():
        paragraphs((f"{name}  {value}  ({source})", about) for name, value, source, _, about in rows)
    else:
        table(rows, heads, less=(heads[3],))
    file = say(text("Settings file: {file}", file=paths.settings_file))
    click.echo(f"\n{file}")


def _source(name: str) -> str:
    """Returns the source of a value; the name of an environment variable stays."""
    return say(SOURCES.get(name, name))


def _facts(workload: Workload) -> dict[str, Any]:
    facts = {
        name: getattr(workload, name) for name in ("name", "version", "inputs", "operation", "summary", "doc")
    }
    return {**facts, "params": msgspec.json.schema(workload.params)}


def describe_workload(workload: Workload) -> Iterator[str]:
    """Yields the lines of one workload's description, wrapped to the terminal."""
    yield wrap(say(text("{name}  (version {version})", name=workload.name, version=workload.version)), 4)
    for paragraph in documentation_of(workload):
        yield ""
        yield wrap(look_up(paragraph), 0)
    yield ""
    yield wrap(say(text("Files: {files}.", files=_files(workload))), 0)
    if workload.operation:
        yield wrap(say(text("Can be a step, joined to others by +, or in image.pipeline.")), 0)
    yield ""
    shown = list(_parameters(workload.params, 2))
    yield say(text("Parameters:") if shown else text("No parameters."))
    yield from shown


def workload_summary(workload: Workload) -> str:
    """Returns the workload's summary in the user's language."""
    return look_up(workload.summary)


def documentation_of(workload: Workload) -> Iterator[str]:
    """Yields the English paragraphs of a workload's description; the first is the summary."""
    yield from (" ".join(each.split()) for each in workload.doc.split("\n\n"))


def _files(workload: Workload) -> str:
    low, high = workload.inputs
    if high <= 1:
        return say(text("none") if high == 0 else text("one; several are processed one by one"))
    count = str(low) if low == high else say(text("{low} to {high}", low=low, high=high))
    return say(
        (
            text(
                "{count}; with --together the others help with the first, else they are processed one by one"
            )
            if workload.companions
            else text("{count}, processed together")
        ).fill(count=count)
    )


def constants(workload: Workload) -> Iterator[str]:
    """Yields the English sentences that describe a workload and its parameters."""
    yield from documentation_of(workload)
    yield from _descriptions(workload.params)


def _descriptions(kind: type) -> Iterator[str]:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        bare, description = _split_description(field.type)
        yield description
        for inner in _structs(bare):
            yield from _descriptions(inner)


def _parameters(kind: type, indent: int) -> Iterator[str]:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in own_fields_first(info):
        bare, description = _split_description(field.type)
        description = look_up(description)
        head = f"{' ' * indent}{field.encode_name}{_default(field)}"
        yield wrap(f"{head}  {say(words(bare)).strip()}".rstrip(), indent + 6)
        if description:
            yield wrap(f"{' ' * (indent + 4)}{description}", indent + 4)
        for inner in _structs(bare):
            yield from _parameters(inner, indent + 6)


def _split_description(info: Type) -> tuple[Type, str]:
    """Returns a parameter's bare type and its description."""
    if isinstance(info, msgspec.inspect.UnionType):
        # In `X | None` the description is part of X.
        return info, next(filter(None, (_split_description(part)[1] for part in info.types)), "")
    if not isinstance(info, msgspec.inspect.Metadata):
        return info, ""
    inner, below = _split_description(info.type)
    return inner, str((info.extra_json_schema or {}).get("description", "")) or below


def _structs(info: Type) -> Iterator[type]:
    """Yields the objects inside a value."""
    info, _ = _split_description(items(info) or info)
    if isinstance(info, msgspec.inspect.UnionType):
        for part in info.types:
            yield from _structs(part)
    if isinstance(info, msgspec.inspect.StructType):
        yield info.cls


def _default(field: Field) -> str:
    if field.required:
        return say(text(" (required)"))
    factory: Any = field.default_factory
    return f"={json_text(field.default if factory is msgspec.NODEFAULT else factory())}"
