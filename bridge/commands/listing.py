"""What there is: `popbridge plugins`, `popbridge workloads` and `popbridge config`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from bridge.commands.shared import as_json_text, read_settings, say_json, table, wrapped

if TYPE_CHECKING:
    from accel.workload import Workload

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
    table(
        [
            (p.name, p.distribution, p.version, p.status, p.reason or ", ".join(p.provides) or "nothing")
            for p in found
        ],
        ("plugin", "distribution", "version", "status", "adds, or why not"),
        less=("distribution", "version"),
    )
    for plugin in found if traceback else ():
        if plugin.status == "disabled":
            click.echo(f"\n{plugin}: {plugin.reason}\n{plugin.traceback}".rstrip())


@click.command()
@click.argument("name", required=False)
@as_json
def workloads(name: str | None, as_json: bool) -> None:
    """Lists the workloads that `popbridge run` and editors can ask for, or one's parameters by its NAME."""
    from bridge import host
    from bridge.commands.describing import described
    from bridge.commands.run.plan import known

    found = host.load().workloads
    listed = (
        sorted(found.values(), key=lambda workload: workload.name) if name is None else [known(name, found)]
    )
    if as_json:
        for workload in listed:
            say_json(_facts(workload))
        return
    if name is not None:
        for line in described(listed[0]):
            click.echo(line)
        return
    for workload in listed:
        click.echo(wrapped(f"{workload.name}  {workload.summary}", 4))
    click.echo("\n`popbridge workloads NAME` shows one with its parameters.")


@click.command()
@as_json
def config(as_json: bool) -> None:
    """Lists the settings, their values and where each comes from."""
    from bridge import host
    from bridge.paths import Paths

    declared = host.load().settings
    paths = Paths.find()
    settings = read_settings(declared, paths.settings_file, os.environ)
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
    table(
        [
            (s.name, as_json_text(settings[s.name]), settings.sources[s.name], s.environment, s.help)
            for s in declared
        ],
        ("setting", "value", "from", "environment", "what it is"),
        less=("environment",),
    )
    click.echo(f"\nSettings file: {paths.settings_file}")


def _facts(workload: Workload) -> dict[str, Any]:
    import msgspec

    facts = {name: getattr(workload, name) for name in ("name", "version", "inputs", "summary", "doc")}
    return {**facts, "params": msgspec.json.schema(workload.params)}
