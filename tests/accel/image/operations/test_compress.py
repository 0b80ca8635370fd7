import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.image.block_encoders import FORMATS
from accel.image.operations.pipeline import pipeline
from accel.image.operations.textures import Compressed, Format, compress
from accel.workload import Limits, WorkloadError
from tests.accel.image import containers
from tests.accel.image.operation_helpers import noise
from tests.accel.image.textures import SIZES, raster, smooth

FLOORS = {
    "bc1": 41, "bc3": 41, "bc4": 55, "bc5": 55, "bc6h": 50, "bc7": 47, "etc2_rgb": 44, "etc2_rgba": 44,
    "eac_r11": 55, "eac_rg11": 55, "astc_4x4": 48, "astc_6x6": 43, "astc_8x8": 40, "astc_12x12": 36,
}  # fmt: skip
"""dB that a smooth picture must reach at the fast effort."""


def run(image, **params) -> tuple[Compressed, bytes]:
    done = compress.operate([image], compress.workload.parse({"quality": "fast", **params}), Limits())
    (file,) = done.files
    value = done.value
    assert file.name == "compressed" and value.size == len(file.data) and not done.images
    assert file.media_type == {"dds": "image/vnd-ms.dds", "ktx2": "image/ktx2"}[value.container]
    return value, file.data


def compression(name: str) -> str:
    return "etc2" if name.startswith("ea") else name.partition("_")[0]


def test_every_format_can_be_asked_for():
    assert set(msgspec.inspect.type_info(Format).values) == {"auto", *FORMATS}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FORMATS)
def test_a_compressed_file_is_read_back(read, name, size):
    pixels = smooth(*size)
    value, data = run(raster(pixels), format=name, measure=True)
    found = read(data)
    assert found.compression == compression(name) and found.format == value.container
    assert found.pixels.shape[:2] == size == (value.height, value.width)
    assert (value.format, value.levels, value.reached, value.tried) == (name, 1, None, ())
    assert size != (256, 256) or value.psnr >= FLOORS.get(name, 36)
    if name not in ("bc6h", "bc4", "eac_r11", "bc5", "eac_rg11"):
        assert np.abs(found.pixels[..., :3].astype(int) - pixels).max() <= 40


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("name", ["bc1", "bc4", "bc6h", "bc7", "etc2_rgba", "eac_r11", "astc_6x5"])
def test_every_kind_of_image_is_taken(read, name, channels, dtype):
    pixels = smooth(11, 9, channels, dtype)
    value, data = run(raster(pixels), format=name, measure=True)
    assert value.psnr > 30 and value.ratio == pytest.approx(pixels.nbytes / len(data))
    assert read(data).pixels.shape[:2] == (11, 9)


@pytest.mark.parametrize("quality", ["fast", "normal", "best"])
@pytest.mark.parametrize("name", [each.name for each in FORMATS.values() if each.channels == "rgba"])
def test_opaque_stays_opaque(read, name, quality):
    sizes = (24, 24) if quality == "best" else (40, 52)
    found = read(run(raster(smooth(*sizes, 4)), format=name, quality=quality)[1])
    assert found.pixels.shape[2] == 3 or (found.pixels[..., 3] == 255).all()


@pytest.mark.parametrize("quality", ["fast", "normal"])
def test_opaque_blocks_of_bc7_stay_opaque_beside_transparent_ones(read, quality):
    pixels = smooth(64, 256, 4, alpha="some")
    found = read(run(raster(pixels), format="bc7", quality=quality)[1]).pixels
    full = (pixels[..., 3].reshape(16, 4, 64, 4) == 255).all(axis=(1, 3)).repeat(4, 0).repeat(4, 1)
    assert full.any() and not full.all()
    assert (found[full][:, 3] == 255).all()


@pytest.mark.parametrize("name", [each.name for each in FORMATS.values() if each.channels == "rgba"])
def test_transparency_is_kept(read, name):
    pixels = smooth(40, 200, 4, alpha="some")
    value, data = run(raster(pixels), format=name, measure=True)
    found = read(data).pixels
    assert np.abs(found[..., 3].astype(int) - pixels[..., 3]).max() <= 24
    clear, full = pixels[..., 3] == 0, pixels[..., 3] == 255
    assert found[clear][:, 3].mean() < 1 and found[full][:, 3].mean() > 254
    assert value.psnr > 34


@pytest.mark.parametrize("name", ["bc1", "bc4", "bc5", "bc6h", "etc2_rgb", "eac_r11", "eac_rg11"])
def test_transparency_is_never_lost_unsaid(read, name):
    image = raster(smooth(16, 200, 4, alpha="some"))
    with pytest.raises(
        WorkloadError, match=r"has transparency, which .* can't hold: choose bc3, bc7"
    ) as caught:
        run(image, format=name)
    assert (caught.value.code, caught.value.name) == ("unsupported", "a.png")
    value, data = run(image, format=name, alpha="drop")
    assert value.format == name and read(data).pixels.shape[2] < 4


