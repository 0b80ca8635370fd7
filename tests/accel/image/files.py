"""Small files of the formats that libvips doesn't write, made byte by byte."""

import struct
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def picture(*shape: int) -> np.ndarray:
    """Random bytes of runs and literals: height x width x channels."""
    random = np.random.default_rng(11)
    made = random.integers(0, 256, shape).astype(np.uint8)
    made[:, ::2] = made[:, :1]
    made[1::3] = made[1::3, :1]
    return made


def runs(texels: np.ndarray) -> bytes:
    """TGA's run-length code of texels x bytes, by packets that don't care for the ends of rows."""
    out, at = b"", 0
    while at < len(texels):
        same = 1
        while at + same < len(texels) and same < 128 and (texels[at + same] == texels[at]).all():
            same += 1
        if same > 1:
            out += bytes([127 + same]) + texels[at].tobytes()
        else:
            out += b"\0" + texels[at].tobytes()
        at += same
    return out


def tga(texels: np.ndarray, kind: int, bits: int, descriptor: int = 32, **more) -> bytes:
    """`texels`: height x width x bytes as stored, top row first. `more`: `palette`, `map_bits`, `first`."""
    height, width = texels.shape[:2]
    palette, map_bits, first = more.get("palette", b""), more.get("map_bits", 0), more.get("first", 0)
    length = len(palette) // ((map_bits + 7) // 8) if palette else 0
    head = struct.pack(
        "<BBBHHBHHHHBB",
        3,
        bool(palette),
        kind,
        first,
        length,
        map_bits,
        0,
        0,
        width,
        height,
        bits,
        descriptor,
    )
    rows = texels if descriptor & 32 else texels[::-1]
    rows = rows[:, ::-1] if descriptor & 16 else rows
    flat = rows.reshape(-1, rows.shape[2])
    return head + b"abc" + palette + (runs(flat) if kind & 8 else flat.tobytes())


def bmp(bits: int, width: int, height: int, data: bytes, **more) -> bytes:
    """`data`: rows as stored. `more`: `compression`, `palette`, `masks`, `core`."""
    palette, masks = more.get("palette", b""), more.get("masks", b"")
    if more.get("core"):
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        colors = len(palette) // 4
        head = struct.pack(
            "<IiiHHIIiiII", 40, width, height, 1, bits, more.get("compression", 0), len(data), 0, 0, colors, 0
        )
    begin = 14 + len(head) + len(masks) + len(palette)
    return struct.pack("<2sIII", b"BM", begin + len(data), 0, begin) + head + masks + palette + data


def rows(texels: np.ndarray) -> bytes:
    """A bitmap's rows: the lowest first, each filled up to whole words."""
    flat = texels[::-1].reshape(len(texels), -1)
    return b"".join(row.tobytes() + bytes(-len(row.tobytes()) % 4) for row in flat)


def hdr(data: bytes, size: str, format: str = "32-bit_rle_rgbe") -> bytes:
    return f"#?RADIANCE\n# made up\nFORMAT={format}\nEXPOSURE=1\n\n{size}\n".encode() + data


def hdr_rows(rgbe: np.ndarray) -> bytes:
    """Scanlines in the new code, each component by itself: a run for equal values, else literals."""
    out = b""
    for row in rgbe:
        out += struct.pack(">BBH", 2, 2, len(row))
        for plane in row.T:
            begin = 0
            while begin < len(plane):
                part = plane[begin : begin + 100]
                alike = (part == part[0]).all()
                out += bytes([128 + len(part), part[0]]) if alike else bytes([len(part)]) + part.tobytes()
                begin += len(part)
    return out


def packbits(row: bytes) -> bytes:
    """PackBits with a run where a row begins with one, and an idle byte."""
    same = len(row) - len(row.lstrip(row[:1]))
    same = min(same, 128)
    out = bytes([257 - same]) + row[:1] if same > 1 else b"\x80"
    rest = row[same:] if same > 1 else row
    for begin in range(0, len(rest), 128):
        part = rest[begin : begin + 128]
        out += bytes([len(part) - 1]) + part
    return out


