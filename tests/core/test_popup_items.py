"""The list of a popup, and what an answer ticks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from bridge.core.errors import RemoteProtocolError
from bridge.core.messages import Action, Answer, Choice, Popup, PopupItem
from bridge.core.popup_items import MAX_DEPTH, MAX_ROWS, PopupRows, actions, resolve


def leaf(name: str, **more: Any) -> PopupItem:
    return PopupItem(id=name, title=name, **more)


def row(name: str, *children: PopupItem, **more: Any) -> PopupItem:
    return PopupItem(id=name, title=name, children=list(children), **more)


ITEMS = [
    row(
        "1",
        row(
            "1.1", leaf("1.1.1", checked=True, needs=["1.1.2"]), leaf("1.1.2", checked=True, needs=["1.1.1"])
        ),
        row("1.2", leaf("1.2.1", checked=True)),
        leaf("1.3", locked="no setting"),
    ),
    row("2", leaf("2.1"), leaf("2.2", status="done")),
    row("3", leaf("3.1", locked="no setting")),
]
ALWAYS = Action(
    id="always",
    label="Always",
    choices=[Choice(id="1", label="a"), Choice(id="2", label="b", checked=False)],
)


def popup(items: list[PopupItem], **more: Any) -> Popup:
    buttons = [Action(id="apply", label="Fix"), ALWAYS]
    return Popup(
        id=7, kind="k", title="t", body="b", actions=buttons, items=items,
        menu=[Action(id="snooze", label="s")],
        **more,
    )  # fmt: skip


def answer(action: str = "apply", **more: Any) -> Answer:
    return Answer(id=7, state="answered", action=action, **more)


@pytest.mark.parametrize(
    ("checked", "ticked"),
    [
        (UNSET, ["1.1.1", "1.1.2", "1.2.1"]),
        ([], []),
        (["1.2.1"], ["1.2.1"]),
        (["1.2"], ["1.2.1"]),
        (["1"], ["1.1.1", "1.1.2", "1.2.1"]),
        (["2.1", "1.1"], ["1.1.1", "1.1.2", "2.1"]),
        (["2"], ["2.1"]),
        (["1", "1.2.1"], ["1.1.1", "1.1.2", "1.2.1"]),
    ],
)
def test_an_answer_ticks_leaves_and_all_those_below_a_row(checked: Any, ticked: list[str]) -> None:
    assert resolve(popup(ITEMS), ITEMS, answer(checked=checked)).checked == ticked


@pytest.mark.parametrize(
    ("checked", "said"),
    [
        (["9"], "no item '9'"),
        (["2.1", "2.1"], "repeated"),
        (["1.3"], "can't be ticked"),
        (["2.2"], "can't be ticked"),
        (["3"], "can't be ticked"),
        (["1.1.1"], "needs '1.1.2'"),
    ],
)
def test_an_answer_with_ids_that_cant_be_ticked_is_refused(checked: list[str], said: str) -> None:
    with pytest.raises(RemoteProtocolError, match="field 'checked'") as refused:
        resolve(popup(ITEMS), ITEMS, answer(checked=checked))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("action", "choices", "chosen"),
    [
        ("always", UNSET, ["1"]),
        ("always", ["2"], ["2"]),
        ("always", [], []),
        ("apply", UNSET, UNSET),
        ("apply", [], UNSET),
    ],
)
def test_an_answer_chooses_lines_of_its_action(action: str, choices: Any, chosen: Any) -> None:
    assert resolve(popup(ITEMS), ITEMS, answer(action, choices=choices)).choices == chosen


@pytest.mark.parametrize(("action", "choices"), [("always", ["3"]), ("always", ["1", "1"]), ("apply", ["1"])])
def test_an_answer_with_lines_that_its_action_doesnt_offer_is_refused(
    action: str, choices: list[str]
) -> None:
    with pytest.raises(RemoteProtocolError, match="field 'choices'"):
        resolve(popup(ITEMS), ITEMS, answer(action, choices=choices))


def test_an_answer_to_a_popup_without_a_list_has_no_ticks() -> None:
    plain = Answer(id=7, state="answered", action="missing")
    assert resolve(popup([]), [], plain) == plain
    with pytest.raises(RemoteProtocolError):
        resolve(popup([]), [], answer(checked=["1"]))


def test_the_actions_of_a_popup_are_its_buttons_and_its_menu() -> None:
    assert [action.id for action in actions(popup([]))] == ["apply", "always", "snooze"]


def nested(depth: int) -> PopupItem:
    return row(str(depth), nested(depth - 1)) if depth > 1 else leaf("1")


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([leaf("1"), leaf("1")], "two items"),
        ([row("1", leaf("1"))], "two items"),
        ([leaf("1", needs=["2"])], "needs '2'"),
        ([leaf("1", needs=["2"]), leaf("2", locked="no")], "needs '2'"),
        ([leaf("1", checked=True, needs=["2"]), leaf("2")], "without '2'"),
        ([nested(MAX_DEPTH + 1)], "levels"),
    ],
)
def test_a_list_that_cant_be_answered_isnt_sent(items: list[PopupItem], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PopupRows(items)
    assert PopupRows([nested(MAX_DEPTH)]).ticked([str(MAX_DEPTH)]) == ["1"]


def test_a_list_of_too_many_rows_isnt_sent() -> None:
    with pytest.raises(ValueError, match="rows"):
        PopupRows([leaf(str(number)) for number in range(MAX_ROWS + 1)])


NAMES = st.sampled_from(["1", "1.1", "1.1.1", "1.1.2", "1.2", "1.2.1", "1.3", "2", "2.1", "2.2", "3", "3.1"])


@given(st.lists(NAMES | st.text(max_size=4), max_size=12))
def test_whatever_an_answer_names_only_leaves_that_it_covers_are_ticked(checked: list[str]) -> None:
    rows = PopupRows(ITEMS)
    try:
        ticked = rows.ticked(checked)
    except ValueError:
        return
    assert len(set(checked)) == len(checked)
    assert ticked == [
        name for name in rows.leaves if any(f"{name}.".startswith(f"{each}.") for each in checked)
    ]
    assert all(needed in ticked for name in ticked for needed in rows.leaves[name].needs)
