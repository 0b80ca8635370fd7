"""Placing outputs, result lines, JSON, progress."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from accel.image import records
from accel.text import AnyText, joined, text
from bridge.commands.options import json_text, say_json, show_remark, size_text
from bridge.commands.run.inputs import Job
from bridge.commands.run.local import Outcome
from bridge.commands.run.outputs import Inputs, Manifest, Outputs, file_states, job_key
from bridge.commands.terminal import MINUTE_S, duration, say, screen_width
from bridge.core.text import printable, printable_lines

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, Task
    from rich.text import Text

    from accel.execution.executor import ExecutorResult
    from accel.progress import OnProgress
    from accel.workload import WorkloadError
    from bridge.commands.run.plan import Plan


WRITTEN = {"name", "format", "width", "height", "channels", "bit_depth", "levels", "size"}
"""The facts of an image that was written: accel.image.operation.Written."""
COMPRESSED = {
    "format", "reached", "container", "width", "height", "levels", "srgb", "bits_per_pixel", "size", "ratio",
    "psnr", "tried", "kind",
}  # fmt: skip
"""accel.image.operations.textures.Compressed."""
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
"""Of accel.image.records.Inspection what its line tells, and what it is known by."""
PACKED = {"pages", "sprites"}
"""accel.image.operations.textures.Atlas."""
FILLED = {"width", "height", "fill"}
"""Of its pages what their line tells."""
CLASSIFIED = {"kind", "probabilities", "advise", "evidence"}
"""accel.texture.kinds.Classification."""


def summarize(value: Mapping[str, Any], *, several: bool = False) -> str | None:
    """A line; None for what has none. Of `several` files also what has many facts."""
    if value.keys() >= COMPRESSED:
        return _listed(_compressed(value))
    if value.keys() >= PACKED and _is_atlas(value["pages"], value["sprites"]):
        return _listed(iter((_packed(value), images_of(value))))
    if several and value.keys() >= INSPECTED:
        return _listed(_inspected(value))
    if several and value.keys() >= CLASSIFIED:
        return _classified(value)
    return None


def attempts(value: Mapping[str, Any]) -> Iterator[str]:
    """A line for each format that was tried for a target, where that was more than the one that was taken."""
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
    """Pixels."""
    return f"{value['width']} x {value['height']}"


def channels_of(value: Mapping[str, Any]) -> str:
    """How many, and how deep."""
    channels = (
        text("{count} channel of {bits} bit")
        if value["channels"] == 1
        else text("{count} channels of {bits} bit")
    )
    return say(channels.fill(count=value["channels"], bits=value["bit_depth"]))


def levels_of(value: Mapping[str, Any]) -> str:
    """Empty for a single one."""
    count = value.get("levels", 1)
    return say(text("{count} levels", count=count)) if count > 1 else ""


def images_of(value: Mapping[str, Any]) -> str:
    """Faces and layers that were written, or of how many the first alone was; empty for a single one."""
    if value.get("first_of"):
        return say(text("first of {count} images", count=value["first_of"]))
    count = value.get("images", 1)
    return say(text("{count} images", count=count)) if count > 1 else ""


def cut_of(value: Mapping[str, Any]) -> Iterator[str]:
    """What the file holds no value for."""
    for name, message in (
        ("below", text("values too low cut off (the least {value})")),
        ("above", text("values too high cut off (the largest {value})")),
    ):
        if value.get(name) is not None:
            yield say(message.fill(value=_number(value[name])))


def _number(value: float) -> str:
    """Four digits, and all before the point."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _compressed(value: Mapping[str, Any]) -> Iterator[str]:
    yield value["container"].upper()
    yield value["format"] + " sRGB" * value["srgb"]
    yield size_of(value)
    yield levels_of(value)
    yield size_text(value["size"])
    yield _bits(value)
    # Of few texels a file's header is most of it.
    if value["ratio"] >= 1.05:
        yield say(text("{ratio} times smaller than uncompressed", ratio=f"{value['ratio']:.1f}"))
    if value["psnr"] is not None:
        yield f"{value['psnr']:.1f} dB"
    if value["reached"] is False:
        yield say(text("target not reached"))
    yield f"kind {value['kind']}"
    yield images_of(value)
    yield from cut_of(value)
    if value["container"] == "dds" and (value["width"] % 4 or value["height"] % 4):
        yield say(text("Direct3D wants sides that are multiples of 4"))


