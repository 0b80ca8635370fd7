"""Reasons are said in Chinese to who reads that; those tried here are said by the code itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from accel.image.load import identify
from accel.image.readers.stream import check_dimensions
from accel.workload import Input, Limits, WorkloadError
from bridge.audit.reasons import PATTERNS, in_chinese
from bridge.audit.results import Issue
from bridge.audit.texts import sentence
from bridge_godot.configfile import ConfigText
from bridge_godot.importfile import ImportFile

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
    problem = ImportFile(Path("岩 a.png.import"), ConfigText(text)).problem()
    assert "岩 a.png.import" in in_chinese(problem) and in_chinese(problem) != problem


def test_every_pattern_fits_its_chinese() -> None:
    for pattern, chinese in PATTERNS:
        groups = pattern.replace("(?:", "").replace(r"\(", "").count("(")
        assert chinese.format(*"abcd"[:groups])


def test_a_reason_that_isnt_known_stays_as_it_is() -> None:
    issue = Issue("unreadable", 2, "unreadable", {"reason": "has {0} fleas"})
    assert sentence(issue, "zh-CN") == "无法检查：has {0} fleas"
    assert sentence(issue, "en") == "can't be examined: has {0} fleas"
    told = Issue("unreadable", 2, "unreadable", {"reason": "is empty (0 bytes)"})
    assert sentence(told, "zh-CN") == "无法检查：文件为空（0 字节）"
