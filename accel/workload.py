"""Workloads: declaration, parameters, inputs, outputs and their validation."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import msgspec
from msgspec import Meta, Struct

from accel.atomic_file import DESCRIPTOR_ERRNOS
from accel.text import AnyText, Text, TextError, plural, text


class WorkloadError(TextError):
    """A workload failed.

    `code` is one of the daemon's error codes (docs/reference/errors.md). Workloads use `bad_params`
    (parameters that contradict each other), `bad_input` (a damaged file), `unsupported` (a kind of file that
    the workload can't handle) and `too_large`. Unknown codes are reported as `internal`.
    """

    code: str = "internal"
    """The error code."""
    reason: AnyText = ""
    """The reason, for people, without a full stop; it follows "NAME: "."""
    name: str = ""
    """The client's name for the input at fault; empty for none."""
    fault: str = ""
    """`memory` or `gone` if the GPU is at fault (accel.devices.report), `process` if this process lacks
    memory, otherwise empty."""
    step: str = ""
    """The failed step of a pipeline, for example `step 2, acme.fade`; empty for the workload itself."""

    def __init__(
        self, code: str, reason: AnyText, name: str = "", *, fault: str = "", step: str = ""
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.name = name
        self.fault = fault
        self.step = step


def file_error_code(error: BaseException, otherwise: str) -> str:
    """Returns the code for a failed file: `out_of_descriptors`, which a retry may mend, or `otherwise`."""
    is_out = isinstance(error, OSError) and error.errno in DESCRIPTOR_ERRNOS
    return "out_of_descriptors" if is_out else otherwise


class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base class for a workload's parameters. Annotate each field with its range, unit and meaning."""

    def contradiction(self) -> AnyText:
        """Returns why these values contradict each other, whatever the inputs; empty if they don't.

        No parameter can have this name.
        """
        return ""


class Input(Struct, frozen=True):
    """An input: a local file that the worker opens itself."""

    name: str
    """The client's name for it, used in error messages."""
    path: str
    """The file to open for reading. Its own name tells nothing: see `name`."""
    confined: bool = False
    """Whether `path`, which has no links then, must lead to this very file when it is opened."""

    def size(self) -> int:
        """Returns the file size in bytes."""
        return Path(self.path).stat().st_size


def names(inputs: Sequence[Input]) -> str:
    """Returns the names of a job's inputs for an error message."""
    shown = ", ".join(one.name for one in inputs[:3])
    return shown if len(inputs) <= 3 else f"{shown} and {len(inputs) - 3} more"


class OutputFile(Struct, frozen=True):
    """An output file."""

    name: str
    """For example `preview`; unique within an output."""
    media_type: str
    """For example `image/png`."""
    data: bytes
    """The contents of the file."""


class Output(Struct, frozen=True):
    """A workload's result: a value of plain types, and files."""

    value: Any = None
    """None, bool, int, float, str or bytes, or lists, maps and Structs of them. Map keys become text."""
    files: Sequence[OutputFile] = ()
    """Data too large for the value. Each file becomes a blob."""


class Limits(Struct, frozen=True):
    """Limits and settings for workloads."""

    max_pixels: int = 268_435_456
    """Maximum width times height of an image; the setting `images.max_pixels`."""
    models: str = "models"
    """Folder of pulled models (accel.models), which need not exist."""
    operations: tuple[tuple[str, str], ...] = ()
    """Names and `module:function` of plugin operations that pipelines may contain."""


class Item(Struct, frozen=True):
    """One job of a batch, as passed to a workload's batch function."""

    inputs: Sequence[Input]
    """As for a single job."""
    params: Any
    """Parsed parameters."""


Outcome = Output | WorkloadError
"""The result of one job of a batch."""


class Batching(Struct, frozen=True):
    """A batch function, which runs several jobs of a workload at once."""

    target: str
    """`module:function` of `function(items, limits) -> outcomes`, one outcome per item, in order."""
    max_rows: int
    """Maximum rows of a batch that fit into memory."""
    rows: Callable[[Any], int]
    """Returns the number of rows that a job with these parameters takes, for example its number of texts."""
    bucket: Callable[[Any], str]
    """Returns a job's bucket. Only jobs of the same bucket run together, since others would need padding."""
    sample: Callable[[int], Mapping[str, Any]]
    """Returns the parameters of the n-th sample job, which has no inputs; used to measure batch sizes."""


class Function(Protocol):
    """A function declared as a workload."""

    workload: Workload
    """The record of the workload."""

    def __call__(self, inputs: Sequence[Input], params: Any, limits: Limits, /) -> Output: ...


Compose = Callable[[Any, Limits], tuple[Any, Sequence["Workload"]]]
"""Returns the parameters with each step's parsed, and the steps' workloads. Raises WorkloadError."""

BatchFunction = Callable[[Sequence[Item], Limits], Sequence[Outcome]]


class Workload(Struct, frozen=True):
    """The record of a declared workload."""

    name: str
    """The name in requests, `PLUGIN.NAME`."""
    version: int
    """Increment it when the same input produces different output."""
    params: type[Params]
    """Type of its parameters."""
    target: str
    """`module:function`, imported by the worker process."""
    inputs: tuple[int, int]
    """Minimum and maximum number of inputs."""
    inline: bool
    """Whether it runs in the daemon itself; only for work cheaper than a round trip to a worker."""
    summary: str
    """First line of the docstring."""
    doc: str
    """The docstring."""
    batching: Batching | None = None
    """The batch function, if jobs can run at once."""
    companions: bool = False
    """Whether inputs after the first only support it; then several files make one job each."""
    cached: bool = True
    """Whether results may be cached. False if they depend on anything but parameters and inputs, or if
    running is cheaper than a lookup. Inline workloads are never cached."""
    composed: Compose | None = None
    """Set for a pipeline, whose results also depend on the versions and models of its steps."""
    makes_files: bool = False
    """Whether each run makes output files, so that it needs a place for them."""
    operation: bool = False
    """Whether it was declared with `operation` and can be a step of `image.pipeline`."""
    right: str = ""
    """The right that a client needs, one of the daemon's (docs/reference/access.md); empty for `run`."""
    memory: float = 2.0
    """Its peak memory as a multiple of the largest decoded image. A job waits while that isn't free."""

    def parse(self, params: dict[str, Any]) -> Params:
        """Parses parameters as this workload's type.

        Raises WorkloadError: `bad_params`, naming the field or the contradicting values, or `internal` if the
        workload's own check fails.
        """
        parsed = self.decode(params)
        if said := _contradiction(parsed):
            raise WorkloadError("bad_params", said)
        return parsed

    def decode(self, params: dict[str, Any]) -> Params:
        """Decodes parameters that were parsed before they were sent. Raises WorkloadError `bad_params`."""
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
    """Imports and returns a function, given as `module:function`."""
    module, _, name = target.partition(":")
    function: Function = getattr(importlib.import_module(module), name)
    return function


def implementation(target: str, doc: str) -> Callable[..., Any]:
    """Returns a function that imports and calls `target` (`module:function`) when it is called.

    Use it to declare a workload apart from its computation: the daemon loads declarations at start-up and
    must not import numpy for that. `doc` is the workload's documentation. The declaration must have the same
    name as the function, because workers look for that name in the module that calls this.
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
    right: str = "",
    memory: float = 2.0,
) -> Callable[[Callable[[Sequence[Input], Any, Limits], Output]], Function]:
    """Declares a workload: `function(inputs, params, limits) -> Output`.

    The record is `function.workload`; its summary is the first line of the docstring. Unless `cached` is
    False, the result must only depend on the parameters and inputs, including the names of inputs.

    Raises TypeError if `params` isn't a subclass of Params, or if workers can't import the function.
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
            right=right,
            memory=memory,
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
    """Declares `function(items, limits) -> outcomes` as the batch function of the workload `single`.

    The best batch size is measured first, with sample parameters and no inputs, so workloads that require
    inputs aren't batched. If a batch raises, crashes, exceeds a deadline of its jobs, or takes more than 5 s
    and three times as long as recent runs, its jobs run one by one.

    Raises TypeError if workers can't import the function.
    """

    def declare(function: BatchFunction) -> BatchFunction:
        _check_importable(f"batches of workload {single.workload.name}", function)
        target = f"{function.__module__}:{function.__qualname__}"
        batching = Batching(target, max_rows, rows, bucket, sample)
        single.workload = msgspec.structs.replace(single.workload, batching=batching)
        return function

    return declare


PLAIN = (bytes, bytearray, memoryview)
"""Types allowed in addition to those of JSON."""

MAX_MEDIA_TYPE = 128
"""Maximum length of a media type."""

MAX_VALUE = 64 << 20
"""Maximum size of a value as msgpack in bytes; several copies of it are in memory."""


def validate_output(output: object) -> Output:
    """Validates an output and converts its value to plain types. Raises WorkloadError `internal`."""
    if not isinstance(output, Output):
        raise _wrong(text("the workload gave {kind_of}, not Output", kind_of=type_name(output)))
    try:
        return Output(to_builtins(output.value), check_files(output.files))
    except ValueError as error:
        raise _wrong(f"the workload's {error}") from None


def to_builtins(value: Any, place: str = "value") -> Any:
    """Converts a value to the types that msgpack and JSON have in common; map keys become text.

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
    """Raises ValueError if different keys of a map have become the same text."""
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
        # Files of different types may share a name, as `popbridge run` adds an extension to each.
        if (file.name, file.media_type) in seen:
            raise _wrong(
                text(
                    "the workload gave two files called {file}, both {media_type}",
                    file=repr(file.name),
                    media_type=file.media_type,
                )
            )
        seen.add((file.name, file.media_type))
    # Other bytes-like objects could change later.
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
    """Returns the name of a value's type, for messages."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _wrong(reason: AnyText) -> WorkloadError:
    return WorkloadError("internal", reason)


class Echo(Params, frozen=True):
    value: Annotated[Any, Meta(description="Any value; it is returned unchanged.")] = None


@workload("bridge.echo", version=1, params=Echo, inputs=(0, 64), inline=True)
def echo(inputs: Sequence[Input], params: Echo, limits: Limits) -> Output:
    """Returns its parameter, to test a connection and measure PopBridge's own overhead."""
    return Output(params.value)
