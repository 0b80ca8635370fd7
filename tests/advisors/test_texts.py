"""Both languages say the same."""

from __future__ import annotations

import pytest

from bridge.advisors.findings import WANTED
from bridge.advisors.texts import TEXTS, memory_text, say, size_text, why
from bridge.api import RequestError
from bridge.core.textures import ChannelMeaning, Kind


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("zh-CN", "应用"), ("zh_TW", "应用"), ("en", "Apply"), ("de-DE", "Apply"), ("", "Apply")],
)
def test_chinese_editors_read_chinese_and_all_others_english(locale: str, expected: str) -> None:
    assert say("apply", locale) == expected


def test_an_error_is_told_in_the_editors_language() -> None:
    gone = RequestError("editor_gone", editor="E")
    assert (why(gone, "zh-CN"), why(gone, "en")) == ("E没有连接。", "E isn't connected.")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (174_776, "170.7 KiB"), (16_777_216, "16.0 MiB"), (5_592_405, "5.3 MiB")],
)
def test_sizes_are_in_the_unit_that_fits(count: int, text: str) -> None:
    assert size_text(count) == text


def test_memory_is_said_for_each_platform_or_once_where_all_are_alike() -> None:
    desktop, mobile = (16_777_216, 5_592_405), (16_777_216, 2_796_216)
    assert memory_text({"desktop": desktop}, "en") == "16.0 MiB → 5.3 MiB (desktop)"
    assert memory_text({"desktop": desktop, "mobile": mobile}, "zh") == (
        "16.0 MiB → 5.3 MiB（桌面），16.0 MiB → 2.7 MiB（移动端）"
    )
    assert memory_text({"desktop": desktop, "mobile": desktop}, "en") == "16.0 MiB → 5.3 MiB"
    assert memory_text({}, "en") == ""


def test_every_want_kind_and_meaning_has_words() -> None:
    wants = {want.sentence or want.code for wants in WANTED.values() for want in wants}
    kinds = {f"kind_{kind}" for kind in Kind.__args__}  # type: ignore[attr-defined]
    meanings = {f"channel_{meaning}" for meaning in ChannelMeaning.__args__}  # type: ignore[attr-defined]
    assert wants | kinds | meanings <= TEXTS.keys()
