"""`popbridge doctor`: checks the installation, the daemon and a project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from accel.text import sentences, text
from bridge.audit.project import missing_path_error
from bridge.commands.options import as_json, print_json
from bridge.commands.terminal import say, wrap
from bridge.core.errors import UserError
from bridge.core.text import printable_lines
from bridge.doctor import check, daemon, machine, project
from bridge.doctor.check import Check
from bridge.host import host
from bridge.host.discovery import DISTRIBUTION
from bridge.host.host import Registry
from bridge.host.plugin_policy import PluginPolicy
from bridge.paths import Paths

GROUPS = {"machine": text("Machine"), "daemon": text("Daemon"), "project": text("Project")}
LEVELS = {"ok": text("ok"), "warning": text("warning"), "error": text("error")}


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path))
@as_json
def doctor(project: Path | None, as_json: bool) -> int:
    """Find what is wrong, and how to mend it.

    Checks this machine, the daemon and, if given, the project in the folder PROJECT. Changes nothing. Exit
    code 1 if there is an error.
    """
    if project is not None and not project.is_dir():
        raise missing_path_error(project)
    group, failed = "", False
    for each in _checks(project):
        failed = failed or each.status == "error"
        if as_json:
            print_json(each)
            continue
        if each.group != group:
            click.echo(say(GROUPS[each.group]) if not group else f"\n{say(GROUPS[each.group])}")
            group = each.group
        click.echo(_line(each))
    return int(failed)


def _checks(root: Path | None) -> Iterator[Check]:
    paths, registry = Paths.find(), _registry()
    seen = []
    for each in check.run(machine.steps(paths, registry)):
        seen.append(each)
        yield each
    yield from check.run(daemon.steps(paths, registry, seen))
    if root is not None:
        yield from check.run(project.steps(root, paths, registry))


def _registry() -> Registry:
    """Returns the plugins; only PopBridge's own if invalid settings don't tell which may be loaded."""
    try:
        return host.load()
    except UserError:
        return host.load(policy=PluginPolicy(allow=frozenset({DISTRIBUTION})))


def _line(found: Check) -> str:
    from rich.cells import cell_len

    levels = {level: say(words) for level, words in LEVELS.items()}
    width = max(map(cell_len, levels.values()))
    mark = levels[found.status]
    pad = " " * (width - cell_len(mark))
    sentence = printable_lines(say(sentences((found.found, found.remedy)))).replace("\n", " ")
    return wrap(f"  {mark}{pad}  {sentence}", width + 4)
