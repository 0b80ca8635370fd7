"""`popbridge serve` and `popbridge demo`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from accel.text import AnyText, text
from bridge.commands.options import assignments, flag_text, ignored_setting, read_settings, show_notice
from bridge.commands.terminal import language, say
from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, may_belong_to_plugin, misspelt_variables, unknown_setting
from bridge.host import host
from bridge.host.discovery import find_plugins
from bridge.host.plugin_policy import PluginPolicy
from bridge.paths import Paths
from bridge.store.audit_log import PROGRAM, AuditLog
from bridge.store.roots import check_root

Function = TypeVar("Function", bound=Callable[..., Any])


USUAL = ("host", "port", "workers", "gpu", "log_level")
"""Settings whose flags `serve --help` shows; `popbridge config` shows all."""


def _setting_flags(function: Function) -> Function:
    """Adds a flag for each of PopBridge's own settings; `Setting.parse` checks the values."""
    for setting in reversed(SETTINGS):
        flag = "--" + setting.name.replace(".", "-").replace("_", "-")
        function = click.option(
            flag,
            setting.name.replace(".", "_"),
            metavar="VALUE",
            help=flag_text(setting, setting.help),
            hidden=setting.name not in USUAL,
        )(function)
    return function


@click.command()
@_setting_flags
@click.option(
    "--root",
    "roots_of_run",
    multiple=True,
    metavar="DIR",
    help="Let editors open projects in DIR without a question, for this run; repeatable.",
)
@click.option("--set", "further", multiple=True, metavar="NAME=VALUE", help="A plugin's setting; repeatable.")
def serve(further: tuple[str, ...], roots_of_run: tuple[str, ...], **values: str | None) -> None:
    """Run the daemon until Ctrl-C.

    Editors connect to it. Each setting that `popbridge config` lists has a flag here: --cache-max-size
    for cache.max_size.
    """
    paths = Paths.find()
    flags: dict[str, object] = {s.name: values[s.name.replace(".", "_")] for s in SETTINGS}
    if roots_of_run:
        flags["roots"] = [check_root(root, paths.own_folders) for root in roots_of_run]
    policy = PluginPolicy.find(flags, paths)
    _record_new_plugins(paths, policy)
    registry = host.load(policy=policy)
    known = {setting.name for setting in registry.settings}
    for name, value in assignments(further, "--set").items():
        if name in known:
            flags[name] = value
        elif registry.lacks and may_belong_to_plugin(name):
            show_notice(ignored_setting(name, "--set"))
        else:
            raise UserError(text("--set {name}: {reason}", name=name, reason=unknown_setting(name, known)))
    settings = read_settings(
        registry.settings, paths.settings_file, os.environ, flags, plugins_disabled=registry.lacks
    )
    for variable, meant in misspelt_variables(registry.settings, os.environ):
        show_notice(
            text(
                "Ignoring {variable}: no such setting. Did you mean {meant}?", variable=variable, meant=meant
            )
        )
    # It needs starlette, uvicorn and numpy, which `--help` does without.
    from bridge.doctor import machine
    from bridge.doctor.check import log_findings
    from bridge.server import serve as server

    server.main(settings, paths, registry, _print_line, lambda: log_findings(machine.steps(paths, registry)))


def _record_new_plugins(paths: Paths, policy: PluginPolicy) -> None:
    """Records plugins in the audit log before their code is imported. Raises UserError."""
    for plugin, _ in find_plugins(policy):
        if plugin.news:
            AuditLog(paths).append(
                "plugin.new" if plugin.news == "new" else "plugin.changed",
                principal=PROGRAM,
                subject=plugin.name,
                detail={
                    "distribution": plugin.distribution,
                    "version": plugin.version,
                    "module": plugin.module,
                    "status": plugin.status,
                },
            )


def _print_line(line: AnyText) -> None:
    click.echo(say(line))


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for the project and the page.",
)
@click.option("--headless", is_flag=True, help="Use the built-in editor even if a real one is installed.")
@click.option("--project-only", is_flag=True, help="Only create the project, with its wrong settings.")
@click.option(
    "--open/--no-open",
    "open_editor",
    default=None,
    help="Open the project in the editor afterwards; by default, the demo asks.",
)
def demo(out: Path, headless: bool, project_only: bool, open_editor: bool | None) -> int:
    """Show the first popup on a demo project.

    Draws twelve textures, half of them imported wrongly, and fixes them through an editor.
    """
    # It draws with numpy.
    from bridge.demo.demo import run
    from bridge.demo.editor import Reader

    reader = Reader(language())
    return run(out, headless, reader, project_only=project_only, open_editor=open_editor)