def test_full_alpha_is_no_transparency():
    opaque, plain = (run(raster(smooth(32, 32, channels)), format="bc1")[1] for channels in (4, 3))
    assert opaque == plain


def test_bc4_keeps_red_and_bc5_red_and_green(read):
    pixels = smooth(32, 32)
    assert (
        np.abs(read(run(raster(pixels), format="bc4")[1]).pixels[..., 0].astype(int) - pixels[..., 0]).max()
        < 3
    )
    found = read(run(raster(pixels), format="bc5")[1]).pixels
    assert np.abs(found[..., :2].astype(int) - pixels[..., :2]).max() < 3


@pytest.mark.parametrize(("name", "instead"), [("bc5", "bc4"), ("eac_rg11", "eac_r11")])
def test_two_channels_of_grey_are_refused(name, instead):
    with pytest.raises(WorkloadError, match=f"has one channel, {name} two: choose {instead}"):
        run(raster(smooth(8, 8, 1)), format=name)


@pytest.mark.parametrize("name", FORMATS)
def test_srgb_is_flagged_where_colours_are_and_the_format_can(name):
    format = FORMATS[name]
    for transfer in ("srgb", "linear"):
        value, data = run(raster(smooth(8, 8), transfer), format=name, container="ktx2")
        flagged = transfer == "srgb" and name not in ("bc4", "bc5", "bc6h", "eac_r11", "eac_rg11")
        found = containers.ktx2(data)
        assert value.srgb == flagged == (found.transfer == 2)
        assert found.vulkan == (format.srgb if flagged else format.linear).vulkan


@pytest.mark.parametrize(
    ("name", "transfer", "fourcc", "dxgi"),
    [
        ("bc1", "linear", b"DXT1", 0), ("bc3", "linear", b"DXT5", 0), ("bc1", "srgb", b"DX10", 72),
        ("bc3", "srgb", b"DX10", 78), ("bc4", "linear", b"DX10", 80), ("bc5", "linear", b"DX10", 83),
        ("bc6h", "linear", b"DX10", 95), ("bc7", "linear", b"DX10", 98), ("bc7", "srgb", b"DX10", 99),
    ],
)  # fmt: skip
def test_dds_says_which_blocks_and_transfer(name, transfer, fourcc, dxgi):
    found = containers.dds(run(raster(smooth(8, 12), transfer), format=name)[1])
    assert (found.fourcc, found.dxgi, found.width, found.height) == (fourcc, dxgi, 12, 8)
    assert len(found.data) == 6 * FORMATS[name].block.size


@pytest.mark.parametrize("name", ["bc1", "bc7", "eac_r11", "astc_8x5"])
@pytest.mark.parametrize("size", [(1, 1), (21, 13), (64, 16)])
def test_all_levels_are_written_down_to_less_than_a_block(name, size):
    image = raster(smooth(*size), mips=True)
    count = 1 + len(image.mips)
    value, data = run(image, format=name, container="ktx2")
    # Their sizes are checked against the specification there.
    found = containers.ktx2(data)
    assert value.levels == len(found.levels) == count
    alone = [run(raster(level), format=name, container="ktx2")[1] for level in (image.pixels, *image.mips)]
    assert found.levels == [containers.ktx2(each).levels[0] for each in alone]


def test_levels_in_dds_follow_one_another():
    image = raster(smooth(32, 32), mips=True)
    found = containers.dds(run(image, format="bc1")[1])
    assert found.levels == 6 and len(found.data) == 8 * (64 + 16 + 4 + 1 + 1 + 1)


def test_levels_are_left_out_on_request_and_never_made():
    image = raster(smooth(32, 32), mips=True)
    assert run(image, format="bc1", mipmaps=False)[0].levels == 1
    assert run(raster(smooth(32, 32)), format="bc1", mipmaps=True)[0].levels == 1


def test_zstandard_makes_ktx2_smaller_and_keeps_the_blocks():
    image = raster(np.repeat(np.repeat(smooth(8, 8), 8, 0), 8, 1), mips=True)
    loose, packed = (containers.ktx2(run(image, format="bc1", container="ktx2", zstd=z)[1]) for z in (0, 9))
    assert (loose.scheme, packed.scheme) == (0, 2) and loose.levels == packed.levels
    value, data = run(image, format="bc1", zstd=9)
    assert value.container == "ktx2" and len(data) < 0.8 * sum(map(len, loose.levels))


