"""The surface network's dataset: real materials of packages and procedural ones, as slopes and heights."""

from __future__ import annotations

import csv
import pickle
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accel.image.normal_maps import measure_curl
from accel.image.open_raster import open_raster
from accel.image.operations.geometry import Resize, resize
from accel.image.raster import Raster
from accel.image.statistics import sample_pixels
from accel.workload import Input, Limits, WorkloadError
from tools.train.fetch import DATA, PackageCache, SourceError, sources
from tools.train.render import maps
from tools.train.render.field import chance, pick, spread
from tools.train.render.ground import GROWN
from tools.train.render.masonry import LAID

Floats = NDArray[np.float32]
Row = dict[str, str]

COLUMNS = ("source", "albedo", "normal", "height", "roughness")
GLOSS = ("apt-supertuxkart-data",)
"""Sources that store gloss, the inverse of roughness, in red."""
FLIP_CONFIDENCE = 0.5
"""Below it, the direction of green is taken from the other normal maps of the package."""
MIN_SIDE, MIN_DEVIATION = 64, 2.0
"""Smaller textures, and those with a smaller deviation of colours (of 255), are skipped."""
UNIT_SHARE = 0.5
"""Share of vectors of about length 1 from which an image is a normal map."""
ASPECT_TOLERANCE = 0.02
"""Largest relative difference of the aspect ratios of a material's maps."""
MAX_SIDE = 512

HELD_OUT = ("apt-castle-game-engine-doc", "apt-cube2-data", "apt-qt3d5-examples", "apt-ufoai-textures")
"""Packages that are never trained on."""
PROCEDURAL = "rendered"
"""The source of procedural materials."""
HELD_OUT_GENERATORS = ("cobbles", "roof", "bark", "leather")
"""Generators that are never trained on."""
UNUSED_GENERATORS = ("leaves",)
"""Leaves are cut-outs, with nothing between them."""
RENDERED, RENDERED_HELD_OUT = 240, 48
RENDERED_SIDE = 256
DUPLICATE_CORRELATION = 0.9
"""Correlation of two thumbnails from which they show the same material: packages share textures."""
_THUMBNAIL_SIDE = 24


@dataclass
class Example:
    """A material; its arrays have one size, and are None for maps that it lacks."""

    source: str
    """The package, or PROCEDURAL."""
    name: str
    """The path of the albedo map, or the generator and its seed."""
    albedo: NDArray[np.uint8]
    """h x w x 3, sRGB."""
    slopes: NDArray[np.float16] | None
    """2 x h x w: the rise from texel to texel, to the right and downwards."""
    height: NDArray[np.float16] | None
    """h x w, of any scale and offset."""
    roughness: NDArray[np.uint8] | None
    """h x w, 255 is rough."""


@dataclass
class Split:
    """Materials to train on, and materials of other packages and generators to evaluate on."""

    training: list[Example]
    held_out: list[Example]
    duplicates: int
    """Materials excluded from training because a held-out material looks the same."""


def load_dataset(cache: PackageCache) -> Split:
    """Returns the dataset, which is computed once and then read from the cache.

    Raises `SourceError` if a package can't be used.
    """
    file = cache.folder / "surface-dataset.pickle"
    if file.is_file():
        split: Split = pickle.loads(file.read_bytes())
        return split
    real = read_examples(fetch_materials(cache))
    held = [example for example in real if example.source in HELD_OUT]
    rest = [example for example in real if example.source not in HELD_OUT]
    thumbnails = np.array([thumbnail(example) for example in held])
    distinct = [
        example
        for example in rest
        if float(np.abs(thumbnails @ thumbnail(example)).max()) < DUPLICATE_CORRELATION
    ]
    split = Split(
        distinct + render_examples(RENDERED, 1000, held_out=False),
        held + render_examples(RENDERED_HELD_OUT, 90000, held_out=True),
        len(rest) - len(distinct),
    )
    file.write_bytes(pickle.dumps(split))
    return split


