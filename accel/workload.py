"""What a workload is: Params, Input, Output, Limits; output validation; the echo workload."""

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
    """A workload can't do what was asked.

    `code` is the name of one of the bridge's error codes (docs/reference/errors.md). A workload's own are
    `bad_params` (parameters that don't go together), `bad_input` (a file is broken), `unsupported` (it is of
    a kind that the workload can't handle) and `too_large`. A name that is none is answered as `internal`.
    """

    code: str = "internal"
    """The code's name."""
    reason: AnyText = ""
    """What is wrong, for people; it reads well after "NAME: ", without a full stop."""
    name: str = ""
    """The input at fault, as the asker calls it; empty where none is."""
    fault: str = ""
    """What of a GPU is to blame, `memory` or `gone` (accel.devices.report), or `process` where this process
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
        """Returns `params` as this workload's type.

        Raises WorkloadError: `bad_params`, which names the field or says which values don't go together, and
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


PLAIN = (bytes, bytearray, memoryview)
"""What stays as it is beside the types that JSON has."""

LONGEST = 128
"""Most characters of a media type."""

LARGEST = 64 << 20
"""Most bytes of a value as msgpack: who asked for it has it in memory several times, while others wait."""


def validate_output(output: object) -> Output:
    """`output`, its value of plain types, if it is what a workload gives. Raises WorkloadError `internal`."""
    if not isinstance(output, Output):
        raise _wrong(text("the workload gave {kind_of}, not Output", kind_of=type_name(output)))
    try:
        return Output(to_builtins(output.value), check_files(output.files))
    except ValueError as error:
        raise _wrong(f"the workload's {error}") from None


def to_builtins(value: Any, place: str = "value") -> Any:
    """`value` of the types that msgpack and JSON share; keys of maps become text, as JSON has no other.

    Raises ValueError that begins with the `place` of what can't be sent.
    """
    try:
        kept = msgspec.to_builtins(value, builtin_types=PLAIN)
        made = msgspec.to_builtins(kept, builtin_types=PLAIN, str_keys=True)
        encoded = msgspec.msgpack.encode(made)
        # Quicker than a look at each key, which few have to have.
        differ = encoded != msgspec.msgpack.encode(kept)
    except RecursionError:
        raise ValueError(f"{place} is nested too deeply, or holds itself") from None
    except (TypeError, ValueError, OverflowError):
        raise ValueError(_fault(value, place)) from None
    if differ:
        _check_keys(kept, made, place)
    if len(encoded) > LARGEST:
        raise ValueError(f"{place} takes more than {LARGEST >> 20} MiB, so that it has to be given as a file")
    return made


def _check_keys(given: Any, made: Any, place: str) -> None:
    """Raises ValueError where keys of a map have become the same text."""
    if isinstance(given, dict):
        if len(made) < len(given):
            raise ValueError(f"{place} is a map with keys that are the same as text")
        for key, one, other in zip(given, given.values(), made.values(), strict=True):
            _check_keys(one, other, f"{place}[{key!r}]")
    elif isinstance(given, list | tuple):
        for index, (one, other) in enumerate(zip(given, made, strict=True)):
            _check_keys(one, other, f"{place}[{index}]")


def _fault(value: Any, place: str) -> str:
    """Where in `value` something isn't plain, and what it is."""
    for name, part in _parts(value):
        if not is_encodable(part):
            return _fault(part, f"{place}{name}")
    # Of these types alone, msgspec takes none that is derived from them.
    if type(value) is int:
        return f"{place} is a whole number of more than 64 bits"
    if type(value) is str:
        return f"{place} is text that UTF-8 doesn't have"
    if isinstance(value, dict):
        return f"{place} is a map with keys that are no text"
    return f"{place} is {type_name(value)}, which is no plain type"


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, msgspec.Struct):
        parts = ((f".{name}", getattr(value, name)) for name in value.__struct_fields__)
        # What is unset isn't sent.
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
    """`files` with bytes that nobody changes any more. Raises WorkloadError `internal`."""
    if not isinstance(files, Sequence) or isinstance(files, str | bytes):
        raise _wrong(
            text("the workload's files are {kind_of}, not a list of OutputFile", kind_of=type_name(files))
        )
    seen: set[tuple[str, str]] = set()
    for index, file in enumerate(files):
        _check_file(f"files[{index}]", file)
        # A picture and what tells of it may be called alike: the shell gives each its own suffix.
        if (file.name, file.media_type) in seen:
            raise _wrong(
                text(
                    "the workload gave two files called {file}, both {media_type}",
                    file=repr(file.name),
                    media_type=file.media_type,
                )
            )
        seen.add((file.name, file.media_type))
    # Whatever else has bytes may count them otherwise, or change yet.
    return [OutputFile(file.name, file.media_type, bytes(file.data)) for file in files]


def _check_file(place: str, file: object) -> None:
    if not isinstance(file, OutputFile):
        raise _wrong(f"the workload's {place} is {type_name(file)}, not OutputFile")
    if not isinstance(file.name, str) or not file.name:
        raise _wrong(f"the workload's {place}.name is {file.name!r}; it must be text")
    if not is_encodable(file.name):
        raise _wrong(f"the workload's {place}.name is text that UTF-8 doesn't have")
    if not isinstance(file.media_type, str) or not 1 <= len(file.media_type) <= LONGEST:
        raise _wrong(f"the workload's {place}.media_type is {file.media_type!r}; it must be as image/png")
    if not isinstance(file.data, PLAIN):
        raise _wrong(f"the workload's {place}.data is {type_name(file.data)}, not bytes")


def type_name(value: object) -> str:
    """What messages call its type."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _wrong(reason: AnyText) -> WorkloadError:
    return WorkloadError("internal", reason)


class Echo(Params, frozen=True):
    """What `bridge.echo` gives back."""

    value: Annotated[Any, Meta(description="Anything; it comes back as it is.")] = None


@workload("bridge.echo", version=1, params=Echo, inputs=(0, 64), inline=True)
def echo(inputs: Sequence[Input], params: Echo, limits: Limits) -> Output:
    """Gives its parameter back: tests a connection and measures the bridge itself."""
    return Output(params.value)
