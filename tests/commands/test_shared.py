"""Text that is folded to the screen."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from bridge.commands import shared
from bridge.commands.shared import wrapped

CHINESE = "用 OpenVINO 代替 CUDA：先 pip uninstall onnxruntime-gpu，再运行 pip install x（见 “文档”）。"


@pytest.mark.parametrize("width", [12, 20, 40, 100, 400])
def test_chinese_is_folded_by_columns_and_nothing_is_lost(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "screen_width", lambda: width)
    lines = wrapped(CHINESE, 2).splitlines()
    assert "".join("".join(lines).split()) == "".join(CHINESE.split())
    # A name alone may be longer than a line.
    assert all(cell_len(line) <= max(width, len("  onnxruntime-gpu，") + 1) for line in lines)
    assert not any(line.lstrip().startswith(("，", "。", "）", "：")) for line in lines)
    assert all(line.startswith("  ") for line in lines[1:])
