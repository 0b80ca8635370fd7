"""`popbridge serve` and `popbridge demo`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from accel.text import AnyText, text
from bridge.commands.language import language, say
from bridge.commands.shared import assignments, flag_text, read_settings, remark
from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, may_be_a_plugins, misspelt, no_setting

Function = TypeVar("Function", bound=Callable[..., Any])


def _flag(name: str) -> str:
    return "--" + name.replace(".", "-").replace("_", "-")


def _setting_flags(function: Function) -> Function:
    """A flag for each of PopBridge's own settings; the values are checked by their declarations."""
    for setting in reversed(SETTINGS):
        text = flag_text(setting, setting.help)
        function = click.option(
            _flag(setting.name), setting.name.replace(".", "_"), metavar="VALUE", help=text
        )(function)
    return function


@click.command()
@_setting_flags
@click.option("--set", "further", multiple=True, metavar="NAME=VALUE", help="A plugin's setting; repeatable.")
def serve(further: tuple[str, ...], **values: str | None) -> None:
    """Runs the daemon that editors connect to, until Ctrl-C."""
    from bridge import host
    from bridge.paths import Paths
    from bridge.server.serve import main

    registry = host.load()
    flags: dict[str, object] = {s.name: values[s.name.replace(".", "_")] for s in SETTINGS}
    known = {setting.name for setting in registry.settings}
    for name, value in assignments(further, "--set").items():
        if name in known:
            flags[name] = value
        elif registry.lacks and may_be_a_plugins(name):
            remark(
                text(
                    "{name} ({source}) is passed over: a plugin is disabled, see `popbridge plugins`.",
                    name=name,
                    source="--set",
                )
            )
        else:
            raise UserError(text("--set {name}: {no_setting}", name=name, no_setting=no_setting(name, known)))
    paths = Paths.find()
    settings = read_settings(
        registry.settings, paths.settings_file, os.environ, flags, lacking=registry.lacks
    )
    for variable, meant in misspelt(registry.settings, os.environ):
        remark(
            text(
                "{variable} is no setting and is passed over; did you mean {meant}?",
                variable=variable,
                meant=meant,
            )
        )
    main(settings, paths, registry, _say)


def _say(line: AnyText) -> None:
    click.echo(say(line))


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for the project and the page.",
)
@click.option("--headless", is_flag=True, help="The built-in editor, even if a real one is there.")
@click.option("--project-only", is_flag=True, help="Only make the project, with its wrong settings.")
def demo(out: Path, headless: bool, project_only: bool) -> int:
    """Shows the whole way: a dozen textures, half of them imported wrongly, one popup, right settings."""
    from bridge.demo.reader import Reader
    from bridge.demo.run import run

    return run(out, headless, Reader(language()), project_only=project_only)
