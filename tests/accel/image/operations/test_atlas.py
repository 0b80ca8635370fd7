import msgspec
import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.image.atlas import draw_sprite
from accel.image.encode import WRITERS
from accel.image.operations.textures import AtlasParams, Sprite, atlas
from accel.image.raster import Raster
from accel.image.records import suffix_of
from accel.workload import Input, Limits, WorkloadError


def raster(name, pixels, **changes):
    """As it is opened: sRGB where there are three colours."""
    pixels = np.ascontiguousarray(pixels)
    alpha = pixels.shape[2] in (2, 4)
    coded = pixels.dtype.kind != "f" and pixels.shape[2] > 2
    return Raster(
        name, pixels, alpha, changes.pop("transfer", "srgb" if coded else "linear"), "png", **changes
    )


def sprite(width, height, seed=0, kind=np.uint8, alpha=True):
    """Noise, nowhere transparent."""
    made = np.random.default_rng(seed).random((height, width, 3 + alpha))
    made[..., -1] = 0.2 + 0.8 * made[..., -1]
    return made.astype(kind) if kind == np.float32 else (made * np.iinfo(kind).max).round().astype(kind)


def framed(pixels, left, top, right, bottom):
    """With transparent borders."""
    return np.pad(pixels, ((top, bottom), (left, right), (0, 0)))


def pack(images, limits=None, **params):
    return atlas.operate(images, AtlasParams(**params), limits or Limits())


def data(done):
    """The JSON files, decoded."""
    return [msgspec.json.decode(file.data) for file in done.files]


def unpacked(done):
    """Every sprite, restored by the data alone as an importer does it."""
    found = {}
    for sheet in data(done):
        page = done.images[sheet["meta"]["image"].removesuffix(".png")].pixels
        assert sheet["meta"]["size"] == {"w": page.shape[1], "h": page.shape[0]}
        for name, frame in sheet["frames"].items():
            x, y, w, h = (frame["frame"][key] for key in "xywh")
            # `w` and `h` are the upright sprite's: on the page they are swapped where it is turned.
            cut = page[y : y + w, x : x + h] if frame["rotated"] else page[y : y + h, x : x + w]
            upright = np.rot90(cut) if frame["rotated"] else cut
            source, inset = frame["sourceSize"], frame["spriteSourceSize"]
            whole = np.zeros((source["h"], source["w"], 4), page.dtype)
            whole[inset["y"] : inset["y"] + inset["h"], inset["x"] : inset["x"] + inset["w"]] = upright
            found[name] = whole
    return found


SPRITES = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 30), *[st.integers(0, 4)] * 4), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=40)
@given(
    SPRITES, st.booleans(), st.booleans(), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3),
    st.sampled_from(["any", "multiple_of_4", "power_of_two"]), st.integers(0, 2),
)  # fmt: skip
def test_every_sprite_is_restored_exactly_by_the_data(
    sprites, rotate, trim, padding, border, extrude, size, margin
):
    images = [
        raster(f"s{seed}.png", framed(sprite(width, height, seed), *edges))
        for seed, (width, height, *edges) in enumerate(sprites)
    ]
    done = pack(
        images, rotate=rotate, trim=trim, padding=padding, border=border, extrude=extrude, size=size,
        trim_margin=margin, max_size=64, effort="fast",
    )  # fmt: skip
    restored = unpacked(done)
    assert sorted(restored) == sorted(image.name for image in images)
    for image in images:
        assert (restored[image.name] == image.pixels).all()


def test_a_rotated_sprite_lies_turned_clockwise():
    rows = np.arange(1, 7, dtype=np.uint8).reshape(2, 3, 1).repeat(4, axis=2)
    page = np.zeros((6, 6, 4), np.uint8)
    draw_sprite(page, rows, Sprite("a", 0, 2, 1, 3, 2, True, 0, 0, 3, 2, ""), 0)
    # Its upper row has become the right column, read downwards.
    assert page[1:4, 2:4, 0].tolist() == [[4, 1], [5, 2], [6, 3]]
    assert (page > 0).sum() == 6 * 4


def test_rotating_fills_a_page_that_would_not_hold_everything():
    images = [raster("a.png", sprite(16, 13)), raster("b.png", sprite(3, 16))]
    assert len(pack(images, padding=0, max_size=16).value.pages) == 2
    done = pack(images, padding=0, max_size=16, rotate=True)
    (page,) = done.value.pages
    assert (page.width, page.height, page.fill) == (16, 16, 1)
    (turned,) = (one for one in done.value.sprites if one.rotated)
    frame = data(done)[0]["frames"][turned.name]
    size = {"w": turned.source_width, "h": turned.source_height}
    assert frame["frame"] == {"x": turned.x, "y": turned.y, **size} and frame["rotated"] is True
    assert all((unpacked(done)[image.name] == image.pixels).all() for image in images)


