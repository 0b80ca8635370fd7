"""Workloads: their declaration, parameters, inputs and outputs, and the validation of outputs."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import msgspec
from msgspec import Meta, Struct

from accel.text import AnyText, Text, TextError, plural, text


class WorkloadError(TextError):
    """A workload failed.

    `code` is one of the daemon's error codes (docs/reference/errors.md). Workloads use `bad_params`
    (parameters that don't go together), `bad_input` (a damaged file), `unsupported` (a file of a kind that
    the workload can't handle) and `too_large`. Unknown codes are reported as `internal`.
    """

    code: str = "internal"
    """One of those codes."""
    reason: AnyText = ""
    """The reason, for people, to follow "NAME: ", without a full stop."""
    name: str = ""
    """The client's name of the input at fault; empty for none."""
    fault: str = ""
    """`memory` or `gone` if the GPU is at fault (accel.devices.report), `process` if this process lacks
    memory, else empty."""
    step: str = ""
    """The failed step of a pipeline, such as `step 2, acme.fade`; empty for the workload itself."""

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
    """Base class of a workload's parameters; each field is annotated with its range, unit and meaning."""

    def contradiction(self) -> AnyText:
        """Returns why these values don't go together, whatever the inputs; empty if they do.

        No parameter can have this name.
        """
        return ""


class Input(Struct, frozen=True):
    """An input: a local file that the worker opens itself."""

    name: str
    """The client's name of it, used in error messages."""
    path: str
    """The file, to be opened for reading."""

    def size(self) -> int:
        """Returns the file's size in bytes."""
        return Path(self.path).stat().st_size


def names(inputs: Sequence[Input]) -> str:
    """Returns the names of a job's inputs for an error message."""
    shown = ", ".join(one.name for one in inputs[:3])
    return shown if len(inputs) <= 3 else f"{shown} and {len(inputs) - 3} more"


class OutputFile(Struct, frozen=True):
    """An output file."""

    name: str
    """For example `preview`; unique in one output."""
    media_type: str
    """For example `image/png`."""
    data: bytes
    """The file's contents."""


class Output(Struct, frozen=True):
    """A workload's result: a value of plain types, and files."""

    value: Any = None
    """None, bool, int, float, str, bytes, and lists, maps and Structs of them; keys of maps become text."""
    files: Sequence[OutputFile] = ()
    """Data that is too large for the value; each file becomes a blob."""


class Limits(Struct, frozen=True):
    """Limits and settings for workloads."""

    max_pixels: int = 268_435_456
    """Largest image, width times height; the setting `images.max_pixels`."""
    models: str = "models"
    """The folder of pulled models (accel.models); it need not exist."""
    operations: tuple[tuple[str, str], ...] = ()
    """Name and `module:function` of operations of plugins, which pipelines may contain."""


class Item(Struct, frozen=True):
    """One job of a batch, for a workload's batch function."""

    inputs: Sequence[Input]
    """Same as for a single job."""
    params: Any
    """Parsed."""


Outcome = Output | WorkloadError
"""The result of one job of a batch."""


class Batching(Struct, frozen=True):
    """Batch implementation: runs several jobs of a workload as one."""

    target: str
    """`module:function` of `function(items, limits) -> outcomes`, one outcome per item, in order."""
    max_rows: int
    """Most rows of a batch that fit into memory."""
    rows: Callable[[Any], int]
    """Returns the rows that a job with these parameters takes, such as its number of texts."""
    bucket: Callable[[Any], str]
    """Returns the bucket of a job: only jobs of one bucket run together, as others would need padding."""
    sample: Callable[[int], Mapping[str, Any]]
    """Returns the parameters of the n-th sample job without inputs, to measure batch sizes with."""


class Function(Protocol):
    """A function that was declared as a workload."""

    workload: Workload
    """Declaration of the workload."""

    def __call__(self, inputs: Sequence[Input], params: Any, limits: Limits, /) -> Output: ...


Compose = Callable[[Any, Limits], tuple[Any, Sequence["Workload"]]]
"""Returns the parameters with those of each step parsed, and the steps' workloads. Raises WorkloadError."""

BatchFunction = Callable[[Sequence[Item], Limits], Sequence[Outcome]]


class Workload(Struct, frozen=True):
    """The record of a declared workload."""

    name: str
    """The name in requests, `PLUGIN.NAME`."""
    version: int
    """Incremented when the same input produces a different output."""
    params: type[Params]
    """The type of its parameters."""
    target: str
    """`module:function`, imported by the worker process."""
    inputs: tuple[int, int]
    """Fewest and most inputs."""
    inline: bool
    """Whether it runs in the daemon itself: only for work that is cheaper than a round trip to a worker."""
    summary: str
    """The docstring's first line."""
    doc: str
    """The docstring."""
    batching: Batching | None = None
    """Batch implementation; None if jobs can't run as one."""
    companions: bool = False
    """Whether inputs after the first only support it: several files are one job each."""
    cached: bool = True
    """Whether results may be cached: not if they depend on anything but parameters and inputs, or if running
    is cheaper than a lookup. Inline workloads are never cached."""
    composed: Compose | None = None
    """For a pipeline: the versions and models of its steps decide its results too."""
    makes_files: bool = False
    """Whether each run makes output files: without a place for them it has no use."""
    operation: bool = False
    """Whether it was declared by `operation` and can be a step of `image.pipeline`."""

    def parse(self, params: dict[str, Any]) -> Params:
        """Returns `params` as this workload's type.

        Raises WorkloadError: `bad_params`, which names the field or the conflicting values, and
        `internal` where that check fails itself.
        """
        parsed = self.decode(params)
        if said := _contradiction(parsed):
            raise WorkloadError("bad_params", said)
        return parsed

    def decode(self, params: dict[str, Any]) -> Params:
        """Returns params that were parsed before they were sent. Raises WorkloadError `bad_params`."""
        try:
            return msgspec.convert(params, self.params)
        except msgspec.ValidationError as error:
            from accel.param_errors import explain_invalid_params

            raise WorkloadError("bad_params", explain_invalid_params(params, self.params, error)) from None

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
        """Imports and returns the function."""
        return load(self.target)


def _contradiction(params: Params) -> AnyText:
    try:
        said = params.contradiction()
    except WorkloadError:
        raise
    # A plugin's code may raise anything, and even call sys.exit.
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
    """Imports and returns the function that `target` (`module:function`) names."""
    module, _, name = target.partition(":")
    function: Function = getattr(importlib.import_module(module), name)
    return function


def implementation(target: str, doc: str) -> Callable[..., Any]:
    """Returns a function that imports `target` (`module:function`) when it is called, and calls that.

    It is for workloads that are declared apart from their computation, because the daemon reads declarations
    at its start and must not import numpy for that. `doc` is the workload's documentation. The declaration
    must be called as the function is: a worker looks for that name in the module that calls this.
    """

    def call(*args: Any) -> Any:
        return load(target)(*args)

    call.__module__ = sys._getframe(1).f_globals["__name__"]
    call.__name__ = call.__qualname__ = target.partition(":")[2]
    call.__doc__ = doc
    return call


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
    makes_files: bool = False,
) -> Callable[[Callable[[Sequence[Input], Any, Limits], Output]], Function]:
    """Declares a workload: `function(inputs, params, limits) -> Output`.

    The record is `function.workload`; its summary is the docstring's first line. Unless `cached` is False,
    the result must depend on the parameters and inputs alone, names of inputs included.

    Raises TypeError if `params` isn't a subclass of Params, or if a worker can't import the function.
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
            companions=companions, cached=cached, composed=composed, makes_files=makes_files,
        )  # fmt: skip
        return declared

    return declare


def _check_declared(name: str, params: object, function: Callable[..., object]) -> None:
    if not (isinstance(params, type) and issubclass(params, Params)):
        raise TypeError(f"workload {name}: params is {params!r}; it must be a subclass of Params")
    _check_importable(f"workload {name}", function)


def _check_importable(what: str, function: Callable[..., object]) -> None:
    """Raises TypeError for a function that isn't at the top level of its module."""
    *outer_names, own = function.__qualname__.split(".")
    if not outer_names and own != "<lambda>":
        return
    outer = "another function" if "<locals>" in outer_names else "a class"
    where = "a lambda has no name" if own == "<lambda>" else f"{own} is inside {outer}"
    raise TypeError(f"{what}: {where}, so workers can't import it; define it at the top level of its module")


