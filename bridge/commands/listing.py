"""Popbridge plugins, workloads, config."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import msgspec

from accel.text import text
from bridge.commands import options
from bridge.commands.options import json_text, read_settings, say_json, setting_text
from bridge.commands.terminal import is_narrow, look_up, paragraphs, say, table, wrap

if TYPE_CHECKING:
    from msgspec.inspect import Field, Type

    from accel.workload import Workload
    from bridge.core.settings import Setting
    from bridge.host.discovery import PluginRecord


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
    "adds": text("adds, or why not"),
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
COLUMNS = (text("setting"), text("value"), text("from"), text("environment"), text("what it is"))
STATES = {"ok": text("ok"), "disabled": text("disabled")}

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")


@click.command()
@as_json
@click.option("--traceback", is_flag=True, help="Where the code of disabled plugins failed.")
def plugins(as_json: bool, traceback: bool) -> None:
    """Lists the plugins, what each adds, and why one is disabled."""
    from bridge.host import host

    found = host.load().plugins
    if as_json:
        for plugin in found:
            say_json(plugin)
        return
    heads = {name: say(head) for name, head in HEADS.items()}
    rows = [(one.name, one.distribution, one.version, say(STATES[one.status]), _adds(one)) for one in found]
    if is_narrow():
        paragraphs((f"{name}  {status}", adds) for name, _, _, status, adds in rows)
    else:
        table(rows, tuple(heads.values()), less=(heads["distribution"], heads["version"]))
    for plugin in found if traceback else ():
        if plugin.status == "disabled":
            failed = say(text("{plugin}: {reason}", plugin=plugin, reason=_why(plugin)))
            click.echo(f"\n{failed}\n{plugin.traceback}".rstrip())


def _adds(plugin: PluginRecord) -> str:
    """What it gives by kinds, or why nothing."""
    if plugin.reason:
        return _why(plugin)
    given: dict[str, list[str]] = {}
    for kind, _, name in (each.partition(" ") for each in plugin.provides):
        given.setdefault(kind, []).append(name)
    named = (
        say((SEVERAL if len(names) > 1 else KINDS)[kind].fill(names=", ".join(names)))
        for kind, names in given.items()
    )
    return say(text("; ")).join(named) or say(text("nothing"))


def _why(plugin: PluginRecord) -> str:
    return say(plugin.reason)


@click.command()
@click.argument("name", required=False, shell_complete=options.workloads)
@as_json
def workloads(name: str | None, as_json: bool) -> None:
    """Lists the workloads that `popbridge run` and editors can ask for, or one's parameters by its NAME."""
    from bridge.commands.run.plan import known
    from bridge.host import host

    registry = host.load()
    found = registry.workloads
    if name is None:
        listed = sorted(found.values(), key=lambda workload: workload.name)
    else:
        listed = [known(name, found, registry.disabled)]
    if as_json:
        for workload in listed:
            say_json(_facts(workload))
        return
    if name is not None:
        for line in describe_workload(listed[0]):
            click.echo(line)
        return
    for workload in listed:
        click.echo(wrap(f"{workload.name}  {workload_summary(workload)}", 4))
    shows = say(text("`popbridge workloads NAME` shows one with its parameters."))
    click.echo(f"\n{shows}")


@click.command()
@as_json
def config(as_json: bool) -> None:
    """Lists the settings, their values and where each comes from."""
    from bridge.host import host
    from bridge.paths import Paths

    registry = host.load()
    declared = registry.settings
    paths = Paths.find()
    settings = read_settings(declared, paths.settings_file, os.environ, plugins_disabled=registry.lacks)
    if as_json:
        for setting in declared:
            say_json(
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
        (s.name, setting_text(s, settings[s.name]), _source(settings.sources[s.name]), s.environment, _is(s))
        for s in declared
    ]
    if is_narrow():
        paragraphs((_narrow(*row[:3]), row[-1]) for row in rows)
    else:
        table(rows, heads, less=(heads[3],))
    file = say(text("Settings file: {file}", file=paths.settings_file))
    click.echo(f"\n{file}")


