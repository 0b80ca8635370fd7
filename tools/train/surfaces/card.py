"""Writes the network's card: what it learned from, how near its guesses come, where they fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tools.train.fetch import DATA
from tools.train.surfaces import learning, rendered
from tools.train.surfaces.dataset import HELD_OUT, TWINS, Split
from tools.train.surfaces.materials import licences
from tools.train.surfaces.measure import FLAT, MAPS, METHODS, Figures
from tools.train.surfaces.network import SurfaceNet

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
    """Writes the card; `rough` are the means of the network's own roughness, by group."""
    file.write_text(text(split, found, rough, size) + "\n", encoding="utf-8", newline="\n")


def text(split: Split, found: Mapping[str, Figures], rough: Means, size: int) -> str:
    """The card, in Markdown."""
    weights = sum(one.numel() for one in SurfaceNet().parameters())
    real, made = found["real"], found[rendered.SOURCE]
    return f"""# The network of surfaces

`accel/texture/surface.onnx`, {size / 1e6:.2f} MB, {weights // 1000},000 weights of 16 bit, written by `python
tools/train/pbr.py`, which also writes this page. It guesses how high each texel of a material is, by its
colours; the workload `texture.estimate_pbr` makes the height and the normal map of it. The roughness
map comes by a rule.

## How near it comes

Measured with the program as it is shipped, on {_most(real)} materials of packages that nothing was learned
from:

{_figures(real)}

Real materials, mean of each. `{FLAT}` says that there is no relief, and that roughness is the same
everywhere; `luminance` says that bright is high, which is what `texture.estimate_pbr` does with the
method of that name. An angle is the mean over all texels between the true normal and the guessed one,
in degrees: smaller is better. Correlations are within each material and don't depend on the scale; of those
without relief or contrast none is taken.

{_better(real)}

By package:

{_by_source(found)}

Procedural materials of {len(rendered.HELD_OUT)} generators ({", ".join(rendered.HELD_OUT)}) that nothing was
learned from, whose maps are true to the texel:

{_figures(made)}

## Roughness

{_roughness(real, made, rough)}

## How it works

A U-Net: two convolutions at each of four sizes on either way, no more than 58 texels seen around each one.
It gives a height in texels; normals are the slopes of that height by Sobel's kernel, so that both maps
always fit each other. It learned from {learning.STEPS:,} batches of {learning.BATCH} pieces of
{learning.CROP} x {learning.CROP} texels (about a quarter of an hour on one core) to make normals of the
right direction, slopes that correlate with the true ones, and heights that correlate where they are
known. Pieces were mirrored, seldom turned, brightened, tinted, made grey or noisy.

## What it learned from

{_data(split)}

Each package is named in tools/train/sources.tsv with its version and licence, each material in
tools/train/materials.tsv. Packages are held out whole, never parts of a material: those of
{", ".join(HELD_OUT)}.
{split.twins} materials of the others were left out, as their thumbnails correlate by {TWINS} or more with one
that is held out: makers' textures go round. No texture is shipped, in the network or beside it. The network's
licence is the program's, Apache-2.0.

## Where it errs

- Colour isn't relief: painted letters, stains, wood grain and posters get some.
- How deep a relief is can't be seen in its colours: it is a guess of what is usual. `strength` corrects it.
- Many of the "true" normal maps of games were themselves made of the colours by a filter, which flatters
  whatever follows brightness. Those of apt-cube2-data look modelled, and are the better measure.
- Large shapes, of more than about a hundred texels, aren't seen; make the texture smaller to get those.
- Baked light from another side than above may turn slopes round."""


def _figures(figures: Figures) -> str:
    head = ["method", *(f"{HEADS[one]} ({figures.counts[one]})" for one in MAPS if one in figures.counts)]
    rows = [
        [method, *(_cell(figures, method, one) for one in MAPS if one in figures.counts)]
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


def _better(figures: Figures) -> str:
    network, plain, flat = (figures.means[one]["angle"] for one in ("network", "luminance", FLAT))
    return (
        f"In direction no guess is far from a flat one ({flat:.2f}°): the network's normals are "
        f"{plain - network:.2f}° nearer\nthan those by luminance, and {abs(network - flat):.2f}° "
        f"{'nearer' if network < flat else 'farther'} than flat ones, as many materials\nare nearly flat. "
        "What it adds is shape: where slopes are, and which way they lean.\n"
        f"Its slopes correlate better than luminance's on {figures.nearer['slopes']} of the "
        f"{figures.counts['slopes']} materials, its heights on {figures.nearer['height']} of\nthe "
        f"{figures.counts['height']}, its normals are nearer on {figures.nearer['angle']}."
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


def _roughness(real: Figures, made: Figures, rough: Means) -> str:
    rows = []
    for name, of, own in (("real", real, rough["real"]), ("procedural", made, rough[rendered.SOURCE])):
        errors = [_cell(of, method, "rough error") for method in (FLAT, "luminance")]
        shapes = [_cell(of, "luminance", "rough"), f"{own['rough']:.3f}"]
        rows.append([name, str(of.counts["rough error"]), *errors, f"{own['rough error']:.3f}", *shapes])
    head = (
        "materials", "number", "error of 0.6 everywhere", "of the rule", "of the network",
        "correlation of the rule", "of the network",
    )  # fmt: skip
    return (
        "Few free materials come with a roughness map. The network learned to guess one too; on real\n"
        "materials it isn't nearer than the rule, so that only the rule is shipped: 0.6, and rougher by 0.4\n"
        "where brightness is lower by 1. That was fitted on the materials of apt-supertuxkart-data, where\n"
        "roughness and brightness correlate by -0.38. Take the map for a start that an artist changes, not\n"
        "for a measurement.\n\n" + _table(head, rows)
    )


def _data(split: Split) -> str:
    rows = []
    known = licences({one.source for one in (*split.learned, *split.held_out)} - {rendered.SOURCE})
    for part, use in ((split.learned, "learned from"), (split.held_out, "held out")):
        for source, count in sorted(Counter(one.source for one in part).items()):
            of = [one for one in part if one.source == source]
            maps = [sum(getattr(one, name) is not None for one in of) for name in _MAPS]
            rows.append([source, known.get(source, "procedural, tools/train/render"), use, str(count),
                         *map(str, maps)])  # fmt: skip
    return _table(["package", "licence", "use", "materials", "normals", "heights", "roughness"], rows)


_MAPS = ("slopes", "height", "roughness")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