def _is_atlas(pages: object, sprites: object) -> bool:
    """Whether that is what they are of: a plugin's value may call something else so."""
    if not isinstance(pages, list | tuple) or not isinstance(sprites, list | tuple):
        return False
    return all(
        isinstance(page, Mapping) and page.keys() >= FILLED and isinstance(page["fill"], int | float)
        for page in pages
    )


def _packed(value: Mapping[str, Any]) -> str:
    """No line for each sprite, as the data that is written has them."""
    pages = (
        part
        for page in value["pages"]
        for part in (
            say(text("{size} ({share} full)", size=size_of(page), share=f"{(page['fill']):.0%}")),
            *cut_of(page),
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
        yield say(text("grey throughout"))
    if value["alpha"]:
        yield say(text("alpha used") if value["alpha"]["used"] else text("alpha the same everywhere"))


def _classified(value: Mapping[str, Any]) -> str:
    shares = sorted(value["probabilities"].items(), key=lambda each: -each[1])
    if value["advise"]:
        return _share(*shares[0])
    return say(text("unsure: {kinds}", kinds=say(text(", ")).join(_share(*each) for each in shares[:2])))


def _share(kind: str, share: float) -> str:
    return f"{kind} {share:.0%}"


def _bits(value: Mapping[str, Any]) -> str:
    return say(text("{count} bits per pixel", count=f"{value['bits_per_pixel']:.3g}"))


def _listed(parts: Iterator[str]) -> str:
    return ", ".join(filter(None, parts))


WORDS = {True: text("yes"), False: text("no"), None: text("none")}

TOLD = WRITTEN | {"first_of", "images", "below", "above"}
"""Of those facts what is told in other words than its name."""
LONGEST_LIST = 12
MOST_LINES = 100
"""Objects of a list that are told, each on a line of its own."""
LONGEST_TEXT = 10_000
"""Characters of a text: what stands on two dense pages is told whole."""


def as_lines(head: str, value: Any, width: int, *, several: bool = False) -> Iterator[str]:
    """Lines that say `value` of `head`, at most `width` columns where they can be that short.

    Of `several` files, what has a screen full of facts is told in a line, if it is one that is known here.
    """
    if value is None:
        yield head
        return
    if isinstance(value, Mapping) and (line := summarize(value, several=several)) is not None:
        yield f"{head}: {line}"
        yield from attempts(value)
        return
    short = _short(value)
    line = f"{head}: {short}"
    if not isinstance(value, Mapping) or _is_written(value) or len(line) <= width:
        yield line
        return
    yield f"{head}:"
    yield from _facts(value, width, 2)


def _facts(value: Mapping[str, Any], width: int, indent: int) -> Iterator[str]:
    for name, each in _told(value).items():
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
    yield from map(_short, several[:MOST_LINES])
    if len(several) > MOST_LINES:
        yield say(
            text("... and {count} more; --json gives all of them", count=f"{(len(several) - MOST_LINES):,}")
        )


def _told(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What says something; all, where nothing does."""
    return {
        name: each for name, each in value.items() if each is not None and each not in ("", [], {})
    } or value


def _short(value: Any) -> str:
    """One line."""
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
    """A text's beginning and its length, where it is long."""
    if len(words) <= LONGEST_TEXT:
        return words
    return say(
        text(
            "{text}... ({count} characters in all; --json gives all of them)",
            text=words[:LONGEST_TEXT],
            count=f"{len(words):,}",
        )
    )


def _map(value: Mapping[str, Any]) -> str:
    if _is_written(value):
        return _written(value)
    if (line := summarize(value)) is not None:
        return line
    pairs = dict(_told(value))
    parts = []
    if "width" in pairs and "height" in pairs:
        parts.append(f"{pairs.pop('width')} x {pairs.pop('height')}")
    parts += [f"{_words(name)} {_nested(each)}" for name, each in pairs.items()]
    return ", ".join(parts) or say(text("nothing"))


def _nested(value: Any) -> str:
    return f"({_short(value)})" if isinstance(value, Mapping) and not _is_written(value) else _short(value)


def _list(value: Sequence[Any]) -> str:
    inner = [
        f"({_short(one)})" if isinstance(one, Mapping | list) else _short(one) for one in value[:LONGEST_LIST]
    ]
    if not inner:
        return say(WORDS[None])
    more = len(value) - LONGEST_LIST
    return (
        say(text("{items} and {count} more", items=" ".join(inner), count=more))
        if more > 0
        else " ".join(inner)
    )


def _words(name: object) -> str:
    # A plugin's map may have numbers for its keys.
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
        *(f"{_words(name)} {_nested(each)}" for name, each in _told(value).items() if name not in TOLD),
        images_of(value),
        *cut_of(value),
    ]
    return ", ".join(filter(None, parts))


COUNTS = {
    "done": text("{count} done"),
    "unchanged": text("{count} unchanged"),
    "failed": text("{count} failed"),
    "left": text("{count} not done"),
}

WIDEST = 120
"""Columns of a line at most, where the screen or the file has more."""


class Reporter:
    """Tells of each job and counts them; `advance` moves a bar."""

    def __init__(self, title: str, *, as_json: bool, several: bool = False) -> None:
        """`several` for more than one job, each of which is told in a line if it can be."""
        self._title = title
        self._as_json = as_json
        self._several = several
        self._dropped = False
        self._begin = time.monotonic()
        self.counts = {"done": 0, "unchanged": 0, "failed": 0}
        self.advance: Any = lambda: None

    def done(self, job: Job, result: ExecutorResult, written: Sequence[str]) -> None:
        self._count("done")
        if self._as_json:
            meta = {"device": result.device, "queued_ms": result.queued_ms, "run_ms": result.run_ms}
            meta |= {"reason": result.reason} if result.reason else {}
            say_json({**_subject(job), "value": result.value, "meta": {**meta, "files": written}})
            return
        head = f"{job.label} -> {written[0]}" if len(written) == 1 else job.label or self._title
        width = min(WIDEST, screen_width())
        for line in as_lines(printable(head), result.value, width, several=self._several):
            click.echo(printable_lines(line))
        for path in written if len(written) > 1 else ():
            click.echo(printable(f"  -> {path}"))

    def failed(self, job: Job, error: WorkloadError) -> None:
        self._count("failed")
        said: AnyText = error.reason
        if error.code == "worker_crashed" and not str(said).startswith(self._title):
            said = text("{workload} crashed its worker process ({said})", workload=self._title, said=said)
        if self._as_json:
            say_json({**_subject(job), "error": {"code": error.code, "message": str(said)}})
            return
        at_fault = f"{error.name}: " if error.name and len(job.files) > 1 and error.name in job.files else ""
        head = printable(f"{job.label or self._title}: {at_fault}")
        click.echo(f"{head}{printable_lines(shorten(say(said)))}", err=True)

    def skipped(self, job: Job, files: Sequence[str]) -> None:
        self._count("unchanged")
        if self._as_json:
            say_json({**_subject(job), "unchanged": True, "meta": {"files": files}})

    def dropped(self) -> None:
        """Says once that the files are gone."""
        if not self._dropped:
            self._dropped = True
            show_remark(
                text("the files that {workload} makes aren't kept: add --out FOLDER.", workload=self._title)
            )

    def summary(self, total: int, *, interrupted: bool = False) -> None:
        """The last line, where there was more than one job, or where else nothing would be said."""
        if total < 2 and (self._as_json or not self.counts["unchanged"]):
            return
        counts = {what: count for what, count in self.counts.items() if count or what == "done"}
        left = total - sum(self.counts.values())
        if interrupted and left:
            counts["left"] = left
        each = (COUNTS[what].fill(count=f"{count:,}") for what, count in counts.items())
        listed = joined(each, text("{head}, {rest}"))
        took = _duration(time.monotonic() - self._begin)
        show_remark(text("{counts} in {duration}.", counts=listed, duration=took))

    def _count(self, what: str) -> None:
        self.counts[what] += 1
        self.advance()


def _subject(job: Job) -> dict[str, Any]:
    return {"file": job.files[0]} if len(job.files) == 1 else {"files": job.files}


def _duration(seconds: float) -> str:
    return say(text("{count} s", count=f"{seconds:.1f}")) if seconds < MINUTE_S else duration(seconds)


class Bar:
    """How many jobs are done, and how far those are that run."""

    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self._progress = progress
        self._total = total
        self._task = progress.add_task(title, total=total, stage="")
        self._done = 0
        self._shown = 0.0
        self._running: dict[object, float] = {}

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        self._show()

    @contextlib.contextmanager
    def job(self) -> Iterator[OnProgress]:
        """A job runs meanwhile; gives what is told how far it is."""
        key = object()

        def tell(fraction: float, stage: str) -> None:
            self._running[key] = fraction
            # A single job has a bar only where it says how far it is.
            self._progress.start()
            self._show(stage if self._total == 1 else "")

        try:
            yield tell
        finally:
            self._running.pop(key, None)

    def _show(self, stage: str = "") -> None:
        # What has ended is counted only when its turn comes, and a job whose worker died begins anew.
        self._shown = max(self._shown, min(self._done + sum(self._running.values()), self._total))
        self._progress.update(self._task, completed=self._shown, stage=stage)


@contextlib.contextmanager
def bar(title: str, total: int, as_json: bool) -> Iterator[Bar]:
    """Shown where there are several jobs, and for one that says how far it is.

    Not where it would disturb lines of JSON on the same terminal.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    beside = sys.stdout.isatty()
    shown = sys.stderr.isatty() and not (as_json and beside)
    progress = Progress(
        *_columns(several=total > 1),
        console=console,
        transient=True,
        disable=not shown,
        # Else what goes into a file would be printed above the bar.
        redirect_stdout=beside,
    )
    if total > 1:
        progress.start()
    try:
        yield Bar(progress, title, total)
    finally:
        if progress.live.is_started:
            progress.stop()


def _columns(*, several: bool) -> list[ProgressColumn]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

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
    """Without a folder for outputs: values are told, files are dropped."""

    drafts: Path | None = None

    def __init__(self, teller: Reporter) -> None:
        self._teller = teller

    def inputs(self, job: Job) -> Inputs:
        return ()

    def current(self, job: Job, inputs: Inputs) -> Sequence[str] | None:
        return None

    def take(self, job: Job, outcome: Outcome) -> None:
        if outcome.result is not None:
            self._teller.done(job, outcome.result, [])
            if outcome.result.files:
                self._teller.dropped()
        elif outcome.error is not None:
            self._teller.failed(job, outcome.error)


class KeepOutputs:
    """With one: files are kept, and earlier ones of the same may be good enough."""

    def __init__(
        self, teller: Reporter, outputs: Outputs, made: Manifest, plan: Plan, *, drafts: Path, resume: bool
    ) -> None:
        self.drafts: Path | None = drafts
        self._teller = teller
        self._outputs = outputs
        self._made = made
        self._recipe = [plan.recipe, plan.essence, records.VERSION]
        self._resume = resume

    def inputs(self, job: Job) -> Inputs:
        try:
            return file_states(job.files)
        except OSError:
            # Whoever opens it says what is wrong.
            return ()

    def current(self, job: Job, inputs: Inputs) -> Sequence[str] | None:
        return self._made.current(self._key(job), inputs) if self._resume else None

    def take(self, job: Job, outcome: Outcome) -> None:
        from accel.workload import WorkloadError

        if outcome.current is not None:
            self._outputs.reserve(outcome.current)
            self._teller.skipped(job, outcome.current)
        elif outcome.error is not None:
            self._teller.failed(job, outcome.error)
        elif outcome.result is not None:
            key = self._key(job)
            try:
                written = self._outputs.keep(job, key, outcome.result.files)
            except WorkloadError as error:
                self._teller.failed(job, error)
                return
            self._made.done(key, outcome.inputs, written)
            self._teller.done(job, outcome.result, written)

    def _key(self, job: Job) -> bytes:
        return job_key(self._recipe, job.files, f"{self._outputs.place(job)}/{job.stem or job.name}")
