import itertools

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.image import kernels, pixel_coding
from accel.image.alpha import coverage_factor, coverage_share
from accel.image.color import decode_table, encode_srgb
from accel.image.mip_levels import level_sizes, pixel_levels, raise_roughness
from accel.image.operations.geometry import Mipmaps, mipmaps
from accel.image.operations.pipeline import Pipeline, Step, pipeline
from accel.workload import Limits, WorkloadError
from tests.accel.image.operation_helpers import KINDS, made, noise, raster
from tests.accel.image.test_normal_maps import heights, normal_map


def levels(pixels, *more, **params):
    """All levels of an image, the largest first."""
    image = made(mipmaps, [raster(pixels), *more], **params)
    return [image.pixels, *image.mips]


@settings(max_examples=60)
@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(0, 32))
def test_each_level_is_half_of_the_one_before_rounded_down_to_1_by_1(width, height, limit):
    found = [(width, height), *level_sizes(width, height, limit)]
    assert found[-1] == (1, 1) or len(found) == limit
    assert not limit or len(found) <= limit
    for (w, h), half in itertools.pairwise(found):
        assert half == (max(1, w // 2), max(1, h // 2))


def test_an_image_of_one_texel_has_no_smaller_level():
    assert len(levels(np.zeros((1, 1, 4), np.uint8))) == 1


def test_levels_can_be_limited():
    assert [level.shape[:2] for level in levels(noise(20, 7, 3), levels=3)] == [(20, 7), (10, 3), (5, 1)]


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("filter", ["box", "kaiser", "lanczos"])
def test_black_and_white_in_equal_parts_are_188_in_light(kind, filter):
    board = (np.indices((8, 8)).sum(axis=0) % 2)[..., None] * np.ones(3) * KINDS[kind]
    last = levels(board.astype(kind), filter=filter)[-1][0, 0].astype(float) / KINDS[kind]
    assert last == pytest.approx(0.5 if kind == "float32" else 0.7353, abs=0.51 / 255)


def test_as_they_are_stored_they_are_128():
    board = (np.indices((8, 8)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    assert levels(board, linear_light=False)[-1].ravel().tolist() == [128] * 3
    assert levels(board, kind="data")[-1].ravel().tolist() == [128] * 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(64, 64), (64, 32), (256, 16), (96, 32)])
def test_each_texel_of_data_is_the_exact_mean_of_the_covered_ones(channels, size):
    pixels = noise(*size, channels)
    for index, level in enumerate(levels(pixels, kind="data")):
        h, w = level.shape[:2]
        if size[0] % h or size[1] % w:
            continue
        means = pixels.reshape(h, size[0] // h, w, size[1] // w, channels).mean(axis=(1, 3))
        assert np.abs(level - means).max() <= 0.5 + 1e-4, index


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.sampled_from(list(KINDS)), st.integers(0, 3)
)
def test_every_texel_counts_as_much_as_any_other_in_odd_sizes_too(height, width, channels, kind, seed):
    pixels = noise(height, width, channels, kind, seed)
    for level in levels(pixels, kind="data"):
        mean = level.mean(axis=(0, 1), dtype=np.float64) / KINDS[kind]
        assert level.dtype == pixels.dtype
        wanted = pixels.mean(axis=(0, 1), dtype=np.float64) / KINDS[kind]
        assert mean == pytest.approx(wanted, abs=1e-5 if kind == "float32" else 0.51 / KINDS[kind])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 4),
    st.sampled_from(list(KINDS)),
    st.sampled_from(["box", "kaiser", "lanczos"]),
    st.sampled_from(["clamp", "wrap"]),
    st.floats(0, 1),
)
def test_one_colour_stays_that_colour_in_every_level(height, width, channels, kind, filter, edge, value):
    pixels = np.full((height, width, channels), value * KINDS[kind]).astype(kind)
    for level in levels(pixels, filter=filter, edge=edge):
        off = np.abs(level.astype(float) - pixels.flat[0]).max()
        assert off <= (2e-5 if kind == "float32" else 0)