def thumbnail(example: Example) -> Floats:
    """Returns a small grey copy as a vector of mean 0 and length 1."""
    grey = example.albedo.mean(-1, dtype=np.float32)
    rows, columns = (np.arange(_THUMBNAIL_SIDE + 1) * side // _THUMBNAIL_SIDE for side in grey.shape)
    small = np.add.reduceat(np.add.reduceat(grey, rows[:-1], 0), columns[:-1], 1)
    small /= np.diff(rows)[:, None] * np.diff(columns)
    small -= small.mean()
    values: Floats = small.ravel() / max(float(np.linalg.norm(small)), 1e-6)
    return values


def slopes_of(normals: Floats) -> Floats:
    """Returns the slopes, 2 x h x w, of normals, h x w x 3 with y up.

    The plane z = p x + q y, with y down, has the normal (-p, q, 1) / |(-p, q, 1)|.
    """
    depth = np.maximum(normals[..., 2], np.float32(0.1))
    return np.stack([-normals[..., 0] / depth, normals[..., 1] / depth]).clip(-8, 8)


def normals_of(slopes: Floats) -> Floats:
    """Returns the unit normals, 3 x h x w, of slopes, 2 x h x w."""
    length = np.sqrt((slopes * slopes).sum(0) + 1)
    return np.stack([-slopes[0] / length, slopes[1] / length, 1 / length])


def sobel(height: Floats) -> Floats:
    """Returns the slopes of heights in texels, with the program's kernel; edges wrap around."""
    padded = np.pad(height, 1, "wrap")
    down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return np.stack([(down[:, 2:] - down[:, :-2]) / 8, (across[2:] - across[:-2]) / 8])


def materials(data: Path = DATA) -> list[Row]:
    """Returns the rows of materials.tsv: paths, empty for maps that a material lacks."""
    with (data / "materials.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def fetch_materials(cache: PackageCache) -> list[Row]:
    """Unpacks the maps that `cache` lacks and returns the rows with the files of those that exist.

    Raises `SourceError`, one line per source, if any can't be used.
    """
    by_id = {source.id: source for source in sources()}
    paths: dict[str, set[str]] = defaultdict(set)
    rows = materials()
    for row in rows:
        paths[row["source"]].update(row[column] for column in COLUMNS[1:] if row[column])

    def unpack(name: str) -> str | None:
        try:
            cache.unpack(by_id[name], paths[name])
        except SourceError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(2) as pool:
        if problems := [problem for problem in pool.map(unpack, paths) if problem]:
            raise SourceError("\n".join(problems))

    def file(row: Row, column: str) -> str:
        found = cache.file(row["source"], row[column])
        return str(found) if row[column] and found.is_file() else ""

    return [
        {"source": row["source"], **{column: file(row, column) for column in COLUMNS[1:]}} for row in rows
    ]


def read_examples(rows: Sequence[Row], log: Callable[[str], None] = print) -> list[Example]:
    """Returns the materials that can be read, with green pointing up in all of them."""
    found: list[tuple[Example, float]] = []
    for index, row in enumerate(rows):
        if row["albedo"] and (read := _read_example(row, crop=index % 2 == 0)):
            found.append(read)
    votes: dict[str, Counter[bool]] = defaultdict(Counter)
    for example, sign in found:
        if abs(sign) >= FLIP_CONFIDENCE:
            votes[example.source][sign < 0] += 1
    for example, sign in found:
        by_package = votes[example.source][True] > votes[example.source][False]
        flipped = sign < 0 if abs(sign) >= FLIP_CONFIDENCE else by_package
        if example.slopes is not None and flipped:
            example.slopes[1] *= -1
    for source, counts in votes.items():
        log(f"{source}: green up {counts[False]}, down {counts[True]}")
    return [example for example, _ in found]


def _read_example(row: Row, crop: bool) -> tuple[Example, float] | None:
    """Returns an example with green as stored, and where its texels say green points: -1 (down) to 1 (up)."""
    albedo = _read(row["albedo"])
    if albedo is None or min(albedo.width, albedo.height) < MIN_SIDE:
        return None
    colours = _unit(albedo)
    colours = colours[..., :3] if albedo.colors == 3 else np.repeat(colours[..., :1], 3, -1)
    size = colours.shape[:2]
    if colours.std() * 255 < MIN_DEVIATION:
        return None
    if albedo.has_alpha and _unit(albedo)[..., -1].mean() < 0.9:
        return None
    normal = _read_resized(row["normal"], size)
    height = _read_resized(row["height"], size)
    rough = _read_resized(row["roughness"], size)
    slopes, sign = None, 0.0
    if normal is not None and normal.colors == 3:
        normals = _unit(normal)[..., :3] * 2 - 1
        lengths = (normals * normals).sum(-1)
        if (np.abs(lengths - 1) < 0.3).mean() > UNIT_SHARE and normals[..., :2].std() > 0.01:
            slopes = slopes_of(normals)
            detected = measure_curl(normal.pixels, sample_pixels(normal.pixels))
            sign = float(np.sign(detected.sign) * detected.confidence)
    if slopes is None and rough is None:
        return None
    shrink = _crop if crop else _halve
    return Example(
        row["source"],
        row["albedo"],
        (shrink(colours) * 255 + 0.5).astype(np.uint8),
        None if slopes is None else np.stack([shrink(one) for one in slopes]).astype(np.float16),
        None if height is None else shrink(_unit(height)[..., : height.colors].mean(-1)).astype(np.float16),
        None if rough is None else (shrink(_roughness(rough, row["source"])) * 255 + 0.5).astype(np.uint8),
    ), sign


def _roughness(image: Raster, source: str) -> Floats:
    values = _unit(image)[..., 0]
    return 1 - values if source in GLOSS else values


def _read(path: str) -> Raster | None:
    if not path:
        return None
    try:
        return open_raster(Input(path, path), Limits(), "linear")
    except (WorkloadError, OSError):
        return None


def _read_resized(path: str, size: tuple[int, ...]) -> Raster | None:
    """Reads a map at the size of the albedo map; None if it can't be read or its aspect ratio differs."""
    image = _read(path)
    if image is None:
        return None
    if (image.height, image.width) == size:
        return image
    if abs(image.height / image.width / (size[0] / size[1]) - 1) > ASPECT_TOLERANCE:
        return None
    params = Resize(width=size[1], height=size[0], enlarge=True)
    return resize.operate([image], params, Limits()).images["resized"]


def _unit(image: Raster) -> Floats:
    if image.pixels.dtype.kind == "f":
        return image.pixels
    return image.pixels / np.float32(np.iinfo(image.pixels.dtype).max)


def _crop(values: Floats) -> Floats:
    """Returns the centre, at most MAX_SIDE wide and high."""
    height, width = values.shape[:2]
    top, left = max(0, height - MAX_SIDE) // 2, max(0, width - MAX_SIDE) // 2
    return values[top : top + MAX_SIDE, left : left + MAX_SIDE]


def _halve(values: Floats) -> Floats:
    """Halves until the longest side is at most MAX_SIDE, then crops."""
    while max(values.shape[:2]) > MAX_SIDE and min(values.shape[:2]) >= 2 * MIN_SIDE:
        height, width = values.shape[0] // 2 * 2, values.shape[1] // 2 * 2
        even = values[:height, :width]
        values = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    return _crop(values)


def render_examples(count: int, seed: int, *, held_out: bool) -> list[Example]:
    """Returns procedural materials, of the held-out generators or of all others."""
    generators = [
        generator
        for generator in (*LAID, *GROWN)
        if generator.__name__ not in UNUSED_GENERATORS
        and (generator.__name__ in HELD_OUT_GENERATORS) == held_out
    ]
    return [_render_example(generators[index % len(generators)], seed + index) for index in range(count)]


def _render_example(generator, seed: int) -> Example:
    rng = np.random.default_rng([seed, 77])
    material = generator(rng, (RENDERED_SIDE, RENDERED_SIDE))
    style = pick(rng, ("photo", "painted", "flat", "grey"), (6, 3, 1, 1))
    albedo = maps.colour(rng, material, style)
    if style == "grey":
        albedo = np.repeat(albedo.mean(-1, keepdims=True), 3, -1)
    depth = material.relief * (spread(rng, 0.5, 2) if chance(rng, 0.7) else 1)
    slopes = sobel(material.height * np.float32(depth))
    roughness = maps.roughness(rng, material)
    return Example(
        PROCEDURAL,
        f"{generator.__name__}-{seed}",
        (albedo.clip(0, 1) * 255 + 0.5).astype(np.uint8),
        slopes.clip(-8, 8).astype(np.float16),
        material.height.astype(np.float16),
        (roughness.clip(0, 1) * 255 + 0.5).astype(np.uint8),
    )
