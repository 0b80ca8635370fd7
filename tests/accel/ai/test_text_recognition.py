import numpy as np
import pytest

from accel.ai.text_recognition import (
    Box,
    _merge,
    _ReadLine,
    crop_line,
    decode_ctc,
    detector_size,
    join_steps,
    lines_of,
    reading_order,
)
from accel.ai.workloads import Ocr, ocr
from accel.workload import Limits, WorkloadError
from tests import pulled
from tests.accel.ai.conftest import raster
from tests.accel.ai.letters import page

LINES = [("SAVE 24", 30, 40), ("STONEWALL", 60, 140), ("ROAD 72", 330, 40)]


@pytest.fixture(scope="module", autouse=True)
def model():
    pulled.require("pp-ocrv6")


def read(pixels, limits, **params):
    return ocr.operate([raster(pixels)], Ocr(**params), limits).value


def plain(text):
    return text.replace(" ", "").upper()


def test_lines_are_read_from_top_to_bottom_and_left_to_right(limits):
    found = read(page(LINES, 640, 240), limits)
    assert [plain(line.text) for line in found.lines] == ["SAVE24", "ROAD72", "STONEWALL"]
    assert found.text == "\n".join(line.text for line in found.lines)
    assert all(line.confidence > 0.8 for line in found.lines)


def test_boxes_lie_around_the_lines(limits):
    (line,) = read(page([("STONEWALL", 60, 140)], 400, 240), limits).lines
    (left, top), (right, _), (_, bottom), _ = line.box
    # Nine letters of 24 pixels, 28 high.
    assert (left, top, right, bottom) == pytest.approx((60, 140, 272, 168), abs=12)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_text_is_read_in_any_direction_and_its_corners_are_those_of_the_text(limits, quarters):
    (line,) = read(np.rot90(page([("STONEWALL", 60, 140)], 400, 240), quarters), limits).lines
    assert plain(line.text) == "STONEWALL"
    # The text's upper left corner, turned likewise: by quarters against the clock.
    x, y = 60, 140
    for wide in (400, 240, 400)[:quarters]:
        x, y = y, wide - x
    assert line.box[0] == pytest.approx((x, y), abs=12)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "grey", "alpha", "light"])
def test_every_kind_of_image_is_read(limits, dtype):
    pixels = page([("STONEWALL", 60, 40)], 400, 120)
    made = {
        "uint16": pixels.astype(np.uint16) * 257,
        "float32": ((pixels / 255) ** 2.2).astype(np.float32),
        "grey": pixels[..., :1],
        "light": np.concatenate([np.full_like(pixels, 250), 255 - pixels[..., :1]], 2),
        "alpha": np.concatenate([np.zeros_like(pixels), 255 - pixels[..., :1]], 2),
    }[dtype]
    assert plain(read(np.ascontiguousarray(made), limits).text) == "STONEWALL"


def test_black_text_on_a_transparent_ground_is_read_beside_a_light_panel(limits):
    pixels = page([("STONEWALL", 300, 40)], 600, 200)
    made = np.concatenate([np.zeros_like(pixels), 255 - pixels[..., :1]], 2)
    made[:, :240] = (245, 245, 245, 255)
    assert plain(read(made, limits).text) == "STONEWALL"


@pytest.mark.parametrize("large", [255, 0])
def test_light_and_dark_text_on_one_transparent_ground_are_both_read_once(limits, large):
    title, label = page([("STONE", 60, 30)], 640, 260, dot=12), page([("WALL", 60, 190)], 640, 260)
    made = np.full((260, 640, 4), large, np.uint8)
    made[150:, :, :3] = 255 - large
    made[..., 3] = 255 - np.minimum(title, label)[..., 0]
    assert [plain(line.text) for line in read(made, limits).lines] == ["STONE", "WALL"]


def test_of_two_readings_of_a_line_the_more_confident_wins():
    def line(x, text, sure):
        return _ReadLine(Box(np.array([(x, 0), (x + 9, 0), (x + 9, 4), (x, 4)], float)), text, sure)

    first, second = [line(0, "A", 0.6), line(20, "B", 0.8)], [line(1, "C", 0.7), line(21, "D", 0.7)]
    made = _merge(first, [*second, line(40, "E", 0.9), line(60, " ", 0.9)])
    assert [one.text for one in made] == ["B", "C", "E"]


def test_a_picture_without_text_has_no_lines(limits):
    found = read(np.full((100, 120, 3), 90, np.uint8), limits)
    assert (found.text, found.lines) == ("", [])


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (70, 1), (5, 3000)])
def test_any_size_is_taken(limits, shape):
    assert read(np.full((*shape, 3), 200, np.uint8), limits).lines == []


def test_what_is_not_read_surely_is_left_out(limits):
    assert read(page(LINES, 640, 240), limits, confidence=1.0).lines == []


