import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.execution.executor import Job
from accel.image.open_raster import open_raster
from accel.image.operations.pipeline import Pipeline, Step, pipeline
from accel.texture.pbr_maps import LUMINANCE_DEPTH, MIN_DEPTH
from accel.texture.workloads import EstimatePbr, estimate_pbr
from accel.workload import Input, Limits
from tests.accel.image.operation_helpers import operate, random, raster

MAPS = ["height", "normal", "roughness"]
KINDS = ["uint8", "uint16", "float32"]


def estimated(pixels, method="luminance", **params):
    image = pixels if hasattr(pixels, "pixels") else raster(pixels)
    return operate(estimate_pbr, EstimatePbr(method=method, **params), image)


def maps(pixels, method="luminance", **params):
    made = estimated(pixels, method, **params).images
    return {name: image.pixels for name, image in made.items()}


def vectors(pixels):
    return pixels / np.iinfo(pixels.dtype).max * 2 - 1


def grey(values):
    """0..1, height x width, as 16 bit grey, which is taken as it is."""
    return (np.asarray(values) * 65535 + 0.5).astype(np.uint16)[..., None]


def bump(side=64, width=8.0):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return 0.25 + 0.5 * np.exp(-(x * x + y * y) / (2 * width * width))


def test_a_ramp_of_brightness_is_a_ramp_of_height():
    ramp = np.linspace(0, 1, 65)[None].repeat(20, 0)
    made = estimated(grey(ramp), shading=0)
    height = made.images["height"].pixels[..., 0]
    assert np.abs(height / 65535 - ramp).max() < 1e-4
    assert made.value.depth == pytest.approx(LUMINANCE_DEPTH, rel=1e-4)
    # It climbs by 4 texels in 64.
    expected = np.array([-1 / 16, 0, 1]) / np.sqrt(1 + 1 / 256)
    inside = vectors(made.images["normal"].pixels)[1:-1, 1:-1]
    assert np.abs(inside - expected).max() < 2e-4


def test_a_ramp_over_many_texels_is_taken_for_light():
    ramp = np.linspace(0.1, 0.9, 512)[None].repeat(512, 0)
    inside = vectors(maps(grey(ramp), shading=64)["normal"])[128:-128, 128:-128]
    assert np.abs(inside - [0, 0, 1]).max() < 1e-3


def test_detail_stays_where_shading_is_taken_away():
    y, x = np.mgrid[:256, :256]
    detail = 0.1 * np.sin(x * np.pi / 4) * np.cos(y * np.pi / 4)
    lit = maps(grey(0.3 + detail + x / 512), shading=64)["normal"]
    even = maps(grey(0.5 + detail), shading=64)["normal"]
    inner = slice(64, -64)
    assert np.abs(vectors(lit) - vectors(even))[inner, inner].max() < 0.01


def test_a_bright_bump_rises_and_leans_away_from_its_middle():
    made = maps(grey(bump()), shading=0)
    height, normal = made["height"][..., 0], vectors(made["normal"])
    assert np.unravel_index(height.argmax(), height.shape) in [(31, 31), (31, 32), (32, 31), (32, 32)]
    assert height.max() == 65535 and height.min() == 0
    # Left of it the surface faces left, above it up the page: green up is OpenGL's.
    assert normal[32, 20, 0] < -0.01 and normal[32, 44, 0] > 0.01
    assert normal[20, 32, 1] > 0.01 and normal[44, 32, 1] < -0.01


def test_dark_is_high_when_inverted():
    one, other = maps(grey(bump())), maps(grey(bump()), invert=True)
    assert np.abs(one["height"].astype(int) + other["height"] - 65535).max() <= 1
    assert np.abs(vectors(one["normal"])[..., :2] + vectors(other["normal"])[..., :2]).max() < 1e-4


def test_directx_is_opengl_with_green_turned():
    one = vectors(maps(random(40, 30, 3, kind="uint16"))["normal"])
    other = vectors(maps(random(40, 30, 3, kind="uint16"), convention="directx")["normal"])
    assert np.abs(one * [1, -1, 1] - other).max() <= 2.01 / 65535