@pytest.mark.parametrize("scale", [0.01, 1.0, 1000.0])
def test_light_keeps_its_proportion(read, scale):
    pixels = smooth(24, 24, 3, "float32") * np.float32(scale)
    value, data = run(raster(pixels), format="bc6h", quality="normal", measure=True)
    found = read(data).pixels
    assert found.dtype == np.float32 and value.psnr > 50
    assert (np.abs(found - pixels) / pixels).max() < 0.03


def test_light_below_nothing_becomes_none_and_beyond_halves_the_largest(read):
    pixels = np.full((4, 8, 3), -3, np.float32)
    pixels[:, 4:] = 1e6
    found = read(run(raster(pixels), format="bc6h")[1]).pixels
    assert (found[:, :4] == 0).all() and (found[:, 4:] >= 60000).all() and np.isfinite(found).all()


def test_colours_that_are_srgb_become_light_in_bc6h(read):
    found = read(run(raster(np.full((4, 4, 3), 188, np.uint8)), format="bc6h", quality="normal")[1])
    assert found.pixels == pytest.approx(0.503, rel=0.01)


def test_floats_become_srgb_in_other_formats(read):
    value, data = run(raster(np.full((4, 4, 3), 0.5, np.float32)), format="bc7")
    assert value.srgb and np.abs(read(data).pixels.astype(int) - 188).max() <= 1


def test_the_input_pixels_are_not_changed():
    pixels = smooth(16, 16, 4, alpha="some")
    before = pixels.copy()
    for name in FORMATS:
        run(raster(pixels), format=name, alpha="drop" if FORMATS[name].channels != "rgba" else "keep")
    assert (pixels == before).all()


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40), width=st.integers(1, 40), channels=st.integers(1, 4),
    name=st.sampled_from(["bc1", "bc3", "bc4", "bc7", "etc2_rgb", "etc2_rgba", "eac_r11", "astc_12x10"]),
)  # fmt: skip
def test_any_size_gives_whole_blocks(height, width, channels, name):
    image = raster(smooth(height, width, channels), mips=True)
    value, data = run(image, format=name, container="ktx2", measure=True)
    found = containers.ktx2(data)
    assert (found.width, found.height, len(found.levels)) == (width, height, value.levels)
    assert value.psnr > 30


def test_images_of_many_strips_are_the_same_as_of_one(monkeypatch):
    from accel.image import block_encoders

    image = raster(smooth(40, 36, 4, alpha="some"))
    names = ["bc3", "bc7", "etc2_rgba", "astc_6x6"]
    whole = [run(image, format=name)[1] for name in names]
    monkeypatch.setattr(block_encoders, "_STRIP", 300)
    assert [run(image, format=name)[1] for name in names] == whole


# By a target.


def test_the_smallest_format_that_reaches_the_target_is_chosen():
    image = raster(smooth(128, 128), mips=True)
    value, data = run(image, target_db=47, candidates=("astc",))
    assert value.reached and value.psnr >= 47
    (best,) = [each for each in value.tried if each.format == value.format]
    assert best.psnr == value.psnr
    assert all((each.psnr >= 47) == (each.size >= best.size) for each in value.tried)
    # All sizes would be fourteen; of the next smaller one it is known that it isn't enough.
    assert value.tried[0].format == "astc_4x4" and 2 < len(value.tried) < 7
    names = [name for name in FORMATS if name.startswith("astc")]
    assert names[names.index(value.format) + 1] in {each.format for each in value.tried}
    # The same as if it had been asked for.
    assert run(image, format=value.format)[1] == data


def test_a_target_out_of_reach_costs_one_trial_of_astc():
    value, _ = run(raster(noise(32, 32, 3)), target_db=60, candidates=("astc",))
    assert (value.reached, value.format) == (False, "astc_4x4")
    # Whoever reads the result meets it at once.
    assert list(msgspec.to_builtins(value))[:2] == ["format", "reached"]
    assert [each.format for each in value.tried] == ["astc_4x4"]


def test_astc_is_looked_at_only_where_it_would_be_smaller():
    value, _ = run(raster(smooth(64, 64)), target_db=30, candidates=("bc", "astc"))
    assert [each.format for each in value.tried][:1] == ["bc1"] and value.format.startswith("astc")
    assert all(each.size < value.tried[0].size for each in value.tried[1:])
    # Of one block all sizes are as large as BC7, which comes first.
    value, _ = run(raster(noise(4, 4, 3)), target_db=99, candidates=("bc", "astc"))
    assert [each.format for each in value.tried] == ["bc1", "bc7", "astc_4x4"]


def test_a_higher_target_takes_more_room():
    image = raster(smooth(128, 128))
    low, high = (run(image, target_db=db, candidates=("bc", "etc2", "astc"))[0] for db in (36, 46))
    assert low.bits_per_pixel < high.bits_per_pixel and low.psnr < high.psnr


