"""What the channels of a packed texture hold: by its name, checked against its pixels; else by these."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from accel.image.inspection import Channel, Inspection
from bridge.advisors.names import order_of
from bridge.core.textures import ChannelMeaning

Order = Mapping[str, ChannelMeaning]

BINARY = 0.8
"""Metal is or isn't: variance over that of a texture of 0 and 1 alone with the same mean, from this on."""
GRADED = 0.4
"""Up to this the same ratio speaks of values in between, as roughness and occlusion have them."""
CONSTANT = 0.02
"""Standard deviation of what is the same everywhere: a thing of metal, or one without."""
OPEN = 0.75
"""Most of a surface is occluded by nothing: so bright is its mean."""
APART = 0.15
"""How much brighter occlusion is than roughness where the pixels tell them apart."""
BENT = 0.007
"""What `bend` gives at the most for masks of 0 and 1 with smooth edges, save for small and ragged ones: as
much as where 4 % of all texels are spread evenly between 0 and 1."""
BENT_LOSSY = 0.01
"""The same where noise comes to it, as of a JPEG of quality 75."""
LOSSY = frozenset({"jpeg", "webp", "avif", "heif"})
"""Formats that may hold such noise; a WebP doesn't say whether it does."""


def channel_order(image: Inspection, file: str) -> Order | None:
    """What each channel holds; None where neither the name nor the pixels say it for sure."""
    by_pixels = order_by_pixels(image)
    named = order_of(file)
    if named is None:
        return by_pixels
    order = {name: meaning for name, meaning in named[1].items() if name in _channels(image)}
    return None if contradicts(image, order, by_pixels) else order


def contradicts(image: Inspection, order: Order, by_pixels: Order | None) -> bool:
    """Whether the pixels speak against `order`: another channel is metal, or this one has no such values."""
    if by_pixels is not None:
        return any(order.get(name, meaning) != meaning for name, meaning in by_pixels.items())
    channels = _channels(image)
    metal = next((channels[name] for name, meaning in order.items() if meaning == "metallic"), None)
    graded = metal is not None and not is_constant(metal) and binary(metal) < GRADED
    others = [channels[name] for name, meaning in order.items() if meaning != "metallic"]
    return graded and any(binary(one) >= BINARY for one in others)


def order_by_pixels(image: Inspection) -> Order | None:
    """Metal, occlusion and roughness in three channels whose statistics tell them apart; None else."""
    channels = {name: one for name, one in _channels(image).items() if name != "a"}
    if len(channels) != 3 or image.grey:
        return None
    metals = [name for name, one in channels.items() if binary(one) >= BINARY and not is_constant(one)]
    if len(metals) != 1:
        return None
    one, other = (name for name in channels if name != metals[0])
    if any(binary(channels[name]) > GRADED or is_constant(channels[name]) for name in (one, other)):
        return None
    open_, rough = sorted((one, other), key=lambda name: -channels[name].mean)
    bright, dark = channels[open_], channels[rough]
    if bright.mean < OPEN or bright.max < 0.98 or bright.mean - dark.mean < APART:
        return None
    return {open_: "occlusion", rough: "roughness", metals[0]: "metallic"}


def binary(channel: Channel) -> float:
    """1 where there is only 0 and 1, towards 0 for values in between."""
    most = channel.mean * (1 - channel.mean)
    return channel.std**2 / most if most > 0 else 0.0


def bent(image: Inspection, names: Collection[str] = ()) -> bool:
    """Whether a colour channel, of those called `names` if any are, means another thing when read as sRGB.

    0 and 1 stay what they are, and a few texels between them, as edges have, don't count. Alpha is never
    read so.
    """
    most = BENT_LOSSY if image.format in LOSSY or image.compression else BENT
    colors = [channel for channel in image.statistics if channel.name != "a"]
    return any(bend(one) > most for one in colors if not names or one.name in names)


def bend(channel: Channel) -> float:
    """About how much lower its values are when read as sRGB, on the mean: 0 where all are 0 or 1, 0.25 at
    most.

    It is the mean of x * (1 - x), which follows from the statistics, and is for every x within a third of
    what decoding takes away.
    """
    if not (channel.min >= 0 and channel.max <= 1):
        # Floats, which the curve isn't made for: certainly values in between.
        return 0.25
    return max(0.0, channel.mean * (1 - channel.mean) - channel.std**2)


def is_constant(channel: Channel) -> bool:
    """Whether it has one value."""
    return channel.std <= CONSTANT


def _channels(image: Inspection) -> dict[str, Channel]:
    return {channel.name: channel for channel in image.statistics if channel.name in ("r", "g", "b", "a")}
