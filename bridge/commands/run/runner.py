"""Runs a workload on files for the command line: from the arguments to the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from accel.text import clauses, text
from bridge.commands.options import RunOptions, read_settings
from bridge.commands.run.inputs import InputFile, RunItem, find_files, make_jobs
from bridge.commands.run.local import Batch, JobRunner, OutputSink, local_runner
from bridge.commands.run.outputs import Manifest, Outputs, staging_folder
from bridge.commands.run.plan import Plan, Plans
from bridge.commands.run.remote import remote_runner
from bridge.commands.run.report import DiscardOutputs, KeepOutputs, Reporter, progress_bar
from bridge.core.errors import UserError
from bridge.host import host
from bridge.host.host import Registry
from bridge.paths import Paths

MAX_LISTED = 3
"""Files that an error names."""


def run_files(
    workload: str,
    files: Sequence[str],
    params: Mapping[str, str],
    params_for: Sequence[tuple[str, Mapping[str, str]]],
    options: RunOptions,
    *,
    name: str | None,
    recursive: bool,
    together: bool | None,
    workers: int | None,
) -> int:
    """Returns the exit code: 1 if a job failed. Raises UserError where nothing can be run."""
    registry = host.load()
    plans = Plans(workload, params, params_for, registry.workloads, registry.disabled)
    plan = plans.usual
    if plan.makes_files and options.out is None and not options.dry_run:
        raise UserError(
            text("{name} makes files. Add --out FOLDER, or --dry-run to see only results.", name=plan.title)
        )
    with contextlib.ExitStack() as stack:
        if STDIN in files:
            spool = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            files = [_spool(spool) if file == STDIN else file for file in files]
        if options.to_stdout:
            options = replace(
                options, out=Path(stack.enter_context(tempfile.TemporaryDirectory())), quiet=True
            )
        inputs = _find_inputs(files, recursive, options.out)
        _check_inputs(inputs)
        jobs = [
            replace(job, plan=plans.plan_of(job.files[0]) if job.files else plan)
            for job in make_jobs(inputs, plan, name, together=together)
        ]
        plans.check_all_matched()
        if options.to_stdout and len(jobs) > 1:
            raise UserError(text("--out - is for one file, but there are {count}.", count=len(jobs)))
        code = _run_jobs(registry, plan, jobs, options, workers)
        if options.to_stdout and not code and options.out is not None:
            _print_file(options.out)
        return code


STDIN = "-"


def _spool(folder: Path) -> str:
    """Copies stdin to a file: workers open their inputs themselves."""
    file = folder / "stdin"
    with file.open("wb") as target:
        shutil.copyfileobj(sys.stdin.buffer, target)
    return str(file)


def _print_file(folder: Path) -> None:
    """Writes the one file in `folder` to stdout. Raises UserError if there are several, or none."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) != 1:
        raise UserError(text("--out - is for one file, but this makes {count}.", count=len(files)))
    with files[0].open("rb") as source:
        shutil.copyfileobj(source, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _run_jobs(
    registry: Registry, plan: Plan, jobs: Sequence[RunItem], options: RunOptions, workers: int | None
) -> int:
    settings = read_settings(
        registry.settings,
        Paths.find().settings_file,
        os.environ,
        {"workers": workers},
        plugins_disabled=registry.lacks,
    ).as_dict()
    logging.basicConfig(level="ERROR", format="%(message)s")
    return asyncio.run(_run(plan, jobs, options, settings))


def _find_inputs(files: Sequence[str], recursive: bool, out: Path | None) -> list[InputFile]:
    if not recursive or out is None:
        return find_files(files, recursive=recursive, out=out)
    with _manifest() as manifest:
        return find_files(files, recursive=recursive, out=out, is_output=manifest.is_ours)


def _manifest() -> Manifest:
    return Manifest(Paths.find().cache / "run.db")


def _check_inputs(inputs: Sequence[InputFile]) -> None:
    """Raises UserError if no file can be processed; a single bad file only fails its own job."""
    problems = [(each.file, each.problem.reason) for each in inputs if each.problem]
    if not problems or len(problems) < len(inputs):
        return
    listed = clauses(
        text("{file} {reason}", file=file or repr(file), reason=reason)
        for file, reason in problems[:MAX_LISTED]
    )
    if len(problems) > MAX_LISTED:
        listed = clauses((listed, text("and {count} more", count=len(problems) - MAX_LISTED)))
    raise UserError(text("{problems}.", problems=listed))


async def _run(plan: Plan, jobs: Sequence[RunItem], options: RunOptions, settings: Mapping[str, Any]) -> int:
    """Returns the exit code."""
    reporter = Reporter(
        plan.title,
        as_json=options.as_json,
        several=len(jobs) > 1,
        quiet=options.quiet,
        dry_run=options.dry_run,
        resumable=options.out is not None and not options.to_stdout,
    )
    finished = False
    try:
        with _sink(plan, jobs, options, reporter) as sink:
            async with _runner(plan, jobs, options, settings) as runner:
                with progress_bar(plan.title, len(jobs), options.as_json) as shown:
                    reporter.advance, runner.progress_context = shown.advance, shown.job
                    await Batch(runner, sink).run(jobs)
        finished = True
    finally:
        reporter.summary(len(jobs), interrupted=not finished)
    return 1 if reporter.counts["failed"] else 0


@contextlib.contextmanager
def _sink(
    plan: Plan, jobs: Sequence[RunItem], options: RunOptions, reporter: Reporter
) -> Iterator[OutputSink]:
    if options.out is None:
        yield DiscardOutputs(reporter)
        return
    staging = staging_folder(options.out)
    try:
        with _manifest() as manifest:
            inputs = [file for job in jobs for file in job.files]
            outputs = Outputs(options.out, inputs, manifest, force=options.force)
            yield KeepOutputs(reporter, outputs, manifest, plan, staging=staging, resume=options.resume)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextlib.asynccontextmanager
async def _runner(
    plan: Plan, jobs: Sequence[RunItem], options: RunOptions, settings: Mapping[str, Any]
) -> AsyncIterator[JobRunner]:
    if options.daemon:
        async with remote_runner(plan, jobs, settings["deadline_ms"] / 1000, options.timeout_s) as remote:
            yield remote
    else:
        async with local_runner(plan, settings, len(jobs), options.timeout_s) as local:
            yield local
