"""What there is: `popbridge plugins`, `popbridge workloads` and `popbridge config`."""

from __future__ import annotations

import os

import click

from bridge.commands.shared import as_json_text, read_settings, say_json, table, wrapped

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
@as_json
def workloads(as_json: bool) -> None:
    """Lists the workloads that `popbridge run` and editors can ask for, with their parameters."""
    import msgspec

    from bridge import host

    for workload in sorted(host.load().workloads.values(), key=lambda workload: workload.name):
        names = {field.encode_name: field for field in msgspec.structs.fields(workload.params)}
        if as_json:
            schema = msgspec.json.schema(workload.params)
            facts = {
                name: getattr(workload, name) for name in ("name", "version", "inputs", "summary", "doc")
            }
            say_json({**facts, "params": schema})
            continue
        click.echo(wrapped(f"{workload.name}  (version {workload.version})  {workload.summary}", 4))
        for name, field in names.items():
            default = "" if field.required else f"={as_json_text(field.default)}"
            click.echo(wrapped(f"    {name}{default}  {_description(workload.params, name)}".rstrip(), 8))


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


def _description(params: type, field: str) -> str:
    import msgspec

    _, parts = msgspec.json.schema_components([params])
    shape = parts.get(params.__name__, {}).get("properties", {}).get(field, {})
    return str(shape.get("description", ""))