def test_strength_is_a_factor_of_all_slopes_and_of_the_depth():
    one, other = (estimated(grey(bump()), strength=s) for s in (1.0, 3.0))
    assert other.value.depth == pytest.approx(3 * one.value.depth)
    assert (one.images["height"].pixels == other.images["height"].pixels).all()
    leaning = [vectors(each.images["normal"].pixels) for each in (one, other)]
    slopes = [each[..., :2] / each[..., 2:] for each in leaning]
    assert np.abs(slopes[1] - 3 * slopes[0]).max() < 5e-4


def test_the_height_map_with_its_depth_gives_the_same_normals_again():
    from accel.image.operations.normals import NormalFromHeight, normal_from_height

    made = estimated(random(48, 40, 3, kind="uint16"), edge="wrap")
    params = NormalFromHeight(strength=made.value.depth, edge="wrap", bits="16")
    again = operate(normal_from_height, params, made.images["height"]).images["normal"].pixels
    assert np.abs(vectors(again) - vectors(made.images["normal"].pixels)).max() < 5e-4


def test_an_even_colour_is_flat_and_of_the_roughness_asked_for():
    made = estimated(np.full((20, 30, 3), 90, np.uint8), roughness=0.25)
    assert (made.images["normal"].pixels == [128, 128, 255]).all()
    assert (made.images["height"].pixels == 128).all() and made.value.depth == MIN_DEPTH
    assert (made.images["roughness"].pixels == 64).all() and made.value.roughness == pytest.approx(64 / 255)


def test_noise_on_an_even_colour_makes_no_mountains():
    noise = random(64, 64, 1).astype(int) % 2
    height = maps((90 + noise).astype(np.uint8))["height"]
    assert np.ptp(height.astype(int)) <= 2 * LUMINANCE_DEPTH + 1


def test_what_is_darker_is_rougher_by_the_rule():
    step = np.repeat([0.25, 0.75], 32)[None].repeat(16, 0)
    made = maps(grey(step), shading=0, roughness=0.5, roughness_contrast=0.4)["roughness"] / 65535
    assert made[0, 0, 0] == pytest.approx(0.6, abs=1e-4) and made[0, -1, 0] == pytest.approx(0.4, abs=1e-4)
    even = maps(grey(step), roughness=0.5, roughness_contrast=0)["roughness"]
    assert (even == 32768).all()


def test_roughness_is_cut_to_what_there_is():
    made = maps(random(9, 9, 1), roughness=0.9, roughness_contrast=4)["roughness"]
    assert made.max() == 255 and made.min() == 0


@pytest.mark.parametrize("method", ["luminance", "network"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3), (67, 131)])
def test_every_size_and_depth_is_kept(method, kind, shape):
    for channels in (1, 2, 3, 4):
        made = estimated(random(*shape, channels, kind=kind), method)
        assert list(made.images) == MAPS
        for name, image in made.images.items():
            assert (image.height, image.width) == shape and not image.has_alpha and image.data
            assert image.channels == (3 if name == "normal" else 1) and image.transfer == "linear"
            deep = "uint16" if kind == "float32" and name == "normal" else kind
            assert image.pixels.dtype == deep
        assert (made.value.height, made.value.width) == shape and made.value.method == method


@pytest.mark.parametrize("method", ["luminance", "network"])
@pytest.mark.parametrize("kind", KINDS)
def test_alpha_is_ignored(method, kind):
    pixels = random(40, 24, 4, kind=kind)
    one, other = maps(pixels, method), maps(pixels[..., :3], method)
    assert all((one[name] == other[name]).all() for name in MAPS)


@pytest.mark.parametrize("method", ["luminance", "network"])
def test_grey_stored_in_colours_is_the_same_albedo(method):
    pixels = random(40, 24, 1)
    one, other = maps(pixels, method), maps(np.repeat(pixels, 3, 2), method)
    assert all(np.abs(one[name].astype(int) - other[name]).max() <= 1 for name in MAPS)


