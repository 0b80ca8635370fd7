"""What goes from step to step of a pipeline: images by name, and files that tell of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TypeVar

from msgspec.structs import replace

from accel.devices.report import fault_of
from accel.image.encode import requested_format
from accel.image.open_raster import open_rasters
from accel.image.operation import Described, Operated, Operation, Reading, Writing, holds_layers
from accel.image.operation_runner import write_output
from accel.image.operations.pipeline import Pipeline, parse_steps
from accel.image.raster import Raster
from accel.image.records import suffix_of
from accel.progress import part
from accel.text import text
from accel.workload import Input, Limits, Output, OutputFile, WorkloadError, check_files

T = TypeVar("T")


def pipeline(inputs: Sequence[Input], params: Pipeline, limits: Limits) -> Output:
    steps = parse_steps(params, limits)
    first, first_params = steps[0]
    if first.workload.inputs != (1, 1):
        first.workload.check_inputs(len(inputs))
    images = open_rasters(
        inputs,
        limits,
        first_params.transfer if params.transfer == "auto" else params.transfer,
        levels=first.levels,
        layers=all(operation.layers for operation, _ in steps) and holds_layers(steps[-1][1]),
        companions=first.workload.companions,
    )
    context = PipelineContext(images, limits)
    for index, (operation, step_params) in enumerate(steps):
        called = f"step {index + 1}, {operation.workload.name}"
        with part(index, len(steps), operation.workload.name), blame_step(called):
            operated = context.step(called, operation, step_params)
        if index < len(steps) - 1 and not operated.images:
            raise WorkloadError(
                "bad_params", text("{called}, gives no image, so that it must be the last", called=called)
            )
    return context.output(steps[-1][1])


@contextmanager
def blame_step(step: str) -> Iterator[None]:
    """Raises WorkloadError, by what `step` is called, for whatever is raised in it; of a device and of memory
    others know what to do."""
    try:
        yield
    # A plugin's code may raise anything.
    except (Exception, SystemExit) as error:
        if not isinstance(error, WorkloadError) and fault_of(error):
            raise
        raise _told(step, error) from _cause(error)


def _told(step: str, error: BaseException) -> WorkloadError:
    if not isinstance(error, WorkloadError):
        error = WorkloadError("internal", text("the workload failed ({name})", name=type(error).__name__))
    return WorkloadError(error.code, f"{step}: {error.reason}", error.name, fault=error.fault, step=step)


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ if isinstance(error, WorkloadError) else error


_TOLD = "the files of an earlier step tell where things lie in its images, and {}; do this before that step"


class PipelineContext:
    """The images of a pipeline on their way, and the files that earlier steps made."""

    def __init__(self, images: Sequence[Raster], limits: Limits) -> None:
        self._images: Mapping[str, Raster] = _called(images)
        self._given = len(images)
        self._limits = limits
        self._last = Operated(self._images)
        self._files: list[OutputFile] = []
        self._described: Described | None = None
        self._names: list[str] = []
        """Of the images that `_described` tells of."""
        self._step = ""
        """What the last step is called."""
        self._describing = ""
        """The step that gave `_described`."""

    def step(self, called: str, operation: Operation, params: Reading) -> Operated:
        """Does the next operation, which messages call so. Raises WorkloadError."""
        if self._last.described:
            self._described, self._names = self._last.described, list(self._images)
            self._describing = self._step
        else:
            self._files += self._last.files
        done = self._all(operation, params) if self._whole(operation) else self._each(operation, params)
        if self._described:
            _check_same(self._images, done)
        self._images, self._last, self._step = done.images, done, called
        return done

    def output(self, params: Reading) -> Output:
        """The result of the last operation, with the files of those before it. Raises WorkloadError."""
        done, made = self._last, write_output(self._last, params)
        files = [*made.files, *self._files]
        called = {name: _file_of(name, made.files) for name in self._names}
        # What tells of images tells nothing where none is written.
        if self._described and all(called.values()):
            depth = "uint8"
            if done.images:
                assert isinstance(params, Writing)
                depth = requested_format(next(iter(done.images.values())), params)
            with blame_step(self._describing):
                files += check_files(self._described(called, depth))
        return Output(made.value, files)

    def _whole(self, operation: Operation) -> bool:
        """Whether the operation takes all of several images at once."""
        count, record = len(self._images), operation.workload
        if count == 1 or record.inputs == (1, 1):
            return False
        return count == self._given if record.companions else True

    def _all(self, operation: Operation, params: Reading) -> Operated:
        operation.workload.check_inputs(len(self._images))
        if self._described:
            raise WorkloadError("bad_params", _TOLD.format("this one takes several of them at once"))
        return operation.operate(_distinct(self._images), params, self._limits)

    def _each(self, operation: Operation, params: Reading) -> Operated:
        """The operation on one image after the other; what it makes is called as what it is made of."""
        operation.workload.check_inputs(1)
        done = []
        for index, image in enumerate(self._images.values()):
            with part(index, len(self._images)):
                done.append(operation.operate([image], params, self._limits))
        if len(done) == 1 and not self._described:
            return done[0]
        if any(one.described for one in done):
            raise WorkloadError("bad_params", _TOLD.format("this one's would be lost"))
        images: dict[str, Raster] = {}
        files: dict[str, OutputFile] = {}
        for name, one in zip(self._images, done, strict=True):
            _add(images, name, one.images)
            _add(files, name, {file.name: file for file in one.files})
        values = [one.value for one in done]
        told = any(value is not None for value in values)
        value = (values if len(values) > 1 else values[0]) if told else None
        return Operated(images, value, [replace(file, name=name) for name, file in files.items()])


def _called(images: Sequence[Raster]) -> dict[str, Raster]:
    """By the name of the file without its folder and suffix."""
    made: dict[str, Raster] = {}
    for image in images:
        made[_free(PurePosixPath(image.name.replace("\\", "/")).stem or "image", made)] = image
    return made


def _free(name: str, taken: Container[str]) -> str:
    return next(
        each
        for each in itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        if each not in taken
    )


def _add(made: dict[str, T], name: str, more: Mapping[str, T]) -> None:
    """`more` under the name of what it comes from; of several with their own names behind it."""
    for own, thing in more.items():
        made[_free(name if len(more) == 1 else f"{name}.{own}", made)] = thing


def _distinct(images: Mapping[str, Raster]) -> list[Raster]:
    """Images of one name get that by which they are told apart: `rock.png` becomes `rock.r.png`."""
    count = Counter(image.name for image in images.values())
    return [
        image if count[image.name] == 1 else replace(image, name=_marked(image.name, name))
        for name, image in images.items()
    ]


def _marked(name: str, mark: str) -> str:
    head, dot, suffix = name.rpartition(".")
    return f"{head}.{mark}.{suffix}" if dot else f"{name}.{mark}"


def _check_same(before: Mapping[str, Raster], done: Operated) -> None:
    """Raises WorkloadError `bad_params` where images aren't what the files of an earlier step tell of."""
    sizes = {name: (image.width, image.height) for name, image in done.images.items()}
    if sizes and sizes != {name: (image.width, image.height) for name, image in before.items()}:
        raise WorkloadError("bad_params", _TOLD.format("this one changes their number or size"))


def _file_of(name: str, files: Sequence[OutputFile]) -> str:
    """What the image's file is called at last; of levels in files of their own, the largest's; empty where
    there is none."""
    found = (file for file in files if file.name in (name, f"{name}.mip0"))
    return next((file.name + suffix_of(file.media_type) for file in found), "")
