import struct
import zlib

import numpy as np
import pytest
import pyvips
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accel.image.codecs import png
from accel.workload import WorkloadError
from tests.accel.image.broken import chunk
from tests.accel.image.files import picture

END = chunk(b"IEND", b"")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
KINDS = {1: 0, 2: 4, 3: 2, 4: 6}


def header(width, height, channels=3, depth=8, interlace=0, kind=None):
    kind = KINDS[channels] if kind is None else kind
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlace))


def rows(pixels, filter=0):
    flat = pixels.reshape(len(pixels), -1)
    return np.insert(flat, 0, filter, axis=1).tobytes()


def pieces(data, count=3):
    size = -(-len(data) // count)
    return b"".join(chunk(b"IDAT", data[at : at + size]) for at in range(0, len(data), size))


def file(pixels, *, before=b"", within=b"", end=END, **changes):
    height, width, channels = pixels.shape
    data = zlib.compress(rows(pixels))
    head = header(width, height, channels, **changes)
    return SIGNATURE + head + before + chunk(b"IDAT", data[:9]) + within + pieces(data[9:]) + end


def with_stream(pixels, data):
    height, width, channels = pixels.shape
    return SIGNATURE + header(width, height, channels) + pieces(data) + END


def plain(data, most_pixels):
    """What is read without libvips."""
    found = png.inflate(data, most_pixels)
    return found and found.picture()


def by_libvips(data):
    image = pyvips.Image.pngload_buffer(data, fail_on="error")
    return image.numpy().reshape(image.height, image.width, image.bands), image.hasalpha()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (2, 70_000), (900, 700)])
def test_every_kind_of_8_bits_is_read_as_libvips_reads_it(read, channels, size):
    stored = picture(*size, channels)
    data = file(stored)
    found, (pixels, alpha) = plain(data, 1 << 20), by_libvips(data)
    assert (found.pixels == pixels).all() and (found.pixels == stored).all()
    decoded = read(data)
    assert (decoded.pixels == stored).all() and decoded.contents == data
    assert decoded.has_alpha == found.has_alpha == bool(alpha) == (channels in (2, 4))
    assert decoded.color_model == ("rgb" if channels > 2 else "grey")


def test_what_is_said_beside_the_pixels_changes_none(read):
    stored = picture(9, 7, 3)
    aside = chunk(b"gAMA", struct.pack(">I", 20_000)) + chunk(b"tEXt", b"Title\0wood") + chunk(b"sRGB", b"\0")
    assert (plain(file(stored, before=aside), 99).pixels == stored).all()
    assert (by_libvips(file(stored, before=aside))[0] == stored).all()


FILTERS = ["sub", "up", "avg", "paeth", "all"]


def filtered(pixels, filter):
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb" if pixels.shape[2] > 2 else "b-w")
    return image.pngsave_buffer(filter=filter)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (200, 300)])
def test_rows_with_filters_are_read_without_libvips(read, filter, channels, size):
    pytest.importorskip("kornia_rs")
    stored = picture(*size, channels)
    data = filtered(stored, filter)
    assert (plain(data, 1 << 20).pixels == stored).all()
    decoded = read(data)
    assert (decoded.pixels == stored).all() and decoded.contents == data
    assert decoded.has_alpha == (channels == 4) and decoded.pixels.flags.c_contiguous
    assert decoded.color_model == ("rgb" if channels > 2 else "grey")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("filter", FILTERS)
def test_rows_whose_filters_are_not_undone_here_are_inflated_for_libvips(read, filter, channels, monkeypatch):
    # As with a kornia-rs that calls it otherwise.
    monkeypatch.setattr(png, "_decode", None)
    stored = picture(300, 200, channels)
    data = filtered(stored, filter)
    found = png.inflate(data, 1 << 20)
    assert found.picture() is None
    assert (by_libvips(found.stored())[0] == stored).all()
    assert (read(data).pixels == stored).all() and read(data).contents == data


def test_grey_with_alpha_and_filters_is_read_by_libvips(read):
    stored = picture(300, 200, 2)
    data = filtered(stored, "all")
    assert plain(data, 1 << 20) is None
    assert (read(data).pixels == stored).all() and read(data).has_alpha


@pytest.mark.parametrize("here", [True, False])
def test_one_filter_in_the_last_row_is_seen(read, here, monkeypatch):
    if not here:
        monkeypatch.setattr(png, "_decode", None)
    stored = picture(400, 600, 3)
    steps = np.diff(stored[-1:], axis=1, prepend=np.uint8(0))
    raw = rows(stored[:-1]) + rows(steps, filter=1)
    data = with_stream(stored, zlib.compress(raw))
    assert (read(data).pixels == stored).all()


def test_a_filter_that_there_is_not_is_told_by_libvips_of_the_file_itself(read):
    data = with_stream(PIXELS, zlib.compress(rows(PIXELS, filter=5)))
    assert png.inflate(data, 99) is not None
    with pytest.raises(WorkloadError, match="is a truncated or corrupt PNG"):
        read(data)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_stored_blocks_end_where_the_pixels_do(over):
    stored = picture(65_534 + over, 1, 1)
    found = png.inflate(file(stored), 1 << 20)
    assert (by_libvips(found.stored())[0] == stored).all()


