"""The package's window, marks and settings in a fake editor, beside a real daemon."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.unity.editor.conftest import NORMAL_MAP, Open
from tests.unity.editor.session import PACKAGE, WAIT_S, Session
from tests.unity.editor.test_package import OTHER, copy, report


def look(session: Session, *, until: int | None = None) -> tuple[list[bool], str]:
    """Returns whether list, texture and comparison are in sight, and all texts; `until` this one is there."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        session.order("look")
        *seen, texts = session.wait("look")
        shown = [each == "True" for each in seen]
        if until is None or shown[until]:
            return shown, texts
        time.sleep(0.05)
    raise AssertionError(texts)


def chinese(text: str) -> str:
    said: dict[str, str] = json.loads((PACKAGE / "Editor/Texts/zh_CN.json").read_text("utf-8"))
    return said[text]


def test_a_texture_shows_its_evidence_and_both_pictures(editor: Open) -> None:
    session = editor()
    report(session, NORMAL_MAP)
    assert look(session)[0] == [True, False, False]
    session.order("width", "420")
    session.order("choose", NORMAL_MAP)
    seen, texts = look(session, until=2)
    # Below 600 px the texture takes the list's place.
    assert seen == [False, True, True]
    assert "Why?" in texts and "Evidence" in texts
    session.order("width", "640")
    assert look(session)[0] == [True, True, True]
    session.order("escape")
    assert look(session)[0] == [True, False, False]


def test_a_domain_reload_keeps_the_texture_that_is_shown_and_the_marks(editor: Open, project: Path) -> None:
    before = editor()
    report(before, NORMAL_MAP)
    before.order("choose", NORMAL_MAP)
    assert look(before)[0][1]
    before.close()
    after = editor()
    after.order("badge", NORMAL_MAP)
    assert after.wait("badge") == ["1", "0"]
    after.order("show")
    assert look(after)[0][1]


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_one_box_ticks_everything(editor: Open, project: Path) -> None:
    copy(project, OTHER)
    session = editor()
    report(session, NORMAL_MAP, OTHER)
    session.order("all")
    assert session.wait("ticked") == ["0"]
    session.order("all")
    assert session.wait("ticked") == ["2"]


def test_marks_in_the_project_window_follow_the_findings_and_cost_nothing(editor: Open) -> None:
    session = editor()
    session.wait("opened")
    session.order("badge", NORMAL_MAP)
    assert session.wait("badge") == ["0", "0"]
    session.order("import", NORMAL_MAP)
    session.wait("popup", "texture.import")
    session.order("badge", NORMAL_MAP)
    assert session.wait("badge") == ["1", "0"]
    session.order("findings")
    path, _, count = session.wait("findings")[0].partition(":")
    assert path == NORMAL_MAP and int(count) > 0
    session.order("press", "0")
    session.wait("popup", "texture.applied")
    session.order("badge", NORMAL_MAP)
    assert session.wait("badge") == ["0", "0"]


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_what_is_switched_off_stays_off(editor: Open) -> None:
    session = editor()
    session.wait("opened")
    session.order("settings")
    assert "Connected" in session.wait("settings")[0]
    # The marks, the announcement, and the check of imports.
    session.order("switch", "1")
    session.order("switch", "2")
    session.order("import", NORMAL_MAP)
    session.wait("popup", "texture.import")
    session.order("badge", NORMAL_MAP)
    assert session.wait("badge") == ["0", "0"]
    assert not any(event[0] == "notification" for event in session.seen)
    session.order("switch", "0")
    session.order("import", NORMAL_MAP)
    session.order("tasks")
    session.wait("tasks")
    session.order("idle")
    # Nothing is left to report.
    assert session.wait("idle") == ["0"]


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_texts_are_in_the_language_of_the_editor(editor: Open) -> None:
    session = editor()
    session.order("language", "zh-CN")
    report(session, NORMAL_MAP)
    session.order("skin", "light")
    session.order("choose", NORMAL_MAP)
    texts = look(session, until=2)[1]
    assert chinese("Why?") in texts and chinese("Evidence") in texts


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_without_a_daemon_the_window_says_what_to_do(editor: Open, tmp_path: Path) -> None:
    session = editor(home=tmp_path / "nowhere")
    session.order("show")
    assert "popbridge serve" in look(session)[1]
    session.order("menu", "Tools/PopBridge/Check Project")
    assert session.wait("menu") == ["False"]