def test_the_target_is_40_db_unless_another_is_given():
    image = raster(smooth(64, 64))
    assert run(image)[0] == run(image, target_db=40)[0]


def test_if_none_reaches_the_target_the_best_is_chosen_and_reported():
    random = np.random.default_rng(5)
    image = raster(random.integers(0, 256, (32, 32, 3)).astype(np.uint8), mips=True)
    value, data = run(image, target_db=60, candidates=("bc", "etc2"))
    assert value.reached is False
    assert value.psnr == max(each.psnr for each in value.tried) < 60
    assert [each.format for each in value.tried] == ["bc1", "etc2_rgb", "bc7"]
    assert run(image, format=value.format)[1] == data


@pytest.mark.parametrize(
    ("channels", "alpha", "candidates", "names"),
    [
        (1, "full", ("bc",), ["bc4", "bc7"]), (1, "full", ("etc2",), ["eac_r11"]),
        (2, "some", ("bc", "etc2"), ["bc7", "etc2_rgba"]), (3, "full", ("bc",), ["bc1", "bc7"]),
        (4, "some", ("etc2",), ["etc2_rgba"]), (4, "full", ("bc", "etc2"), ["bc1", "etc2_rgb", "bc7"]),
    ],
)  # fmt: skip
def test_candidates_are_those_that_hold_the_channels_in_the_order_of_size(channels, alpha, candidates, names):
    random = np.random.default_rng(5)
    pixels = smooth(32, 160, channels, alpha=alpha)
    colors = channels - (channels in (2, 4))
    pixels[..., :colors] = random.integers(0, 256, (32, 160, colors))
    value, _ = run(raster(pixels), target_db=99, candidates=candidates)
    assert [each.format for each in value.tried] == names


def test_grey_that_is_srgb_isnt_put_in_one_channel_that_cant_say_so():
    assert run(raster(smooth(16, 16, 1), "srgb"))[0].srgb


def test_floats_take_bc6h_or_are_refused():
    image = raster(smooth(16, 16, 3, "float32") * 4)
    value, _ = run(image)
    assert value.format == "bc6h" and value.reached
    with pytest.raises(WorkloadError, match="float pixels, which only bc6h supports: add bc to candidates"):
        run(image, candidates=("astc",))
    with pytest.raises(WorkloadError, match="bc6h has no transparency; choose alpha: drop"):
        run(raster(smooth(16, 200, 4, "float32", alpha="some")))


@pytest.mark.parametrize(
    ("params", "code", "says"),
    [
        ({"format": "bc7", "target_db": 40}, "bad_params", "target_db chooses the format"),
        ({"format": "etc2_rgb", "container": "dds"}, "bad_params", "a DDS can only hold BC, not etc2_rgb"),
        ({"container": "dds", "candidates": ("bc", "astc")}, "bad_params", "leave etc2 and astc out"),
        ({"format": "bc7", "container": "dds", "zstd": 3}, "bad_params", "can't be packed by zstd"),
        ({"format": "bc4", "kind": "normal"}, "unsupported", "is a normal map, which bc4 can't hold"),
        ({"format": "bc6h", "kind": "normal"}, "unsupported", "is a normal map, which bc6h can't hold"),
    ],
)
def test_contradicting_parameters_are_refused(params, code, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        run(raster(smooth(8, 8)), **params)
    assert caught.value.code == code


def test_grey_is_no_normal_map():
    with pytest.raises(WorkloadError, match="is grey, so it can't be a normal map"):
        run(raster(smooth(8, 8, 1)), kind="normal", format="bc5")


# As a workload.


def test_a_file_is_compressed(save, read):
    params = compress.workload.parse({"format": "bc7", "quality": "fast"})
    done = compress([save("rock.png", smooth(32, 32))], params, Limits())
    assert done.value.srgb and read(done.files[0].data).compression == "bc7"


def test_it_is_the_last_step_of_a_pipeline(save):
    source = save("rock.png", smooth(32, 32))
    steps = [{"workload": "image.convert"}, {"workload": "image.compress", "params": {"format": "bc1"}}]
    done = pipeline([source], pipeline.workload.parse({"steps": steps}), Limits())
    assert done.value.format == "bc1" and len(done.files) == 1
    with pytest.raises(WorkloadError, match=r"image\.compress, returns no image, so it must be the last"):
        pipeline([source], pipeline.workload.parse({"steps": steps[::-1]}), Limits())


@pytest.mark.parametrize(
    "params",
    [{"format": "bc2"}, {"candidates": []}, {"candidates": ["pvrtc"]}, {"target_db": 5}, {"zstd": 23}],
)
def test_parameters_are_checked(params):
    with pytest.raises(WorkloadError) as caught:
        compress.workload.parse(params)
    assert caught.value.code == "bad_params"
