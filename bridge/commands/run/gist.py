"""The values that people see most of, in a line: textures that were compressed, inspected or classified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from accel.text import text
from bridge.commands.language import say
from bridge.commands.shared import size_text

WRITTEN = {"name", "format", "width", "height", "channels", "bit_depth", "levels", "size"}
"""The facts of an image that was written: accel.image.operation.Written."""
COMPRESSED = {
    "format", "reached", "container", "width", "height", "levels", "srgb", "bits_per_pixel", "size", "ratio",
    "psnr", "tried", "kind",
}  # fmt: skip
"""accel.image.compress.Compressed."""
INSPECTED = {
    "format",
    "compression",
    "width",
    "height",
    "channels",
    "bit_depth",
    "size",
    "color_model",
    "alpha",
    "grey",
}
"""Of accel.image.inspection.Inspection what its line tells, and what it is known by."""
PACKED = {"pages", "sprites"}
"""accel.image.atlas.Atlas."""
FILLED = {"width", "height", "fill"}
"""Of its pages what their line tells."""
CLASSIFIED = {"kind", "probabilities", "advise", "evidence"}
"""accel.texture.classification.Classification."""


def gist(value: Mapping[str, Any], *, several: bool = False) -> str | None:
    """A line; None for what has none. Of `several` files also what has many facts."""
    if value.keys() >= COMPRESSED:
        return _listed(_compressed(value))
    if value.keys() >= PACKED and _is_atlas(value["pages"], value["sprites"]):
        return _listed(iter((_packed(value), images_of(value))))
    if several and value.keys() >= INSPECTED:
        return _listed(_inspected(value))
    if several and value.keys() >= CLASSIFIED:
        return _classified(value)
    return None


def attempts(value: Mapping[str, Any]) -> Iterator[str]:
    """A line for each format that was tried for a target, where that was more than the one that was taken."""
    tried = value["tried"] if value.keys() >= COMPRESSED else ()
    if len(tried) < 2:
        return
    rows = [
        (each["format"], _bits(each), size_text(each["size"]), f"{each['psnr']:.1f} dB") for each in tried
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *numbers in rows:
        parts = [each.rjust(width) for each, width in zip(numbers, widths[1:], strict=True)]
        yield "  ".join(["", name.ljust(widths[0]), *parts])


def size_of(value: Mapping[str, Any]) -> str:
    """Pixels."""
    return f"{value['width']} x {value['height']}"


def channels_of(value: Mapping[str, Any]) -> str:
    """How many, and how deep."""
    channels = (
        text("{count} channel of {bits} bit")
        if value["channels"] == 1
        else text("{count} channels of {bits} bit")
    )
    return say(channels.fill(count=value["channels"], bits=value["bit_depth"]))


def levels_of(value: Mapping[str, Any]) -> str:
    """Empty for a single one."""
    count = value.get("levels", 1)
    return say(text("{count} levels", count=count)) if count > 1 else ""


def images_of(value: Mapping[str, Any]) -> str:
    """Faces and layers that were written, or of how many the first alone was; empty for a single one."""
    if value.get("first_of"):
        return say(text("first of {count} images", count=value["first_of"]))
    count = value.get("images", 1)
    return say(text("{count} images", count=count)) if count > 1 else ""


def cut_of(value: Mapping[str, Any]) -> Iterator[str]:
    """What the file holds no value for."""
    for name, message in (
        ("below", text("values too low cut off (the least {value})")),
        ("above", text("values too high cut off (the largest {value})")),
    ):
        if value.get(name) is not None:
            yield say(message.fill(value=_number(value[name])))


def _number(value: float) -> str:
    """Four digits, and all before the point."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _compressed(value: Mapping[str, Any]) -> Iterator[str]:
    yield value["container"].upper()
    yield value["format"] + " sRGB" * value["srgb"]
    yield size_of(value)
    yield levels_of(value)
    yield size_text(value["size"])
    yield _bits(value)
    # Of few texels a file's header is most of it.
    if value["ratio"] >= 1.05:
        yield say(text("{ratio} times smaller than uncompressed", ratio=f"{value['ratio']:.1f}"))
    if value["psnr"] is not None:
        yield f"{value['psnr']:.1f} dB"
    if value["reached"] is False:
        yield say(text("target not reached"))
    yield f"kind {value['kind']}"
    yield images_of(value)
    yield from cut_of(value)
    if value["container"] == "dds" and (value["width"] % 4 or value["height"] % 4):
        yield say(text("Direct3D wants sides that are multiples of 4"))


def _is_atlas(pages: object, sprites: object) -> bool:
    """Whether that is what they are of: a plugin's value may call something else so."""
    if not isinstance(pages, list | tuple) or not isinstance(sprites, list | tuple):
        return False
    return all(
        isinstance(page, Mapping) and page.keys() >= FILLED and isinstance(page["fill"], int | float)
        for page in pages
    )


def _packed(value: Mapping[str, Any]) -> str:
    """No line for each sprite, as the data that is written has them."""
    pages = (
        part
        for page in value["pages"]
        for part in (
            say(text("{size} ({share} full)", size=size_of(page), share=f"{(page['fill']):.0%}")),
            *cut_of(page),
        )
    )
    return say(
        text(
            "sprites: {count}; pages: {pages}",
            count=f"{(len(value['sprites'])):,}",
            pages=say(text(", ")).join(pages),
        )
    )


def _inspected(value: Mapping[str, Any]) -> Iterator[str]:
    yield " ".join(filter(None, (value["format"].upper(), value["compression"])))
    yield size_of(value)
    yield channels_of(value)
    yield levels_of(value)
    yield size_text(value["size"])
    if value.get("images", 1) > 1:
        yield say(text("first of {count} images", count=value["images"]))
    yield value["color_model"]
    if value["grey"] and value["color_model"] != "grey":
        yield say(text("grey throughout"))
    if value["alpha"]:
        yield say(text("alpha used") if value["alpha"]["used"] else text("alpha the same everywhere"))


def _classified(value: Mapping[str, Any]) -> str:
    shares = sorted(value["probabilities"].items(), key=lambda each: -each[1])
    if value["advise"]:
        return _share(*shares[0])
    return say(text("unsure: {kinds}", kinds=say(text(", ")).join(_share(*each) for each in shares[:2])))


def _share(kind: str, share: float) -> str:
    return f"{kind} {share:.0%}"


def _bits(value: Mapping[str, Any]) -> str:
    return say(text("{count} bits per pixel", count=f"{value['bits_per_pixel']:.3g}"))


def _listed(parts: Iterator[str]) -> str:
    return ", ".join(filter(None, parts))