def batched(
    single: Function,
    *,
    sample: Callable[[int], Mapping[str, Any]],
    max_rows: int = 64,
    rows: Callable[[Any], int] = lambda params: 1,
    bucket: Callable[[Any], str] = lambda params: "",
) -> Callable[[BatchFunction], BatchFunction]:
    """Declares `function(items, limits) -> outcomes` as the batch function of workload `single`.

    The best batch size is measured first, with sample parameters and no inputs; workloads that require inputs
    aren't batched. If a batch raises, crashes, exceeds the deadline of one of its jobs, or takes more than
    5 s and three times as long as recent runs, its jobs run one by one.

    Raises TypeError if a worker can't import the function.
    """

    def declare(function: BatchFunction) -> BatchFunction:
        _check_importable(f"batches of workload {single.workload.name}", function)
        target = f"{function.__module__}:{function.__qualname__}"
        batching = Batching(target, max_rows, rows, bucket, sample)
        single.workload = msgspec.structs.replace(single.workload, batching=batching)
        return function

    return declare


PLAIN = (bytes, bytearray, memoryview)
"""Types that are allowed beside those of JSON."""

MAX_MEDIA_TYPE = 128
"""Most characters of a media type."""

MAX_VALUE = 64 << 20
"""Most bytes of a value as msgpack, as it is in memory several times."""


def validate_output(output: object) -> Output:
    """Validates an output and converts its value to plain types. Raises WorkloadError `internal`."""
    if not isinstance(output, Output):
        raise _wrong(text("the workload gave {kind_of}, not Output", kind_of=type_name(output)))
    try:
        return Output(to_builtins(output.value), check_files(output.files))
    except ValueError as error:
        raise _wrong(f"the workload's {error}") from None


