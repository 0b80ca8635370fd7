"""The catalogue of image operations, and the declaration of `image.pipeline`, which chains them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, Struct

from accel.ai.workloads import embed_image, ocr, remove_background, upscale
from accel.image.operation import Operation, Reading
from accel.image.operations.analysis import compare, histogram, palette
from accel.image.operations.channels import pack_channels, unpack_channels
from accel.image.operations.geometry import bleed_alpha, convert, make_tileable, mipmaps, premultiply, resize
from accel.image.operations.normals import normal_convention, normal_flip, normal_from_height
from accel.image.operations.textures import atlas, compress
from accel.text import text
from accel.texture.workloads import estimate_pbr
from accel.workload import Limits, Workload, WorkloadError, implementation, load, workload

OPERATIONS: dict[str, Operation] = {
    each.workload.name: each
    for each in (
        atlas,
        bleed_alpha,
        compare,
        compress,
        convert,
        embed_image,
        estimate_pbr,
        histogram,
        make_tileable,
        mipmaps,
        normal_convention,
        normal_flip,
        normal_from_height,
        ocr,
        pack_channels,
        palette,
        premultiply,
        remove_background,
        resize,
        unpack_channels,
        upscale,
    )
}


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One operation of a pipeline."""

    workload: str
    """Its name, for example `image.resize`."""
    params: dict[str, Any] = {}
    """Its parameters. Those of the file that is written (`format`, `quality`, `lossless`, `bits`) count in
    the last step, `transfer` in the first."""


class Pipeline(Reading, frozen=True, kw_only=True):
    """What to do, in this order."""

    steps: Annotated[
        list[Step],
        Meta(
            min_length=1,
            max_length=32,
            description="Operations: `{workload, params}`, each on what the one before it gives.",
        ),
    ]


def _composed(params: Pipeline, limits: Limits) -> tuple[Pipeline, list[Workload]]:
    steps = parse_steps(params, limits)
    filled = [Step(operation.workload.name, msgspec.to_builtins(each)) for operation, each in steps]
    return msgspec.structs.replace(params, steps=filled), [operation.workload for operation, _ in steps]


pipeline = workload("image.pipeline", version=2, params=Pipeline, inputs=(1, 4096), composed=_composed)(
    implementation(
        "accel.image.pipeline:pipeline",
        """Does several operations on an image in one go, with no file in between.

    Each step is an operation on images, PopBridge's or a plugin's, with its parameters; its images are the
    next one's inputs, in their order. A step that takes one image is done on each of several; one that takes
    several gets all. Where inputs after the first only help (the normal map of `image.mipmaps`), it gets all
    if they are as many as the pipeline's inputs, else it is done on each.
    A cube's faces and an array's layers stay where every step keeps them (`image.convert`, `image.resize`,
    `image.mipmaps`, `image.compress`, `image.bleed_alpha`, `image.normal_flip`, `image.premultiply`) and the
    last writes DDS or KTX2, also as `same`; else all steps get the first image alone.
    Files that tell of images, as an atlas' data do, are kept beside what the last step gives and name the
    image files that it writes, which are called as the atlas' own; a step after them that changes an image's
    size or makes one of several is refused.
    Output files and value: the last step's; of a step that is done on several images a list of values, and
    files called as what the images come from (the earlier step's, or the inputs).
    """,
    )
)


def parse_steps(params: Pipeline, limits: Limits) -> list[tuple[Operation, Reading]]:
    """The operations with their parameters. Raises WorkloadError."""
    plugins = dict(limits.operations)
    return [_parse_step(index, step, plugins) for index, step in enumerate(params.steps, 1)]


def _parse_step(index: int, step: Step, plugins: Mapping[str, str]) -> tuple[Operation, Reading]:
    operation = OPERATIONS.get(step.workload)
    if operation is None and step.workload in plugins:
        operation = cast(Operation, load(plugins[step.workload]))
    if operation is None:
        reason = text(
            "step {index} is {workload}, which is no operation on images; there are {known}",
            index=index,
            workload=repr(step.workload),
            known=", ".join(sorted({*OPERATIONS, *plugins})),
        )
        raise WorkloadError("bad_params", reason)
    try:
        params = operation.workload.parse(step.params)
    except WorkloadError as error:
        reason = text(
            "step {index}, {workload}: {reason}", index=index, workload=step.workload, reason=error.reason
        )
        raise WorkloadError(error.code, reason) from None
    assert isinstance(params, Reading)
    return operation, params
