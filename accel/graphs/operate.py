"""Operations on rasters by graphs, on what this process computes on."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from accel.devices import here
from accel.graphs.coded import Coded
from accel.graphs.mips import mip_feed, mips_graph, steps
from accel.graphs.normal_map import normal_map_graph, scale
from accel.graphs.packing import Packed, Plane, packing_graph
from accel.graphs.resampling import resize_graph, rings, weights
from accel.graphs.runner import Runner
from accel.image.channel_packing import loses_alpha, lost
from accel.image.channel_plan import planned
from accel.image.coding import Coding, coding
from accel.image.decoded import Pixels
from accel.image.levels import sizes
from accel.image.meaning import kind_of, meant
from accel.image.planes import data_format, index, plane
from accel.image.raster import Raster
from accel.image.relief import Relief, depth

if TYPE_CHECKING:
    from accel.image.mipmaps import Mipmaps
    from accel.image.normal_from_height import NormalFromHeight
    from accel.image.pack_channels import ChannelSource, PackChannels
    from accel.image.resize import Resize


@functools.cache
def runner() -> Runner:
    """This process' own."""
    return Runner(here.choice())


def normals(image: Raster, params: NormalFromHeight) -> Pixels:
    """Height x width x 3. Raises WorkloadError `bad_params`."""
    relief = Relief.of(params)
    heights = plane(image, params.channel)
    graph = normal_map_graph(
        heights.dtype.name, depth(image, params.bits), relief.kernel, relief.wrap, relief.green_down
    )
    found = runner().run(graph, {"heights": heights[None], "scale": scale(relief, heights.dtype)})
    pixels: Pixels = found["normals"].fetch()[0]
    return pixels


def resized(image: Raster, size: tuple[int, int], params: Resize) -> Raster:
    """The image with another size, (width, height). Raises WorkloadError `unsupported`."""
    assert params.kernel != "nearest"
    kind = kind_of(image, params.kind)
    how = coding(image, kind, params.linear_light, params.alpha_weighted)
    old = (image.width, image.height)
    soft = how.weighted and rings(old, size, params.kernel, params.edge)
    feed = {**_fed(image, how), **weights(old, size, params.kernel, params.edge, soft=soft)}
    found = runner().run(resize_graph(Coded.of(how), soft), feed)
    pixels = how.within(found["resized"].fetch()[0], image.pixels)
    return image.with_pixels(pixels, **meant(image, kind))


def with_levels(image: Raster, params: Mipmaps) -> Raster:
    """The image with its mip levels. Raises WorkloadError `unsupported`."""
    kind = kind_of(image, params.kind)
    how = coding(image, kind, params.linear_light, params.alpha_weighted)
    coded, size = Coded.of(how), (image.width, image.height)
    wanted = sizes(*size, params.levels)
    made: dict[str, Any] = {}
    if wanted:
        feed = {**_fed(image, how), **mip_feed(coded, size, wanted, params.filter, params.edge)}
        made = runner().run(mips_graph(coded, steps(size, wanted, params.filter, params.edge)), feed)
    levels = [made[f"level{level}"].fetch()[0] for level in range(1, len(wanted) + 1)]
    return image.with_pixels(image.pixels, mips=tuple(levels), read_mips=False, **meant(image, kind))


def packed(images: Sequence[Raster], params: PackChannels) -> Raster | None:
    """One image of the channels of several; None for what the CPU's form alone does, errors included.

    Raises WorkloadError `bad_params`.
    """
    sources = planned(params, [one.name for one in images])
    used = [images[source.input] for source in sources if source.input is not None]
    same = len({(one.width, one.height) for one in used}) == 1
    if not same or loses_alpha(params, sources):
        return None
    deep = params.bits in ("16", "32") or (params.bits == "same" and any(one.bit_depth > 8 for one in used))
    kinds = tuple(Packed(one.pixels.dtype.name, one.channels) for one in images)
    planes = tuple(_plane(images, source) for source in sources)
    graph = packing_graph(kinds, planes, "uint16" if deep else "uint8")
    feed = {f"image{at}": one.pixels[None] for at, one in enumerate(images)}
    pixels = runner().run(graph, feed)["packed"].fetch()[0]
    first = images[0]
    format = data_format(first, pixels)
    return Raster(
        first.name, pixels, len(sources) > 3, "linear", format, data=True, kind="data",
        first_of=max(one.first_of for one in images), **lost(images, sources),
    )  # fmt: skip


def _plane(images: Sequence[Raster], source: ChannelSource) -> Plane:
    if source.input is None:
        return Plane(value=source.value or 0.0, invert=source.invert)
    image = images[source.input]
    if source.channel == "luminance":
        return Plane(source.input, -1 if image.colors == 3 else 0, invert=source.invert)
    return Plane(source.input, index(image, source.channel), invert=source.invert)


def _fed(image: Raster, how: Coding) -> dict[str, Any]:
    feed: dict[str, Any] = {"pixels": image.pixels[None]}
    if Coded.of(how).bounded:
        feed["range"] = np.array(how.range, np.float32)
    return feed