def psd(planes: np.ndarray, mode: int, compression: int = 0, depth: int = 8, **more) -> bytes:
    """`planes`: channels x height x width (for 1 bit: of packed bytes).

    `more`: `width`, `palette`, `resources`, `version`.
    """
    channels, height, width = planes.shape
    version = more.get("version", 1)
    head = struct.pack(
        ">4sH6xHIIHH", b"8BPS", version, channels, height, more.get("width", width), depth, mode
    )
    for part in (more.get("palette", b""), more.get("resources", b"")):
        head += struct.pack(">I", len(part)) + part
    head += struct.pack(">I" if version == 1 else ">Q", 6) + b"layers" + struct.pack(">H", compression)
    stored = planes.astype(planes.dtype.newbyteorder(">"))
    if compression == 0:
        return head + stored.tobytes()
    if compression == 1:
        coded = [packbits(row.tobytes()) for plane in stored for row in plane]
        size = ">H" if version == 1 else ">I"
        return head + b"".join(struct.pack(size, len(row)) for row in coded) + b"".join(coded)
    if compression == 3 and depth == 32:
        significance = stored.view(np.uint8).reshape(channels, height, width, 4).swapaxes(2, 3)
        stored = significance.reshape(channels, height, -1)
    if compression == 3:
        native = stored.astype(stored.dtype.newbyteorder("="))
        difference = np.diff(native, axis=2, prepend=np.zeros_like(native[..., :1]))
        stored = difference.astype(stored.dtype)
    return head + zlib.compress(stored.tobytes())


def tiff(planes: np.ndarray, photometric: int, *, apart: bool, order: str = "<", big: bool = False) -> bytes:
    """`planes`: channels x height x width, the last of two or four straight alpha; in one strip each if
    `apart`, else in one for all. A palette's colours are (n, 255 - n, 0)."""
    channels, height, width = planes.shape
    stored = planes.astype(planes.dtype.newbyteorder(order))
    strips = [plane.tobytes() for plane in stored] if apart else [stored.transpose(1, 2, 0).tobytes()]
    mark, long, count, begin = (43, "Q", "Q", 16) if big else (42, "I", "H", 8)
    sizes = [len(strip) for strip in strips]
    places = [begin + sum(sizes[:index]) for index in range(len(strips))]
    fields = {
        256: [width], 257: [height], 258: [8 * planes.itemsize] * channels, 259: [1], 262: [photometric],
        273: places, 277: [channels], 278: [height], 279: sizes, 284: [2 if apart else 1],
        **({320: [*range(0, 65536, 257), *range(65535, -1, -257), *[0] * 256]} if photometric == 3 else {}),
        **({338: [2]} if channels % 2 == 0 else {}), 339: [3 if planes.dtype.kind == "f" else 1] * channels,
    }  # fmt: skip
    room, table, more = struct.calcsize(f"={long}"), b"", b""
    directory = begin + sum(sizes)
    behind = directory + struct.calcsize(f"={count}") + len(fields) * (4 + 2 * room) + room
    for tag, values in fields.items():
        kind, layout = (4, "I") if tag in (273, 279) else (3, "H")
        value = struct.pack(f"{order}{len(values)}{layout}", *values)
        if len(value) > room:
            value, more = struct.pack(order + long, behind + len(more)), more + value
        table += struct.pack(f"{order}2H{long}", tag, kind, len(values)) + value.ljust(room, b"\0")
    head = struct.pack(f"{order}2sH", b"II" if order == "<" else b"MM", mark)
    head += struct.pack(f"{order}2H", 8, 0) * big + struct.pack(order + long, directory)
    return head + b"".join(strips) + struct.pack(order + count, len(fields)) + table + bytes(room) + more


def exr(pixels: np.ndarray, names: tuple[str, ...], kind: str = "half", **attributes) -> bytes:
    """By OpenImageIO. `attributes`: of its own, with `_` for `:`; `tile` for tiles."""
    height, width = pixels.shape[:2]
    spec = oiio.ImageSpec(width, height, len(names), kind)
    spec.channelnames = names
    if tile := attributes.pop("tile", 0):
        spec.tile_width = spec.tile_height = tile
    for name, value in attributes.items():
        spec.attribute(name, value)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.exr"
        file = oiio.ImageOutput.create(str(path))
        assert file.open(str(path), spec) and file.write_image(pixels), file.geterror()
        file.close()
        return path.read_bytes()


