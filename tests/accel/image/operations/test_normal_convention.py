import re

import msgspec
import numpy as np
import pytest

from accel.image.operations.normals import (
    NormalConvention,
    NormalFlip,
    NormalReading,
    normal_convention,
    normal_flip,
)
from accel.workload import Limits, WorkloadError
from tests.accel.image.operation_helpers import operate, raster
from tests.accel.image.test_normal_maps import heights, normal_map


def judge(pixels, **params) -> NormalConvention:
    image = pixels if hasattr(pixels, "pixels") else raster(pixels)
    return operate(normal_convention, NormalReading(**params), image).value


@pytest.mark.parametrize("convention", ["opengl", "directx"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "signed"])
def test_the_convention_is_named_with_its_evidence(convention, kind):
    pixels = normal_map(heights(256), convention, kind=np.uint8 if kind == "uint8" else np.uint16)
    if kind not in ("uint8", "uint16"):
        pixels = (pixels / 65535 if kind == "float32" else pixels / 32767.5 - 1).astype(np.float32)
    found = judge(pixels)
    assert found.convention == convention and found.confidence >= 0.8 and found.unit_length > 0.99
    assert {"opengl": "OpenGL", "directx": "DirectX"}[convention] in found.evidence[-1]
    assert "unit vectors" in found.evidence[0]


def test_texels_that_are_no_vectors_leave_the_others_as_they_are():
    pixels = normal_map(heights(256), "directx") / np.float32(255)
    pixels[100:110, 100:110] = 1e18, 0, 0
    found = judge(pixels.astype(np.float32))
    assert found.convention == "directx" and found.confidence >= 0.8


def test_a_flipped_map_has_the_other_convention():
    image = raster(normal_map(heights(256), "opengl"))
    turned = operate(normal_flip, NormalFlip(), image).images["normal"]
    assert judge(image).convention == "opengl" and judge(turned).convention == "directx"


RIDGES = normal_map(np.sin(np.mgrid[:64, :64][1] / 9) * 4, "opengl")
BOTH = np.concatenate([normal_map(heights(128), kind) for kind in ("opengl", "directx")], axis=1)


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.full((64, 64, 3), [128, 128, 255], np.uint8), "it is flat"),
        (RIDGES, "the same in both|in one direction alone"),
        (np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8), "not a normal map"),
        (BOTH, "too close|disagree"),
    ],
    ids=["flat", "ridges", "noise", "both"],
)
def test_nothing_is_named_where_nothing_speaks(pixels, says):
    found = judge(pixels)
    assert found.convention is None and found.confidence < 0.7
    assert any(re.search(says, sentence) for sentence in found.evidence)


def test_parts_that_disagree_name_neither():
    # An atlas of both kinds, one above the other: what one band says another one denies.
    kinds = ("opengl", "opengl", "directx")
    maps = [normal_map(heights(256, seed=seed), kind) for seed, kind in enumerate(kinds)]
    found = judge(np.concatenate(maps, axis=0))
    assert found.convention is None
    assert "disagree" in found.evidence[-1] or "close" in found.evidence[-1]


def test_a_rotated_image_with_unrotated_vectors_is_recognised():
    found = judge(np.ascontiguousarray(np.rot90(normal_map(heights(256), "opengl"))))
    assert found.convention is None and "turned by 90 degrees" in found.evidence[-1]


def test_noise_is_too_close_to_call_and_not_rotated():
    from tests.accel.image.test_normal_maps_curl import unrelated

    said = [judge(unrelated((128, 128), seed)).evidence[-1] for seed in range(20)]
    assert all("too close" in one for one in said)


def test_a_slight_sign_is_no_evidence_of_a_turn():
    from accel.image.normal_maps import Curl, explain_convention
    from accel.image.records import Normals

    found = Normals(1.0, 0.05, [], 0.0, None, 0.0)
    assert "too close" in list(explain_convention(found, Curl(0.1, 0.0, rotated=True)))[-1]
    assert "turned by 90" in list(explain_convention(found, Curl(0.2, 0.0, rotated=True)))[-1]


def test_grey_is_refused():
    with pytest.raises(WorkloadError, match="is grey"):
        judge(np.zeros((4, 4, 1), np.uint8))


def test_a_file_gives_a_value_that_json_can_hold_and_no_file(save):
    done = normal_convention([save("n.png", normal_map(heights(64), "directx"))], NormalReading(), Limits())
    assert done.files == () or list(done.files) == []
    assert msgspec.json.decode(msgspec.json.encode(done.value))["convention"] == "directx"


def test_no_share_is_below_nothing():
    from accel.image.normal_maps import Curl, explain_convention
    from accel.image.records import Normals

    found = Normals(1.0, 0.05, [], 0.0, "opengl", 1.0)
    for sign in (1.0000001, -1.0000001):
        said = " ".join(explain_convention(found, Curl(sign, 1.0)))
        assert "-0%" not in said and " 0% " in said