PIXELS = picture(6, 5, 3)
LONG = picture(10, 9, 3)
RAW = rows(PIXELS)
DEFLATED = zlib.compress(RAW)
UNUSUAL = {
    "a colour that is clear": file(PIXELS, before=chunk(b"tRNS", bytes(6))),
    "a chunk of a later standard": file(PIXELS, before=chunk(b"ABCD", b"")),
    "another chunk among the pixels": file(PIXELS, within=chunk(b"tEXt", b"a\0b")),
    "two headers": file(PIXELS, before=header(5, 6)),
    "16 bits": file(PIXELS, depth=16),
    "a palette": file(PIXELS, kind=3),
    "a colour type that there isn't": file(PIXELS, kind=5),
    "interlaced": file(PIXELS, interlace=1),
    "no end": file(PIXELS, end=b""),
    "half an end": file(PIXELS, end=END[:-1]),
    "no pixels": SIGNATURE + header(5, 6) + END,
    "a header alone": SIGNATURE + header(5, 6),
    "a signature alone": SIGNATURE,
    "a wrong checksum": file(PIXELS).replace(b"IDAT", b"IDAU", 1),
    "a wrong checksum of the pixels": with_stream(PIXELS, DEFLATED[:-1] + b"\0"),
    "a row too few": with_stream(PIXELS, zlib.compress(RAW[:-16])),
    "a row too many": with_stream(PIXELS, zlib.compress(RAW + RAW[:16])),
    "more after the pixels": with_stream(PIXELS, DEFLATED + b"more"),
    "a stream that ends too early": with_stream(PIXELS, DEFLATED[:-6]),
    "a window that is too small": with_stream(LONG, b"\x08\x1d" + zlib.compress(rows(LONG))[2:]),
    "a window that there isn't": with_stream(PIXELS, b"\x88\x1c" + DEFLATED[2:]),
    "another method": with_stream(PIXELS, b"\x77\x09" + DEFLATED[2:]),
    "no stream": with_stream(PIXELS, b"no stream at all"),
    "only the first row": with_stream(PIXELS, zlib.compress(RAW[:16])),
    "nothing in the stream": with_stream(PIXELS, zlib.compress(b"")),
    "no width": SIGNATURE + header(0, 6) + pieces(DEFLATED) + END,
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_whatever_is_unusual_is_libvips_to_judge(name):
    assert png.inflate(UNUSUAL[name], 1 << 20) is None


def test_a_window_in_which_all_lies_is_large_enough():
    data = with_stream(PIXELS, b"\x08\x1d" + DEFLATED[2:])
    assert (plain(data, 99).pixels == PIXELS).all() and (by_libvips(data)[0] == PIXELS).all()


def test_what_is_larger_than_asked_for_is_not_inflated(monkeypatch):
    assert plain(file(PIXELS), 30) is not None
    assert plain(file(PIXELS), 29) is None
    monkeypatch.setattr(png, "MAX_DECODED", 89)
    assert plain(file(PIXELS), 30) is None


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from([1, 2, 3, 4]), st.data())
def test_a_damaged_file_is_never_read_otherwise_than_libvips_reads_it(channels, data):
    good = file(picture(4, 5, channels), before=chunk(b"pHYs", bytes(9)))
    at = data.draw(st.integers(0, len(good) - 1))
    with_damage = bytearray(good)
    with_damage[at] ^= data.draw(st.integers(1, 255))
    cut = bytes(with_damage[: data.draw(st.integers(at, len(good)))])
    found = plain(cut, 1 << 20)
    if found is not None:
        assert (found.pixels == by_libvips(cut)[0]).all()


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"")
def test_a_stream_of_anything_is_refused_or_read_as_libvips_reads_it(raw):
    data = with_stream(PIXELS, zlib.compress(raw))
    found = plain(data, 1 << 20)
    assert found is None or (found.pixels == by_libvips(data)[0]).all()


def exif_of(*entries, order="<", count=None):
    """A TIFF whose first directory has these entries: tag, type, count and value."""
    begin = {"<": b"II*\0", ">": b"MM\0*"}[order]
    number = len(entries) if count is None else count
    packed = b"".join(struct.pack(f"{order}HHIHxx", *entry) for entry in entries)
    return begin + struct.pack(f"{order}IH", 8, number) + packed + bytes(4)


RAW_EXIF = b"Raw profile type exif\0\0"
SHOWN_OTHERWISE = {
    "a profile": chunk(b"iCCP", b"p\0\0" + zlib.compress(b"a profile")),
    "turned": chunk(b"eXIf", exif_of((0x0112, 3, 1, 6))),
    "turned, of the other order": chunk(b"eXIf", exif_of((0x0112, 3, 1, 8), order=">")),
    "turned as a text": chunk(b"zTXt", RAW_EXIF + zlib.compress(b"exif")),
}


@pytest.mark.parametrize("name", SHOWN_OTHERWISE)
def test_what_says_how_pixels_are_shown_is_left_to_libvips_where_that_matters(name):
    data = file(PIXELS, before=SHOWN_OTHERWISE[name])
    assert png.inflate(data, 99) is not None
    assert png.inflate(data, 99, as_shown=True) is None


def test_what_is_upright_and_texts_are_taken_as_they_are_shown():
    upright = exif_of((0x010F, 2, 4, 0), (0x0112, 3, 1, 1))
    aside = chunk(b"eXIf", upright) + chunk(b"tEXt", b"Software\0ours") + chunk(b"pHYs", bytes(9))
    assert png.inflate(file(PIXELS, before=aside), 99, as_shown=True) is not None
