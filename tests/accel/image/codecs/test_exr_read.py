import sys

import numpy as np
import pytest

from accel.workload import WorkloadError
from tests.accel.image.files import exr, picture
from tests.accel.image.rasters import reopened, written
from tests.accel.image.second import decoded


def light(channels: int) -> np.ndarray:
    return (picture(20, 30, channels).astype(np.float32) - 64) / 32


@pytest.mark.parametrize("kind", ["half", "float"])
@pytest.mark.parametrize(
    ("names", "model", "alpha"),
    [
        (("R", "G", "B"), "rgb", False), (("R", "G", "B", "A"), "rgb", True), (("Y",), "grey", False),
        (("diffuse.R", "diffuse.G", "diffuse.B"), "rgb", False), (("Z",), "grey", False),
    ],
)  # fmt: skip
def test_each_set_of_channels_is_recognised(read, kind, names, model, alpha):
    stored = light(len(names))
    found = read(exr(stored, names, kind))
    assert (found.color_model, found.has_alpha, found.format) == (model, alpha, "exr")
    assert found.pixels.dtype == np.float32 and (found.pixels == stored).all()


def test_colours_come_before_depth_and_other_layers(read):
    names = ("R", "G", "B", "A", "Z", "mask.R", "mask.G", "mask.B")
    stored = light(8)
    found = read(exr(stored, names))
    assert (found.pixels == stored[..., :4]).all()


@pytest.mark.parametrize("options", [{"tile": 16}, {"compression": "none"}, {"compression": "piz"}])
def test_tiles_and_compressions_hold_the_same_light(read, options):
    stored = light(3)
    assert (read(exr(stored, ("R", "G", "B"), **options)).pixels == stored).all()


def test_what_is_no_number_is_made_one(read):
    stored = np.full((4, 4, 3), -1, np.float32)
    stored[0, 0] = [np.nan, np.inf, -np.inf]
    found = read(exr(stored, ("R", "G", "B"), "float")).pixels
    assert found[0, 0].tolist() == [0, 65504, -65504] and found[2, 2].tolist() == [-1] * 3
    stored[1, 1] = 2e38
    found = read(exr(stored, ("R", "G", "B"), "float")).pixels
    assert found[0, 0].tolist() == [0, np.float32(1e12), np.float32(-1e12)]
    assert (found[1, 1] == np.float32(1e12)).all()


def test_distances_beyond_the_largest_half_stay_what_they_are(read):
    stored = np.array([[[70_000.5], [-123_456], [3e9], [np.inf]]], np.float32)
    found = read(exr(stored, ("Z",), "float")).pixels
    # What is infinitely far isn't nearer than the rest.
    assert found.ravel().tolist() == [70_000.5, -123_456, 3e9, 3e9]


@pytest.mark.parametrize("name", ["a.png", "环境 ü.exr", "ALL.EXR", "no suffix"])
def test_the_content_decides_whatever_the_name(read, name):
    assert read(exr(light(3), ("R", "G", "B")), name).format == "exr"


@pytest.mark.skipif(sys.platform != "linux", reason="names of arbitrary bytes")
@pytest.mark.parametrize("name", ["what?x=1.exr", "\udcff.exr"])
def test_names_that_the_library_would_misread_are_read(read, name):
    assert read(exr(light(3), ("R", "G", "B")), name).format == "exr"


def test_dimensions_are_checked_before_anybody_decodes(read):
    data = exr(light(3), ("R", "G", "B"))
    at = data.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    huge = data[:at] + np.array([0, 0, 99_999, 99_999], "<i4").tobytes() + data[at + 16 :]
    with pytest.raises(WorkloadError, match="100000 x 100000") as caught:
        read(huge)
    assert caught.value.code == "too_large"
    with pytest.raises(WorkloadError, match="its header says 0 x"):
        read(data[:at] + np.array([1, 0, 0, 0], "<i4").tobytes() + data[at + 16 :])


def test_deep_data_says_what_to_do(read):
    data = bytearray(exr(light(3), ("R", "G", "B")))
    data[5] |= 8
    with pytest.raises(WorkloadError, match="flatten it"):
        read(bytes(data))


def test_a_half_written_file_is_refused(read):
    data = exr(light(3), ("R", "G", "B"))
    for end in (7, 20, 200, len(data) // 2, len(data) - 10):
        with pytest.raises(WorkloadError, match="truncated") as caught:
            read(data[:end])
        assert caught.value.code == "bad_input"


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (("R", "G"), (0, 1, None)), (("R", "B"), (0, None, 1)), (("G", "B"), (None, 0, 1)),
        (("U", "V"), (0, 1, None)), (("X", "Y"), (0, 1, None)), (("motion.X", "motion.Y"), (0, 1, None)),
        (("N.X", "N.Y", "N.Z"), (0, 1, 2)), (("one", "three", "two"), (0, 1, 2)),
    ],
)  # fmt: skip
def test_no_channel_is_lost_where_there_is_no_full_set_of_colours(read, names, places):
    stored = light(len(names))
    found = read(exr(stored, names, "float"))
    assert (found.color_model, found.has_alpha) == ("rgb", False)
    for index, place in enumerate(places):
        wanted = 0 if place is None else stored[..., place]
        assert (found.pixels[..., index] == wanted).all()


def test_a_single_colour_or_name_is_grey_with_or_without_alpha(read):
    for names, alpha in ((("R",), False), (("G", "A"), True), (("id",), False), (("A",), False)):
        stored = np.abs(light(len(names)))
        found = read(exr(stored, names, "float"))
        assert (found.color_model, found.has_alpha, found.pixels.shape[2]) == ("grey", alpha, len(names))


def test_a_layer_with_colours_comes_before_one_of_unknown_names(read):
    stored = light(5)
    found = read(exr(stored, ("U", "V", "diffuse.R", "diffuse.G", "diffuse.B")))
    assert found.color_model == "rgb" and found.pixels.max() == stored.max()


def test_two_channels_are_no_colours_to_which_a_curve_belongs(read):
    assert read(exr(light(2), ("U", "V"))).data and read(exr(light(2), ("R", "G"))).data
    assert not read(exr(light(3), ("R", "G", "B"))).data


def test_data_with_alpha_are_as_the_file_has_them_and_go_into_the_next_file_so(read, tmp_path):
    stored = np.abs(light(3))
    found = read(exr(stored, ("U", "V", "A"), "float"))
    assert (found.alpha, found.has_alpha, found.data) == ("straight", True, True)
    image = reopened(exr(stored, ("U", "V", "A"), "float"), tmp_path)
    again, names = decoded(written(image, "exr")[0], "exr")
    assert names == ("R", "G", "B", "A") and np.array_equal(again[..., [0, 1, 3]], stored)


@pytest.mark.parametrize(("kind", "bits"), [("half", 16), ("float", 32)])
def test_how_deep_floats_are_stored_is_told(read, kind, bits):
    assert read(exr(light(3), ("R", "G", "B"), kind)).float_bits == bits
