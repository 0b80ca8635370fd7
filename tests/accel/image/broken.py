"""Files that are no proper images: name, bytes, expected code, words in the reason."""

import struct
import zlib

import numpy as np
import pyvips


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, packed: bytes = zlib.compress(b"")) -> bytes:
    """A grey PNG with that header and any compressed pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def zeros(size: int) -> bytes:
    """A zlib stream of so many zeros, most of it one piece repeated: compressing all takes a second."""
    piece = 1 << 20
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    # Nothing after a full flush refers to what is before it.
    pieces = (deflate.compress(bytes(piece)) + deflate.flush(zlib.Z_FULL_FLUSH)) * (size // piece)
    last = deflate.compress(bytes(size % piece)) + deflate.flush()
    return b"\x78\xda" + pieces + last + struct.pack(">I", size % 65521 << 16 | 1)


def encoded(suffix: str, **options) -> bytes:
    y, x = np.mgrid[:96, :96]
    pixels = np.stack([x * 2, y * 2, (x * y) % 256], -1).astype(np.uint8)
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    return image.write_to_buffer(suffix, **options)


def flipped(data: bytes) -> bytes:
    """`data` with its middle damaged."""
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 0x5A for byte in data[middle : middle + 64]) + data[middle + 64 :]


def giant_gif() -> bytes:
    """A small GIF that claims to be 65535 x 65535."""
    data, giant = encoded(".gif"), b"\xff\xff\xff\xff"
    frame = data.index(b",\0\0\0\0\x60\0\x60\0")
    return data[:6] + giant + data[10 : frame + 5] + giant + data[frame + 9 :]


SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


def broken():
    """All of them."""
    half = {suffix: encoded(suffix)[:-200] for suffix in (".png", ".jpg", ".webp", ".tif", ".gif", ".avif")}
    yield "empty.png", b"", "bad_input", "empty"
    yield "text.png", b"I am a picture, trust me. " * 9, "bad_input", "isn't an image"
    yield "zeros.png", bytes(5000), "bad_input", "isn't an image"
    yield "signature.png", b"\x89PNG\r\n\x1a\n", "bad_input", "truncated or corrupt PNG"
    for suffix, data in half.items():
        yield f"half{suffix}", data, "bad_input", "truncated or corrupt"
    yield "damaged.png", flipped(encoded(".png")), "bad_input", "corrupt PNG"
    yield "disguised.jpg", encoded(".png")[:-300], "bad_input", "corrupt PNG"
    yield "forged.png", png(50_000, 50_000), "too_large", "50000 x 50000 (2,500.0 megapixels)"
    yield "forged-small.png", png(3000, 3000), "bad_input", "corrupt PNG"
    yield "bomb.png", png(17_000, 17_000, zeros(17_001 * 17_000)), "too_large", "268.4 megapixels"
    yield "giant.gif", giant_gif(), "too_large", "65535 x 65535"
    yield "drawing.svg", SVG, "unsupported", "SVG"
    yield "drawing.png", SVG, "unsupported", "SVG"
    yield "layers.psd", b"8BPS\0\1" + bytes(60), "bad_input", "corrupt PSD"
    yield "block.dds", b"DDS " + bytes(124), "bad_input", "corrupt DDS"
    yield "light.exr", b"\x76\x2f\x31\x01" + bytes(60), "bad_input", "corrupt EXR"
    targa = bytes([0, 0, 2]) + bytes(9) + bytes([9, 0, 9, 0, 32, 8]) + bytes(64)
    yield "targa.tga", targa, "bad_input", "truncated TGA"
    yield "page.pdf", b"%PDF-1.7\n", "unsupported", "PDF"
    yield "matrix.mat", b"MATLAB 5.0 MAT-file" + bytes(200), "unsupported", "MATLAB"
    yield (
        "pointer.png",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "bad_input",
        "git lfs pull",
    )
    yield "table.csv", b"1,2\n3,4\n", "bad_input", "isn't an image"
