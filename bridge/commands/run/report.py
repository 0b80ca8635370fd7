"""Reports the results of a run: lines, JSON, a progress bar and a summary."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from accel.execution.executor import ExecutorResult
from accel.image import records
from accel.progress import OnProgress
from accel.text import AnyText, joined, text
from accel.texture.kinds import percent
from accel.workload import WorkloadError
from bridge.commands.options import json_text, print_json, show_notice, size_text
from bridge.commands.run.inputs import RunItem
from bridge.commands.run.local import Outcome
from bridge.commands.run.outputs import Inputs, Manifest, Outputs, file_states, job_key
from bridge.commands.run.plan import Plan
from bridge.commands.terminal import MINUTE_S, duration, say, screen_width
from bridge.core.text import printable, printable_lines

WRITTEN = {"name", "format", "width", "height", "channels", "bit_depth", "levels", "size"}
"""The fields of accel.image.operation.Written."""
COMPRESSED = {
    "format", "reached", "container", "width", "height", "levels", "srgb", "bits_per_pixel", "size", "ratio",
    "psnr", "tried", "kind",
}  # fmt: skip
"""The fields of accel.image.operations.textures.Compressed."""
INSPECTED = {
    "format",
    "compression",
    "width",
    "height",
    "channels",
    "bit_depth",
    "size",
    "color_model",
    "alpha",
    "grey",
}
"""The fields of accel.image.records.Inspection that its line shows."""
PACKED = {"pages", "sprites"}
"""The fields of accel.image.operations.textures.Atlas."""
FILLED = {"width", "height", "fill"}
"""The fields of its pages that their line shows."""
CLASSIFIED = {"kind", "probabilities", "advise", "evidence", "needs", "confidence"}
"""The fields of accel.texture.kinds.Classification."""


def summarize(value: Mapping[str, Any], *, several: bool = False) -> str | None:
    """Returns a known kind of result as one line, or None; some kinds only among `several` files."""
    if value.keys() >= COMPRESSED:
        return _listed(_compressed(value))
    if value.keys() >= PACKED and _is_atlas(value["pages"], value["sprites"]):
        return _listed(iter((_packed(value), images_of(value))))
    if several and value.keys() >= INSPECTED:
        return _listed(_inspected(value))
    if several and value.keys() >= CLASSIFIED:
        return _classified(value)
    return None


def format_attempts(value: Mapping[str, Any]) -> Iterator[str]:
    """Yields a line for each format that was tried to reach a target, if there were several."""
    tried = value["tried"] if value.keys() >= COMPRESSED else ()
    if len(tried) < 2:
        return
    rows = [
        (each["format"], _bits(each), size_text(each["size"]), f"{each['psnr']:.1f} dB") for each in tried
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *numbers in rows:
        parts = [each.rjust(width) for each, width in zip(numbers, widths[1:], strict=True)]
        yield "  ".join(["", name.ljust(widths[0]), *parts])


def size_of(value: Mapping[str, Any]) -> str:
    """`64 x 32`, in pixels."""
    return f"{value['width']} x {value['height']}"


def channels_of(value: Mapping[str, Any]) -> str:
    """`3 channels of 8 bit`."""
    channels = (
        text("{count} channel of {bits} bit")
        if value["channels"] == 1
        else text("{count} channels of {bits} bit")
    )
    return say(channels.fill(count=value["channels"], bits=value["bit_depth"]))


def levels_of(value: Mapping[str, Any]) -> str:
    """Returns the number of mipmap levels; empty for a single one."""
    count = value.get("levels", 1)
    return say(text("{count} levels", count=count)) if count > 1 else ""


def images_of(value: Mapping[str, Any]) -> str:
    """Returns the number of faces and layers written, or of images if only the first was written; empty
    for one.
    """
    if value.get("first_of"):
        return say(text("first of {count} images", count=value["first_of"]))
    count = value.get("images", 1)
    return say(text("{count} images", count=count)) if count > 1 else ""


def clipping_of(value: Mapping[str, Any]) -> Iterator[str]:
    """Yields the values clipped because the format can't store them."""
    for name, message in (
        ("below", text("low values clipped (lowest {value})")),
        ("above", text("high values clipped (highest {value})")),
    ):
        if value.get(name) is not None:
            yield say(message.fill(value=_number(value[name])))


