"""The workloads on images of which a GPU has a form of its own: the same parameters, the same results.

They agree with the CPU's within one step of 8 bit, so that a cache needn't know which form a result is of.
What no graph does (the coverage of cut-outs, say) the CPU's form does, here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from accel.image.operation import Operated, Operation, check_size, operation
from accel.image.operations.channels import PackChannels, pack_channels
from accel.image.operations.geometry import Mipmaps, Resize, mipmaps, resize
from accel.image.operations.normals import NormalFromHeight, normal_from_height
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


@operation(
    normal_from_height.workload.name, version=normal_from_height.workload.version, params=NormalFromHeight
)
def normal_from_height_on_gpu(images: Sequence[Raster], params: NormalFromHeight, limits: Limits) -> Operated:
    """As `normal_from_height`."""
    from accel.gpu_ops.operators import run_normals
    from accel.image.statistics import data_format

    (image,) = images
    pixels = run_normals(image, params)
    meaning = {"transfer": "linear", "data": True, "kind": "normal", "format": data_format(image, pixels)}
    made = image.with_pixels(pixels, has_alpha=False, **meaning)
    return Operated({"normal": made})


@operation(resize.workload.name, version=resize.workload.version, params=Resize, levels=True, layers=True)
def resize_on_gpu(images: Sequence[Raster], params: Resize, limits: Limits) -> Operated:
    """As `resize`."""
    from accel.gpu_ops.operators import run_resize
    from accel.image.resample import target_size

    (image,) = images
    size = target_size(image, params)
    check_size(image.name, *size, limits)
    if params.kernel == "nearest" or size == (image.width, image.height):
        return resize.operate(images, params, limits)
    return Operated({"resized": run_resize(image, size, params)})


@operation(
    mipmaps.workload.name,
    version=mipmaps.workload.version,
    params=Mipmaps,
    inputs=(1, 2),
    companions=True,
    layers=True,
)
def mipmaps_on_gpu(images: Sequence[Raster], params: Mipmaps, limits: Limits) -> Operated:
    """As `mipmaps`."""
    from accel.gpu_ops.operators import run_mips

    if len(images) > 1 or params.coverage:
        return mipmaps.operate(images, params, limits)
    return Operated({"mipmaps": run_mips(images[0], params)})


@operation(
    pack_channels.workload.name,
    version=pack_channels.workload.version,
    params=PackChannels,
    inputs=pack_channels.workload.inputs,
)
def pack_channels_on_gpu(images: Sequence[Raster], params: PackChannels, limits: Limits) -> Operated:
    """As `pack_channels`."""
    from accel.gpu_ops.operators import run_packing

    made = run_packing(images, params)
    return pack_channels.operate(images, params, limits) if made is None else Operated({"packed": made})


FORMS: dict[str, Operation] = {
    form.workload.name: form
    for form in (normal_from_height_on_gpu, resize_on_gpu, mipmaps_on_gpu, pack_channels_on_gpu)
}
"""By the workload's name."""
