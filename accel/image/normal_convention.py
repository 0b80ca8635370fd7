"""`image.normal_convention`: where the green of a normal map points, and what speaks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from accel.image.first import OfFirst
from accel.image.inspection import Share
from accel.image.normal_flip import NormalReading
from accel.image.operation import Operated, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class NormalConvention(OfFirst, frozen=True):
    """Where green points, and the evidence."""

    convention: Literal["opengl", "directx"] | None
    """Green up (OpenGL) or down (DirectX); None where the texels don't tell."""
    confidence: Share
    """How sure that is: 0.7 and more names a convention; 0 is no evidence, as for a flat surface, or
    evidence that contradicts itself."""
    unit_length: Share
    """Share of texels whose vector has a length of 1 +- 0.05; below 0.5 it is no normal map."""
    flat: Share
    """Share of texels within 4/255 of (0.5, 0.5, 1), the undisturbed surface."""
    evidence: Sequence[str]
    """The same in sentences, for people."""


@operation("image.normal_convention", version=7, params=NormalReading)
def normal_convention(images: Sequence[Raster], params: NormalReading, limits: Limits) -> Operated:
    """Tells whether a normal map is OpenGL's or DirectX's, with the evidence; never where nothing speaks.

    The slopes of a surface have no curl: read in the right convention they fit together from texel to texel,
    in the other they don't. Looked at are neighbours in bands from all over the image, and coarse waves:
    where these plainly contradict them, neither is named. What is flat, or slopes in one direction alone,
    fits in both. What was turned by 90 degrees without its vectors is named neither.
    Value: a `NormalConvention`.
    """
    from accel.image.convention import judged

    (image,) = images
    return Operated(value=judged(image, params.signed))
