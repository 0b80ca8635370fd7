from collections.abc import Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta

from bridge.api import Limits, Operated, Raster, Writing, operation

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


class Fade(Writing, frozen=True):
    """How much colour is taken."""

    amount: Annotated[float, Meta(ge=0, le=1, description="0 takes none, 1 leaves grey alone.")] = 1.0


@operation("acme.fade", version=1, params=Fade)
def fade(images: Sequence[Raster], params: Fade, limits: Limits) -> Operated:
    """Takes colour out of an image, and leaves it as bright as it is."""
    (image,) = images
    if image.colors == 1:
        return Operated({"faded": image})
    light = image.as_light().copy()
    color = light[..., :3]
    color += np.float32(params.amount) * ((color @ LUMINANCE)[..., np.newaxis] - color)
    return Operated({"faded": image.with_light(light)})
