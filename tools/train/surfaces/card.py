"""Writes the card of the surface network: training data, accuracy and limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tools.train.fetch import DATA, sources
from tools.train.surfaces.dataset import (
    DUPLICATE_CORRELATION,
    HELD_OUT,
    HELD_OUT_GENERATORS,
    PROCEDURAL,
    Split,
)  # fmt: skip
from tools.train.surfaces.evaluate import FLAT, METHODS, METRICS, Figures
from tools.train.surfaces.network import BATCH_SIZE, CROP_SIDE, STEPS, SurfaceNet

CARD = DATA.parent.parent / "docs" / "explanation" / "models" / "estimate-pbr.md"
Means = Mapping[str, Mapping[str, float]]
HEADS = {
    "angle": "angle between normals",
    "slopes": "correlation of slopes",
    "height": "correlation of heights",
    "rough error": "mean error of roughness",
    "rough": "correlation of roughness",
}


def write(split: Split, found: Mapping[str, Figures], rough: Means, size: int, file: Path = CARD) -> None:
    """Writes the card; `rough` has the metrics of the network's own roughness, by group."""
    file.write_text(text(split, found, rough, size) + "\n", encoding="utf-8", newline="\n")


def text(split: Split, found: Mapping[str, Figures], rough: Means, size: int) -> str:
    """Returns the card as Markdown."""
    weights = sum(parameter.numel() for parameter in SurfaceNet().parameters())
    real, procedural = found["real"], found[PROCEDURAL]
    return f"""# The surface network

`accel/texture/surface.onnx`, {size / 1e6:.2f} MB, {weights // 1000},000 weights of 16 bits, is written by
`python tools/train/pbr.py`, which also writes this page. It predicts the height of each texel of a material
from its colours. The workload `texture.estimate_pbr` turns that into a height map and a normal map; the
roughness map follows a simple rule.

## Accuracy

Measured with the shipped program on {_most(real)} materials of packages that nothing was trained on:

{_figures(real)}

The figures are means over the materials. `{FLAT}` predicts no relief and the same roughness everywhere.
`luminance` treats bright as high; it is the method of that name of `texture.estimate_pbr`. The angle is the
mean over all texels between the true and the predicted normal, in degrees; smaller is better. Correlations
are within each material and don't depend on the scale; maps without relief or contrast are left out.

{_summary(real)}

By package:

{_by_source(found)}

Procedural materials of {len(HELD_OUT_GENERATORS)} generators ({", ".join(HELD_OUT_GENERATORS)}) that nothing
was trained on, with exact maps:

{_figures(procedural)}

## Roughness

{_roughness(real, procedural, rough)}

## How it works

A U-Net with two convolutions at each of four sizes, down and up; each height depends on at most 58 texels in
every direction. Heights are in texels, and normals are their slopes by the Sobel kernel, so both maps always
agree. It was trained on {STEPS:,} batches of {BATCH_SIZE} crops of {CROP_SIDE} × {CROP_SIDE} texels (about a
quarter of an hour on one core). The loss compares the direction of normals, the correlation of slopes and,
where it is known, the correlation of heights. Crops were mirrored, seldom rotated, and varied in exposure,
tint, saturation and noise.

## Training data

{_data(split)}

tools/train/sources.tsv lists each package with its version and licence, tools/train/materials.tsv each
material. Whole packages are held out, never parts of a material: {", ".join(HELD_OUT)}.
{split.duplicates} materials of the other packages were left out because their thumbnails correlate by
{DUPLICATE_CORRELATION} or more with a held-out one: packages share textures. No texture is shipped, in the
network or beside it. The network has the program's licence, Apache-2.0.

## Limits

- Colour isn't relief: painted letters, stains, wood grain and posters get some.
- Colours don't show how deep a relief is; the network predicts a usual depth. Correct it with `strength`.
- Many of the "true" normal maps of games were made from the colours by a filter, which favours methods that
  follow brightness. Those of apt-cube2-data look modelled and are the better measure.
- Shapes larger than about a hundred texels aren't detected. Scale the texture down for those.
- Slopes may be inverted where baked light doesn't come from above."""


