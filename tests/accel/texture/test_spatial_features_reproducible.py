import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from accel.image.hashes import perceptual_hash, reduced_view, sample_luminance
from accel.image.pixel_data import DecodedImage
from accel.texture.model import extract
from tests.accel.texture.pictures import bricks, decoded

ROOT = Path(__file__).parents[3]


def pictures() -> dict[str, DecodedImage]:
    """What leaves nothing but rounding somewhere."""
    noise = np.random.default_rng(1).integers(0, 256, (96, 80, 3)).astype(np.uint8)
    y, x = np.abs(np.mgrid[:96, :96] - 47.5)
    rings = np.uint8(np.hypot(x, y) * 9 % 256)[..., None]
    red = noise[..., :1]
    return {
        "noise": decoded(noise),
        "grey": decoded(red.repeat(3, axis=2)),
        "flat": decoded(np.full((64, 64, 3), (90, 120, 33), np.uint8)),
        "symmetrical": decoded(rings.repeat(3, axis=2)),
        "two layers": decoded(np.dstack([red, 255 - red, 0 * red])),
        "cut out": DecodedImage(np.dstack([bricks(96), rings]), "rgb", True, "png", 9),
    }


def seen() -> dict[str, tuple[str, dict[str, float]]]:
    return {
        name: (perceptual_hash(sample_luminance(reduced_view(one))), extract(one).features)
        for name, one in pictures().items()
    }


@pytest.fixture(scope="module")
def elsewhere():
    """What a processor without AVX sees, as far as BLAS is concerned."""
    module = "tests.accel.texture.test_spatial_features_reproducible"
    code = f"import json; from {module} import seen; print(json.dumps(seen()))"
    around = os.environ | {"OPENBLAS_CORETYPE": "Nehalem", "PYTHONPATH": str(ROOT)}
    asked = [sys.executable, "-c", code]
    answer = subprocess.run(
        asked, env=around, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(answer.stdout)


@pytest.mark.parametrize("name", pictures())
def test_another_processor_sees_the_same_in_a_texture(elsewhere, name):
    look, features = seen()[name]
    assert look == elsewhere[name][0]
    # Trees split on what is barely above or below nothing too.
    assert features == pytest.approx(elsewhere[name][1], rel=1e-6, abs=0)