def to_builtins(value: Any, place: str = "value") -> Any:
    """Converts a value to the types that msgpack and JSON share; keys of maps become text.

    Raises ValueError for a value that can't be converted; its message starts with the place.
    """
    try:
        kept = msgspec.to_builtins(value, builtin_types=PLAIN)
        result = msgspec.to_builtins(kept, builtin_types=PLAIN, str_keys=True)
        encoded = msgspec.msgpack.encode(result)
        # Faster than checking each key.
        differ = encoded != msgspec.msgpack.encode(kept)
    except RecursionError:
        raise ValueError(f"{place} is nested too deeply, or holds itself") from None
    except (TypeError, ValueError, OverflowError):
        raise ValueError(_fault(value, place)) from None
    if differ:
        _check_keys(kept, result, place)
    if len(encoded) > MAX_VALUE:
        raise ValueError(f"{place} takes more than {MAX_VALUE >> 20} MiB; return it as a file instead")
    return result


def _check_keys(given: Any, made: Any, place: str) -> None:
    """Raises ValueError if keys of a map have become equal."""
    if isinstance(given, dict):
        if len(made) < len(given):
            raise ValueError(f"{place} is a map with keys that are the same as text")
        for key, one, other in zip(given, given.values(), made.values(), strict=True):
            _check_keys(one, other, f"{place}[{key!r}]")
    elif isinstance(given, list | tuple):
        for index, (one, other) in enumerate(zip(given, made, strict=True)):
            _check_keys(one, other, f"{place}[{index}]")


def _fault(value: Any, place: str) -> str:
    """Returns which part of `value` can't be encoded, and why."""
    for name, part in _parts(value):
        if not is_encodable(part):
            return _fault(part, f"{place}{name}")
    # msgspec rejects subclasses of these types.
    if type(value) is int:
        return f"{place} is a whole number of more than 64 bits"
    if type(value) is str:
        return f"{place} is text that UTF-8 doesn't have"
    if isinstance(value, dict):
        return f"{place} is a map with keys that aren't text"
    return f"{place} is {type_name(value)}, which isn't a plain type"


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, msgspec.Struct):
        parts = ((f".{name}", getattr(value, name)) for name in value.__struct_fields__)
        # Unset fields aren't encoded.
        yield from (part for part in parts if part[1] is not msgspec.UNSET)
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))


def is_encodable(value: Any) -> bool:
    try:
        msgspec.msgpack.encode(msgspec.to_builtins(value, builtin_types=PLAIN, str_keys=True))
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def check_files(files: object) -> list[OutputFile]:
    """Validates output files and copies their data to bytes. Raises WorkloadError `internal`."""
    if not isinstance(files, Sequence) or isinstance(files, str | bytes):
        raise _wrong(
            text("the workload's files are {kind_of}, not a list of OutputFile", kind_of=type_name(files))
        )
    seen: set[tuple[str, str]] = set()
    for index, file in enumerate(files):
        _check_file(f"files[{index}]", file)
        # Files of different types may share a name: `popbridge run` adds an extension of its own to each.
        if (file.name, file.media_type) in seen:
            raise _wrong(
                text(
                    "the workload gave two files called {file}, both {media_type}",
                    file=repr(file.name),
                    media_type=file.media_type,
                )
            )
        seen.add((file.name, file.media_type))
    # Other bytes-like objects may change later.
    return [OutputFile(file.name, file.media_type, bytes(file.data)) for file in files]


def _check_file(place: str, file: object) -> None:
    if not isinstance(file, OutputFile):
        raise _wrong(f"the workload's {place} is {type_name(file)}, not OutputFile")
    if not isinstance(file.name, str) or not file.name:
        raise _wrong(f"the workload's {place}.name is {file.name!r}; it must be text")
    if not is_encodable(file.name):
        raise _wrong(f"the workload's {place}.name is text that UTF-8 doesn't have")
    if not isinstance(file.media_type, str) or not 1 <= len(file.media_type) <= MAX_MEDIA_TYPE:
        raise _wrong(f"the workload's {place}.media_type is {file.media_type!r}; it must look like image/png")
    if not isinstance(file.data, PLAIN):
        raise _wrong(f"the workload's {place}.data is {type_name(file.data)}, not bytes")


def type_name(value: object) -> str:
    """Returns the name of a value's type for messages."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _wrong(reason: AnyText) -> WorkloadError:
    return WorkloadError("internal", reason)


class Echo(Params, frozen=True):
    """The parameters of `bridge.echo`."""

    value: Annotated[Any, Meta(description="Any value; it is returned unchanged.")] = None


@workload("bridge.echo", version=1, params=Echo, inputs=(0, 64), inline=True)
def echo(inputs: Sequence[Input], params: Echo, limits: Limits) -> Output:
    """Returns its parameter, to test a connection and measure PopBridge's own overhead."""
    return Output(params.value)
