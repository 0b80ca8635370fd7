import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.image.rect_packing import PageSizes, pack_pages
from tests.accel.image.test_rect_packing import boxes, overlaps

SIDES = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=30)


def icons(count, seed=1):
    """Sides as those of trimmed sprites: common sizes, a little less."""
    random = np.random.default_rng(seed)
    side = random.choice([16, 24, 32, 48, 64, 96, 128], count)
    return side - random.integers(0, 9, count), side - random.integers(0, 9, count)


def mixed(count, seed=1):
    """Sides of any shape: most are small, few are long."""
    random = np.random.default_rng(seed)
    side, shape = np.exp(random.normal(3.6, 0.6, count)), np.exp(random.normal(0, 0.35, count))
    return np.maximum(1, side * shape).astype(int), np.maximum(1, side / shape).astype(int)


def fill(widths, heights, pages):
    return (widths * heights).sum() / sum(page.width * page.height for page in pages)


@settings(deadline=None, max_examples=40)
@given(
    SIDES, st.sampled_from([0, 1, 4]), st.booleans(), st.booleans(), st.integers(0, 5), st.integers(0, 5),
    st.sampled_from([128, 300]),
)  # fmt: skip
def test_every_rectangle_lies_once_within_the_border_of_a_page_of_the_right_size(
    sides, step, square, rotate, border, padding, longest
):
    sizes = PageSizes(longest, step, square, border, padding)
    widths, heights = np.array(sides, np.int64).T + padding
    pages = pack_pages(widths, heights, sizes, rotate, "fast")
    assert sorted(np.concatenate([page.members for page in pages]).tolist()) == list(range(len(widths)))
    for page in pages:
        placed = boxes(widths[page.members], heights[page.members], page.places)
        assert not overlaps(placed)
        inner = page.width - 2 * border + padding, page.height - 2 * border + padding
        assert (placed[:, :2] >= 0).all() and (placed[:, 2:] <= inner).all()
        assert max(page.width, page.height) <= longest
        assert page.width == page.height or not square
        for side in (page.width, page.height):
            assert side & (side - 1) == 0 if step == 0 else side % step == 0


@pytest.mark.parametrize("rotate", [False, True])
@pytest.mark.parametrize("sides", [icons, mixed])
@pytest.mark.parametrize("square", [False, True])
def test_at_least_95_of_100_pixels_are_filled_by_500_sprites(sides, rotate, square):
    widths, heights = sides(500)
    for effort in ("fast", "normal"):
        (page,) = pack_pages(widths, heights, PageSizes(4096, 4, square, 0, 0), rotate, effort)
        assert fill(widths, heights, [page]) > 0.95


def test_a_few_sprites_fill_nine_tenths():
    for seed in range(2):
        for sides in (icons, mixed):
            widths, heights = sides(40, seed)
            assert (
                fill(
                    widths,
                    heights,
                    pack_pages(widths, heights, PageSizes(4096, 1, False, 0, 0), True, "normal"),
                )
                > 0.9
            )


def test_more_effort_is_never_worse():
    widths, heights = mixed(60)
    fills = [
        fill(widths, heights, pack_pages(widths, heights, PageSizes(4096, 1, False, 0, 0), False, effort))
        for effort in ("fast", "normal", "best")
    ]
    assert fills == sorted(fills)


def test_full_pages_are_full_and_only_the_last_is_smaller():
    widths, heights = icons(600)
    pages = pack_pages(widths, heights, PageSizes(1024, 0, False, 0, 0), False, "normal")
    assert len(pages) == -(-(widths * heights).sum() // 1024**2)
    for page in pages[:-1]:
        assert (page.width, page.height) == (1024, 1024)
        assert (widths * heights)[page.members].sum() > 0.95 * 1024**2


def test_powers_of_two_are_the_smallest_that_hold_everything():
    # 15 squares of 32 with nothing to spare in 128 x 128 but one.
    squares = np.full(15, 32), np.full(15, 32)
    (page,) = pack_pages(*squares, PageSizes(4096, 0, False, 0, 0), False, "normal")
    assert (page.width, page.height) == (128, 128)
    (page,) = pack_pages(np.array([2000]), np.array([10]), PageSizes(4096, 0, False, 0, 0), False, "normal")
    assert sorted((page.width, page.height)) == [16, 2048]


def test_one_pixel_has_the_smallest_page_of_all():
    for step, side in ((1, 1), (4, 4), (0, 1)):
        one = np.array([1]), np.array([1])
        (page,) = pack_pages(*one, PageSizes(4096, step, False, 0, 0), False, "normal")
        assert (page.width, page.height) == (side, side)


def test_a_rectangle_as_large_as_the_largest_page_fits_and_a_larger_one_doesn_t():
    sizes = PageSizes(100, 1, False, 3, 2)
    assert sizes.holds(94 + 2, 94 + 2) and not sizes.holds(95 + 2, 1)
    (page,) = pack_pages(np.array([96]), np.array([96]), sizes, False, "normal")
    assert (page.width, page.height) == (100, 100)