def test_it_works_on_files(limits, save):
    output = ocr([save("a.png", page(LINES, 640, 240))], Ocr(), limits)
    assert output.files == [] and len(output.value.lines) == 3


def test_without_the_model_the_error_names_the_command(tmp_path):
    with pytest.raises(WorkloadError, match="popbridge models pull pp-ocrv6"):
        read(page(LINES, 640, 240), Limits(models=str(tmp_path)))


@pytest.mark.parametrize(
    ("size", "found"),
    [((736, 736), (736, 736)), ((100, 50), (608, 288)), ((4000, 3000), (2048, 1536)), ((1, 1), (32, 32)),
     ((300, 184), (1216, 736)),
     ((10000, 10), (2048, 32)), ((800, 750), (800, 736))],
)  # fmt: skip
def test_pictures_are_looked_at_in_a_size_that_the_detector_knows(size, found):
    assert detector_size(*size) == found


def test_repeated_characters_need_a_blank_between_them():
    steps = np.eye(3, dtype=np.float32)[[0, 1, 1, 0, 1, 2, 2, 0]] * np.float32(0.9)
    assert decode_ctc(steps, ["", "a", "b"]) == ("aab", pytest.approx(0.9))
    assert decode_ctc(np.eye(3, dtype=np.float32)[[0, 0]], ["", "a", "b"]) == ("", 0.0)


def test_uncertain_and_tiny_regions_are_ignored():
    likely = np.zeros((60, 200), np.float32)
    likely[10:20, 10:100] = 0.4
    likely[40:41, 10:12] = 0.9
    assert lines_of(likely) == []
    likely[10:20, 10:100] = 0.9
    assert len(lines_of(likely)) == 1


def box(x, y, wide=40, high=10):
    return Box(np.array([(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)], float))


def test_lines_of_about_the_same_height_are_in_one_row():
    boxes = [box(200, 12), box(10, 40), box(10, 10)]
    assert reading_order(boxes) == [2, 0, 1]
    assert reading_order([]) == []


@pytest.mark.parametrize("degrees", [0, 20, 90, 180, 270])
def test_lines_are_in_the_order_of_a_page_that_is_turned_as_most_of_them_are(degrees):
    angle = np.radians(degrees)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    lines = [box(0, 0, 120), box(200, 2, 90), box(0, 30, 60), box(0, 60, 200)]
    boxes = [Box(one.corners @ turn) for one in lines]
    # One that runs otherwise, as on a label beside the text, changes nothing.
    other = Box(box(320, 20, 90).rotate(1).corners @ turn)
    assert reading_order([*boxes[::-1], other])[:2] == [3, 2]
    assert [at for at in reading_order([*boxes[::-1], other]) if at < 4] == [3, 2, 1, 0]


def test_a_page_upside_down_is_read_from_its_top(limits):
    given = page([("STONEWALL", 10, 8), ("SAVE 24", 10, 36)], 140, 62, 2)
    for quarters in range(4):
        found = read(np.rot90(given, quarters), limits)
        assert [plain(line.text) for line in found.lines] == ["STONEWALL", "SAVE24"]


def test_a_line_of_text_is_read_however_long_it_is(limits):
    words = ["SAVE", "STONE", "WALL", "ROAD", "METAL", "WOOD", "LAKE", "PLANT"] * 5
    text = " ".join(words)
    given = page([(text, 10, 10)], 24 * len(text) + 20, 50)
    assert plain(read(given, limits).text) == "".join(words)
    assert plain(read(np.ascontiguousarray(given[::-1, ::-1]), limits).text) == "".join(words)


def test_a_small_picture_of_a_word_is_one_line(limits):
    ink = page([("STONEWALL 24", 8, 8)], 170, 30, 2)
    found = read(255 - ink, limits)
    assert [plain(line.text) for line in found.lines] == ["STONEWALL24"]


def test_pieces_of_a_line_are_joined_between_two_characters():
    first, second = np.full((20, 3), 0.1, np.float32), np.full((20, 3), 0.3, np.float32)
    first[13, 0] = second[3, 0] = 0.9
    made = join_steps(first, second, 10)
    assert len(made) == 30
    assert (made[:13] == first[:13]).all() and (made[13:] == second[3:]).all()


def test_a_turned_box_is_cut_out_upright():
    picture = np.zeros((40, 40, 3), np.float32)
    picture[10:20, 5:35, 0] = 1
    level = box(5, 10, 30, 10)
    assert crop_line(picture, level)[..., 0].min() == 1
    standing = crop_line(picture, level.rotate(1))
    assert standing.shape[:2] == (30, 10) and standing[..., 0].min() == 1
    beyond = crop_line(picture, box(-10, -10, 5, 5))
    assert beyond.shape == (5, 5, 3) and beyond.max() == 0
