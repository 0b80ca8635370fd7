"""What a workload is: a pure function from typed parameters and bytes to a value and bytes."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec
from msgspec import Struct

from accel.text import AnyText, Text, TextError, plural, text


class WorkloadError(TextError):
    """A workload can't do what was asked.

    `code` is the name of one of the bridge's error codes (docs/errors.md). A workload's own are `bad_params`
    (parameters that don't go together), `bad_input` (a file is broken), `unsupported` (it is of a kind that
    the workload can't handle) and `too_large`. A name that is none is answered as `internal`.
    """

    code: str = "internal"
    """The code's name."""
    reason: AnyText = ""
    """What is wrong, for people; it reads well after "NAME: ", without a full stop."""
    name: str = ""
    """The input at fault, as the asker calls it; empty where none is."""
    fault: str = ""
    """What of a GPU is to blame, `memory` or `gone` (accel.devices.faults), or `process` where this process
    has no memory left; empty for nothing."""
    step: str = ""
    """Of a workload that does others: which of them can't, as `step 2, acme.fade`; empty for itself."""

    def __init__(
        self, code: str, reason: AnyText, name: str = "", *, fault: str = "", step: str = ""
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.name = name
        self.fault = fault
        self.step = step


class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a workload; each field is annotated with its range, unit and meaning."""

    def contradiction(self) -> AnyText:
        """Why these values don't go together, whatever the inputs are; empty where they do. No parameter can
        be called so."""
        return ""


class Input(Struct, frozen=True):
    """Bytes to work on: a local file, opened by the worker itself and never copied to it."""

    name: str
    """What the asker calls it; error messages name it."""
    path: str
    """Where the bytes are, for `open`; read only."""

    def size(self) -> int:
        """Bytes."""
        return Path(self.path).stat().st_size


def names(inputs: Sequence[Input]) -> str:
    """What a message calls the inputs of a job where it isn't known which of them was at fault."""
    shown = ", ".join(one.name for one in inputs[:3])
    return shown if len(inputs) <= 3 else f"{shown} and {len(inputs) - 3} more"


class OutputFile(Struct, frozen=True):
    """Bytes that a workload made."""

    name: str
    """What the workload calls it, for example `preview`; unique in one output."""
    media_type: str
    """For example `image/png`."""
    data: bytes
    """The file's contents."""


class Output(Struct, frozen=True):
    """What a workload gives: a value of plain types, and files."""

    value: Any = None
    """None, bool, int, float, str, bytes, and lists, maps and Structs of them; keys of maps become text."""
    files: Sequence[OutputFile] = ()
    """What is too large for a value; each becomes a blob."""


class Limits(Struct, frozen=True):
    """What a workload may take of an input, and of this machine."""

    max_pixels: int = 268_435_456
    """Largest image, width times height; the setting `images.max_pixels`."""
    models: str = "models"
    """The folder in which pulled models lie (accel.models); it need not exist."""
    operations: tuple[tuple[str, str], ...] = ()
    """Name and `module:function` of the operations that plugins add: a pipeline's steps may be these, too."""


class Item(Struct, frozen=True):
    """One job of several that run as one."""

    inputs: Sequence[Input]
    """As a workload gets them."""
    params: Any
    """Parsed."""


Outcome = Output | WorkloadError
"""What one job of several comes to."""


class Batching(Struct, frozen=True):
    """That several jobs of a workload may run as one."""

    target: str
    """`module:function` of `function(items, limits) -> outcomes`, one for each item, in their order."""
    max_rows: int
    """Most rows of one batch, whatever a policy says: what memory allows."""
    rows: Callable[[Any], int]
    """How many rows of a batch a job with these parameters takes: texts, not requests."""
    bucket: Callable[[Any], str]
    """Only jobs of the same bucket run together: other sizes or lengths would have to be padded."""
    sample: Callable[[int], Mapping[str, Any]]
    """Parameters of the n-th of various typical jobs without inputs, by which a policy is measured."""


class Function(Protocol):
    """A declared workload, with its record."""

    workload: Workload
    """The record."""

    def __call__(self, inputs: Sequence[Input], params: Any, limits: Limits, /) -> Output: ...


Compose = Callable[[Any, Limits], tuple[Any, Sequence["Workload"]]]
"""Of a workload's parameters: the same with those of the workloads in them filled in, and which these are.
Raises WorkloadError."""

BatchFunction = Callable[[Sequence[Item], Limits], Sequence[Outcome]]


class Workload(Struct, frozen=True):
    """A workload's record: everything but its name and version is derived from the function."""

    name: str
    """What clients ask for, `PLUGIN.NAME`."""
    version: int
    """Raised whenever the same input gives another output."""
    params: type[Params]
    """The type of its parameters."""
    target: str
    """`module:function`, imported by the worker process."""
    inputs: tuple[int, int]
    """Fewest and most inputs."""
    inline: bool
    """Runs in the daemon itself: only for what costs less than the way to a worker."""
    summary: str
    """The docstring's first line."""
    doc: str
    """The docstring."""
    batching: Batching | None = None
    """How several jobs run as one; None where they can't."""
    companions: bool = False
    """Whether inputs after the first only help with it: many files are a job for each, not one for all."""
    cached: bool = True
    """Whether its results may be kept and given again: not where they depend on the time or on anything else
    than the inputs, or where finding a kept one costs more. Those of `inline` workloads never are."""
    composed: Compose | None = None
    """Of a workload that does others, whose versions and models then decide its results, too."""
    operation: bool = False
    """Whether it is declared by `operation`, so that it can be a step of `image.pipeline`."""

    def parse(self, params: dict[str, Any]) -> Params:
        """`params` as this workload's type.

        Raises WorkloadError: `bad_params`, which names the field or says which values don't go together, and
        `internal` where that can't be found out.
        """
        try:
            parsed = msgspec.convert(params, self.params)
        except msgspec.ValidationError as error:
            from accel.plain import explain

            raise WorkloadError("bad_params", explain(params, self.params, error)) from None
        if said := _contradiction(parsed):
            raise WorkloadError("bad_params", said)
        return parsed

    def check_inputs(self, count: int) -> None:
        """Raises WorkloadError `bad_params` for too few or too many inputs."""
        low, high = self.inputs
        if not low <= count <= high:
            if low != high:
                said = text("takes {low} to {high} inputs, got {count}", low=low, high=high, count=count)
            else:
                said = plural(
                    "takes {n} input, got {count}", "takes {n} inputs, got {count}", low, count=count
                )
            raise WorkloadError("bad_params", said)

    def load(self) -> Function:
        """The function itself."""
        return load(self.target)


def _contradiction(params: Params) -> AnyText:
    try:
        said = params.contradiction()
    except WorkloadError:
        raise
    # A plugin's code, which may call sys.exit, and whoever parses awaits WorkloadError alone.
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"[:200]
        reason = text("the workload's check of its parameters failed ({why})", why=why)
        raise WorkloadError("internal", reason) from error
    if not isinstance(said, str | Text):
        reason = text(
            "the workload's check of its parameters gave {name}, not text", name=type(said).__name__
        )
        raise WorkloadError("internal", reason)
    return said


def load(target: str) -> Function:
    """The function that `target` (`module:function`) names."""
    module, _, name = target.partition(":")
    function: Function = getattr(importlib.import_module(module), name)
    return function


def workload(
    name: str,
    *,
    version: int,
    params: type[Params],
    inputs: int | tuple[int, int] = 1,
    inline: bool = False,
    companions: bool = False,
    cached: bool = True,
    composed: Compose | None = None,
) -> Callable[[Callable[[Sequence[Input], Any, Limits], Output]], Function]:
    """Declares a workload: `function(inputs, params, limits) -> Output`.

    The record is `function.workload`; its summary is the docstring's first line. A workload that `cached`
    says nothing else of gives the same for the same parameters and inputs, their names included.

    Raises TypeError for parameters that are no Params, and for a function that a worker can't import.
    """

    def declare(function: Callable[[Sequence[Input], Any, Limits], Output]) -> Function:
        _check_declared(name, params, function)
        doc = inspect.cleandoc(function.__doc__ or "")
        span = (inputs, inputs) if isinstance(inputs, int) else inputs
        target = f"{function.__module__}:{function.__qualname__}"
        declared = cast(Function, function)
        summary = doc.split("\n")[0]
        declared.workload = Workload(
            name, version, params, target, span, inline, summary, doc,
            companions=companions, cached=cached, composed=composed,
        )  # fmt: skip
        return declared

    return declare


def _check_declared(name: str, params: object, function: Callable[..., object]) -> None:
    if not (isinstance(params, type) and issubclass(params, Params)):
        raise TypeError(f"workload {name}: params is {params!r}; it must be a subclass of Params")
    _check_found(f"workload {name}", function)


def _check_found(what: str, function: Callable[..., object]) -> None:
    """Raises TypeError for a function that isn't at the top of its module, where `load` looks."""
    *around, own = function.__qualname__.split(".")
    if not around and own != "<lambda>":
        return
    outer = "another function" if "<locals>" in around else "a class"
    where = "a lambda has no name" if own == "<lambda>" else f"{own} is inside of {outer}"
    raise TypeError(
        f"{what}: {where}, so that no worker finds it: write it with def at the top of its module"
    )


def batched(
    single: Function,
    *,
    sample: Callable[[int], Mapping[str, Any]],
    max_rows: int = 64,
    rows: Callable[[Any], int] = lambda params: 1,
    bucket: Callable[[Any], str] = lambda params: "",
) -> Callable[[BatchFunction], BatchFunction]:
    """Declares `function(items, limits) -> outcomes` as `single` for several jobs at once.

    For a workload that may have no inputs: what a batch is worth on a machine is measured first, by the
    parameters that `sample` gives alone. Another's jobs run one by one.
    What it raises costs no job its own outcome: each is then done by itself. So it is, in another process,
    where it crashes, or takes longer than one of the jobs has; and, once a batch as large has ended, more
    than 5 s and three times as long as any of the last runs.

    Raises TypeError for a function that a worker can't import.
    """

    def declare(function: BatchFunction) -> BatchFunction:
        _check_found(f"batches of workload {single.workload.name}", function)
        target = f"{function.__module__}:{function.__qualname__}"
        batching = Batching(target, max_rows, rows, bucket, sample)
        single.workload = msgspec.structs.replace(single.workload, batching=batching)
        return function

    return declare
