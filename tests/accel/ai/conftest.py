import numpy as np
import pytest

from accel.image.raster import Raster
from accel.workload import Limits
from tests import pulled


@pytest.fixture
def limits():
    """Where the real models are; a test that needs one pulls it by `pulled.require`."""
    return Limits(models=str(pulled.FOLDER))


def raster(pixels, *, has_alpha=None, transfer="srgb", format="png", name="a.png"):
    """A raster of pixels, which have an alpha channel where they are 2 or 4."""
    alpha = pixels.shape[2] in (2, 4) if has_alpha is None else has_alpha
    return Raster(name, pixels, alpha, transfer, format)


def scaled(values, dtype):
    """0..1 as pixels of a type."""
    if np.dtype(dtype).kind == "f":
        return values.astype(np.float32)
    return (values * np.iinfo(dtype).max + 0.5).astype(dtype)


def apple(side=200):
    """A red disc with a highlight and a shadow on a pale ground, RGB of 0..1, and which pixels it covers."""
    y, x = np.mgrid[:side, :side] / side
    far = np.hypot(x - 0.5, y - 0.5)
    covered = far < 0.28
    light = np.clip(1 - np.hypot(x - 0.42, y - 0.4) * 1.8, 0.15, 1)
    ground = np.stack([0.82 - 0.1 * y, 0.85 - 0.1 * y, 0.88 - 0.08 * y], -1)
    body = np.stack([0.85 * light, 0.12 * light, 0.1 * light], -1)
    return np.where(covered[..., None], body, ground), covered
