"""Pictures of textures in use, before and after a change of their settings."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from accel.texture.lit_preview import preview_lit
from accel.texture.workloads import preview_lit as declared
from accel.workload import Input, Limits, WorkloadError
from bridge.demo import textures as demo


def draw(tmp_path: Path, pixels: Any, **params: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    file = tmp_path / "texture.png"
    demo.save(pixels, file)
    output = preview_lit([Input("texture.png", str(file))], preview_lit_params(params), Limits())
    pictures = {
        each.name: np.asarray(Image.open(io.BytesIO(each.data))).astype(float) for each in output.files
    }
    return output.value, pictures["before"], pictures["after"]


def preview_lit_params(params: dict[str, Any]) -> Any:
    return declared.workload.parse({"size": 128, **params})


ROCK = demo.noise(3, 256)
CASES = [
    (
        "normal",
        demo.normals(ROCK, 3.0),
        {"normal_convention": "opengl"},
        {"normal_convention": "directx"},
        "lit",
    ),
    ("normal", demo.normals(ROCK, 3.0), {"color_space": "srgb"}, {"color_space": "linear"}, "lit"),
    ("roughness", demo.grey(ROCK), {"color_space": "srgb"}, {"color_space": "linear"}, "lit"),
    ("packed", demo.packed(ROCK, ROCK), {"color_space": "srgb"}, {"color_space": "linear"}, "lit"),
    ("height", demo.grey(ROCK), {"color_space": "srgb"}, {"color_space": "linear"}, "lit"),
    ("ao", demo.grey(ROCK), {"color_space": "srgb"}, {"color_space": "linear"}, "lit"),
    ("specular", demo.grey(ROCK), {"color_space": "srgb"}, {"color_space": "linear"}, "lit"),
    ("albedo", demo.tint(ROCK, (0.5, 0.3, 0.2)), {"color_space": "linear"}, {"color_space": "srgb"}, "lit"),
    ("albedo", demo.tint(demo.noise(1, 256), (0.6, 0.3, 0.2)), {"mipmaps": False}, {"mipmaps": True}, "far"),
    ("normal", demo.normals(ROCK, 3.0), {"mipmaps": False}, {"mipmaps": True}, "far"),
    ("ui", demo.button(), {"compression": "block"}, {"compression": "lossless"}, "detail"),
    (
        "normal",
        demo.normals(ROCK, 3.0),
        {"compression": "block", "kind": "albedo"},
        {"compression": "block", "kind": "normal"},
        "lit",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "pixels", "before", "after", "scene"), CASES)
def test_a_change_that_the_game_shows_is_shown(
    tmp_path: Path, kind: str, pixels: Any, before: Any, after: Any, scene: str
) -> None:
    value, one, other = draw(tmp_path, pixels, kind=kind, before=before, after=after)
    assert value.scene == scene and one.shape == other.shape == (128, 128, 3)
    assert value.difference > 0.3
    assert value.difference == pytest.approx(np.abs(one - other).mean(), abs=0.01)


def test_states_that_look_alike_make_equal_pictures(tmp_path: Path) -> None:
    value, one, other = draw(tmp_path, demo.grey(ROCK), kind="roughness")
    assert value.difference == 0 and (one == other).all()


def test_a_bump_is_lit_from_the_upper_left(tmp_path: Path) -> None:
    y, x = np.mgrid[0:128, 0:128]
    bump = np.clip(1 - np.hypot(x - 64, y - 64) / 50, 0, 1)[..., None]
    _, picture, turned = draw(
        tmp_path, demo.normals(bump, 6.0), kind="normal", after={"normal_convention": "directx"}
    )
    upper, lower = picture[35:60, 45:60].mean(), picture[70:95, 70:85].mean()
    assert upper > lower + 20
    # A bump with the other convention is lit from below: it looks like a dent.
    assert turned[30:50, 60:68].mean() < picture[30:50, 60:68].mean() - 20


def test_mipmaps_calm_what_is_far(tmp_path: Path) -> None:
    checks = (np.indices((256, 256)).sum(axis=0) // 4 % 2)[..., None].astype(float) * np.ones(3)
    _, sharp, calm = draw(tmp_path, checks, kind="albedo", before={"mipmaps": False}, after={"mipmaps": True})
    assert calm[:10].std() < sharp[:10].std() / 4


def test_the_albedo_of_the_material_colours_the_surface(tmp_path: Path) -> None:
    for name, pixels in (("n.png", demo.normals(ROCK, 2.0)), ("a.png", demo.tint(ROCK, (0.9, 0.1, 0.1)))):
        demo.save(pixels, tmp_path / name)
    inputs = [Input(name, str(tmp_path / name)) for name in ("n.png", "a.png")]
    output = preview_lit(inputs, preview_lit_params({"kind": "normal"}), Limits())
    red, green, _ = np.asarray(Image.open(io.BytesIO(output.files[0].data))).reshape(-1, 3).mean(axis=0)
    assert red > 2 * green


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (7, 5), (300, 20)])
@pytest.mark.parametrize("scene", ["lit", "far", "detail"])
def test_every_size_and_channel_count_is_drawn(tmp_path: Path, shape: tuple[int, int], scene: str) -> None:
    for channels in (1, 3, 4):
        pixels = np.random.default_rng(1).random((*shape, channels))
        for kind in ("normal", "height", "ui", "packed"):
            state = {"compression": "block", "mipmaps": True}
            _, one, _ = draw(tmp_path, pixels, kind=kind, scene=scene, before=state)
            assert one.shape == (128, 128, 3)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(WorkloadError):
        preview_lit([Input("x.png", str(tmp_path / "x.png"))], preview_lit_params({"kind": "ui"}), Limits())