def _number(value: float) -> str:
    """Formats a number with four significant digits, and the whole integer part."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _compressed(value: Mapping[str, Any]) -> Iterator[str]:
    yield value["container"].upper()
    yield value["format"] + " sRGB" * value["srgb"]
    yield size_of(value)
    yield levels_of(value)
    yield size_text(value["size"])
    yield _bits(value)
    # For a small image, the file is mostly header.
    if value["ratio"] >= 1.05:
        yield say(text("{ratio} times smaller than uncompressed", ratio=f"{value['ratio']:.1f}"))
    if value["psnr"] is not None:
        yield f"{value['psnr']:.1f} dB"
    if value["reached"] is False:
        yield say(text("target not reached"))
    yield f"kind {value['kind']}"
    yield images_of(value)
    yield from clipping_of(value)
    if value["container"] == "dds" and (value["width"] % 4 or value["height"] % 4):
        yield say(text("Direct3D needs sides that are multiples of 4"))


def _is_atlas(pages: object, sprites: object) -> bool:
    """Whether the fields are an atlas's: a plugin's value may use the same names."""
    if not isinstance(pages, list | tuple) or not isinstance(sprites, list | tuple):
        return False
    return all(
        isinstance(page, Mapping) and page.keys() >= FILLED and isinstance(page["fill"], int | float)
        for page in pages
    )


def _packed(value: Mapping[str, Any]) -> str:
    """Returns the counts; the positions of sprites are in the output files."""
    pages = (
        part
        for page in value["pages"]
        for part in (
            say(text("{size} ({share} full)", size=size_of(page), share=f"{(page['fill']):.0%}")),
            *clipping_of(page),
        )
    )
    return say(
        text(
            "sprites: {count}; pages: {pages}",
            count=f"{(len(value['sprites'])):,}",
            pages=say(text(", ")).join(pages),
        )
    )


def _inspected(value: Mapping[str, Any]) -> Iterator[str]:
    yield " ".join(filter(None, (value["format"].upper(), value["compression"])))
    yield size_of(value)
    yield channels_of(value)
    yield levels_of(value)
    yield size_text(value["size"])
    if value.get("images", 1) > 1:
        yield say(text("first of {count} images", count=value["images"]))
    yield value["color_model"]
    if value["grey"] and value["color_model"] != "grey":
        yield say(text("all pixels grey"))
    if value["alpha"]:
        yield say(text("alpha used") if value["alpha"]["used"] else text("alpha constant"))


def _classified(value: Mapping[str, Any]) -> str:
    if value["advise"]:
        return f"{value['kind']} {percent(value['confidence'])}%"
    likeliest = sorted(value["probabilities"].items(), key=lambda each: -each[1])[:2]
    kinds = (f"{kind} {share:.0%}" for kind, share in likeliest)
    return say(text("unsure: {kinds}", kinds=say(text(", ")).join(kinds)))


def _bits(value: Mapping[str, Any]) -> str:
    return say(text("{count} bits per pixel", count=f"{value['bits_per_pixel']:.3g}"))


def _listed(parts: Iterator[str]) -> str:
    return ", ".join(filter(None, parts))


WORDS = {True: text("yes"), False: text("no"), None: text("none")}

DESCRIBED = WRITTEN | {"first_of", "images", "below", "above"}
"""The fields of a written image that its line shows without their names."""
MAX_LIST_ITEMS = 12
MAX_LINES = 100
"""Objects of a list that are shown, a line each."""
MAX_TEXT = 10_000
"""Characters of a text that are shown: about two dense pages."""


def as_lines(head: str, value: Any, width: int, *, several: bool = False) -> Iterator[str]:
    """Returns `value` with the heading `head` as lines of at most `width` columns where possible.

    Among `several` files, known kinds of results with many fields are one line.
    """
    if value is None:
        yield head
        return
    if isinstance(value, Mapping) and (line := summarize(value, several=several)) is not None:
        yield f"{head}: {line}"
        yield from format_attempts(value)
        return
    short = _short(value)
    line = f"{head}: {short}"
    if not isinstance(value, Mapping) or _is_written(value) or len(line) <= width:
        yield line
        return
    yield f"{head}:"
    yield from _facts(value, width, 2)


def _facts(value: Mapping[str, Any], width: int, indent: int) -> Iterator[str]:
    for name, each in _nonempty(value).items():
        head = f"{' ' * indent}{_words(name)}"
        line = f"{head}: {_short(each)}"
        if isinstance(each, Mapping) and len(line) > width and not _is_written(each):
            yield f"{head}:"
            yield from _facts(each, width, indent + 2)
        elif isinstance(each, list) and each and all(isinstance(one, Mapping) for one in each):
            yield f"{head}:"
            yield from (f"{' ' * (indent + 2)}{line}" for line in _lines(each))
        else:
            yield line


def _lines(several: Sequence[Any]) -> Iterator[str]:
    yield from map(_short, several[:MAX_LINES])
    if len(several) > MAX_LINES:
        yield say(text("... and {count} more; --json shows all", count=f"{(len(several) - MAX_LINES):,}"))


def _nonempty(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the fields that aren't empty; all if every field is."""
    return {
        name: each for name, each in value.items() if each is not None and each not in ("", [], {})
    } or value


