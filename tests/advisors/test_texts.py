"""Texts of the import advisor in the reader's language."""

from __future__ import annotations

import pytest

from bridge.advisors.findings import DESIRED
from bridge.advisors.texts import EXPLANATIONS, FINDINGS, GROUP_TITLES, TEXTS, bytes_text, memory_text, say
from bridge.core.textures import CODES, ChannelMeaning, Kind
from bridge.locale import catalogue, translate


@pytest.mark.parametrize(
    ("locale", "is_english"),
    [("zh-CN", False), ("zh_TW", False), ("en", True), ("de-DE", True), ("", True)],
)
def test_chinese_editors_get_chinese_and_all_others_english(locale: str, is_english: bool) -> None:
    assert (say("apply", locale) == str(TEXTS["apply"])) == is_english


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (174_776, "170.7 KiB"), (16_777_216, "16.0 MiB"), (3 << 40, "3072.0 GiB")],
)
def test_sizes_have_the_unit_that_fits(count: int, text: str) -> None:
    assert bytes_text(count) == text


def test_memory_is_shown_by_platform_or_once_if_all_are_equal() -> None:
    desktop, mobile = (16_777_216, 5_592_405), (16_777_216, 2_796_216)
    assert str(memory_text({"desktop": desktop})) == "16.0 MiB → 5.3 MiB (desktop)"
    assert translate(memory_text({"desktop": desktop, "mobile": mobile}), "zh") == (
        "16.0 MiB → 5.3 MiB（桌面），16.0 MiB → 2.7 MiB（移动端）"
    )
    assert str(memory_text({"desktop": desktop, "mobile": desktop})) == "16.0 MiB → 5.3 MiB"
    assert memory_text({}) == ""


def test_every_code_of_a_finding_has_a_title_for_its_group() -> None:
    assert GROUP_TITLES.keys() == set(CODES)


def test_every_finding_kind_and_channel_meaning_has_words() -> None:
    assert {each.sentence or each.code for table in DESIRED.values() for each in table} <= FINDINGS.keys()
    assert set(CODES) == EXPLANATIONS.keys()
    kinds = {f"kind_{kind}" for kind in Kind.__args__}  # type: ignore[attr-defined]
    meanings = {f"channel_{meaning}" for meaning in ChannelMeaning.__args__}  # type: ignore[attr-defined]
    assert kinds | meanings <= TEXTS.keys()


def test_every_text_is_in_the_chinese_catalogue() -> None:
    texts = [*TEXTS.values(), *FINDINGS.values(), *(each for pair in EXPLANATIONS.values() for each in pair)]
    assert [each.id for each in texts if each.id not in catalogue("zh")] == []
