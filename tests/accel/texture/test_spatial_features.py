import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.image.pixel_data import DecodedImage
from accel.texture.model import extract
from accel.texture.spatial_features import spatial_features
from accel.texture.value_features import color_features
from accel.texture.views import make_views
from tests.accel.texture.pictures import bricks, decoded, normal_map

NAMES = list(extract(decoded(bricks(64))).features)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70), st.integers(1, 70), st.integers(1, 5),
    st.sampled_from(["uint8", "uint16", "float32"]), st.booleans(),
    st.sampled_from(["grey", "rgb", "cmyk", "lab"]), st.integers(0, 9),
)  # fmt: skip
def test_every_image_gives_the_same_finite_features(height, width, channels, kind, alpha, model, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (height, width, channels)) * rng.choice([0, 1, 257, 65504 / 255])
    pixels = values.astype(kind) if kind != "uint8" else (values % 256).astype(kind)
    if kind == "float32" and seed % 2:
        pixels *= 1e7
    inputs = extract(DecodedImage(pixels, model, alpha and channels > 1, "png", 9))
    assert list(inputs.features) == NAMES
    assert np.isfinite(list(inputs.features.values())).all()
    assert (inputs.picture.shape, inputs.patch.shape) == ((4, 128, 128), (4, 96, 96))


def test_sixteen_bits_say_what_eight_say():
    eight = bricks()
    sixteen = eight.astype(np.uint16) * 257
    one, other = (extract(decoded(pixels)).features for pixels in (eight, sixteen))
    common = [name for name in NAMES if not name.startswith("stored")]
    # A share of texels above a limit that is itself a step of 8 bit may differ by rounding.
    assert len([name for name in common if abs(one[name] - other[name]) > 1e-3]) <= 3


def test_the_thumbnail_is_the_picture_at_half_its_size():
    view = make_views(decoded(bricks(200)))
    assert view.thumb == pytest.approx(view.picture.reshape(4, 64, 2, 64, 2).mean(axis=(2, 4)), abs=1e-5)
    assert np.abs(view.picture[:3, 1:] - view.picture[:3, :-1]).max() > 0.1


@pytest.mark.parametrize("pixels", [bricks(200), normal_map(), np.full((70, 90, 3), 7, np.uint8)])
def test_what_hides_nothing_is_seen_as_if_alpha_were_looked_at(pixels):
    view = make_views(decoded(pixels))
    looked_at = msgspec.structs.replace(view, opaque=False)
    assert view.opaque
    assert color_features(view) == color_features(looked_at) and spatial_features(view) == spatial_features(
        looked_at
    )


def test_an_alpha_that_is_full_says_what_none_says():
    pixels = bricks(200)
    full = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    none, there = (
        extract(DecodedImage(one, "rgb", one is full, "png", 1)).features for one in (pixels, full)
    )
    assert {name for name in NAMES if none[name] != there[name]} == {"alpha.there", "stored.channels"}
    full[0, 0, 3] = 0
    assert not make_views(DecodedImage(full, "rgb", True, "png", 1)).opaque


def test_vectors_stored_from_minus_one_to_one_are_unit_vectors_too():
    stored = (normal_map().astype(np.float32) / 127.5 - 1).astype(np.float32)
    assert extract(decoded(stored, "exr")).features["unit.near"] > 0.95


def test_grey_in_one_channel_looks_like_grey_in_three():
    grey = bricks()[..., :1]
    one, three = (extract(decoded(pixels)).features for pixels in (grey, np.repeat(grey, 3, axis=2)))
    assert [name for name in NAMES if abs(one[name] - three[name]) > 1e-4] == ["stored.channels"]


def test_a_figure_on_one_colour_is_seen_without_transparency():
    cut = np.full((128, 128, 3), (255, 0, 255), np.uint8)
    cut[32:96, 40:88] = bricks(64)[:, :48]
    features = extract(decoded(cut)).features
    assert features["shape.keyed"] == 1
    assert features["shape.ground"] == pytest.approx(1 - 64 * 48 / 128**2, abs=0.02)


def test_a_large_image_costs_little_more_than_a_small_one():
    # Counted, not timed: what is read of it doesn't grow.
    large = np.zeros((4096, 4096, 3), np.uint8)
    assert extract(decoded(large)).picture.nbytes == extract(decoded(large[:64, :64])).picture.nbytes


def test_the_same_few_colours_count_wherever_they_stand():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:16, :, 0], pixels[16:24, :, 1], pixels[24, :5, 2] = 200, 100, 50
    found = extract(decoded(pixels)).features
    assert 2 ** found["palette.count"] == pytest.approx(4)
    most = np.array([64 * 64 - 24 * 64 - 5, 16 * 64, 8 * 64, 5]) / 64**2
    assert [found[f"palette.top{count}"] for count in (1, 2, 8, 256)] == pytest.approx(
        [most[0], most[:2].sum(), 1, 1]
    )


@pytest.mark.parametrize(("color", "hue"), [((255, 0, 0), 0), ((255, 0, 140), 11), ((255, 0, 70), 0),
                                            ((0, 255, 0), 4), ((0, 0, 255), 8)])  # fmt: skip
def test_a_colour_counts_for_its_hue(color, hue):
    found = extract(decoded(np.full((64, 64, 3), color, np.uint8))).features
    assert [found[f"hue.{place}"] for place in range(12)] == pytest.approx(np.eye(12)[hue], abs=1e-4)


def test_octaves_fall_by_the_slope_of_the_line_that_fits_them_best():
    features = extract(decoded(bricks())).features
    # Shares of the power, as a factor changes no slope; what is added to it against zeros is little.
    shares = [features[f"power.native.{place}"] for place in range(5)]
    slope = np.polyfit(np.arange(5), np.log10(shares), 1)[0]
    assert features["power.native.slope"] == pytest.approx(slope, rel=1e-3)