def _short(value: Any) -> str:
    """Returns the value on one line."""
    if isinstance(value, Mapping):
        return _map(value)
    if isinstance(value, bool) or value is None:
        return say(WORDS[value])
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bytes):
        return say(text("{count} bytes", count=f"{len(value):,}"))
    if isinstance(value, str):
        return shorten(value) or '""'
    if isinstance(value, Sequence):
        return _list(value)
    return str(value) if isinstance(value, int) else json_text(value)


def shorten(words: str) -> str:
    """Returns the text, or the beginning and length of a long one."""
    if len(words) <= MAX_TEXT:
        return words
    return say(
        text(
            "{text}... ({count} characters; --json shows all)",
            text=words[:MAX_TEXT],
            count=f"{len(words):,}",
        )
    )


def _map(value: Mapping[str, Any]) -> str:
    if _is_written(value):
        return _written(value)
    if (line := summarize(value)) is not None:
        return line
    pairs = dict(_nonempty(value))
    parts = []
    if "width" in pairs and "height" in pairs:
        parts.append(f"{pairs.pop('width')} x {pairs.pop('height')}")
    parts += [f"{_words(name)} {_nested(each)}" for name, each in pairs.items()]
    return ", ".join(parts) or say(text("nothing"))


def _nested(value: Any) -> str:
    return f"({_short(value)})" if isinstance(value, Mapping) and not _is_written(value) else _short(value)


def _list(value: Sequence[Any]) -> str:
    inner = [
        f"({_short(one)})" if isinstance(one, Mapping | list) else _short(one)
        for one in value[:MAX_LIST_ITEMS]
    ]
    if not inner:
        return say(WORDS[None])
    more = len(value) - MAX_LIST_ITEMS
    return (
        say(text("{items} and {count} more", items=" ".join(inner), count=more))
        if more > 0
        else " ".join(inner)
    )


def _words(name: object) -> str:
    # The keys of a plugin's map may be numbers.
    return str(name).replace("_", " ")


def _is_written(value: Mapping[str, Any]) -> bool:
    return value.keys() >= WRITTEN


def _written(value: Mapping[str, Any]) -> str:
    parts = [
        str(value["format"]).upper(),
        size_of(value),
        channels_of(value),
        levels_of(value),
        size_text(value["size"]),
        *(
            f"{_words(name)} {_nested(each)}"
            for name, each in _nonempty(value).items()
            if name not in DESCRIBED
        ),
        images_of(value),
        *clipping_of(value),
    ]
    return ", ".join(filter(None, parts))


COUNTS = {
    "done": text("{count} done"),
    "unchanged": text("{count} unchanged"),
    "failed": text("{count} failed"),
    "left": text("{count} not done"),
}

MAX_FAILURES = 20
"""Failures that are listed once more at the end."""
MAX_LINE_WIDTH = 120
"""The longest line, in columns, on wider screens and in files."""


