"""What a person would point at in the pixels, to explain a judgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from accel.texture.kinds import Kind

Features = Mapping[str, float]


def sights(features: Features, kind: Kind) -> list[tuple[str, Kind | None]]:
    """Plain facts that speak for `kind`, each with what it speaks for; none where there is nothing to say."""
    return [(text, kind) for text in _OF[kind](features) if text]


def _normal(found: Features) -> list[str]:
    if found["pair.no_blue"] > 0.9:
        return [f"red and green fit unit vectors {found['pair.disc']:.0%}, blue is empty"]
    return [
        f"unit vectors {found['unit.near']:.0%}",
        f"undisturbed surface {found['unit.up']:.0%}" if found["unit.up"] > 0.5 else "",
    ]


def _grey(found: Features) -> list[str]:
    if found["grey.exact"] > 0.99:
        return ["grey everywhere"]
    return [f"grey {found['grey.nearly']:.0%}" if found["grey.nearly"] > 0.6 else ""]


def _packed(found: Features) -> list[str]:
    constant = round(found["constant.channels"])
    least = found["edge.both_rg"], found["edge.both_rb"], found["edge.both_gb"]
    return [
        f"channels share {min(least):.0%} of their edges",
        f"{constant} constant channel{'s' * (constant > 1)}" if constant else "",
    ]


def _emissive(found: Features) -> list[str]:
    return [f"black {found['black']:.0%}" if found["black"] > 0.3 else "", f"lit {found['lit.share']:.0%}"]


def _cut(found: Features) -> list[str]:
    return [
        f"transparent {found['alpha.clear']:.0%}" if found["alpha.clear"] > 0.02 else "",
        f"{round(2 ** found['palette.count'])} colours" if found["palette.count"] < 8 else "",
    ]


def _environment(found: Features) -> list[str]:
    return [
        "light brighter than white" if found["stored.peak"] > 1.1 else "",
        "twice as wide as high" if found["size.twice"] else "",
        "faces of a cube" if found["size.cross"] or found["size.strip"] else "",
    ]


def _albedo(found: Features) -> list[str]:
    seams = max(found["seam.rows"], found["seam.columns"])
    return ["copies meet without a seam" if seams < 0.1 and found["seam.rows_step"] > 0.004 else ""]


_OF: dict[Kind, Callable[[Features], list[str]]] = {
    "albedo": _albedo, "normal": _normal, "height": _grey, "roughness": _grey, "specular": _grey,
    "ao": _grey, "packed": _packed, "emissive": _emissive, "sprite": _cut, "ui": _cut,
    "environment": _environment,
}  # fmt: skip