def test_colours_are_averaged_as_light_weighed_by_alpha():
    pixels = noise(64, 48, 4)
    light = decode_table(np.uint8)[pixels[..., :3]].astype(float)
    alpha = pixels[..., 3:] / 255
    for level in levels(pixels)[1:5]:
        h, w = level.shape[:2]
        cells = lambda values: values.reshape(h, 64 // h, w, 48 // w, -1).mean(axis=(1, 3))  # noqa: B023, E731
        wanted = (
            np.concatenate([encode_srgb(cells(light * alpha) / cells(alpha)), cells(alpha)], axis=2) * 255
        )
        assert np.abs(level - wanted).max() <= 0.51


def test_transparent_colours_give_no_fringe_but_stay_if_all_are():
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[..., 1] = 200
    pixels[3:, :7] = 255, 0, 0, 255
    smaller = levels(pixels)[1]
    assert smaller[1, 1].tolist() == [255, 0, 0, 128]
    assert smaller[7, 3].tolist() == [255, 0, 0, 128]
    assert smaller[0, 7].tolist() == [0, 200, 0, 0]
    assert levels(pixels, alpha_weighted=False)[1][1, 1, 1] > 100


def test_the_energy_of_light_beyond_white_is_kept():
    pixels = np.exp(np.random.default_rng(1).normal(0, 3, (61, 35, 3))).astype(np.float32)
    for level in levels(pixels):
        assert level.mean() == pytest.approx(pixels.mean(), rel=1e-4)


def test_a_texture_that_tiles_keeps_its_mean_with_wider_filters_and_wrap():
    pixels = noise(64, 64, 1, "float32")
    for level in levels(pixels, filter="kaiser", edge="wrap"):
        assert level.mean() == pytest.approx(pixels.mean(), rel=1e-3)


@pytest.mark.parametrize("filter", ["kaiser", "lanczos"])
def test_wider_filters_keep_more_detail_than_the_box(filter):
    smooth = heights(256)
    pixels = ((smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)[..., None]
    fine = levels(pixels, filter=filter, edge="wrap")[2]
    assert fine.std() > levels(pixels)[2].std()


def length(level):
    return np.linalg.norm(level[..., :3] / 127.5 - 1, axis=2)


@pytest.mark.parametrize("filter", ["box", "kaiser"])
@pytest.mark.parametrize("size", [128, 101])
def test_normals_have_unit_length_in_every_level(filter, size):
    bumps = normal_map(heights(size, 20), "opengl")
    for level in levels(bumps, kind="normal", filter=filter)[1:]:
        assert length(level) == pytest.approx(1, abs=0.0095)
    signed = bumps.astype(np.float32) / np.float32(127.5) - 1
    for level in levels(signed, kind="normal", filter=filter)[1:]:
        assert np.linalg.norm(level, axis=2) == pytest.approx(1, abs=1e-5)


def test_normals_that_cancel_become_flat():
    pixels = np.full((2, 2, 3), 0, np.uint8)
    pixels[0], pixels[1] = (255, 128, 128), (0, 127, 127)
    assert levels(pixels, kind="normal")[1].ravel().tolist() == [128, 128, 255]
    nowhere = np.full((2, 2, 3), 0.5, np.float32)
    assert levels(nowhere, kind="normal")[1].ravel().tolist() == [0.5, 0.5, 1]


def test_a_flat_normal_map_stays_flat_with_its_alpha_as_data():
    pixels = np.full((8, 8, 4), (128, 128, 255, 0), np.uint8)
    pixels[:4, :, 3] = 255
    last = levels(pixels, kind="normal")[-1]
    assert last.ravel().tolist() == [128, 128, 255, 128]
    assert made(mipmaps, raster(pixels), kind="normal").data


def leaves(size: int, kind: str = "uint8"):
    """A cut-out with soft edges of which a good third is drawn."""
    soft = np.random.default_rng(9).normal(size=(size, size))
    soft = sum(np.roll(soft, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)) / 3
    alpha = np.clip(0.5 + (soft - 0.4) * 2.5, 0, 1)
    return (np.dstack([np.ones((size, size, 3)) * 0.5, alpha]) * KINDS[kind]).astype(kind)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("threshold", [0.5, 0.33, 0.75])
@pytest.mark.parametrize("weighted", [True, False])
def test_coverage_is_kept_within_a_hundredth(kind, threshold, weighted):
    found = levels(leaves(256, kind), coverage=threshold, alpha_weighted=weighted)
    wanted = coverage_share(found[0][..., 3], threshold)
    assert 0.2 < wanted < 0.5
    for level in found:
        count = level.shape[0] * level.shape[1]
        assert coverage_share(level[..., 3], threshold) == pytest.approx(wanted, abs=max(0.01, 0.51 / count))
    plain = levels(leaves(256, kind))
    assert abs(coverage_share(plain[6][..., 3], threshold) - wanted) > 0.02
    assert (found[3][..., :3] == plain[3][..., :3]).all()


@pytest.mark.parametrize("drawn", [0, 1])
def test_a_cut_out_of_nothing_or_all_stays_so(drawn):
    pixels = np.full((16, 16, 4), 255 * drawn, np.uint8)
    for level in levels(pixels, coverage=0.5):
        assert (level[..., 3] == 255 * drawn).all()


def test_coverage_of_a_mask_of_two_values_is_kept():
    pixels = np.zeros((256, 256, 4), np.uint8)
    pixels[heights(256) > 4] = 255
    wanted = coverage_share(pixels[..., 3], 0.5)
    found = levels(pixels, coverage=0.5)
    for level, plain in zip(found[1:], levels(pixels)[1:], strict=True):
        count = level.shape[0] * level.shape[1]
        assert coverage_share(level[..., 3], 0.5) == pytest.approx(wanted, abs=max(0.01, 0.51 / count))
        assert (level[..., 3] > 0).sum() <= (plain[..., 3] > 0).sum()


@pytest.mark.parametrize(("wanted", "drawn"), [(0.3, 0), (0.7, 16), (0, 0), (1, 16)])
def test_of_texels_that_nothing_tells_apart_all_or_none_are_drawn(wanted, drawn):
    alpha = np.full((4, 4), 0.5, np.float32)
    assert (alpha * coverage_factor(alpha, wanted, 0.5) >= 0.5).sum() == drawn


def test_fully_transparent_texels_are_never_drawn():
    alpha = np.zeros((4, 4), np.float32)
    alpha[0] = 0.2
    assert (alpha * coverage_factor(alpha, 0.9, 0.5) >= 0.5).sum() == 4


def test_coverage_needs_an_alpha_channel():
    with pytest.raises(WorkloadError, match="no alpha channel") as caught:
        levels(noise(8, 8, 3), coverage=0.5)
    assert caught.value.code == "bad_params"


def test_roughness_grows_by_the_formula_of_toksvig():
    # Roughness 0.5: alpha 0.25, exponent 30; a mean normal of 0.9 leaves 30 * 0.9 / (0.9 + 30 * 0.1).
    exponent = 30 * 0.9 / (0.9 + 30 * 0.1)
    wanted = (2 / (exponent + 2)) ** 0.25
    assert raise_roughness(np.float32([0.5]), np.float32([0.9])) == pytest.approx(wanted, rel=1e-4)


def test_roughness_is_left_alone_where_normals_agree_and_is_bounded_where_they_cancel():
    rough = np.linspace(0, 1, 101, dtype=np.float32)
    assert raise_roughness(rough, np.ones_like(rough)) == pytest.approx(rough, abs=1e-3)
    cancelled = raise_roughness(rough, np.zeros_like(rough))
    assert cancelled.min() > 0.99 and cancelled.max() <= 1


def bumpy(size: int = 64):
    """A normal map whose right half is flat."""
    bumps = normal_map(heights(size, 30), "opengl")
    bumps[:, size // 2 :] = 128, 128, 255
    return raster(bumps, name="normal.png")


def test_roughness_maps_grow_rough_only_where_bumps_were_averaged_away():
    rough = np.full((64, 64, 1), 60, np.uint8)
    found = levels(rough, bumpy(), kind="data")
    assert (found[0] == 60).all()
    for level in found[1:5]:
        half = level.shape[1] // 2
        assert level[:, :half].min() >= 60 and level[:, :half].mean() > 70
        assert (level[:, half:] == 60).all()


def test_only_the_channel_that_holds_roughness_or_smoothness_is_changed():
    packed = np.full((64, 64, 4), (10, 60, 200, 195), np.uint8)
    second = levels(packed, bumpy(), kind="data", roughness="g")[1]
    assert (second[..., [0, 2, 3]] == (10, 200, 195)).all() and second[:, :30, 1].mean() > 70
    smooth = levels(packed, bumpy(), kind="data", roughness="a", smoothness=True)[1]
    assert (smooth[..., :3] == (10, 60, 200)).all() and smooth[:, :30, 3].mean() < 185
    assert np.abs(smooth[..., 3].astype(int) - (255 - second[..., 1].astype(int))).max() <= 1


@pytest.mark.parametrize(
    ("params", "says", "code"),
    [
        ({"kind": "color"}, "set kind to data", "bad_params"),
        ({"kind": "data", "coverage": 0.5}, "leave out coverage", "bad_params"),
        ({"kind": "data", "roughness": "a"}, "no channel a", "bad_params"),
        ({"kind": "data", "roughness": "b"}, "no channel b", "bad_params"),
    ],
)
def test_parameters_that_make_no_sense_with_a_normal_map_are_refused(params, says, code):
    with pytest.raises(WorkloadError, match=says) as caught:
        levels(np.zeros((64, 64, 1), np.uint8), bumpy(), **params)
    assert caught.value.code == code


def test_a_normal_map_of_another_size_is_refused_with_both_sizes():
    with pytest.raises(WorkloadError, match=r"is 64 x 64, but a\.png is 32 x 32") as caught:
        levels(np.zeros((32, 32, 1), np.uint8), bumpy(), kind="data")
    assert caught.value.code == "bad_input" and caught.value.name == "normal.png"


@pytest.mark.parametrize("params", [{}, {"kind": "data"}, {"kind": "normal"}, {"linear_light": False}])
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("size", [(64, 128), (72, 48), (31, 33)])
def test_compiled_loops_and_numpy_make_the_same_levels(monkeypatch, params, kind, size):
    image = noise(*size, 4, kind)
    monkeypatch.setattr(pixel_coding, "choose_loops", lambda pixels: kernels)
    plain = levels(image, **params)
    monkeypatch.undo()
    monkeypatch.setattr(pixel_coding, "WORTH_COMPILED", 0)
    for one, other in zip(plain, levels(image, **params), strict=True):
        assert np.abs(one.astype(float) - other).max() <= (1e-5 if kind == "float32" else 1)


def test_small_images_dont_wait_for_a_compiler():
    how = pixel_coding.coding_of(raster(noise(8, 8, 4)), "color", True, True)
    assert pixel_coding.WORTH_COMPILED > 1_000_000
    assert [level.shape for level in pixel_levels(noise(8, 8, 4), how, [(4, 4)], "box", "clamp")] == [
        (4, 4, 4)
    ]


def test_formats_of_one_level_get_a_file_for_each(save, photo):
    output = mipmaps([save("a.png", photo)], Mipmaps(), Limits())
    assert [file.name for file in output.files] == [f"mipmaps.mip{n}" for n in range(7)]
    widths = [pyvips.Image.new_from_buffer(file.data, "").width for file in output.files]
    assert widths == [64, 32, 16, 8, 4, 2, 1] and output.value.levels == 7


def test_levels_follow_a_resize_in_one_pipeline(save, photo):
    steps = [Step("image.resize", {"power_of_two": "down"}), Step("image.mipmaps", {"levels": 2})]
    output = pipeline([save("a.png", photo)], Pipeline(steps=steps), Limits())
    assert (output.value.width, output.value.height, output.value.levels) == (64, 32, 2)
