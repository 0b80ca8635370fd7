"""`popbridge run`: any workload from the shell, with no daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from bridge.commands.shared import assignments, read_settings, say_json
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.executor import Executor, ExecutorResult
    from accel.workload import Workload, WorkloadError

SUFFIXES = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/vnd-ms.dds": ".dds",
    "image/ktx2": ".ktx2",
}  # fmt: skip


EXAMPLES = """\b
Examples:
  popbridge run image.inspect textures/*.png
  popbridge run image.inspect rock.png --json
  popbridge run image.thumbnail *.png --param size=128 --out thumbs
`popbridge workloads` lists the workloads and their parameters."""


@click.command(epilog=EXAMPLES)
@click.argument("workload")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; JSON or text; repeatable."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files that it makes."
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per file.")
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes; one per core unless set.")
def run(
    workload: str, files: tuple[str, ...], params: tuple[str, ...], out: Path | None, as_json: bool,
    workers: int | None,
) -> int:  # fmt: skip
    """Runs WORKLOAD on each FILE; exit code 1 if one failed."""
    from bridge import host

    registry = host.load()
    record = registry.workloads.get(workload)
    if record is None:
        known = ", ".join(sorted(registry.workloads)) or "none"
        raise UserError(f"There is no workload {workload!r}; there are {known}.")
    values = {name: read_value(text) for name, text in assignments(params, "--param").items()}
    _check(record, values)
    _make_folder(out)
    logging.basicConfig(level="ERROR", format="%(message)s")
    settings = _settings(registry.settings, workers)
    job = Job(record, values, files, out, settings, as_json)
    return asyncio.run(job.run())


def read_value(text: str) -> Any:
    """`text` as JSON, or as it stands."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _check(record: Workload, values: dict[str, Any]) -> None:
    from accel.workload import WorkloadError

    try:
        record.parse(values)
        record.check_inputs(1)
    except WorkloadError as error:
        hint = "`popbridge workloads` lists the parameters."
        raise UserError(f"{record.name}: {error.reason.rstrip('?')}. {hint}") from None


def _no_file(file: str) -> WorkloadError:
    from accel.workload import WorkloadError

    if Path(file).is_dir():
        return WorkloadError("bad_input", "is a folder; name the files in it", file)
    return WorkloadError("not_found", "isn't there, or is no file", file)


def _make_folder(out: Path | None) -> None:
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder {out} can't be made ({error.strerror}).") from None


def _settings(declared: Any, workers: int | None) -> Mapping[str, Any]:
    from bridge.paths import Paths

    flags = {"workers": workers}
    return read_settings(declared, Paths.find().settings_file, os.environ, flags).as_dict()


class Job:
    """One workload on many files."""

    def __init__(
        self,
        record: Workload,
        params: dict[str, Any],
        files: Sequence[str],
        out: Path | None,
        settings: Mapping[str, Any],
        as_json: bool,
    ) -> None:
        self._record = record
        self._params = params
        self._files = files
        self._out = out
        self._settings = settings
        self._as_json = as_json
        self._taken: set[str] = set()

    async def run(self) -> int:
        """The exit code."""
        from rich.console import Console
        from rich.progress import Progress

        from accel.executor import cores

        wanted = self._settings["workers"] or cores()
        failed = 0
        async with _executor(self._settings, min(wanted, len(self._files))) as executor:
            console = Console(stderr=True)
            # Where there is no terminal, a bar would leave an empty line.
            with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
                bar = progress.add_task(self._record.name, total=len(self._files))
                async for file, outcome in self._outcomes(executor, 2 * wanted):
                    failed += not self._tell(file, outcome)
                    progress.advance(bar)
        return 1 if failed else 0

    async def _outcomes(self, executor: Executor, at_once: int) -> AsyncIterator[tuple[str, Any]]:
        """Each file's result or WorkloadError, in the files' order; few wait at a time."""
        places = asyncio.Semaphore(at_once)

        async def one(file: str) -> Any:
            async with places:
                return await self._one(executor, file)

        tasks = [asyncio.create_task(one(file)) for file in self._files]
        for file, task in zip(self._files, tasks, strict=True):
            yield file, await task

    async def _one(self, executor: Executor, file: str) -> ExecutorResult | Exception:
        from accel.workload import Input, WorkloadError

        deadline_s = self._settings["deadline_ms"] / 1000
        try:
            if not await asyncio.to_thread(Path(file).is_file):
                raise _no_file(file)
            return await executor.run(
                self._record, self._params, [Input(file, os.path.abspath(file))], deadline_s=deadline_s
            )
        except WorkloadError as error:
            return error

    def _tell(self, file: str, outcome: ExecutorResult | Exception) -> bool:
        """Prints one file's outcome and keeps its output files; gives whether it went well."""
        if isinstance(outcome, Exception):
            code, said = getattr(outcome, "code", "internal"), str(outcome)
            if code == "worker_crashed":
                said = f"{self._record.name} crashed its worker process ({said})"
            if self._as_json:
                say_json({"file": file, "error": {"code": code, "message": said}})
            else:
                click.echo(f"{file}: {said}", err=True)
            return False
        written = self._keep(file, outcome)
        meta = {"device": outcome.device, "queued_ms": outcome.queued_ms, "run_ms": outcome.run_ms}
        if self._as_json:
            say_json({"file": file, "value": outcome.value, "meta": {**meta, "files": written}})
        else:
            click.echo(f"{file}: {msgspec.json.encode(outcome.value, enc_hook=str).decode()}")
            for path in written:
                click.echo(f"  -> {path}")
        return True

    def _keep(self, file: str, outcome: ExecutorResult) -> list[str]:
        """Writes the output files into the wanted folder; gives their paths."""
        written = []
        for made in outcome.files if self._out is not None else ():
            assert self._out is not None and made.data is not None
            suffix = SUFFIXES.get(made.media_type, "")
            path = self._out / self._free_name(f"{Path(file).stem}.{made.name}", suffix)
            try:
                path.write_bytes(made.data)
            except OSError as error:
                raise UserError(f"{path} can't be written ({error.strerror}).") from None
            written.append(str(path))
        return written

    def _free_name(self, stem: str, suffix: str) -> str:
        """A name that no earlier file of this run took: two folders may both have a rock.png."""
        names = (
            f"{stem}{suffix}" if n == 1 else f"{stem}-{n}{suffix}" for n in range(1, len(self._files) + 2)
        )
        name = next(name for name in names if name.lower() not in self._taken)
        self._taken.add(name.lower())
        return name


@contextlib.asynccontextmanager
async def _executor(settings: Mapping[str, Any], workers: int) -> AsyncIterator[Executor]:
    from accel.executor import LocalExecutor
    from accel.workload import Limits
    from bridge.paths import Paths

    limits = Limits(settings["images.max_pixels"], str(Paths.find().models(settings["models.folder"])))
    executor = LocalExecutor(workers, limits, settings["worker.memory_mib"])
    try:
        await executor.start()
    except OSError as error:
        raise UserError(f"No worker process can be started ({error}).") from None
    try:
        yield executor
    finally:
        await executor.close()
