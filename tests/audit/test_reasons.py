"""Reasons are said in Chinese to who reads that; those tried here are said by the code itself."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips

from accel.image.decoded import Decoded
from accel.image.fingerprint import fingerprint_of
from accel.image.load import decode_image, identify
from accel.image.readers.stream import check_dimensions
from accel.workload import Input, Limits, WorkloadError
from bridge.audit.reasons import PATTERNS, in_chinese
from bridge.audit.results import Issue
from bridge.audit.texts import sentence
from bridge.core.errors import UserError
from bridge.textfiles import CHANGED
from bridge_godot.config_file import ConfigFile
from bridge_godot.headless import GodotHeadless
from bridge_godot.import_file import ImportFile
from tests.accel.image.files import bmp, cielab, dds, ktx2, psd, tiff

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 1\n"


@pytest.mark.parametrize("data", [b"", b"hello world", POINTER, SVG])
def test_why_a_file_isnt_opened(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(WorkloadError) as raised:
        identify(Input("a.png", str(tmp_path / "a.png")))
    assert in_chinese(raised.value.reason) != raised.value.reason


@pytest.mark.parametrize("width", [0, 1_000_000])
def test_why_an_image_isnt_examined(width: int) -> None:
    with pytest.raises(WorkloadError) as raised:
        check_dimensions(Input("a.png", "a.png"), "PNG", width, 1_000_000, Limits())
    assert in_chinese(raised.value.reason) != raised.value.reason


@pytest.mark.parametrize("text", ["[params]\n<<<<<<<\n", "[params]\na=1\na=2\n", "[remap]\n"])
def test_why_settings_are_left_as_they_are(text: str) -> None:
    problem = ImportFile(Path("岩 a.png.import"), ConfigFile(text)).problem()
    assert "岩 a.png.import" in in_chinese(problem) and in_chinese(problem) != problem


UNMERGED = b"8BIM" + struct.pack(">HHI", 1057, 0, 10) + b"\0\0\0\1\0more\0"
"""What a PSD says without a merged picture."""
OTHERS = {
    "planes": (tiff(np.zeros((2, 4, 4), np.uint8), 1, apart=True), "请以交错通道另存"),
    "doubles": (pyvips.Image.black(4, 4).cast("double").tiffsave_buffer(), "请另存为 PNG（"),
    "lab": (cielab(), "CIELAB"),
    "dxgi": (dds(8, 8, bytes(99), dxgi=100), "DXGI 格式 100，请另存为 BC7 或 RGBA"),
    "fourcc": (dds(8, 8, bytes(99), b"UYVY"), "像素格式 UYVY，请另存为"),
    "masks": (dds(8, 8, bytes(99), flags=0x40, bits=32, masks=(5, 2, 8, 0)), "位掩码不常见"),
    "colours": (dds(8, 8, bytes(99), flags=0x200, bits=32), "每像素 32 位而没有颜色"),
    "basis": (ktx2(8, 8, bytes(64), 0), "例如用 `ktx transcode`"),
    "packing": (ktx2(8, 8, bytes(64), 37, 9), "打包方式 9，请不打包"),
    "vulkan": (ktx2(8, 8, bytes(64), 1000066000), "Vulkan 格式 1000066000，请写为"),
    "inks": (psd(np.zeros((3, 16, 24), np.uint8), 9), "请转换为 RGB"),
    "layers": (psd(np.zeros((3, 16, 24), np.uint8), 3, resources=UNMERGED), "请以“最大兼容”另存"),
    "printer": (bmp(0, 4, 4, bytes(99), compression=4), "请另存为 PNG"),
    "xyz": (b"#?RADIANCE\nFORMAT=32-bit_rle_xyze\n\n-Y 2 +X 2\n" + bytes(16), "颜色为 XYZ，请另存为 RGB"),
    "deep": (b"\x76\x2f\x31\x01\2\x08\0\0" + bytes(60), "请先展平"),
}
"""Images of kinds that aren't opened, and what to do about them in Chinese."""


@pytest.mark.parametrize("name", OTHERS)
def test_a_kind_that_isnt_opened_says_what_to_do(tmp_path: Path, name: str) -> None:
    data, says = OTHERS[name]
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(WorkloadError) as raised:
        decode_image(Input("a", str(tmp_path / "a")), Limits())
    told = in_chinese(raised.value.reason)
    assert says in told and "; " not in told.partition("（")[0]


def test_a_folder_and_what_went_away_are_told(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError) as raised:
        identify(Input("a", str(tmp_path)))
    assert in_chinese(raised.value.reason) == "是文件夹"
    shown = Decoded(np.zeros((4, 4, 1), np.uint8), "grey", False, "png", 99)
    for place in ("gone", "."):
        with pytest.raises(WorkloadError) as raised:
            fingerprint_of(Input("a", str(tmp_path / place)), shown)
        assert in_chinese(raised.value.reason).startswith(("文件已不存在", "已无法再读取（"))


IMPORTED = '[remap]\nimporter="texture"\n[params]\nmode=0\nplace=Vector2(1, 2)\n'


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        (f"{IMPORTED}<<<<<<<\n", {"mode": 1}, "：请更正，或在 Godot 中重新导入该贴图"),
        (f"{IMPORTED}mode=1\n", {"mode": 1}, "a.png.import 中 mode 出现两次：请更正"),
        ('[remap]\nimporter="texture"\n', {"mode": 1}, "a.png.import 缺少 [params]：请更正"),
        (IMPORTED, {"place": 1}, "place 的类型只有 Godot 自己才能更改"),
        (IMPORTED, {"mode": "x"}, "mode 在此为 0"),
        ('[remap]\nimporter="font"\n', {}, "a.png 按 font 导入"),
        (None, {}, "a.png 尚未导入：请在 Godot 中打开一次该项目"),
    ],
)
def test_why_settings_arent_written(tmp_path: Path, text: str | None, options: Any, says: str) -> None:
    (tmp_path / "a.png").touch()
    if text is not None:
        (tmp_path / "a.png.import").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as raised:
        ImportFile.of(tmp_path / "a.png").change(options)
    assert says in in_chinese(str(raised.value))


def test_why_a_texture_isnt_reached(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "a.png.import").mkdir()
    changes = [{"path": "res://gone.png", "options": {}}, {"path": "res://a.png", "options": {}}]
    gone, shut = GodotHeadless(tmp_path, "4.6").apply(changes)["errors"]
    assert in_chinese(gone["message"]) == "res://gone.png 不存在"
    assert in_chinese(shut["message"]).startswith("无法读取 a.png.import（")


def test_why_a_file_that_is_being_written_stays() -> None:
    told = in_chinese(f"a.png.import can't be written: {CHANGED}.")
    assert told == "无法写入 a.png.import（其他程序在同一时刻改动了该文件，请重试）"


def test_every_pattern_fits_its_chinese() -> None:
    for pattern, chinese in PATTERNS:
        groups = pattern.replace("(?:", "").replace(r"\(", "").count("(")
        assert chinese.format(*"abcde"[:groups])


def test_a_reason_that_isnt_known_stays_as_it_is() -> None:
    issue = Issue("unreadable", 2, "unreadable", {"reason": "has {0} fleas"})
    assert sentence(issue, "zh-CN") == "无法检查：has {0} fleas"
    assert sentence(issue, "en") == "can't be examined: has {0} fleas"
    told = Issue("unreadable", 2, "unreadable", {"reason": "is empty (0 bytes)"})
    assert sentence(told, "zh-CN") == "无法检查：文件为空（0 字节）"
