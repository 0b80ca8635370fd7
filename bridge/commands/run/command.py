"""`popbridge run`: the command, its options and its exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from accel.text import clauses, text
from bridge.commands import options
from bridge.commands.options import assignments, read_settings
from bridge.commands.terminal import say
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from bridge.commands.run.inputs import Found, Job
    from bridge.commands.run.local import JobFunction, OutputSink
    from bridge.commands.run.plan import Plan
    from bridge.commands.run.report import Reporter
    from bridge.host.host import Registry


EXAMPLES = """\b
Examples:
  popbridge run image.inspect textures/*.png
  popbridge run image.inspect rock.png --json
  popbridge run image.thumbnail textures -r --param size=128 --out thumbs
  popbridge run image.convert textures -r --param format=webp --out web --resume
  popbridge run image.resize+image.compress rock.png --out small \\
    --param resize.width=512 --param compress.format=bc7
Steps joined by + follow one another with no file in between. The step that a
parameter is meant for stands in front of it (`resize.width`, or `1.width`),
unless it is the only one that takes it.
`popbridge workloads` lists the workloads, `popbridge workloads NAME` the
parameters of one."""


LISTED = 3
"""Files at most that a line names."""


class Options(Struct, frozen=True):
    """What was asked for beside workload and files."""

    out: Path | None
    resume: bool
    force: bool
    as_json: bool
    daemon: bool
    timeout_s: float | None


@click.command(epilog=EXAMPLES)
@click.argument("workload", metavar="WORKLOAD[+STEP...]", shell_complete=options.steps)
@click.argument("files", nargs=-1, metavar="[FILE...]", shell_complete=options.files)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="[STEP.]NAME=VALUE",
    shell_complete=options.parameters,
    help="A parameter; JSON or text; repeatable.",
)
@click.option("--out", "folder", type=click.Path(file_okay=False), help="Folder for the files that it makes.")
@click.option("--name", metavar="NAME", help="What they are called, without a suffix, where one job is done.")
@click.option("--recursive", "-r", is_flag=True, help="A FILE may be a folder: all images in it.")
@click.option(
    "--together/--each", default=None,
    help="Whether all FILEs are one job; what the workload takes decides unless set.",
)  # fmt: skip
@click.option(
    "--resume", is_flag=True, help="Passes over what an earlier run has done, if nothing has changed."
)
@click.option("--force", is_flag=True, help="Overwrites files that no earlier run made; never an input.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per file.")
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes; one per core unless set.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, 86_400, min_open=True),
    metavar="SECONDS",
    help="How long one job may run; as long as it wants unless set.",
)
@click.option(
    "--daemon", is_flag=True, help="Has the running daemon do it, with its warm workers and models."
)
def run(
    workload: str, files: tuple[str, ...], params: tuple[str, ...], folder: str | None, name: str | None,
    recursive: bool, together: bool | None, resume: bool, force: bool, as_json: bool, workers: int | None,
    timeout: float | None, daemon: bool,
) -> int:  # fmt: skip
    """Runs WORKLOAD on each FILE, or on all of them where it takes several; exit code 1 if one failed.

    With --out, outputs are called as their inputs, in the same folders. No input is ever overwritten, and
    files that no run has made only with --force.
    """
    from bridge.commands.run.inputs import jobs
    from bridge.commands.run.plan import plan
    from bridge.host import host

    _check(folder, name, resume, workers, daemon)
    out = None if folder is None else Path(folder)
    registry = host.load()
    _check_joined(workload, files)
    given = assignments(params, "--param")
    planned = plan(workload, given, registry.workloads, registry.disabled)
    found = _found(files, recursive, out)
    _check_found(found)
    todo = jobs(found, planned, name, together=together)
    settings = _settings(registry, workers)
    logging.basicConfig(level="ERROR", format="%(message)s")
    options = Options(out, resume, force, as_json, daemon, timeout)
    return asyncio.run(_run(planned, todo, options, settings))


def _check(out: str | None, name: str | None, resume: bool, workers: int | None, daemon: bool) -> None:
    if out is None and (resume or name is not None):
        raise click.UsageError(
            say(
                text(
                    "{option} wants --out, the folder of the outputs.",
                    option="--resume" if resume else "--name",
                )
            )
        )
    if out == "":
        # As a script gives it whose variable isn't set; to Python it is the current folder.
        raise click.UsageError(say(text("--out is empty: name a folder, or . for this one.")))
    if name is not None and (not name or Path(name).name != name):
        raise click.UsageError(say(text("--name is a name alone: --out says where.")))
    if name is not None and sys.platform == "win32" and not _is_name(name):
        raise click.UsageError(
            say(text("--name: Windows gives no file the name {name}: choose another.", name=name))
        )
    if daemon and workers is not None:
        raise click.UsageError(say(text("--workers is for runs without --daemon: the daemon has its own.")))


def _is_name(name: str) -> bool:
    from bridge.server.project_paths import is_name

    # A suffix follows: it makes no other file of a device, and something of a dot at the end.
    return is_name(f"{name}.png")


def _check_joined(workload: str, files: Sequence[str]) -> None:
    """Steps are one argument, and a shell makes several of what has spaces around its `+`."""
    if files and files[0].startswith("+") and not os.path.lexists(files[0]):
        joined = workload + "".join(files[:2] if files[0] == "+" else files[:1])
        raise UserError(text("Steps are joined without spaces around the +: {joined}.", joined=joined))


def _found(files: Sequence[str], recursive: bool, out: Path | None) -> list[Found]:
    from bridge.commands.run.inputs import find
    from bridge.commands.run.outputs import Manifest
    from bridge.paths import Paths

    if not recursive or out is None:
        return find(files, recursive=recursive, out=out)
    with Manifest(Paths.find().cache / "run.db") as made:
        return find(files, recursive=recursive, out=out, made=made.is_ours)


def _check_found(found: Sequence[Found]) -> None:
    """Raises UserError where there is nothing to do: each file that isn't there costs itself alone."""
    problems = [(each.file, each.problem.reason) for each in found if each.problem]
    if not problems or len(problems) < len(found):
        return

    said = clauses(
        text("{file} {reason}", file=file or repr(file), reason=reason) for file, reason in problems[:LISTED]
    )
    if len(problems) > LISTED:
        said = text("{said}; and {count} more", said=said, count=len(problems) - LISTED)
    raise UserError(text("{said}.", said=said))


def _settings(registry: Registry, workers: int | None) -> Mapping[str, Any]:
    from bridge.paths import Paths

    flags = {"workers": workers}
    file = Paths.find().settings_file
    return read_settings(
        registry.settings, file, os.environ, flags, plugins_disabled=registry.lacks
    ).as_dict()


async def _run(plan: Plan, todo: Sequence[Job], options: Options, settings: Mapping[str, Any]) -> int:
    """The exit code."""
    from bridge.commands.run.local import Batch
    from bridge.commands.run.report import Reporter, bar

    teller = Reporter(plan.title, as_json=options.as_json, several=len(todo) > 1)
    finished = False
    try:
        with _taker(plan, todo, options, teller) as taker:
            async with _doer(plan, todo, options, settings) as doer:
                with bar(plan.title, len(todo), options.as_json) as shown:
                    teller.advance, doer.watched = shown.advance, shown.job
                    await Batch(doer, taker).run(todo)
        finished = True
    finally:
        teller.summary(len(todo), interrupted=not finished)
    return 1 if teller.counts["failed"] else 0


@contextlib.contextmanager
def _taker(plan: Plan, todo: Sequence[Job], options: Options, teller: Reporter) -> Iterator[OutputSink]:
    from bridge.commands.run.outputs import Manifest, Outputs, drafts
    from bridge.commands.run.report import DiscardOutputs, KeepOutputs
    from bridge.paths import Paths

    if options.out is None:
        yield DiscardOutputs(teller)
        return
    folder = drafts(options.out)
    try:
        with Manifest(Paths.find().cache / "run.db") as made:
            inputs = [file for job in todo for file in job.files]
            outputs = Outputs(options.out, inputs, made, force=options.force)
            yield KeepOutputs(teller, outputs, made, plan, drafts=folder, resume=options.resume)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def _doer(
    plan: Plan, todo: Sequence[Job], options: Options, settings: Mapping[str, Any]
) -> AsyncIterator[JobFunction]:
    if options.daemon:
        from bridge.commands.run.remote import remote

        async with remote(plan, todo, settings["deadline_ms"] / 1000, options.timeout_s) as doer:
            yield doer
        return
    from bridge.commands.run.local import local

    async with local(plan, settings, len(todo), options.timeout_s) as at_hand:
        yield at_hand
