"""What there is: `popbridge plugins`, `popbridge workloads` and `popbridge config`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from accel.text import text
from bridge.commands import completing
from bridge.commands.language import look_up, say
from bridge.commands.screen import is_narrow, paragraphs, table, wrapped
from bridge.commands.shared import read_settings, say_json, setting_text

if TYPE_CHECKING:
    from accel.workload import Workload
    from bridge.core.settings import Setting
    from bridge.installed import PluginRecord

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
    from bridge import host

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
@click.argument("name", required=False, shell_complete=completing.workloads)
@as_json
def workloads(name: str | None, as_json: bool) -> None:
    """Lists the workloads that `popbridge run` and editors can ask for, or one's parameters by its NAME."""
    from bridge import host
    from bridge.commands.describing import described, summary
    from bridge.commands.run.plan import known

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
        for line in described(listed[0]):
            click.echo(line)
        return
    for workload in listed:
        click.echo(wrapped(f"{workload.name}  {summary(workload)}", 4))
    shows = say(text("`popbridge workloads NAME` shows one with its parameters."))
    click.echo(f"\n{shows}")


@click.command()
@as_json
def config(as_json: bool) -> None:
    """Lists the settings, their values and where each comes from."""
    from bridge import host
    from bridge.paths import Paths

    registry = host.load()
    declared = registry.settings
    paths = Paths.find()
    settings = read_settings(declared, paths.settings_file, os.environ, lacking=registry.lacks)
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
