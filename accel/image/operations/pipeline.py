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
    """Name of the operation, for example `image.resize`."""
    params: dict[str, Any] = {}
    """Parameters of the operation. `format`, `quality`, `lossless` and `bits` only apply in the last step,
    `transfer` in the first."""


class Pipeline(Reading, frozen=True, kw_only=True):
    """Steps to run, in order."""

    steps: Annotated[
        list[Step],
        Meta(
            min_length=1,
            max_length=32,
            description="Operations as `{workload, params}`; each runs on the results of the previous one.",
        ),
    ]


def _composed(params: Pipeline, limits: Limits) -> tuple[Pipeline, list[Workload]]:
    steps = parse_steps(params, limits)
    filled = [Step(operation.workload.name, msgspec.to_builtins(each)) for operation, each in steps]
    return msgspec.structs.replace(params, steps=filled), [operation.workload for operation, _ in steps]


pipeline = workload(
    "image.pipeline", version=2, params=Pipeline, inputs=(1, 4096), composed=_composed, memory=3.5
)(
    implementation(
        "accel.image.pipeline:pipeline",
        """Runs several operations on an image, without files in between.

    Each step is an operation on images, from PopBridge or a plugin, with its parameters. Its images are the
    inputs of the next step, in order. A step that takes one image runs on each of several; a step that takes
    several gets all. If inputs after the first are only auxiliary (the normal map of `image.mipmaps`), the
    step gets all images if there are as many as the pipeline has inputs; otherwise it runs on each.

    Cube faces and array layers are kept if every step keeps them (`image.convert`, `image.resize`,
    `image.mipmaps`, `image.compress`, `image.bleed_alpha`, `image.normal_flip`, `image.premultiply`) and the
    last one writes DDS or KTX2, also as `same`. Otherwise all steps get only the first image.

    Files that describe images, such as the data of an atlas, are returned with the results of the last step.
    They refer to the image files that it writes, under the names that the atlas uses. A later step that
    resizes or splits an image is refused.
    Output files and value: those of the last step. If it runs on several images, the value is a list, and
    files are named after their sources (images of the earlier step, or inputs).
    """,
    )
)


def parse_steps(params: Pipeline, limits: Limits) -> list[tuple[Operation, Reading]]:
    """Returns the operations with their parameters. Raises WorkloadError."""
    plugins = dict(limits.operations)
    return [_parse_step(index, step, plugins) for index, step in enumerate(params.steps, 1)]


def _parse_step(index: int, step: Step, plugins: Mapping[str, str]) -> tuple[Operation, Reading]:
    operation = OPERATIONS.get(step.workload)
    if operation is None and step.workload in plugins:
        operation = cast(Operation, load(plugins[step.workload]))
    if operation is None:
        reason = text(
            "step {index} is {workload}, which isn't an image operation; available: {known}",
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