def _figures(figures: Figures) -> str:
    head = [
        "method",
        *(f"{HEADS[metric]} ({figures.counts[metric]})" for metric in METRICS if metric in figures.counts),
    ]
    rows = [
        [method, *(_cell(figures, method, metric) for metric in METRICS if metric in figures.counts)]
        for method in METHODS
    ]
    return _table(head, rows)


def _cell(figures: Figures, method: str, name: str) -> str:
    value = figures.means[method][name]
    if name == "angle":
        return f"{value:.2f}°"
    return "-" if method == FLAT and name != "rough error" else f"{value:.3f}"


def _most(figures: Figures) -> int:
    return max(figures.counts.values())


def _summary(figures: Figures) -> str:
    network, plain, flat = (figures.means[method]["angle"] for method in ("network", "luminance", FLAT))
    return (
        f"In angle no method is far from a flat surface ({flat:.2f}°): many materials are nearly flat. The "
        f"network's\nnormals are {plain - network:.2f}° better than luminance's and "
        f"{abs(network - flat):.2f}° {'better' if network < flat else 'worse'} than flat ones. It "
        "adds shape: where\nslopes are and which way they lean. It is better than luminance in slopes for "
        f"{figures.better['slopes']} of {figures.counts['slopes']} materials, in\nheights for "
        f"{figures.better['height']} of {figures.counts['height']}, and in normals for "
        f"{figures.better['angle']}."
    )


def _by_source(found: Mapping[str, Figures]) -> str:
    names = ("angle", "slopes", "height")
    rows = []
    for source in HELD_OUT:
        for method in METHODS:
            figures = found[source]
            known = [name for name in names if figures.counts.get(name, 0) > 1]
            cells = [_cell(figures, method, name) if name in known else "-" for name in names]
            rows.append([source if method == FLAT else "", str(_most(figures)), method, *cells])
    return _table(["package", "materials", "method", *(HEADS[name] for name in names)], rows)


def _roughness(real: Figures, procedural: Figures, rough: Means) -> str:
    rows = []
    for name, of, own in (("real", real, rough["real"]), ("procedural", procedural, rough[PROCEDURAL])):
        errors = [_cell(of, method, "rough error") for method in (FLAT, "luminance")]
        shapes = [_cell(of, "luminance", "rough"), f"{own['rough']:.3f}"]
        rows.append([name, str(of.counts["rough error"]), *errors, f"{own['rough error']:.3f}", *shapes])
    head = (
        "materials", "number", "error of 0.6 everywhere", "of the rule", "of the network",
        "correlation of the rule", "of the network",
    )  # fmt: skip
    return (
        "Few free materials have a roughness map. The network was trained to predict one too, but on real\n"
        "materials it isn't better than a rule, so only the rule is shipped: 0.6 minus 0.4 times the\n"
        "brightness (0 to 1) without baked shading. It was fitted on apt-supertuxkart-data, where\n"
        "roughness and brightness correlate by -0.38. Use the map as a starting point, not as a "
        "measurement.\n\n" + _table(head, rows)
    )


def _data(split: Split) -> str:
    rows = []
    licences = {source.id: source.licence for source in sources()}
    licences[PROCEDURAL] = "procedural, tools/train/render"
    for part, use in ((split.training, "training"), (split.held_out, "held out")):
        for source, count in sorted(Counter(example.source for example in part).items()):
            of = [example for example in part if example.source == source]
            maps = [sum(getattr(example, name) is not None for example in of) for name in _MAPS]
            rows.append([source, licences[source], use, str(count), *map(str, maps)])
    return _table(["package", "licence", "use", "materials", "normals", "heights", "roughness"], rows)


_MAPS = ("slopes", "height", "roughness")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