@pytest.mark.parametrize("extrude", [1, 3])
@pytest.mark.parametrize("rotate", [False, True])
def test_edges_and_corners_are_repeated_around_each_sprite(extrude, rotate):
    images = [raster(f"{seed}.png", sprite(3 + seed, 9 - seed, seed)) for seed in range(6)]
    done = pack(images, extrude=extrude, rotate=rotate, padding=1, border=2)
    page = done.images["atlas"].pixels
    empty = np.ones(page.shape[:2], bool)
    for one in done.value.sprites:
        w, h = (one.height, one.width) if one.rotated else (one.width, one.height)
        inner = page[one.y : one.y + h, one.x : one.x + w]
        outer = slice(one.y - extrude, one.y + h + extrude), slice(one.x - extrude, one.x + w + extrude)
        rows = np.clip(np.arange(-extrude, h + extrude), 0, h - 1)
        columns = np.clip(np.arange(-extrude, w + extrude), 0, w - 1)
        assert (page[outer] == inner[rows][:, columns]).all()
        assert empty[outer].all()
        empty[outer] = False
    assert not page[empty].any()
    assert empty[:2].all() and empty[:, :2].all()


def test_padding_and_border_stay_empty():
    images = [raster(f"{seed}.png", sprite(10, 10, seed)) for seed in range(16)]
    done = pack(images, padding=5, border=3, size="any")
    (page,) = done.value.pages
    assert page.width * page.height == (4 * 10 + 3 * 5 + 6) ** 2
    spots = sorted((one.x, one.y) for one in done.value.sprites)
    assert spots == [(3 + 15 * a, 3 + 15 * b) for a in range(4) for b in range(4)]
    assert page.fill == pytest.approx(1600 / 61**2)


def test_equal_sprites_share_a_place_though_they_were_trimmed_differently():
    pixels = sprite(8, 8)
    images = [
        raster("b.png", framed(pixels, 1, 2, 3, 4)),
        raster("a.png", pixels),
        raster("c.png", sprite(8, 8, 1)),
    ]
    done = pack(images)
    a, b, c = done.value.sprites
    assert (a.alias, b.alias, c.alias) == ("", "a.png", "")
    assert (a.page, a.x, a.y) == (b.page, b.x, b.y) != (c.page, c.x, c.y)
    assert (b.offset_x, b.offset_y, b.source_width, b.source_height, b.trimmed) == (1, 2, 12, 14, True)
    assert (unpacked(done)["b.png"] == images[0].pixels).all()
    apart = pack(images, aliases=False).value.sprites
    assert len({(one.x, one.y) for one in apart}) == 3 and not any(one.alias for one in apart)


def test_the_same_picture_as_grey_and_as_rgb_shares_a_place():
    grey = np.random.default_rng(0).integers(0, 256, (5, 7, 1)).astype(np.uint8)
    done = pack([raster("a.png", grey), raster("b.png", grey.repeat(3, axis=2))])
    assert [one.alias for one in done.value.sprites] == ["", "a.png"]


def test_sprites_that_dont_fit_go_to_further_pages():
    images = [raster(f"{seed:02}.png", sprite(30, 30, seed)) for seed in range(10)]
    done = pack(images, max_size=64, padding=0, name="hero")
    assert list(done.images) == ["hero.0", "hero.1", "hero.2"]
    assert [page.image for page in done.value.pages] == ["hero.0.png", "hero.1.png", "hero.2.png"]
    assert [file.name for file in done.files] == [f"hero.{n}.data" for n in range(3)]
    first = data(done)[0]["meta"]
    assert first["related_multi_packs"] == ["hero.1.data.json", "hero.2.data.json"]
    restored = unpacked(done)
    assert all((restored[image.name] == image.pixels).all() for image in images)
    assert [page.fill for page in done.value.pages] == [1, 1, 1800 / (60 * 32)]


def test_a_sprite_of_one_pixel_and_one_that_is_transparent_everywhere():
    images = [raster("a.png", sprite(1, 1)), raster("b.png", np.zeros((5, 9, 4), np.uint8))]
    done = pack(images)
    a, b = done.value.sprites
    assert (a.width, a.height, b.width, b.height) == (1, 1, 1, 1)
    assert (b.offset_x, b.offset_y, b.source_width, b.source_height) == (0, 0, 9, 5)
    restored = unpacked(done)
    assert (restored["a.png"] == images[0].pixels).all() and not restored["b.png"].any()
    alone = pack(images[1:], size="any").value.pages[0]
    assert (alone.width, alone.height) == (1, 1)


