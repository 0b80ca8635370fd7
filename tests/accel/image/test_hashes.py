from pathlib import Path

import numpy as np
import pytest
import pyvips

from accel.image import hashes
from accel.image.decode import decode_image
from accel.image.encode import save as as_file
from accel.image.hashes import BITS, find_groups, fingerprint_of, perceptual_hash, pixel_digest, reduced_view
from accel.image.operation import Writing
from accel.image.operations.analysis import Fingerprint, NoParams, fingerprint
from accel.image.pixel_data import DecodedImage
from accel.image.raster import Raster
from accel.workload import Input, Limits, WorkloadError
from tests.accel.image.files import dds as stored


def mark(source) -> Fingerprint:
    return fingerprint([source], NoParams(), Limits()).value


def bits(one: Fingerprint, other: Fingerprint) -> int:
    return (int(one.perceptual, 16) ^ int(other.perceptual, 16)).bit_count()


def scene(seed: int, size: int = 256) -> np.ndarray:
    """Some smooth colourful picture, another for each seed."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (9, 9, 3)).astype(np.uint8)
    image = pyvips.Image.new_from_array(small, interpretation="srgb")
    return image.resize(size / 9, kernel="cubic").crop(0, 0, size, size).numpy().reshape(size, size, 3)


def test_a_copy_of_a_file_has_the_same_fingerprint(save):
    assert mark(save("a.png", scene(1))) == mark(save("b.png", scene(1)))


@pytest.mark.parametrize(
    ("images", "more"), [(6, {"misc": 4}), (3, {"count": 3}), (2, {"dimension": 4, "depth": 2})]
)
def test_textures_of_several_images_are_equal_as_files_alone(tmp_path, images, more):
    first, rest = scene(1, 64), bytes(64 * 64 * 4 * (images - 1) - 1)
    begin = np.insert(first, 3, 255, axis=2).tobytes() + rest
    for name, last in (("a.dds", b"x"), ("b.dds", b"y"), ("c.dds", b"x")):
        (tmp_path / name).write_bytes(stored(64, 64, begin + last, dxgi=28, **more))
    marks = {name: mark(Input(name, str(tmp_path / name))) for name in ("a.dds", "b.dds", "c.dds")}
    (group,) = find_groups(marks)
    assert (group.how, group.names) == ("file", ("a.dds", "c.dds"))


@pytest.mark.parametrize("name", ["b.tif", "b.webp", "b.png"])
def test_the_same_pixels_in_another_file_are_known(save, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    one, other = mark(save("a.png", scene(1))), mark(save(name, scene(1), **options))
    assert one.pixels == other.pixels and one.perceptual == other.perceptual
    assert (one.file == other.file) == name.endswith("png")


@pytest.mark.parametrize(
    ("stored", "model"),
    [
        (lambda grey: grey.astype(np.uint16) * 257, "grey16"),
        (lambda grey: np.repeat(grey, 3, axis=2), "srgb"),
        (lambda grey: np.concatenate([grey, np.full_like(grey, 255)], axis=2), "b-w"),
        (lambda grey: np.concatenate([grey, grey, grey, np.full_like(grey, 255)], axis=2), "srgb"),
    ],
)
def test_redundant_channels_and_bits_dont_change_the_fingerprint(save, stored, model):
    grey = scene(2)[..., :1]
    one, other = mark(save("a.png", grey, "b-w")), mark(save("b.png", stored(grey), model))
    assert one.pixels == other.pixels
    assert other.mean == pytest.approx(one.mean, abs=2e-3)


def test_one_step_in_one_pixel_makes_another_picture_that_looks_the_same(save):
    pixels = scene(3).copy()
    one = mark(save("a.png", pixels))
    pixels[7, 7, 1] ^= 1
    other = mark(save("b.png", pixels))
    assert one.pixels != other.pixels and bits(one, other) <= 1


def test_a_lossy_and_a_smaller_copy_look_the_same(save):
    one = mark(save("a.png", scene(4)))
    small = pyvips.Image.new_from_array(scene(4)).resize(0.5).numpy()
    for other in (mark(save("b.jpg", scene(4), Q=60)), mark(save("c.png", small))):
        assert bits(one, other) <= BITS and other.mean == pytest.approx(one.mean, abs=0.03)
    assert bits(one, mark(save("d.png", scene(5)))) > 16


def test_rounding_doesnt_change_the_hash_of_symmetrical_pictures():
    y, x = np.abs(np.mgrid[:32, :32] - 15.5)
    grey = np.float32((np.hypot(x, y) % 7) / 8)
    noise = np.random.default_rng(2).choice([0, 1, 2], grey.shape) * np.float32(2**-24)
    assert perceptual_hash(grey + noise) == perceptual_hash(grey)


def test_a_gradient_and_its_mirror_image_dont_look_alike(save):
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (64, 256, 3))
    marks = {"a": mark(save("a.png", ramp)), "b": mark(save("b.png", ramp[:, ::-1]))}
    assert find_groups(marks) == []
    marks["c"] = mark(save("c.webp", ramp[::2], lossless=True))
    assert [group.names for group in find_groups(marks)] == [("a", "c")]


def test_tiny_images_and_single_pixels_have_a_fingerprint(save):
    for size in ((1, 1), (1, 40), (3, 5), (33, 31)):
        assert len(mark(save("a.png", np.full((*size, 3), 90, np.uint8))).perceptual) == 16


def test_a_flat_image_says_so_by_its_spread(save):
    assert mark(save("a.png", np.full((64, 64, 3), 90, np.uint8))).spread == 0
    assert mark(save("b.png", scene(6))).spread > 0.05


def test_colours_that_nobody_sees_are_no_part_of_the_look(save):
    pixels = np.concatenate([scene(7), np.zeros((256, 256, 1), np.uint8)], axis=2)
    assert mark(save("a.png", pixels)).spread == 0
    assert mark(save("a.png", pixels)).mean[3] == 0


@pytest.mark.parametrize("format", ["png", "psd", "exr"])
@pytest.mark.parametrize("hidden", [0, 255])
def test_the_hash_of_a_cut_out_ignores_hidden_colours_and_how_alpha_is_stored(save, format, hidden):
    y, x = np.mgrid[:256, :256] / 128 - 1
    alpha = np.clip((0.7 - np.hypot(x, y)) * 128, 0, 1)
    pixels = np.dstack([scene(8), np.uint8(alpha * 255)])
    one = mark(save("a.png", pixels))
    pixels[pixels[..., 3] == 0, :3] = hidden
    (file,), _ = as_file("b", Raster("b.png", pixels, True, "srgb", "png"), Writing(format=format))
    path = Path(save("b.png", pixels).path).with_suffix(".bin")
    path.write_bytes(file.data)
    other = mark(Input("b", str(path)))
    assert [group.how for group in find_groups({"a": one, "b": other})] == ["looks"]


def test_inks_and_light_are_compared_as_they_are_seen(save):
    inks = np.zeros((40, 40, 4), np.uint8)
    inks[..., 0] = 255
    assert mark(save("a.tif", inks, "cmyk")).mean == pytest.approx([0, 1, 1, 1], abs=0.01)
    light = np.full((40, 40, 3), 0.2176, np.float32)
    assert mark(save("b.tif", light, "scrgb")).mean == pytest.approx([0.5, 0.5, 0.5, 1], abs=0.01)


def test_a_file_that_goes_while_it_is_looked_at_is_refused_by_name(tmp_path):
    path = tmp_path / "a.tga"
    path.write_bytes(bytes([0, 0, 2, *bytes(9), 2, 0, 2, 0, 24, 0]) + bytes(12))
    source = Input("a.tga", str(path))
    decoded = decode_image(source, Limits())
    path.unlink()
    with pytest.raises(WorkloadError, match="isn't there any more") as caught:
        fingerprint_of(source, decoded)
    assert caught.value.name == "a.tga"


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_the_hash_is_that_of_the_very_bytes_that_were_decoded(save, suffix):
    source = save(f"a.{suffix}", scene(1))
    as_it_was = mark(source)
    decoded = decode_image(source, Limits())
    Path(source.path).write_bytes(b"another program saves something else")
    assert fingerprint_of(source, decoded) == as_it_was


@pytest.mark.parametrize("size", [(128, 128), (256, 64), (192, 256), (512, 512), (1024, 2048), (64, 8192)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("values", [256, 2])
def test_sides_of_powers_of_two_look_as_by_libvips(monkeypatch, size, channels, values):
    drawn = np.random.default_rng(1).integers(0, values, (*size, channels)) * (255 // (values - 1))
    decoded = DecodedImage(
        drawn.astype(np.uint8), "rgb" if channels > 2 else "grey", channels % 2 == 0, "png", 1
    )
    seen = reduced_view(decoded)
    monkeypatch.setattr(hashes, "_POWERS", ())
    assert (seen == reduced_view(decoded)).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("grey", [True, False])
def test_full_alpha_is_reduced_at_any_depth_until_one_pixel_differs(kind, grey):
    top = np.iinfo(kind).max if kind is not np.float32 else 1
    colors = (np.random.default_rng(3).random((90, 70, 1 if grey else 3)) * top).astype(kind)
    full = np.concatenate([colors, np.full_like(colors[..., :1], top)], axis=2)
    model = "grey" if grey else "rgb"
    plain = pixel_digest(DecodedImage(colors, model, False, "png", 1))
    assert pixel_digest(DecodedImage(full, model, True, "png", 1)) == plain
    full[-1, -1, -1] = 0
    assert pixel_digest(DecodedImage(full, model, True, "png", 1)) != plain
