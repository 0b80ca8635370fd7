"""Real materials: which packages have which maps of one material, and how those become examples."""

from __future__ import annotations

import csv
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from accel.image.curl import curl
from accel.image.open_raster import open_raster
from accel.image.raster import Raster
from accel.image.sampling import sample
from accel.workload import Input, Limits, WorkloadError
from tools.train.archives import NESTED
from tools.train.fetch import DATA, Download, Source, Texture, bring, sources
from tools.train.surfaces.examples import SIDE, Example, Floats, slopes_of

COLUMNS = ("source", "albedo", "normal", "height", "roughness")
GLOSS = ("apt-supertuxkart-data",)
"""Sources whose roughness is stored as gloss, its opposite, in red."""
FLIP_SURE = 0.5
"""Confidence from which a normal map's own texels say where its green points; else others of its package."""
LEAST_SIDE, LEAST_SPREAD = 64, 2.0
"""Smaller textures, and colours that spread over fewer steps of 255, show nothing to learn from."""
UNIT_SHARE = 0.5
"""Share of vectors of about length 1 from which an image is a normal map."""
SAME_SHAPE = 0.02
"""By how much the sides of a material's maps may differ in proportion."""

Row = dict[str, str]


def materials(data: Path = DATA) -> list[Row]:
    """The rows of materials.tsv; empty for maps that a material lacks."""
    with (data / "materials.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def fetch_materials(cache: Path, download: Download | None = None) -> list[Row]:
    """Brings the maps that `cache` lacks and gives the rows with the paths of those that are there."""
    known = {source.id: source for source in sources()}
    missing: dict[str, list[Texture]] = defaultdict(list)
    rows = materials()
    for row in rows:
        for column in COLUMNS[1:]:
            file = _place(cache, row["source"], row[column])
            if row[column] and not file.is_file():
                missing[row["source"]].append(Texture("", row[column], file, "albedo"))

    def brought(name: str) -> list[str]:
        return bring(known[name], missing[name], cache, download)

    with ThreadPoolExecutor(2) as pool:
        for problem in (one for found in pool.map(brought, missing) for one in found):
            print(problem, file=sys.stderr)
    return [_present(row, cache) for row in rows]


def licences(names: Iterable[str], data: Path = DATA) -> dict[str, str]:
    """Of these packages, from sources.tsv."""
    with (data / "sources.tsv").open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        every = {Source(row["name"], row["registry"], "", "").id: row["licence"] for row in rows}
    return {name: every[name] for name in names}


def examples(rows: Sequence[Row], say: Callable[[str], None] = print) -> list[Example]:
    """What can be read of them, with all greens pointing up."""
    found: list[tuple[Example, float]] = []
    for index, row in enumerate(rows):
        if row["albedo"] and (made := _example(row, cut=index % 2 == 0)):
            found.append(made)
    votes: dict[str, Counter[bool]] = defaultdict(Counter)
    for one, sign in found:
        if abs(sign) >= FLIP_SURE:
            votes[one.source][sign < 0] += 1
    for one, sign in found:
        flipped = sign < 0 if abs(sign) >= FLIP_SURE else votes[one.source][True] > votes[one.source][False]
        if one.slopes is not None and flipped:
            one.slopes[1] *= -1
    for source, counted in votes.items():
        say(f"{source}: green up {counted[False]}, down {counted[True]}")
    return [one for one, _ in found]


def _place(cache: Path, source: str, path: str) -> Path:
    return cache / source / path.replace("!", NESTED)


def _present(row: Row, cache: Path) -> Row:
    made = {"source": row["source"]}
    for column in COLUMNS[1:]:
        file = _place(cache, row["source"], row[column])
        made[column] = str(file) if row[column] and file.is_file() else ""
    return made


def _example(row: Row, cut: bool) -> tuple[Example, float] | None:
    """An example whose green isn't turned yet, with what its texels say of it: -1 (down) to 1 (up)."""
    albedo = _read(row["albedo"])
    if albedo is None or min(albedo.width, albedo.height) < LEAST_SIDE:
        return None
    colours = _unit(albedo)
    colours = colours[..., :3] if albedo.colors == 3 else np.repeat(colours[..., :1], 3, -1)
    size = colours.shape[:2]
    if colours.std() * 255 < LEAST_SPREAD:
        return None
    if albedo.has_alpha and _unit(albedo)[..., -1].mean() < 0.9:
        return None
    normal = _fitting(row["normal"], size)
    height = _fitting(row["height"], size)
    rough = _fitting(row["roughness"], size)
    slopes, sign = None, 0.0
    if normal is not None and normal.colors == 3:
        vectors = _unit(normal)[..., :3] * 2 - 1
        lengths = (vectors * vectors).sum(-1)
        if (np.abs(lengths - 1) < 0.3).mean() > UNIT_SHARE and vectors[..., :2].std() > 0.01:
            slopes = slopes_of(vectors)
            said = curl(normal.pixels, sample(normal.pixels))
            sign = float(np.sign(said.sign) * said.sure)
    if slopes is None and rough is None:
        return None
    shrink = _shrunk if not cut else _cut
    return Example(
        row["source"],
        row["albedo"],
        (shrink(colours) * 255 + 0.5).astype(np.uint8),
        None if slopes is None else np.stack([shrink(one) for one in slopes]).astype(np.float16),
        None if height is None else shrink(_unit(height)[..., : height.colors].mean(-1)).astype(np.float16),
        None if rough is None else (shrink(_rough(rough, row["source"])) * 255 + 0.5).astype(np.uint8),
    ), sign


def _rough(image: Raster, source: str) -> Floats:
    values = _unit(image)[..., 0]
    return 1 - values if source in GLOSS else values


def _read(path: str) -> Raster | None:
    if not path:
        return None
    try:
        return open_raster(Input(path, path), Limits(), "linear")
    except (WorkloadError, OSError):
        return None


def _fitting(path: str, size: tuple[int, ...]) -> Raster | None:
    """A map in the size of the colours; None where it can't be read or has other proportions."""
    image = _read(path)
    if image is None:
        return None
    if (image.height, image.width) == size:
        return image
    if abs(image.height / image.width / (size[0] / size[1]) - 1) > SAME_SHAPE:
        return None
    from accel.image.resize import Resize, resize

    params = Resize(width=size[1], height=size[0], enlarge=True)
    return resize.operate([image], params, Limits()).images["resized"]


def _unit(image: Raster) -> Floats:
    if image.pixels.dtype.kind == "f":
        return image.pixels
    return image.pixels / np.float32(np.iinfo(image.pixels.dtype).max)


def _cut(values: Floats) -> Floats:
    """The middle."""
    height, width = values.shape[:2]
    top, left = max(0, height - SIDE) // 2, max(0, width - SIDE) // 2
    return values[top : top + SIDE, left : left + SIDE]


def _shrunk(values: Floats) -> Floats:
    """Halved until it fits."""
    while max(values.shape[:2]) > SIDE and min(values.shape[:2]) >= 2 * LEAST_SIDE:
        height, width = values.shape[0] // 2 * 2, values.shape[1] // 2 * 2
        even = values[:height, :width]
        values = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    return _cut(values)
