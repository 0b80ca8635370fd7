"""A popup is open until it is answered, dismissed, expired or superseded; it is settled once."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core import errors
from bridge.core.errors import RemoteProtocolError
from bridge.core.messages import Action, Answer, Popup, PopupClose
from bridge.core.session import Popups


def popup(popup_id: int, **fields: Any) -> Popup:
    actions = [Action(id="apply", label="Apply"), Action(id="later", label="Not now")]
    return Popup(id=popup_id, kind="import", title="t", body="b", actions=actions, **fields)


def test_an_answer_settles_its_popup_once() -> None:
    popups = Popups()
    assert popups.open(popup(1), now=0) == []
    assert 1 in popups and popups.get(1) == popup(1)
    answer = Answer(id=1, state="answered", action="apply")
    assert popups.answer(answer) == PopupClose(id=1, reason="answered")
    assert popups.answer(answer) == PopupClose(id=1, reason="unknown")
    assert list(popups) == [] and popups.get(1) is None


@pytest.mark.parametrize("state", ["dismissed", "expired", "undeliverable"])
def test_a_popup_can_be_settled_without_an_action(state: Any) -> None:
    popups = Popups()
    popups.open(popup(1), now=0)
    assert popups.answer(Answer(id=1, state=state)) == PopupClose(id=1, reason=state)


@pytest.mark.parametrize("action", ["format_disk", None])
def test_an_answer_with_an_action_that_the_popup_lacks_is_refused_and_settles_nothing(action: Any) -> None:
    popups = Popups()
    popups.open(popup(1), now=0)
    answer = Answer(id=1, state="answered", action=action) if action else Answer(id=1, state="answered")
    with pytest.raises(RemoteProtocolError, match="'action'") as caught:
        popups.answer(answer)
    assert caught.value.close is errors.WRONG_VALUE
    assert 1 in popups


def test_a_popup_takes_the_place_of_the_open_one_with_the_same_dedupe() -> None:
    popups = Popups()
    popups.open(popup(1, dedupe="rock.png", expires_ms=1), now=0)
    popups.open(popup(2), now=0)
    popups.open(popup(3), now=0)
    assert popups.open(popup(4, dedupe="rock.png"), now=0) == [PopupClose(id=1, reason="superseded")]
    assert {p.id for p in popups} == {2, 3, 4}
    assert popups.expire(now=1) == []


def test_a_popup_takes_the_place_of_the_one_that_it_names() -> None:
    popups = Popups()
    popups.open(popup(1), now=0)
    popups.open(popup(2), now=0)
    assert popups.open(popup(3, replaces=1), now=0) == [PopupClose(id=1, reason="superseded")]
    assert popups.open(popup(4, replaces=1), now=0) == []
    assert {p.id for p in popups} == {2, 3, 4}


def test_an_action_of_the_menu_answers_a_popup() -> None:
    popups = Popups()
    popups.open(popup(1, menu=[Action(id="snooze", label="In an hour")]), now=0)
    closing = popups.answer(Answer(id=1, state="answered", action="snooze"))
    assert closing == PopupClose(id=1, reason="answered")


def test_a_popup_that_is_opened_again_does_not_close_itself() -> None:
    popups = Popups()
    popups.open(popup(1, dedupe="rock.png", expires_ms=1000), now=0)
    assert popups.open(popup(1, dedupe="rock.png"), now=0) == []
    assert 1 in popups
    assert popups.expire(now=10) == []


def test_a_popup_expires_when_its_time_is_over_and_not_before() -> None:
    popups = Popups()
    popups.open(popup(1, expires_ms=1500), now=10)
    popups.open(popup(2), now=10)
    assert popups.expire(now=11.4) == []
    assert popups.expire(now=11.5) == [PopupClose(id=1, reason="expired")]
    assert [p.id for p in popups] == [2]
    assert popups.answer(Answer(id=1, state="answered", action="apply")).reason == "unknown"


def test_a_withdrawn_popup_is_open_no_more() -> None:
    popups = Popups()
    popups.open(popup(1, expires_ms=1000), now=0)
    assert popups.close(1)
    assert not popups.close(1)
    assert popups.expire(now=2) == []
