"""File, pixel and perceptual hashes; near-duplicate groups."""

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
"""Rows looked at in one go."""

SIDE = 32
"""Pixels a side of what a perceptual hash sees."""


def fingerprint(inputs: Sequence[Input], params: NoParams, limits: Limits) -> Output:
    return Output(fingerprint_of(inputs[0], decode_image(inputs[0], limits)))


def fingerprint_of(source: Input, decoded: DecodedImage, digest: str = "") -> Fingerprint:
    """The fingerprint of an image that is decoded already, whose SHA-256 may be known.

    Raises WorkloadError if its file is gone.
    """
    try:
        digest = digest or file_digest(source.path, decoded.contents)
    except FileNotFoundError:
        raise WorkloadError("not_found", text("isn't there any more"), source.name) from None
    except OSError as error:
        reason = text("can't be read any more ({strerror})", strerror=error.strerror or error)
        raise WorkloadError("bad_input", reason, source.name) from None
    seen = reduced_view(decoded)
    grey = luminance_of(seen)
    rounded = [round(value, 5) for value in mean_of(seen)]
    # Skies begin with the same face, and colour tables with the same slice, that differ in all else.
    pixels, spread = (digest[:16], 0.0) if decoded.images > 1 else (pixel_digest(decoded), float(grey.std()))
    return Fingerprint(digest, pixels, perceptual_hash(grey), rounded, round(spread, 5))


def file_digest(path: str, contents: bytes = b"") -> str:
    """SHA-256 of a file, whose contents may be known, in hexadecimal digits. Raises OSError."""
    if contents:
        return hashlib.sha256(contents).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pixel_digest(decoded: DecodedImage) -> str:
    """Checksums of what is seen, however it is stored, in hexadecimal digits: equal pictures have the same.

    Two of 32 bits that have nothing in common, CRC-32 (Ethernet's) and Adler-32 (RFC 1950): together a tenth
    of the time of SHA-256. Two pictures agree in both by chance once in about 10 ** 18; they stop no forger.

    16 bits that hold no more than 8, an alpha that is full and colours that are grey are reduced first.
    """
    pixels, alpha = _as_8_bit(decoded.pixels), decoded.has_alpha
    full = full_scale(pixels.dtype)
    kept = range(pixels.shape[2])
    if alpha and _all_full(pixels, full):
        kept, alpha = kept[:-1], False
    if decoded.color_model == "rgb" and len(kept) >= 3 and is_grey(pixels):
        kept = range(0, 4, 3) if alpha else kept[:1]
    pixels = _channels(pixels, kept)
    about = f"{pixels.shape} {pixels.dtype} {alpha} {decoded.color_model == 'cmyk'}"
    data, begin = pixels.data.cast("B"), about.encode()
    crc = crc32(data, crc32(begin))
    adler = adler32(data, adler32(begin))
    return f"{crc:08x}{adler:08x}"


def _channels(pixels: Pixels, kept: Sequence[int]) -> Pixels:
    if len(kept) == pixels.shape[2]:
        return np.ascontiguousarray(pixels)
    made = np.empty((*pixels.shape[:2], len(kept)), pixels.dtype)
    # One by one: a fifth of the time in which numpy copies three of four.
    for place, channel in enumerate(kept):
        made[..., place] = pixels[..., channel]
    return made


def _all_full(pixels: Pixels, full: int) -> bool:
    """Whether the last channel is full everywhere; it mostly shows in the first strip that it isn't."""
    return all(_full(pixels[row : row + _STRIP], full) for row in range(0, len(pixels), _STRIP))


def _full(strip: Pixels, full: int) -> bool:
    word = _WORDS.get(strip.itemsize * strip.shape[2]) if strip.dtype.kind == "u" else None
    if word is None:
        return bool((strip[..., -1] == full).all())
    # A pixel is a word: what all have in common takes an eighth of the time.
    common = np.bitwise_and.reduce(np.ascontiguousarray(strip).view(word), axis=None)
    return bool(common.reshape(1).view(strip.dtype)[-1] == full)


_WORDS = {2: np.uint16, 4: np.uint32, 8: np.uint64}
"""By the bytes of a pixel."""


