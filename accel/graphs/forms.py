"""The workloads on images of which a GPU has a form of its own: the same parameters, the same results.

They agree with the CPU's within one step of 8 bit, so that a cache needn't know which form a result is of.
What no graph does (the coverage of cut-outs, say) the CPU's form does, here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from accel.image.mipmaps import Mipmaps, mipmaps
from accel.image.normal_from_height import NormalFromHeight, normal_from_height
from accel.image.operation import Operated, Operation, check_size, operation
from accel.image.pack_channels import PackChannels, pack_channels
from accel.image.resize import Resize, resize
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


@operation(
    normal_from_height.workload.name, version=normal_from_height.workload.version, params=NormalFromHeight
)
def normal_from_height_graph(images: Sequence[Raster], params: NormalFromHeight, limits: Limits) -> Operated:
    """As `normal_from_height`."""
    from accel.graphs.operate import normals
    from accel.image.planes import data_format

    (image,) = images
    pixels = normals(image, params)
    meaning = {"transfer": "linear", "data": True, "kind": "normal", "format": data_format(image, pixels)}
    made = image.with_pixels(pixels, has_alpha=False, **meaning)
    return Operated({"normal": made})


@operation(resize.workload.name, version=resize.workload.version, params=Resize, levels=True, layers=True)
def resize_graph(images: Sequence[Raster], params: Resize, limits: Limits) -> Operated:
    """As `resize`."""
    from accel.graphs.operate import resized
    from accel.image.target import target

    (image,) = images
    size = target(image, params)
    check_size(image.name, *size, limits)
    if params.kernel == "nearest" or size == (image.width, image.height):
        return resize.operate(images, params, limits)
    return Operated({"resized": resized(image, size, params)})


@operation(
    mipmaps.workload.name,
    version=mipmaps.workload.version,
    params=Mipmaps,
    inputs=(1, 2),
    companions=True,
    layers=True,
)
def mipmaps_graph(images: Sequence[Raster], params: Mipmaps, limits: Limits) -> Operated:
    """As `mipmaps`."""
    from accel.graphs.operate import with_levels

    if len(images) > 1 or params.coverage:
        return mipmaps.operate(images, params, limits)
    return Operated({"mipmaps": with_levels(images[0], params)})


@operation(
    pack_channels.workload.name,
    version=pack_channels.workload.version,
    params=PackChannels,
    inputs=pack_channels.workload.inputs,
)
def pack_channels_graph(images: Sequence[Raster], params: PackChannels, limits: Limits) -> Operated:
    """As `pack_channels`."""
    from accel.graphs.operate import packed

    made = packed(images, params)
    return pack_channels.operate(images, params, limits) if made is None else Operated({"packed": made})


FORMS: dict[str, Operation] = {
    form.workload.name: form
    for form in (normal_from_height_graph, resize_graph, mipmaps_graph, pack_channels_graph)
}
"""By the workload's name."""