def test_faint_borders_are_trimmed_where_that_is_asked_for():
    pixels = framed(sprite(4, 4), 2, 2, 2, 2)
    pixels[0, 0, 3] = 10
    (kept,) = pack([raster("a.png", pixels)]).value.sprites
    (cut,) = pack([raster("a.png", pixels)], trim_alpha=0.05).value.sprites
    (whole,) = pack([raster("a.png", pixels)], trim=False).value.sprites
    assert (kept.width, kept.height) == (6, 6) and (cut.width, cut.height) == (4, 4)
    assert (whole.width, whole.height, whole.trimmed) == (8, 8, False)


def test_the_order_of_the_inputs_changes_nothing():
    images = [raster(f"{seed}.png", sprite(5 + seed % 7, 4 + seed % 5, seed % 20)) for seed in range(40)]
    one, other = pack(images, rotate=True), pack(images[::-1], rotate=True)
    assert one.value == other.value and one.files == other.files
    assert (one.images["atlas"].pixels == other.images["atlas"].pixels).all()


@pytest.mark.parametrize(("size", "check"), [("any", 1), ("multiple_of_4", 4), ("power_of_two", 0)])
def test_pages_are_of_the_size_that_is_asked_for(size, check):
    images = [raster(f"{seed}.png", sprite(13, 17, seed)) for seed in range(7)]
    for square in (False, True):
        (page,) = pack(images, size=size, square=square).value.pages
        for side in (page.width, page.height):
            assert side % check == 0 if check else side & (side - 1) == 0
        assert page.width == page.height or not square


class TestDepth:
    def test_the_deepest_sprite_decides_and_others_keep_their_values(self):
        deep, flat = sprite(5, 5, 1, np.uint16), sprite(5, 5, 2, alpha=False)
        done = pack([raster("a.png", flat), raster("b.png", deep)])
        page = done.images["atlas"]
        assert (page.pixels.dtype, page.transfer, page.has_alpha, page.format) == (
            np.uint16,
            "srgb",
            True,
            "png",
        )
        restored = unpacked(done)
        assert (restored["b.png"] == deep).all()
        assert (restored["a.png"][..., :3] == flat.astype(np.uint16) * 257).all()
        assert (restored["a.png"][..., 3] == 65535).all()
        assert data(done)[0]["meta"]["format"] == "RGBA16161616"

    def test_floats_are_linear_and_srgb_becomes_so(self):
        floats = sprite(5, 5, 1, np.float32) * 3
        done = pack([raster("a.png", np.full((2, 2, 3), 128, np.uint8)), raster("b.exr", floats)])
        assert done.value.pages[0].image == "atlas.exr"
        page = done.images["atlas"]
        assert (page.pixels.dtype, page.transfer, page.format) == (np.float32, "linear", "exr")
        restored = unpacked_floats(done)
        assert (restored["b.exr"] == floats).all()
        # IEC 61966-2-1: 128 is 0.21586 of the light.
        assert restored["a.png"][0, 0].tolist() == pytest.approx([0.21586] * 3 + [1], abs=1e-5)

    def test_grey_and_grey_with_alpha_become_rgba(self):
        grey = np.random.default_rng(0).integers(1, 256, (4, 6, 2)).astype(np.uint8)
        done = pack([raster("a.png", grey), raster("b.png", grey[..., :1]), raster("c.png", sprite(3, 3))])
        restored = unpacked(done)
        assert (restored["a.png"] == grey[..., [0, 0, 0, 1]]).all()
        assert (restored["b.png"][..., :3] == grey[..., :1]).all()
        assert done.images["atlas"].transfer == "srgb"

    def test_data_alone_stays_data(self):
        done = pack([raster("a.png", np.full((4, 4, 1), 7, np.uint8))])
        assert done.images["atlas"].transfer == "linear"

    def test_two_colours_are_refused(self):
        odd = Raster("odd.png", np.zeros((2, 2, 2), np.uint8), False, "linear", "png")
        with pytest.raises(WorkloadError, match="2 channels") as caught:
            pack([odd])
        assert (caught.value.code, caught.value.name) == ("unsupported", "odd.png")


def unpacked_floats(done):
    """As `unpacked`, of one page whose file is no PNG."""
    page = done.images["atlas"].pixels
    found = {}
    for one in done.value.sprites:
        found[one.name] = page[one.y : one.y + one.height, one.x : one.x + one.width]
    return found


