"""`image.fingerprint`: what tells equal and nearly equal images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from accel.text import text
from accel.workload import Input, Limits, Output, Params, WorkloadError, workload

if TYPE_CHECKING:
    from accel.image.decoded import Decoded


class Fingerprint(Struct, frozen=True):
    """What is compared of two images."""

    file: str
    """SHA-256 of the file's bytes: the same file."""
    pixels: str
    """Checksums, 64 bits as 16 hexadecimal digits, of what is decoded (size, channels, values;
    16 bits that hold no more than 8, grey colours and full alpha are reduced): the same picture in any
    format. Of a cube, an array or a volume, of which the first image alone is decoded, the begin of
    `file`."""
    perceptual: str
    """Perceptual hash, 64 bits as 16 hexadecimal digits: nearly the same picture where few bits differ."""
    mean: Sequence[float]
    """Mean colour, 0..1, red, green, blue and alpha, of an even sample, each texel counting as much as it is
    seen; look-alikes must agree in it."""
    spread: float
    """Standard deviation, 0..1, of the luminance at 32 x 32 pixels, as the perceptual hash sees it; the hash
    of flat images says nothing, nor does that of a cube, an array or a volume, whose spread is 0."""


class NoParams(Params, frozen=True):
    """There is nothing to choose."""


@workload("image.fingerprint", version=4, params=NoParams)
def fingerprint(inputs: Sequence[Input], params: NoParams, limits: Limits) -> Output:
    """Tells what finds equal and nearly equal images: hashes of file and pixels, a perceptual hash.

    Value: a `Fingerprint`.
    """
    # Imported here, as declaring a workload must cost the daemon nothing.
    from accel.image.load import decode_image

    return Output(fingerprint_of(inputs[0], decode_image(inputs[0], limits)))


def fingerprint_of(source: Input, decoded: Decoded, digest: str = "") -> Fingerprint:
    """The fingerprint of an image that is decoded already, whose SHA-256 may be known.

    Raises WorkloadError if its file is gone.
    """
    from accel.image.digests import afar, file_digest, luminance, mean, perceptual, pixel_digest

    try:
        digest = digest or file_digest(source.path, decoded.contents)
    except FileNotFoundError:
        raise WorkloadError("not_found", text("isn't there any more"), source.name) from None
    except OSError as error:
        reason = text("can't be read any more ({strerror})", strerror=error.strerror or error)
        raise WorkloadError("bad_input", reason, source.name) from None
    seen = afar(decoded)
    grey = luminance(seen)
    rounded = [round(value, 5) for value in mean(seen)]
    # Skies begin with the same face, and colour tables with the same slice, that differ in all else.
    pixels, spread = (digest[:16], 0.0) if decoded.images > 1 else (pixel_digest(decoded), float(grey.std()))
    return Fingerprint(digest, pixels, perceptual(grey), rounded, round(spread, 5))