@pytest.mark.parametrize("method", ["luminance", "network"])
def test_floats_of_light_are_the_same_albedo_as_codes(method):
    pixels = random(40, 24, 3, kind="uint16")
    coded = pixels / 65535
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4).astype(np.float32)
    one, other = maps(pixels, method, bits="16"), maps(light, method, bits="16")
    for name in MAPS:
        assert np.abs(one[name].astype(int) - other[name]).max() <= 40


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(2, 40), width=st.integers(2, 40), shading=st.sampled_from([0, 64, 128]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_the_maps_of_what_tiles_tile(height, width, shading, seed):
    pixels = random(height, width, 3, kind="uint16", seed=seed)
    once = maps(pixels, shading=shading, edge="wrap")
    twice = maps(np.tile(pixels, (2, 2, 1)), shading=shading, edge="wrap")
    for name in MAPS:
        assert np.abs(np.tile(once[name], (2, 2, 1)).astype(int) - twice[name]).max() <= 40


def test_shading_is_taken_away_without_a_seam_when_wrapped():
    y, x = np.mgrid[:128, :128]
    wave = grey(0.5 + 0.2 * np.sin(x * np.pi / 64) + 0.1 * np.cos(y * np.pi / 32))
    once = maps(wave, shading=32, edge="wrap")
    twice = maps(np.tile(wave, (2, 2, 1)), shading=32, edge="wrap")
    for name in MAPS:
        assert np.abs(np.tile(once[name], (2, 2, 1)).astype(int) - twice[name]).max() <= 8
    seam = np.abs(np.diff(np.tile(once["height"][..., 0].astype(int), 2)))
    assert seam[:, 127].max() <= seam.max() and seam[:, 127].max() < 4000


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif", "hdr"])
def test_a_lossy_albedo_gives_pngs(format):
    made = estimated(raster(random(8, 8, 3), format=format))
    assert {image.format for image in made.images.values()} == {"png"}


def test_floats_of_radiance_give_floats_and_16_bit_normals():
    made = estimated(raster(random(8, 8, 3, kind="float32"), format="hdr")).images
    formats = {name: image.format for name, image in made.items()}
    assert formats == {"height": "exr", "normal": "png", "roughness": "exr"}


@pytest.mark.parametrize(("bits", "expected"), [("8", "uint8"), ("16", "uint16")])
def test_another_depth_is_given_where_it_is_asked_for(bits, expected):
    made = maps(random(8, 8, 3, kind="float32"), bits=bits)
    assert all(pixels.dtype == expected for pixels in made.values())


@pytest.mark.parametrize("method", ["luminance", "network"])
def test_a_file_becomes_three_files(save, tmp_path, method):
    source = save("bricks.png", random(33, 17, 4))
    done = estimate_pbr([source], EstimatePbr(method=method), Limits())
    assert [file.name for file in done.files] == MAPS
    for file, bands in zip(done.files, (1, 3, 1), strict=True):
        path = tmp_path / f"{file.name}.png"
        path.write_bytes(file.data)
        read = pyvips.Image.new_from_file(str(path))
        assert (read.width, read.height, read.bands, read.format) == (17, 33, bands, "uchar")
        made = estimated(open_raster(source, Limits()), method).images[file.name].pixels
        assert (open_raster(Input("x", str(path)), Limits(), "linear").pixels == made).all()


def test_its_maps_go_on_through_a_pipeline(save):
    source = save("bricks.png", random(32, 32, 3))
    steps = [Step("image.resize", {"longest": 16}), Step("texture.estimate_pbr")]
    done = pipeline([source], Pipeline(steps=steps), Limits())
    assert [file.name for file in done.files] == MAPS and done.value.width == 16


async def test_it_runs_in_a_worker_process(save, executor):
    source = save("bricks.png", random(32, 32, 3))
    result = await executor.run(Job.parse(estimate_pbr.workload, {"edge": "wrap"}, [source], deadline_s=60.0))
    assert [file.name for file in result.files] == MAPS
    assert result.value["width"] == 32 and result.value["depth"] >= MIN_DEPTH
