"""What the daemon says of its database, told in Chinese."""

from __future__ import annotations

import pytest

from bridge.commands.run.reasons import ZH, in_our_words
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.server.welcome import NOT_KEPT
from bridge.store.failures import REASONS


@pytest.fixture(autouse=True)
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")


@pytest.mark.parametrize("name", REASONS)
def test_every_reason_of_a_failing_database_is_said_in_chinese_alone(name: str) -> None:
    refused = RequestError(errors.STORE_UNAVAILABLE, reason=REASONS[name]).message
    assert in_our_words(refused) == f"目前无法保存任何内容：{ZH[name]}。"
    assert in_our_words(NOT_KEPT.format(reason=REASONS[name])).endswith(f"不会保留任何内容：{ZH[name]}。")


def test_there_is_no_reason_that_nobody_gives() -> None:
    assert set(ZH) == set(REASONS)


def test_sqlites_own_words_stay_in_brackets() -> None:
    said = RequestError(errors.STORE_UNAVAILABLE, reason=f"{REASONS['IOERR']} (disk I/O: 5)").message
    assert in_our_words(said) == "目前无法保存任何内容：磁盘出错（disk I/O: 5）。"


@pytest.mark.parametrize(
    "said",
    [
        "The bridge can't keep anything now: the moon is full.",
        "The bridge can't keep anything now: the disk failed badly.",
        "Advice on imports is off.",
        "",
    ],
)
def test_what_isnt_known_is_told_as_it_came(said: str) -> None:
    assert in_our_words(said) == said


def test_who_reads_another_language_is_told_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    said = RequestError(errors.STORE_UNAVAILABLE, reason=REASONS["FULL"]).message
    assert in_our_words(said) == said