def _as_8_bit(pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint16 or (pixels >> 8 != pixels & 255).any():
        return pixels
    return pixels.astype(np.uint8)


def reduced_view(decoded: DecodedImage) -> Floats:
    """Red, green, blue and alpha of the image at 32 x 32 pixels, 0..1: an array of 4 x 32 x 32."""
    if decoded.alpha == "multiplied as light":
        # Averages of the curve's codes are no codes that could be divided.
        decoded = replace(decoded, pixels=straight_colors(decoded.pixels, decoded.alpha), alpha="straight")
    pixels = _boxed(decoded)
    averaged = _averaged(_averaged(pixels, 0), 1) / np.float32(full_scale(pixels.dtype))
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
        # About what an 8 bit copy of it would hold.
        colors = np.clip(colors, 0, 1) ** np.float32(1 / 2.2)
    return np.concatenate([colors, np.clip(alpha, 0, 1)])


def _boxed(decoded: DecodedImage) -> Pixels:
    """Averages of whole blocks, height x width x channels, the longest side 64 or a little more."""
    pixels = decoded.pixels
    factor = max(pixels.shape[:2]) // (2 * SIDE)
    if factor < 2:
        return pixels
    if pixels.dtype == np.uint8 and factor in _POWERS and not any(side % factor for side in pixels.shape[:2]):
        return _blocks(pixels, factor)
    image = to_vips(decoded)
    # Of thin images the last rows don't count, as they never did: hashes are kept for long.
    image = image.shrink(min(factor, image.width), min(factor, image.height))
    small: Pixels = image.numpy().reshape(image.height, image.width, -1)
    return small


def _blocks(pixels: Pixels, factor: int) -> Pixels:
    """What libvips' `shrink` gives for a power of two, whose averages it rounds exactly, in half the time."""
    height, width, channels = pixels.shape
    rows = _means(pixels.reshape(height // factor, factor, width * channels).swapaxes(0, 1))
    blocks = rows.reshape(height // factor, width // factor, factor, channels)
    # In this order as neighbours are then summed with neighbours.
    planes = _means(np.ascontiguousarray(blocks.transpose(2, 3, 0, 1)))
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _means(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Along the first axis, of a power of two not above 256, rounded half up."""
    count = len(values)
    sums: NDArray[np.uint16] = np.add.reduce(values, axis=0, dtype=np.uint16)
    sums += np.uint16(count // 2)
    sums >>= np.uint16(count.bit_length() - 1)
    return sums.astype(np.uint8)


_POWERS = frozenset(1 << power for power in range(1, 9))


def _averaged(values: NDArray[Any], axis: int) -> Floats:
    """32 averages along an axis; where there are fewer values, they are repeated."""
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


def mean_of(seen: Floats) -> list[float]:
    """Of what `afar` gives red, green and blue, as much as they are seen (0 where nothing is), and alpha."""
    # Squared, as beside the edges of what is seen hidden colours are in the averages too.
    weights = np.square(seen[3], dtype=np.float64)
    colors = (seen[:3] * weights).sum(axis=(1, 2)) / max(float(weights.sum()), 1e-9)
    return [*colors.tolist(), float(seen[3].mean())]


def luminance_of(seen: Floats) -> Floats:
    """What `afar` gives as grey, before black where it is transparent: 32 x 32, 0..1."""
    grey: Floats = grey_of(seen) * seen[3]
    return grey


def perceptual_hash(grey: Floats) -> str:
    """64 bits, as 16 hexadecimal digits, of which few differ between nearly the same pictures.

    The signs of the 64 lowest frequencies but the mean (discrete cosine transform of type II) against their
    median; known as pHash.
    """
    # What is 0 in a symmetrical picture comes out as anything near it, another on each processor, and is
    # compared with a median that is nothing either.
    low = np.rint(_COSINES @ grey.astype(np.float64) @ _COSINES.T / _STEP)
    # The 32nd of 63; numpy's median takes ten times as long for so few.
    bits = low > np.sort(low.reshape(-1)[1:])[31]
    return np.packbits(bits).tobytes().hex()


_COSINES = np.cos(np.pi / SIDE * np.outer(np.arange(8), np.arange(SIDE) + 0.5))

_STEP = 2.0**-12
"""Of a frequency, which is rounded to these. Grey of 0..1, rounded four times to 24 bits, is up to 2 ** -23
off, and the sum of 32 x 32 of them 2 ** -13: half of a step."""


BITS = 4
"""Most bits of 64 in which the perceptual hashes of look-alikes differ; those of unrelated pictures differ in
32 +- 4. Of 4,399 real textures, pairs with 6 were variants of one design (smileys, buttons), pairs with fewer
mostly copies."""

MEAN = 0.03
"""Most that their mean colours differ, in each channel."""

SPREAD = (0.02, 0.2)
"""Most that their spreads differ: absolute, and as a share of the larger."""

FLAT = 0.01
"""Spread below which an image has nothing that a perceptual hash could see."""


class DuplicateFinder(Struct, frozen=True):
    """Two or more images that are alike."""

    how: Literal["file", "pixels", "looks"]
    """What they share: all bytes, all pixels, or only the looks. Of images that share all pixels, only the
    first is in a group of `looks`."""
    names: tuple[str, ...]
    """In alphabetical order; of `looks`, the first is the one that the others are like."""


def find_groups(fingerprints: Mapping[str, Fingerprint]) -> list[DuplicateFinder]:
    """Every group of images that are alike, by name; the same whatever order they come in."""
    by_pixels: dict[str, list[str]] = {}
    for name in sorted(fingerprints):
        by_pixels.setdefault(fingerprints[name].pixels, []).append(name)
    found = [_equal(fingerprints, names) for names in by_pixels.values() if len(names) > 1]
    firsts = [names[0] for names in by_pixels.values()]
    found += [DuplicateFinder("looks", tuple(names)) for names in _look_alikes(fingerprints, firsts)]
    return sorted(found, key=lambda group: (group.names, group.how))


def _equal(fingerprints: Mapping[str, Fingerprint], names: list[str]) -> DuplicateFinder:
    files = {fingerprints[name].file for name in names}
    return DuplicateFinder("file" if len(files) == 1 else "pixels", tuple(names))


def _look_alikes(fingerprints: Mapping[str, Fingerprint], names: list[str]) -> Iterator[list[str]]:
    """Groups around a first one that all others are like: likeness isn't passed on from one to the next."""
    names = [name for name in names if fingerprints[name].spread >= FLAT]
    if len(names) < 2:
        return
    looks = _Looks([fingerprints[name] for name in names])
    free = np.ones(len(names), bool)
    for leader in range(len(names)):
        if not free[leader]:
            continue
        free[leader] = False
        near = looks.near(leader, free)
        if len(near):
            free[near] = False
            yield [names[leader], *(names[index] for index in near.tolist())]


class _Looks:
    """What is compared of many images; finds those that are near one without looking at all.

    Of five parts of a hash, four differing bits leave one untouched: whoever shares none needn't be compared.
    """

    def __init__(self, fingerprints: list[Fingerprint]) -> None:
        self._hashes = np.array([int(one.perceptual, 16) for one in fingerprints], np.uint64)
        self._ones = np.bitwise_count(self._hashes)
        self._means = np.array([one.mean for one in fingerprints], np.float32)
        self._spreads = np.array([one.spread for one in fingerprints], np.float32)
        self._parts = [self._sorted(low, high) for low, high in pairwise(_EDGES)]

    def near(self, index: int, among: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The indices of those in `among` that look like one, ascending."""
        shared = [order[begins[index] : ends[index]] for order, begins, ends in self._parts]
        others = np.concatenate(shared)
        others = others[among[others] & (np.abs(self._means[others, 0] - self._means[index, 0]) <= MEAN)]
        # Of pictures that change along one side alone most bits are 0, and few differ in mirrored ones.
        few = (np.minimum(self._ones[others], self._ones[index]) + 7) // 8
        differing = np.bitwise_count(self._hashes[others] ^ self._hashes[index])
        others = others[differing <= np.minimum(few, BITS)]
        others = others[(np.abs(self._means[others] - self._means[index]) <= MEAN).all(axis=1)]
        spread, own = self._spreads[others], self._spreads[index]
        most = np.minimum(SPREAD[0], SPREAD[1] * np.maximum(spread, own))
        # What shares several parts came several times.
        near: NDArray[np.intp] = np.unique(others[np.abs(spread - own) <= most])
        return near

    def _sorted(self, low: int, high: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """All indices by one part of their hash; where the run of each one's equals begins and ends."""
        part = (self._hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(part, kind="stable")
        ranked = part[order]
        return order, np.searchsorted(ranked, part, "left"), np.searchsorted(ranked, part, "right")


_EDGES = [64 * part // (BITS + 1) for part in range(BITS + 2)]


class _Seen(Struct, frozen=True):
    """A file that was looked at."""

    fingerprint: Fingerprint
    size: int
    """Bytes."""


def find_duplicates(inputs: Sequence[Input], params: FindDuplicates, limits: Limits) -> Output:
    seen: dict[str, _Seen] = {}
    files: dict[str, _Seen] = {}
    failed = []
    # Names needn't be unique: what follows a NUL, which no name has, keeps them apart and in order.
    keys = {f"{source.name}\0{index:04}": index for index, source in enumerate(inputs)}
    for done, (key, index) in enumerate(keys.items()):
        progress(done, len(keys))
        try:
            seen[key] = _looked_at(inputs[index], files, limits)
        except WorkloadError as error:
            failed.append(UnreadFile(index, inputs[index].name, error.code, error.reason))
    found = find_groups({key: one.fingerprint for key, one in seen.items()})
    groups = [_group(alike, keys, inputs, seen) for alike in found if params.looks or alike.how != "looks"]
    return Output(Duplicates(groups, failed))


def _looked_at(source: Input, files: dict[str, _Seen], limits: Limits) -> _Seen:
    """Equal files, by their digest in `files`, are decoded once. Raises WorkloadError."""
    try:
        digest = file_digest(source.path)
    except (OSError, ValueError):
        # Decoding says what is wrong with it.
        digest = ""
    if not digest or digest not in files:
        decoded = decode_image(source, limits)
        files[digest] = _Seen(fingerprint_of(source, decoded, digest), decoded.size)
    return files[digest]


def _group(
    alike: DuplicateFinder, keys: Mapping[str, int], inputs: Sequence[Input], seen: Mapping[str, _Seen]
) -> DuplicateGroup:
    members = [keys[name] for name in alike.names]
    sizes = [seen[name].size for name in alike.names]
    return DuplicateGroup(
        alike.how, members, [inputs[index].name for index in members], sum(sizes) - max(sizes)
    )