def _narrow(name: str, value: str, source: str) -> str:
    return say(text("{name}  {value}  ({source})", name=name, value=value, source=source))


def _source(name: str) -> str:
    """Where a value comes from; a variable has its own name."""
    known = SOURCES.get(name)
    return name if known is None else say(known)


def _is(setting: Setting) -> str:
    """What a setting is; a plugin's own says it in one language alone."""
    return look_up(setting.help)


def _facts(workload: Workload) -> dict[str, Any]:
    import msgspec

    facts = {
        name: getattr(workload, name) for name in ("name", "version", "inputs", "operation", "summary", "doc")
    }
    return {**facts, "params": msgspec.json.schema(workload.params)}


def describe_workload(workload: Workload) -> Iterator[str]:
    """The lines, folded to the screen."""
    yield wrap(say(text("{name}  (version {version})", name=workload.name, version=workload.version)), 4)
    for paragraph in _paragraphs(workload):
        yield ""
        yield wrap(paragraph, 0)
    yield ""
    yield wrap(say(text("Files: {files}.", files=_files(workload))), 0)
    if workload.operation:
        yield wrap(say(text("It can be a step, joined to others by +, or in image.pipeline.")), 0)
    yield ""
    shown = list(_parameters(workload.params, 2))
    yield say(text("Parameters:") if shown else text("It takes no parameters."))
    yield from shown


def workload_summary(workload: Workload) -> str:
    """What it does, in a sentence."""
    return look_up(workload.summary)


def documentation_of(workload: Workload) -> Iterator[str]:
    """What it says of itself, in English: the summary, and more."""
    yield from (" ".join(each.split()) for each in workload.doc.split("\n\n"))


def _paragraphs(workload: Workload) -> Iterator[str]:
    yield from map(look_up, documentation_of(workload))


def _files(workload: Workload) -> str:
    low, high = workload.inputs
    if high <= 1:
        return say(text("none") if high == 0 else text("one; of several, each is done by itself"))
    count = str(low) if low == high else say(text("{low} to {high}", low=low, high=high))
    return say(
        (
            text(
                "{count}, the further ones to help with the first; each is done by itself without --together"
            )
            if workload.companions
            else text("{count}, done together")
        ).fill(count=count)
    )


def constants(workload: Workload) -> Iterator[str]:
    """What it says of itself and its parameters, in English."""
    yield from documentation_of(workload)
    yield from _descriptions(workload.params)


def _descriptions(kind: type) -> Iterator[str]:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        bare, description = _taken_apart(field.type)
        yield description
        for inner in _structs(bare):
            yield from _descriptions(inner)


def _parameters(kind: type, indent: int) -> Iterator[str]:
    from accel.param_errors import own_fields_first, words

    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in own_fields_first(info):
        bare, description = _taken_apart(field.type)
        said = say(words(bare)).strip()
        description = look_up(description)
        head = f"{' ' * indent}{field.encode_name}{_default(field)}"
        yield wrap(f"{head}  {said}".rstrip(), indent + 6)
        if description:
            yield wrap(f"{' ' * (indent + 4)}{description}", indent + 4)
        for inner in _structs(bare):
            yield from _parameters(inner, indent + 6)


def _taken_apart(info: Type) -> tuple[Type, str]:
    """The type alone, and its description."""
    if isinstance(info, msgspec.inspect.UnionType):
        # `null` beside it says nothing of what it is.
        return info, next(filter(None, (_taken_apart(part)[1] for part in info.types)), "")
    if not isinstance(info, msgspec.inspect.Metadata):
        return info, ""
    inner, below = _taken_apart(info.type)
    return inner, str((info.extra_json_schema or {}).get("description", "")) or below


def _structs(info: Type) -> Iterator[type]:
    """The objects that a value has inside."""
    from accel.param_errors import items

    info, _ = _taken_apart(items(info) or info)
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
