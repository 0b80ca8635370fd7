"""Runs `image.pipeline`: chains operations on images without writing files in between."""

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
    for number, (operation, step_params) in enumerate(steps, 1):
        name = operation.workload.name
        with part(number - 1, len(steps), name), blame_step(number, name):
            operated = context.run_step(number, operation, step_params)
        if number < len(steps) and not operated.images:
            reason = text(
                "step {index}, {workload}, returns no image, so it must be the last",
                index=number,
                workload=name,
            )
            raise WorkloadError("bad_params", reason)
    return context.output(steps[-1][1])


@contextmanager
def blame_step(number: int, name: str) -> Iterator[None]:
    """Turns any error in the block into a WorkloadError that names the step.

    Device and memory errors pass through, because the worker handles them.
    """
    try:
        yield
    # Plugin code may raise anything.
    except (Exception, SystemExit) as error:
        if isinstance(error, WorkloadError):
            reason, cause = error, error.__cause__
        elif fault_of(error):
            raise
        else:
            reason = WorkloadError(
                "internal", text("the workload failed ({name})", name=type(error).__name__)
            )
            cause = error
        raise WorkloadError(
            reason.code,
            text("step {index}, {workload}: {reason}", index=number, workload=name, reason=reason.reason),
            reason.name,
            fault=reason.fault,
            step=f"step {number}, {name}",
        ) from cause


class PipelineContext:
    """State between steps: the current images, and the files written so far.

    An atlas's data describes the images of its step. It is written last, once the names of the image files
    are known; until then, no step may change the number or size of those images.
    """

    def __init__(self, images: Sequence[Raster], limits: Limits) -> None:
        self._images: Mapping[str, Raster] = _by_stem(images)
        self._input_count = len(images)
        self._limits = limits
        self._last = Operated(self._images)
        self._last_step = 0, ""
        self._files: list[OutputFile] = []
        self._describe: Described | None = None
        self._describing_step = 0, ""
        self._described_names: list[str] = []

    def run_step(self, number: int, operation: Operation, params: Reading) -> Operated:
        """Runs an operation on the current images. Raises WorkloadError."""
        if self._last.described:
            self._describe, self._described_names = self._last.described, list(self._images)
            self._describing_step = self._last_step
        else:
            self._files += self._last.files
        run = self._run_once if self._takes_all(operation) else self._run_each
        operated = run(operation, params)
        sizes, before = _sizes(operated.images), _sizes(self._images)
        if self._describe and sizes and sizes != before:
            reason = text(
                "an earlier step writes files with positions in its images, and this step changes their "
                "number or size; do this step before that one"
            )
            raise WorkloadError("bad_params", reason)
        self._images, self._last = operated.images, operated
        self._last_step = number, operation.workload.name
        return operated

    def output(self, params: Reading) -> Output:
        """Returns the last step's result, plus the files of earlier steps. Raises WorkloadError."""
        images, output = self._last.images, write_output(self._last, params)
        files = [*output.files, *self._files]
        file_names = {name: _file_name(name, output.files) for name in self._described_names}
        # A description is useless if its images weren't written.
        if self._describe and all(file_names.values()):
            depth = "uint8"
            if images:
                assert isinstance(params, Writing)
                depth = requested_format(next(iter(images.values())), params)
            with blame_step(*self._describing_step):
                files += check_files(self._describe(file_names, depth))
        return Output(output.value, files)

    def _takes_all(self, operation: Operation) -> bool:
        """Whether the operation takes all images together, instead of one at a time."""
        count, record = len(self._images), operation.workload
        if count == 1 or record.inputs == (1, 1):
            return False
        return count == self._input_count if record.companions else True

    def _run_once(self, operation: Operation, params: Reading) -> Operated:
        operation.workload.check_inputs(len(self._images))
        if self._describe:
            reason = text(
                "an earlier step writes files with positions in its images, and this step takes several of "
                "them together; do this step before that one"
            )
            raise WorkloadError("bad_params", reason)
        return operation.operate(_with_unique_names(self._images), params, self._limits)

    def _run_each(self, operation: Operation, params: Reading) -> Operated:
        """Runs the operation on one image at a time and names the results after their inputs."""
        operation.workload.check_inputs(1)
        results = []
        for index, image in enumerate(self._images.values()):
            with part(index, len(self._images)):
                results.append(operation.operate([image], params, self._limits))
        if len(results) == 1 and not self._describe:
            return results[0]
        if any(each.described for each in results):
            reason = text(
                "an earlier step writes files with positions in its images, and this step's own would be "
                "lost; do this step before that one"
            )
            raise WorkloadError("bad_params", reason)
        images: dict[str, Raster] = {}
        files: dict[str, OutputFile] = {}
        for name, each in zip(self._images, results, strict=True):
            _add(images, name, each.images)
            _add(files, name, {file.name: file for file in each.files})
        values = [each.value for each in results]
        value = None
        if any(each is not None for each in values):
            value = values if len(values) > 1 else values[0]
        return Operated(images, value, [replace(file, name=name) for name, file in files.items()])


def _by_stem(images: Sequence[Raster]) -> dict[str, Raster]:
    """Maps each file name, without folder and extension, to its image."""
    found: dict[str, Raster] = {}
    for image in images:
        found[_unused_name(PurePosixPath(image.name.replace("\\", "/")).stem or "image", found)] = image
    return found


def _unused_name(name: str, used: Container[str]) -> str:
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(each for each in names if each not in used)


def _add(results: dict[str, T], name: str, more: Mapping[str, T]) -> None:
    """Adds the results of the input `name`; if there are several, each keeps its own name as a suffix."""
    for own, result in more.items():
        results[_unused_name(name if len(more) == 1 else f"{name}.{own}", results)] = result


def _with_unique_names(images: Mapping[str, Raster]) -> list[Raster]:
    """Returns the images with unique names: if several share one, `rock.png` becomes `rock.r.png`."""
    count = Counter(image.name for image in images.values())
    unique = []
    for key, image in images.items():
        if count[image.name] > 1:
            head, dot, suffix = image.name.rpartition(".")
            image = replace(image, name=f"{head}.{key}.{suffix}" if dot else f"{image.name}.{key}")
        unique.append(image)
    return unique


def _sizes(images: Mapping[str, Raster]) -> dict[str, tuple[int, int]]:
    return {name: (image.width, image.height) for name, image in images.items()}


def _file_name(name: str, files: Sequence[OutputFile]) -> str:
    """Returns the name of an image's file (its largest level's if each level has one), or an empty string if
    it wasn't written."""
    found = (file for file in files if file.name in (name, f"{name}.mip0"))
    return next((file.name + suffix_of(file.media_type) for file in found), "")