class Reporter:
    """Prints the result of each job and counts them; `advance` moves the progress bar."""

    def __init__(
        self,
        title: str,
        *,
        as_json: bool,
        several: bool = False,
        quiet: bool = False,
        resumable: bool = False,
        dry_run: bool = False,
    ) -> None:
        """`several`: there is more than one job, so results are one line where possible.

        `quiet` prints failures alone; `resumable` runs that are interrupted can go on with --resume; in a
        `dry_run`, nobody wonders where the files are.
        """
        self._quiet = quiet
        self._dry_run = dry_run
        self._resumable = resumable
        self._failures: list[str] = []
        self._title = title
        self._as_json = as_json
        self._several = several
        self._dropped = False
        self._begin = time.monotonic()
        self.counts = {"done": 0, "unchanged": 0, "failed": 0}
        self.advance: Any = lambda: None

    def done(self, job: RunItem, result: ExecutorResult, written: Sequence[str]) -> None:
        self._count("done")
        if self._as_json:
            meta = {"device": result.device, "queued_ms": result.queued_ms, "run_ms": result.run_ms}
            meta |= {"reason": result.reason} if result.reason else {}
            meta |= {"texture": job.texture} if job.texture else {}
            print_json({**_subject(job), "value": result.value, "meta": {**meta, "files": written}})
            return
        if self._quiet:
            return
        head = f"{job.label} -> {written[0]}" if len(written) == 1 else job.label or self._title
        width = min(MAX_LINE_WIDTH, screen_width())
        for line in as_lines(printable(head), result.value, width, several=self._several):
            click.echo(printable_lines(line))
        if job.texture:
            click.echo(f"  {job.texture.describe()}")
        for path in written if len(written) > 1 else ():
            click.echo(printable(f"  -> {path}"))

    def failed(self, job: RunItem, error: WorkloadError) -> None:
        self._count("failed")
        reason: AnyText = error.reason
        if error.code == "worker_crashed" and not str(reason).startswith(self._title):
            reason = text("{name} crashed its worker process ({reason})", name=self._title, reason=reason)
        if self._as_json:
            print_json({**_subject(job), "error": {"code": error.code, "message": str(reason)}})
            return
        at_fault = f"{error.name}: " if error.name and len(job.files) > 1 and error.name in job.files else ""
        head = printable(f"{job.label or self._title}: {at_fault}")
        self._failures.append(f"{head}{printable_lines(shorten(say(reason)))}")
        click.echo(self._failures[-1], err=True)

    def skipped(self, job: RunItem, files: Sequence[str]) -> None:
        self._count("unchanged")
        if self._as_json:
            print_json({**_subject(job), "unchanged": True, "meta": {"files": files}})

    def dropped(self) -> None:
        """Reports once that output files were dropped."""
        if not self._dropped and not self._dry_run:
            self._dropped = True
            show_notice(
                text("Output files of {name} were dropped. Add --out FOLDER to keep them.", name=self._title)
            )

    def summary(self, total: int, *, interrupted: bool = False) -> None:
        """Prints the counts if there were several jobs, or if nothing else was printed."""
        if total < 2 and (self._as_json or not self.counts["unchanged"]):
            return
        counts = {what: count for what, count in self.counts.items() if count or what == "done"}
        missing = total - sum(self.counts.values())
        if interrupted and missing:
            counts["left"] = missing
        each = (COUNTS[what].fill(count=f"{count:,}") for what, count in counts.items())
        listed = joined(each, text("{head}, {rest}"))
        elapsed = _duration(time.monotonic() - self._begin)
        if self._several and not self._as_json and self.counts["done"]:
            # They may have scrolled away.
            for line in self._failures[:MAX_FAILURES]:
                click.echo(line, err=True)
        if not self._quiet:
            show_notice(text("{counts} in {duration}.", counts=listed, duration=elapsed))
        if interrupted and missing and self._resumable:
            show_notice(text("Go on with the same command and --resume."))

    def _count(self, what: str) -> None:
        self.counts[what] += 1
        self.advance()


def _subject(job: RunItem) -> dict[str, Any]:
    return {"file": job.files[0]} if len(job.files) == 1 else {"files": job.files}


def _duration(seconds: float) -> str:
    return say(text("{count} s", count=f"{seconds:.1f}")) if seconds < MINUTE_S else duration(seconds)


