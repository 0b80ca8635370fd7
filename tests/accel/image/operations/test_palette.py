import msgspec
import numpy as np
import pytest

from accel.image.color import from_oklab, to_oklab
from accel.image.operations.analysis import FindPalette, Palette, palette
from accel.workload import Limits
from tests.accel.image.operation_helpers import operate, random, raster


def done(pixels, **params):
    image = pixels if hasattr(pixels, "pixels") else raster(pixels)
    return operate(palette, FindPalette(**params), image)


def find(pixels, **params) -> Palette:
    return done(pixels, **params).value


def stripes(*colors, rows: int = 70):
    """Each colour as often as it is given."""
    return np.repeat(np.array([colors], np.uint8), rows, axis=0)


@pytest.mark.parametrize(
    ("light", "lab"),
    [
        ((1, 1, 1), (1, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        # Ottosson's own example values of sRGB's red, green and blue.
        ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
    ],
)
def test_oklab_has_its_known_values_and_leads_back(light, lab):
    assert to_oklab(np.array([light], float))[0] == pytest.approx(lab, abs=2e-5)
    assert from_oklab(to_oklab(np.array([light], float)))[0] == pytest.approx(light, abs=1e-9)


def test_few_colours_are_given_as_they_are_with_their_shares():
    found = find(stripes((255, 0, 0), (255, 0, 0), (0, 0, 0), (1, 0, 0)))
    assert found.exact and [(c.hex, c.share) for c in found.colors] == [
        ("#ff0000", 0.5), ("#000000", 0.25), ("#010000", 0.25),
    ]  # fmt: skip
    assert found.colors[0].oklab == pytest.approx((0.62796, 0.22486, 0.12585), abs=2e-5)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_grey_is_as_it_is_stored(kind):
    values = np.array([[[51], [255]]], np.uint8).astype(kind) * (257 if kind == "uint16" else 1)
    assert [c.hex for c in find(values.astype(kind)).colors] == ["#333333", "#ffffff"]


def test_light_is_shown_as_a_screen_shows_it():
    pixels = np.array([[[0.2158605, 7, -1]]], np.float32)
    assert find(pixels).colors[0].hex == "#80ff00"


def test_similar_colours_are_grouped():
    chance = np.random.default_rng(4)
    bases = np.array([(220, 40, 40), (40, 200, 60), (50, 60, 210)])
    which = chance.choice(3, 100 * 100, p=[0.6, 0.3, 0.1])
    pixels = (
        np.clip(bases[which] + chance.normal(0, 4, (10000, 3)), 0, 255).reshape(100, 100, 3).astype(np.uint8)
    )
    found = find(pixels, colors=3)
    assert not found.exact
    assert [c.share for c in found.colors] == pytest.approx(np.bincount(which) / 10000, abs=1e-9)
    for color, base in zip(found.colors, bases, strict=True):
        assert np.abs(np.array(list(bytes.fromhex(color.hex[1:]))) - base).max() <= 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 5, 256])
def test_a_palette_is_the_same_every_time_and_its_shares_add_up(channels, count):
    pixels = random(130, 120, channels)
    found = find(pixels, colors=count)
    assert found == find(pixels.copy(), colors=count)
    assert 1 <= len(found.colors) <= count
    assert sum(c.share for c in found.colors) == pytest.approx(1)
    assert [c.share for c in found.colors] == sorted((c.share for c in found.colors), reverse=True)


def test_more_colours_leave_less_of_an_error():
    pixels = random(100, 100, 3)

    def error(count: int) -> float:
        codes = [list(bytes.fromhex(c.hex[1:])) for c in find(pixels, colors=count).colors]
        return float(np.abs(pixels.reshape(-1, 1, 3) - np.array(codes, float)).sum(axis=2).min(axis=1).mean())

    assert error(64) < error(8) / 1.5 and error(8) < error(1) / 1.5


def test_what_is_not_seen_has_no_colour():
    pixels = np.array([[[255, 0, 0, 255], [0, 255, 0, 0], [0, 0, 255, 51]]], np.uint8)
    found = find(pixels)
    assert [(c.hex, c.share) for c in found.colors] == [
        ("#ff0000", 1 / 1.2),
        ("#0000ff", pytest.approx(0.2 / 1.2)),
    ]
    assert find(pixels[:, 1:2]).colors == []
    assert done(pixels[:, 1:2], swatch=True).images == {}


def test_what_is_hardly_seen_counts_little_in_groups_too():
    pixels = random(100, 100, 4)
    pixels[:, :50] //= 4
    pixels[:, :50, 3] = 0
    pixels[:, 50:, :3] |= 128
    assert min(int(c.hex[1:3], 16) for c in find(pixels, colors=16).colors) >= 128


def test_a_swatch_shows_squares_sixteen_in_a_row():
    made = done(stripes((255, 0, 0), (255, 0, 0), (0, 0, 9)), swatch=True).images["swatch"]
    assert made.pixels.shape == (64, 128, 3)
    assert made.pixels[0, 63].tolist() == [255, 0, 0] and made.pixels[63, 64].tolist() == [0, 0, 9]
    assert done(random(60, 60, 3), colors=20, swatch=True).images["swatch"].pixels.shape == (128, 1024, 3)


def test_a_file_gives_hex_strings(save):
    result = palette([save("a.png", stripes((255, 128, 0)))], FindPalette(swatch=True), Limits())
    assert msgspec.json.decode(msgspec.json.encode(result.value))["colors"][0]["hex"] == "#ff8000"
    assert [file.name for file in result.files] == ["swatch"]
