"""`image.embed`: pictures as vectors that lie close together where they look alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from accel.image.first import OfFirst, first_of
from accel.image.operation import Operated, Reading, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class EmbedImage(Reading, frozen=True):
    """Nothing further."""


class ImageEmbedding(OfFirst, frozen=True):
    """A picture's vector: the sum of the products of two of them is how alike they look, from 0 to 1."""

    model: str
    """By which it was made; vectors of different models can't be compared."""
    dimensions: int
    """Numbers of the vector."""
    vector: list[float]
    """Of length 1."""


@operation("image.embed", version=4, params=EmbedImage)
def embed_image(images: Sequence[Raster], params: EmbedImage, limits: Limits) -> Operated:
    """Turns a picture into a vector, by which those of the same material or subject are found.

    Needs the model `efficientnet-lite0`, whose licence is unclear (`popbridge models pull efficientnet-lite0
    --accept-unclear-licence`). The picture is looked at as a whole, at 224 x 224 pixels. What is
    transparent counts as white, or as black where all that is visible is light.
    Value: an `ImageEmbedding`.
    """
    from accel.ai.image_vectors import vector

    (image,) = images
    made, model = vector(image, limits)
    return Operated(value=ImageEmbedding(model, len(made), made, first_of=first_of(image)))