class ProgressBar:
    """Shows the number of finished jobs and the progress of running ones."""

    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self._progress = progress
        self._total = total
        self._task = progress.add_task(title, total=total, stage="")
        self._done = 0
        self._shown = 0.0
        self._running: dict[object, float] = {}

    def advance(self) -> None:
        """Counts one more finished job."""
        self._done += 1
        self._show()

    @contextlib.contextmanager
    def job(self) -> Iterator[OnProgress]:
        """Covers one job; yields its progress callback."""
        key = object()

        def tell(fraction: float, stage: str) -> None:
            self._running[key] = fraction
            # A single job has a bar only if it reports progress.
            self._progress.start()
            self._show(stage if self._total == 1 else "")

        try:
            yield tell
        finally:
            self._running.pop(key, None)

    def _show(self, stage: str = "") -> None:
        # Never moves back: finished jobs are counted in order, and a job whose worker died starts again.
        self._shown = max(self._shown, min(self._done + sum(self._running.values()), self._total))
        self._progress.update(self._task, completed=self._shown, stage=stage)


@contextlib.contextmanager
def progress_bar(title: str, total: int, as_json: bool) -> Iterator[ProgressBar]:
    """Yields a bar for several jobs, or for one that reports progress.

    Hidden without a terminal, and beside JSON lines on the same terminal.
    """
    console = Console(stderr=True)
    beside = sys.stdout.isatty()
    shown = sys.stderr.isatty() and not (as_json and beside)
    progress = Progress(
        *_columns(several=total > 1),
        console=console,
        transient=True,
        disable=not shown,
        # Otherwise output for a file would be printed above the bar.
        redirect_stdout=beside,
    )
    if total > 1:
        progress.start()
    try:
        yield ProgressBar(progress, title, total)
    finally:
        if progress.live.is_started:
            progress.stop()


def _columns(*, several: bool) -> list[ProgressColumn]:
    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.1f}/s" if task.speed else "")

    first = [TextColumn("{task.description}", markup=False), BarColumn()]
    if several:
        return [*first, MofNCompleteColumn(), Rate(), TimeRemainingColumn()]
    return [
        *first,
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[stage]}", markup=False),
    ]


class DiscardOutputs:
    """Prints results and drops files, because there isn't an output folder."""

    staging: Path | None = None

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def inputs(self, job: RunItem) -> Inputs:
        return ()

    def current(self, job: RunItem, inputs: Inputs) -> Sequence[str] | None:
        return None

    def store(self, job: RunItem, outcome: Outcome) -> None:
        if outcome.result is not None:
            self._reporter.done(job, outcome.result, [])
            if outcome.result.files:
                self._reporter.dropped()
        elif outcome.error is not None:
            self._reporter.failed(job, outcome.error)


class KeepOutputs:
    """Moves files to the output folder, or skips jobs whose outputs are up to date."""

    def __init__(
        self,
        reporter: Reporter,
        outputs: Outputs,
        manifest: Manifest,
        plan: Plan,
        *,
        staging: Path,
        resume: bool,
    ) -> None:
        self.staging: Path | None = staging
        self._reporter = reporter
        self._outputs = outputs
        self._manifest = manifest
        self._plan = plan
        self._recipes: dict[int, Any] = {}
        self._resume = resume

    def inputs(self, job: RunItem) -> Inputs:
        try:
            return file_states(job.files)
        except OSError:
            # The workload that opens the file reports the error.
            return ()

    def current(self, job: RunItem, inputs: Inputs) -> Sequence[str] | None:
        return self._manifest.current(self._key(job), inputs) if self._resume else None

    def store(self, job: RunItem, outcome: Outcome) -> None:
        if outcome.current is not None:
            self._outputs.reserve(outcome.current)
            self._reporter.skipped(job, outcome.current)
        elif outcome.error is not None:
            self._reporter.failed(job, outcome.error)
        elif outcome.result is not None:
            key = self._key(job)
            try:
                written = self._outputs.keep(job, key, outcome.result.files)
            except WorkloadError as error:
                self._reporter.failed(job, error)
                return
            self._manifest.done(key, outcome.inputs, written)
            self._reporter.done(job, outcome.result, written)

    def _key(self, job: RunItem) -> bytes:
        plan = job.plan or self._plan
        # All plans live as long as the run.
        if id(plan) not in self._recipes:
            self._recipes[id(plan)] = [plan.recipe, plan.normalized_params, records.VERSION]
        return job_key(
            self._recipes[id(plan)], job.files, f"{self._outputs.place(job)}/{job.stem or job.name}"
        )
