"""How the evidence about a texture becomes one judgement."""

from __future__ import annotations

from accel.image.decoded import Decoded
from accel.texture.classification import Classification
from accel.texture.classify import Surroundings


def judge(decoded: Decoded, name: str, around: Surroundings) -> Classification:
    """What the texture `name` is for."""
    raise NotImplementedError
