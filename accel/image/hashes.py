"""Hashes of files, pixels and appearance, and groups of duplicate or similar images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from deflate import adler32, crc32
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from accel.image.alpha import straight_colors
from accel.image.decode import decode_image
from accel.image.inspect import to_vips
from accel.image.operations.analysis import (
    DuplicateGroup,
    Duplicates,
    FindDuplicates,
    Fingerprint,
    NoParams,
    UnreadFile,
)
from accel.image.pixel_data import DecodedImage, Pixels, full_scale
from accel.image.statistics import Floats, is_grey
from accel.image.statistics import luminance as grey_of
from accel.progress import progress
from accel.text import text
from accel.workload import Input, Limits, Output, WorkloadError

_STRIP = 64
"""Rows per strip."""

SIDE = 32
"""Side length in pixels of the input of a perceptual hash."""


def fingerprint(inputs: Sequence[Input], params: NoParams, limits: Limits) -> Output:
    return Output(fingerprint_of(inputs[0], decode_image(inputs[0], limits)))


def fingerprint_of(source: Input, decoded: DecodedImage, digest: str = "") -> Fingerprint:
    """Returns the fingerprint of a decoded image; `digest` is the SHA-256 of its file, if already known.

    Raises WorkloadError if the file can no longer be read.
    """
    try:
        digest = digest or file_digest(source.path, decoded.contents)
    except FileNotFoundError:
        raise WorkloadError("not_found", text("isn't there any more"), source.name) from None
    except OSError as error:
        reason = text("can't be read any more ({strerror})", strerror=error.strerror or error)
        raise WorkloadError("bad_input", reason, source.name) from None
    view = reduced_view(decoded)
    grey = sample_luminance(view)
    rounded = [round(value, 5) for value in mean_color(view)]
    # Different skies can share their first face, and different colour tables their first slice.
    pixels, spread = (digest[:16], 0.0) if decoded.images > 1 else (pixel_digest(decoded), float(grey.std()))
    return Fingerprint(digest, pixels, perceptual_hash(grey), rounded, round(spread, 5))


def file_digest(path: str, contents: bytes = b"") -> str:
    """Returns the SHA-256 of a file in hexadecimal; pass `contents` if already read. Raises OSError."""
    if contents:
        return hashlib.sha256(contents).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pixel_digest(decoded: DecodedImage) -> str:
    """Returns a checksum of the pixels as hexadecimal digits. It is the same for equal pixels in any format.

    CRC-32 (Ethernet) and Adler-32 (RFC 1950) together take a tenth of the time of SHA-256. They detect
    duplicates but don't resist forgery. Pixels are first reduced to the simplest equivalent: 16-bit values to
    8 bits if nothing is lost, opaque RGBA to RGB, grey RGB to one channel.
    """
    pixels, alpha = _as_8_bit(decoded.pixels), decoded.has_alpha
    full = full_scale(pixels.dtype)
    indices = range(pixels.shape[2])
    if alpha and _all_full(pixels, full):
        indices, alpha = indices[:-1], False
    if decoded.color_model == "rgb" and len(indices) >= 3 and is_grey(pixels):
        indices = range(0, 4, 3) if alpha else indices[:1]
    pixels = _channels(pixels, indices)
    about = f"{pixels.shape} {pixels.dtype} {alpha} {decoded.color_model == 'cmyk'}"
    data, begin = pixels.data.cast("B"), about.encode()
    crc = crc32(data, crc32(begin))
    adler = adler32(data, adler32(begin))
    return f"{crc:08x}{adler:08x}"


def _channels(pixels: Pixels, indices: Sequence[int]) -> Pixels:
    if len(indices) == pixels.shape[2]:
        return np.ascontiguousarray(pixels)
    result = np.empty((*pixels.shape[:2], len(indices)), pixels.dtype)
    # Five times as fast in numpy as copying several channels of each pixel.
    for place, channel in enumerate(indices):
        result[..., place] = pixels[..., channel]
    return result


def _all_full(pixels: Pixels, full: int) -> bool:
    """Whether the last channel is full in every pixel. Usually the first strip already decides."""
    return all(_full(pixels[row : row + _STRIP], full) for row in range(0, len(pixels), _STRIP))


def _full(strip: Pixels, full: int) -> bool:
    word = _WORDS.get(strip.itemsize * strip.shape[2]) if strip.dtype.kind == "u" else None
    if word is None:
        return bool((strip[..., -1] == full).all())
    # Eight times as fast as comparing the alpha values.
    common = np.bitwise_and.reduce(np.ascontiguousarray(strip).view(word), axis=None)
    return bool(common.reshape(1).view(strip.dtype)[-1] == full)


_WORDS = {2: np.uint16, 4: np.uint32, 8: np.uint64}
"""Unsigned integer types by bytes per pixel."""


def _as_8_bit(pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint16 or (pixels >> 8 != pixels & 255).any():
        return pixels
    return pixels.astype(np.uint8)


def reduced_view(decoded: DecodedImage) -> Floats:
    """Returns the image reduced to 32 x 32: red, green, blue and alpha (4 x 32 x 32, 0..1)."""
    if decoded.alpha == "multiplied as light":
        # Averages of such codes can't be divided by alpha.
        decoded = replace(decoded, pixels=straight_colors(decoded.pixels, decoded.alpha), alpha="straight")
    pixels = _box_averages(decoded)
    averaged = _average_axis(_average_axis(pixels, 0), 1) / np.float32(full_scale(pixels.dtype))
    if decoded.has_alpha and decoded.color_model != "cmyk":
        averaged = straight_colors(averaged, decoded.alpha)
    small = averaged.transpose(2, 0, 1)
    alpha = small[-1:] if decoded.has_alpha else np.ones_like(small[:1])
    colors = small[: len(small) - decoded.has_alpha]
    if decoded.color_model == "cmyk":
        colors = (1 - colors[:3]) * (1 - colors[3])
    elif len(colors) != 3:
        colors = np.repeat(colors[:1], 3, axis=0)
    if pixels.dtype.kind == "f":
        # Approximately the values of an 8-bit copy.
        colors = np.clip(colors, 0, 1) ** np.float32(1 / 2.2)
    return np.concatenate([colors, np.clip(alpha, 0, 1)])


def _box_averages(decoded: DecodedImage) -> Pixels:
    """Returns averages of whole blocks (height x width x channels); the longest side becomes at least 64."""
    pixels = decoded.pixels
    factor = max(pixels.shape[:2]) // (2 * SIDE)
    if factor < 2:
        return pixels
    if pixels.dtype == np.uint8 and factor in _POWERS and not any(side % factor for side in pixels.shape[:2]):
        return _blocks(pixels, factor)
    image = to_vips(decoded)
    # Trailing rows of thin images are ignored; stored hashes depend on that.
    image = image.shrink(min(factor, image.width), min(factor, image.height))
    small: Pixels = image.numpy().reshape(image.height, image.width, -1)
    return small


def _blocks(pixels: Pixels, factor: int) -> Pixels:
    """Gives the same result as libvips' `shrink` by a power of two, in half the time."""
    height, width, channels = pixels.shape
    rows = _means(pixels.reshape(height // factor, factor, width * channels).swapaxes(0, 1))
    blocks = rows.reshape(height // factor, width // factor, factor, channels)
    # This order sums values that are adjacent in memory.
    planes = _means(np.ascontiguousarray(blocks.transpose(2, 3, 0, 1)))
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _means(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns the means along the first axis, rounded half up. Its length is a power of two up to 256."""
    count = len(values)
    sums: NDArray[np.uint16] = np.add.reduce(values, axis=0, dtype=np.uint16)
    sums += np.uint16(count // 2)
    sums >>= np.uint16(count.bit_length() - 1)
    return sums.astype(np.uint8)


_POWERS = frozenset(1 << power for power in range(1, 9))


def _average_axis(values: NDArray[Any], axis: int) -> Floats:
    """Returns 32 averages along an axis, repeating values if there are fewer."""
    length = values.shape[axis]
    if length == 2 * SIDE:
        firsts, seconds = (values[(slice(None),) * axis + (slice(one, None, 2),)] for one in (0, 1))
        pairs: Floats = np.add(firsts, seconds, dtype=np.float32) / np.float32(2)
        return pairs
    begins = np.arange(SIDE) * length // SIDE
    sums = np.add.reduceat(values, begins, axis=axis, dtype=np.float32)
    counts = np.maximum(np.diff(begins, append=length), 1).astype(np.float32)
    averages: Floats = sums / counts.reshape((-1,) + (1,) * (values.ndim - 1 - axis))
    return averages


def mean_color(view: Floats) -> list[float]:
    """Returns the mean red, green and blue of a `reduced_view`, weighted by alpha, followed by mean alpha.

    A fully transparent view gives 0.
    """
    # Squared, because averages at alpha edges contain hidden colours.
    weights = np.square(view[3], dtype=np.float64)
    colors = (view[:3] * weights).sum(axis=(1, 2)) / max(float(weights.sum()), 1e-9)
    return [*colors.tolist(), float(view[3].mean())]


def sample_luminance(view: Floats) -> Floats:
    """Returns the luminance (32 x 32, 0..1) of a `reduced_view` on black."""
    grey: Floats = grey_of(view) * view[3]
    return grey


def perceptual_hash(grey: Floats) -> str:
    """Returns a pHash: 64 bits as 16 hexadecimal digits, of which similar images differ in only a few.

    Each bit tells whether one of the 64 lowest frequencies of the type II discrete cosine transform exceeds
    the median of all but the constant term.
    """
    # Round: frequencies that are 0 in a symmetrical image differ slightly between processors, and the median
    # may be 0, too.
    low = np.rint(_COSINES @ grey.astype(np.float64) @ _COSINES.T / _STEP)
    # The median of 63 values; np.median is ten times slower here.
    bits = low > np.sort(low.reshape(-1)[1:])[31]
    return np.packbits(bits).tobytes().hex()


_COSINES = np.cos(np.pi / SIDE * np.outer(np.arange(8), np.arange(SIDE) + 0.5))

_STEP = 2.0**-12
"""The step to which frequencies are rounded. Grey of 0..1, rounded four times to 24 bits, has an error of up
to 2 ** -23, and the sum of 32 x 32 values one of 2 ** -13, half a step."""


BITS = 4
"""Maximum number of the 64 bits in which look-alikes differ; unrelated images differ in 32 +- 4. Among 4,399
real textures, pairs that differed in 6 were variants of one design (smileys, buttons), and pairs that
differed in fewer were mostly copies."""

MEAN = 0.03
"""Largest difference between their mean colours, per channel."""

SPREAD = (0.02, 0.2)
"""Largest difference between their spreads: absolute, and relative to the larger one."""

FLAT = 0.01
"""Spread below which an image is too flat for a perceptual hash."""


class SimilarGroup(Struct, frozen=True):
    """Two or more similar images."""

    how: Literal["file", "pixels", "looks"]
    """What they share: all bytes, all pixels, or only the appearance. Of images with equal pixels, only the
    first appears in a `looks` group."""
    names: tuple[str, ...]
    """In alphabetical order. In a `looks` group, all are similar to the first."""


def find_groups(fingerprints: Mapping[str, Fingerprint]) -> list[SimilarGroup]:
    """Returns all groups of similar images, sorted by name, whatever the order of the input."""
    by_pixels: dict[str, list[str]] = {}
    for name in sorted(fingerprints):
        by_pixels.setdefault(fingerprints[name].pixels, []).append(name)
    found = [_equal(fingerprints, names) for names in by_pixels.values() if len(names) > 1]
    firsts = [names[0] for names in by_pixels.values()]
    found += [SimilarGroup("looks", tuple(names)) for names in _look_alikes(fingerprints, firsts)]
    return sorted(found, key=lambda group: (group.names, group.how))


def _equal(fingerprints: Mapping[str, Fingerprint], names: list[str]) -> SimilarGroup:
    files = {fingerprints[name].file for name in names}
    return SimilarGroup("file" if len(files) == 1 else "pixels", tuple(names))


def _look_alikes(fingerprints: Mapping[str, Fingerprint], names: list[str]) -> Iterator[list[str]]:
    """Yields groups whose members all resemble the first one; similarity isn't transitive."""
    names = [name for name in names if fingerprints[name].spread >= FLAT]
    if len(names) < 2:
        return
    looks = _LookIndex([fingerprints[name] for name in names])
    free = np.ones(len(names), bool)
    for leader in range(len(names)):
        if not free[leader]:
            continue
        free[leader] = False
        near = looks.near(leader, free)
        if len(near):
            free[near] = False
            yield [names[leader], *(names[index] for index in near.tolist())]


class _LookIndex:
    """Finds similar fingerprints without comparing all pairs.

    Hashes that differ in at most four bits agree in at least one of five parts, so only images that share a
    part are compared.
    """

    def __init__(self, fingerprints: list[Fingerprint]) -> None:
        self._hashes = np.array([int(one.perceptual, 16) for one in fingerprints], np.uint64)
        self._ones = np.bitwise_count(self._hashes)
        self._means = np.array([one.mean for one in fingerprints], np.float32)
        self._spreads = np.array([one.spread for one in fingerprints], np.float32)
        self._parts = [self._sort_by_part(low, high) for low, high in pairwise(_EDGES)]

    def near(self, index: int, among: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Returns, in ascending order, the indices in `among` of images similar to the one at `index`."""
        shared = [order[begins[index] : ends[index]] for order, begins, ends in self._parts]
        others = np.concatenate(shared)
        others = others[among[others] & (np.abs(self._means[others, 0] - self._means[index, 0]) <= MEAN)]
        # An image that varies along one axis has few 1 bits, so it differs from its mirror image in few.
        few = (np.minimum(self._ones[others], self._ones[index]) + 7) // 8
        differing = np.bitwise_count(self._hashes[others] ^ self._hashes[index])
        others = others[differing <= np.minimum(few, BITS)]
        others = others[(np.abs(self._means[others] - self._means[index]) <= MEAN).all(axis=1)]
        spread, own = self._spreads[others], self._spreads[index]
        most = np.minimum(SPREAD[0], SPREAD[1] * np.maximum(spread, own))
        # Images that share several parts are found several times.
        near: NDArray[np.intp] = np.unique(others[np.abs(spread - own) <= most])
        return near

    def _sort_by_part(
        self, low: int, high: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Sorts the indices by a part of their hash. Returns them, and for each image the begin and end of
        its run of equal parts."""
        part = (self._hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(part, kind="stable")
        ranked = part[order]
        return order, np.searchsorted(ranked, part, "left"), np.searchsorted(ranked, part, "right")


_EDGES = [64 * part // (BITS + 1) for part in range(BITS + 2)]


class _File(Struct, frozen=True):
    fingerprint: Fingerprint
    size: int
    """In bytes."""


def find_duplicates(inputs: Sequence[Input], params: FindDuplicates, limits: Limits) -> Output:
    seen: dict[str, _File] = {}
    files: dict[str, _File] = {}
    failed = []
    # Names needn't be unique. NUL, which no name contains, and the index make unique keys in the same order.
    keys = {f"{source.name}\0{index:04}": index for index, source in enumerate(inputs)}
    for done, (key, index) in enumerate(keys.items()):
        progress(done, len(keys))
        try:
            seen[key] = _read_file(inputs[index], files, limits)
        except WorkloadError as error:
            failed.append(UnreadFile(index, inputs[index].name, error.code, error.reason))
    found = find_groups({key: one.fingerprint for key, one in seen.items()})
    groups = [_group(alike, keys, inputs, seen) for alike in found if params.looks or alike.how != "looks"]
    return Output(Duplicates(groups, failed))


def _read_file(source: Input, files: dict[str, _File], limits: Limits) -> _File:
    """Fingerprints a file. Duplicates, found by their digest in `files`, are decoded once.

    Raises WorkloadError.
    """
    try:
        digest = file_digest(source.path)
    except (OSError, ValueError):
        # Decoding will report the error.
        digest = ""
    if not digest or digest not in files:
        decoded = decode_image(source, limits)
        files[digest] = _File(fingerprint_of(source, decoded, digest), decoded.size)
    return files[digest]


def _group(
    alike: SimilarGroup, keys: Mapping[str, int], inputs: Sequence[Input], seen: Mapping[str, _File]
) -> DuplicateGroup:
    members = [keys[name] for name in alike.names]
    sizes = [seen[name].size for name in alike.names]
    return DuplicateGroup(
        alike.how, members, [inputs[index].name for index in members], sum(sizes) - max(sizes)
    )