def cielab() -> bytes:
    """A TIFF of 2 x 2 texels of 8 bit CIELAB."""
    # TIFF 6.0, sections 2 and 23: in one strip, PhotometricInterpretation 8.
    tags = [(256, 2), (257, 2), (258, 8), (259, 1), (262, 8), (273, 8), (277, 3), (278, 2), (279, 12)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 20) + bytes(12) + struct.pack("<H", len(tags)) + entries + bytes(4)


def dds(width: int, height: int, data: bytes, fourcc: bytes = b"", **more) -> bytes:
    """`more`: `flags`, `bits` and `masks` without a FourCC; `dxgi` for a DX10 header, with `alpha_mode` for
    its miscFlags2, `dimension`, `misc` and `count`; `levels`, `depth` and `caps2` of any."""
    flags, bits, masks = more.get("flags", 4), more.get("bits", 0), more.get("masks", (0, 0, 0, 0))
    fourcc = b"DX10" if "dxgi" in more else fourcc or bytes(4)
    sizes = (height, width, 0, more.get("depth", 0), more.get("levels", 1))
    head = struct.pack("<4sIIIIIII44x", b"DDS ", 124, 0x1007, *sizes)
    head += struct.pack("<II4sIIIII", 32, flags, fourcc, bits, *masks)
    head += struct.pack("<II12x", 0x1000, more.get("caps2", 0))
    if "dxgi" in more:
        kind = (more.get("dimension", 3), more.get("misc", 0), more.get("count", 1))
        head += struct.pack("<5I", more["dxgi"], *kind, more.get("alpha_mode", 0))
    return head + data


def ktx2(width: int, height: int, data: bytes, vulkan: int, packing: int = 0) -> bytes:
    size = len(data)
    if packing in (2, 3):
        data = zstd.compress(data) if packing == 2 else zlib.compress(data)
    head = b"\xabKTX 20\xbb\r\n\x1a\n" + struct.pack("<9I", vulkan, 1, width, height, 0, 0, 1, 1, packing)
    head += struct.pack("<4I2Q", 112, 4, 0, 0, 0, 0)
    return head + struct.pack("<3Q", 116, len(data), size) + bytes(12) + data


def samples() -> dict[str, bytes]:
    """A file of each kind, by a name that says which."""
    rgb, rgba = picture(12, 20, 3), picture(12, 20, 4)
    planes = np.ascontiguousarray(rgba.transpose(2, 0, 1))
    half = rgba.astype(np.float16) / np.float16(64)
    blocks = np.random.default_rng(2).bytes(15 * 16)
    palette = picture(1, 256, 4).tobytes()
    return {
        "raw.tga": tga(rgba, 2, 32), "runs.tga": tga(rgb, 10, 24), "palette.tga":
            tga(rgb[..., :1], 9, 8, palette=palette, map_bits=32),
        "rgb.bmp": bmp(24, 20, 12, rows(rgb)),
        "palette.bmp": bmp(8, 20, 12, rows(rgb[..., :1]), palette=palette),
        "runs.bmp": bmp(8, 20, 12, (b"\x14\7\0\0") * 11 + b"\x14\7\0\1", compression=1, palette=palette),
        "raw.hdr": hdr(rgba.tobytes(), "-Y 12 +X 20"), "runs.hdr": hdr(hdr_rows(rgba), "-Y 12 +X 20"),
        "raw.psd": psd(planes, 3), "runs.psd": psd(planes, 3, 1), "zip.psd": psd(planes, 3, 2),
        "predicted.psd": psd(planes.astype(np.float32), 3, 3, 32),
        "half.exr": exr(half, ("R", "G", "B", "A")), "tiled.exr": exr(half, ("R", "G", "B", "A"), tile=16),
        "piz.exr": exr(half, ("R", "G", "B", "A"), compression="piz"),
        "bc1.dds": dds(20, 12, blocks[:120], b"DXT1"), "bc7.dds": dds(20, 12, blocks, dxgi=98),
        "bc6h.dds": dds(20, 12, blocks, dxgi=95), "rgba.dds": dds(20, 12, rgba.tobytes(), dxgi=28),
        "rgba.ktx2": ktx2(20, 12, rgba.tobytes(), 37), "zstd.ktx2": ktx2(20, 12, rgba.tobytes(), 37, 2),
        "zlib.ktx2": ktx2(20, 12, rgba.tobytes(), 37, 3), "astc.ktx2": ktx2(20, 12, blocks, 157),
        "etc2.ktx2": ktx2(20, 12, blocks[:120], 147),
    }  # fmt: skip