class TestRefusals:
    def test_a_sprite_that_fits_no_page_is_named_with_the_way_out(self):
        images = [raster("small.png", sprite(4, 4)), raster("big.png", sprite(40, 10))]
        with pytest.raises(WorkloadError) as caught:
            pack(images, max_size=40, extrude=1, border=2)
        error = caught.value
        assert (error.code, error.name) == ("too_large", "big.png")
        assert "40 x 10 (46 x 16 with extrude and border)" in error.reason and "max_size" in error.reason
        assert pack(images, max_size=46, extrude=1, border=2, size="any").value.pages[0].width == 46

    def test_the_limit_of_pixels_counts_where_it_is_smaller_than_max_size(self):
        images = [raster(f"{seed}.png", sprite(20, 20, seed)) for seed in range(4)]
        pages = pack(images, Limits(max_pixels=1000), padding=0).value.pages
        assert len(pages) == 4 and all(page.width * page.height <= 1000 for page in pages)
        with pytest.raises(WorkloadError, match="the limit of pixels"):
            pack([raster("a.png", sprite(40, 4))], Limits(max_pixels=1000))

    @pytest.mark.parametrize("layout", ["regions", "lines"])
    def test_a_layout_that_can_t_say_rotated_refuses_it(self, layout):
        with pytest.raises(WorkloadError, match="leave rotate off") as caught:
            pack([raster("a.png", sprite(4, 4))], layout=layout, rotate=True)
        assert caught.value.code == "bad_params"

    @pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a:b", "x" * 101])
    def test_a_name_that_is_no_file_s_is_refused(self, name):
        with pytest.raises(WorkloadError):
            atlas.workload.parse({"name": name})


class TestFiles:
    def test_files_become_a_png_and_json(self, save):
        pixels = framed(sprite(20, 10), 3, 3, 3, 3)
        output = atlas([save("a.png", pixels), save("b.png", sprite(9, 9, 2))], AtlasParams(), Limits())
        page, described = sorted(output.files, key=lambda file: file.media_type, reverse=True)
        assert (page.name, page.media_type) == ("atlas", "image/png")
        assert (described.name, described.media_type) == ("atlas.data", "application/json")
        made = pyvips.Image.new_from_buffer(page.data, "").numpy()
        (one, _) = output.value.sprites
        assert (made[one.y : one.y + 10, one.x : one.x + 20] == pixels[3:-3, 3:-3]).all()

    def test_a_jpeg_s_atlas_is_a_png_as_it_needs_transparency(self, save):
        output = atlas([save("a.jpg", sprite(20, 10, alpha=False))], AtlasParams(), Limits())
        assert {file.media_type for file in output.files} == {"image/png", "application/json"}
        output = atlas([save("a.jpg", sprite(20, 10, alpha=False))], AtlasParams(format="jpeg"), Limits())
        assert output.value.pages[0].image == "atlas.jpg"

    def test_floats_stay_floats_in_the_file(self, save):
        source = save("a.tif", sprite(6, 6, kind=np.float32), "scrgb")
        output = atlas([source], AtlasParams(), Limits())
        assert output.value.pages[0].image == "atlas.tif"

    @pytest.mark.parametrize("format", WRITERS)
    def test_the_data_calls_the_image_as_the_shell_writes_it(self, save, format):
        output = atlas([save("a.png", sprite(8, 8))], AtlasParams(format=format), Limits())
        (page,) = (file for file in output.files if file.name == "atlas")
        assert output.value.pages[0].image == page.name + suffix_of(page.media_type)

    def test_the_data_tells_the_depth_that_is_written(self, save):
        output = atlas([save("a.png", sprite(6, 6))], AtlasParams(bits="16"), Limits())
        (described,) = (file for file in output.files if file.media_type == "application/json")
        assert msgspec.json.decode(described.data)["meta"]["format"] == "RGBA16161616"


def test_all_broken_files_are_named_up_to_three(save, photo, tmp_path):
    sources = [save("good.png", photo)]
    for number in range(5):
        path = tmp_path / f"bad{number}.png"
        path.write_bytes(b"")
        sources.append(Input(path.name, str(path)))
    with pytest.raises(WorkloadError) as caught:
        atlas(sources, atlas.workload.parse({}), Limits())
    assert (caught.value.code, caught.value.name) == ("bad_input", "bad0.png")
    assert caught.value.reason == (
        "is empty (0 bytes); bad1.png is empty (0 bytes); bad2.png is empty (0 bytes); "
        "and 2 more can't be opened"
    )
