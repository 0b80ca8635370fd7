"""Where the keys go in the real editors' windows, and which windows there are."""

from __future__ import annotations

import asyncio

import pytest

from tests.godot.daemon import Daemon
from tests.godot.editor import until
from tests.godot.probe import Probe
from tests.godot.windows.keyboard import answers, escape, pressing, xdotool

pytestmark = [pytest.mark.engine, pytest.mark.alone, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("present", ["dock", "modal", "toast"])
async def test_enter_presses_the_default_button_of_a_popup_with_its_preview(
    daemon: Daemon, display: str, present: str
) -> None:
    (picture,) = daemon.blobs
    daemon.fetched.clear()
    popup = await daemon.popup(image=picture, present=present)
    await until(lambda: daemon.fetched == [picture])
    answered = daemon.hear("answer", lambda answer: answer["id"] == popup["id"])
    answer = await pressing("Return", display, answered)
    assert answer == {"type": "answer", "id": popup["id"], "state": "answered", "action": "apply"}
    await daemon.say(type="popup_close", id=popup["id"], reason="answered")


@pytest.mark.parametrize("present", ["dock", "modal"])
async def test_a_popup_leaves_the_keys_to_the_view_that_the_person_works_in(
    daemon: Daemon, probe: Probe, display: str, present: str
) -> None:
    # A click that comes before the window takes any is lost.
    while not await probe.run("return probe.focused() != null"):
        await xdotool(display, "mousemove", "500", "350", "click", "1")
    popup = await daemon.popup(present=present)
    await daemon.acknowledged(popup)
    # Longer than a button that has just got the focus is guarded against keys.
    await xdotool(display, "key", "--repeat", "12", "--delay", "100", "Return")
    await daemon.settled()
    assert answers(daemon, popup) == []
    await daemon.say(type="popup_close", id=popup["id"], reason="superseded")


async def test_a_popup_with_a_window_leaves_the_keys_to_the_panel_that_the_person_types_in(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    for _ in range(6):
        await daemon.popup()
    await probe.until("dock._search.visible")
    await probe.run("dock._search.grab_focus()")
    popup = await daemon.popup(present="modal")
    await probe.until(f"probe.addon._popups._open[{popup['id']}].card != null")
    await xdotool(display, "key", "--repeat", "12", "--delay", "100", "r", "Return")
    await probe.until("dock._search.text.begins_with('rrrr')")
    assert answers(daemon, popup) == []


async def test_the_keys_go_on_from_where_they_were_when_several_popups_go_at_once(
    daemon: Daemon, probe: Probe
) -> None:
    ids = [(await daemon.popup())["id"] for _ in range(6)]
    await probe.until(f"probe.cards().size() == 6 and probe.has_keys({ids[0]})")
    await probe.run(f"probe.addon._popups.close_others({[*ids[1:4], ids[5]]})")
    await probe.until("probe.cards().size() == 4 and probe.is_in_dock()")
    assert await probe.run(f"return probe.has_keys({ids[1]})")


async def test_what_gets_the_keys_is_scrolled_into_sight(daemon: Daemon, probe: Probe) -> None:
    for _ in range(5):
        await daemon.popup(body="**rock.png** is grey. " * 200)
    await probe.until("probe.cards().size() == 5 and probe.fills_list(probe.cards()[4])")
    await probe.until("probe.reaches_all() and not probe.is_in_view(probe.cards()[4]._default)")
    await probe.run("probe.cards()[4]._default.grab_focus()")
    await probe.until("probe.is_in_view(probe.cards()[4]._default)")


async def test_a_window_has_room_for_what_is_shown_in_it_later(daemon: Daemon, probe: Probe) -> None:
    popup = await daemon.popup(present="modal", body="one line  \n" * 30)
    await probe.until(f"probe.addon._popups._open.has({popup['id']})")
    await daemon.popup()
    await probe.until(f"probe.has_room({popup['id']})")


async def test_a_window_with_many_fields_stays_on_the_screen_and_shows_the_button_that_enter_presses(
    daemon: Daemon, probe: Probe
) -> None:
    fields = [{"name": str(number), "type": "text", "label": "Field"} for number in range(20)]
    popup = await daemon.popup(present="modal", fields=fields)
    await probe.until(f"probe.has_keys({popup['id']}) and probe.is_on_screen({popup['id']})")


async def test_a_window_that_grows_stays_where_it_was_put(daemon: Daemon, probe: Probe) -> None:
    popup = await daemon.popup(present="modal", body="one line  \n" * 8)
    await probe.until(f"probe.has_keys({popup['id']})")
    await probe.run(f"probe.move_window({popup['id']}, 300)")
    await daemon.popup()
    await probe.until(f"probe.has_room({popup['id']})")
    assert await probe.run(f"return probe.top_of_window({popup['id']})") == 300


async def test_a_window_that_grows_does_not_reach_below_the_screen(daemon: Daemon, probe: Probe) -> None:
    popup = await daemon.popup(present="modal", body="one line  \n" * 8)
    await probe.until(f"probe.has_keys({popup['id']})")
    await probe.run(f"probe.move_window({popup['id']}, -1)")
    await daemon.popup()
    await probe.until(f"probe.has_room({popup['id']}) and probe.is_on_screen({popup['id']})")


@pytest.mark.parametrize("present", ["dock", "modal"])
async def test_after_escape_no_popup_takes_the_keys(
    daemon: Daemon, probe: Probe, display: str, present: str
) -> None:
    first = await daemon.popup(present=present)
    await probe.until(f"probe.has_keys({first['id']})")
    await escape(probe, display)
    popup = await daemon.popup()
    await probe.until(f"probe.has_card({popup['id']})")
    await xdotool(display, "key", "--repeat", "12", "--delay", "100", "Return")
    await daemon.settled()
    assert answers(daemon, popup) == []
    # Who lives by the keyboard goes on from there.
    await xdotool(display, "key", "--delay", "100", "Tab", "Tab")
    await probe.until("probe.focused() != dock and probe.is_in_dock()")


async def test_after_escape_in_a_window_no_popup_takes_the_keys_nor_the_panel_that_the_person_looks_at(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    await probe.run("probe.put_beside()\nprobe.leave_beside()")
    window = await daemon.popup(present="modal")
    await probe.until(f"probe.has_keys({window['id']}) and probe.is_hidden()")
    dismissed = daemon.hear("answer", lambda answer: answer["id"] == window["id"])
    assert (await pressing("Escape", display, dismissed))["state"] == "dismissed"
    popup = await daemon.popup()
    await probe.until(f"probe.has_card({popup['id']})")
    assert await probe.run(f"return probe.is_hidden() and not probe.has_keys({popup['id']})")
    # Until the person comes back.
    await probe.run("dock._raise_tab()\nprobe.cards()[0]._close.grab_focus()")
    assert await probe.run("return not dock.has_left")
    await probe.run("probe.take_away()")


async def test_a_click_on_the_panels_ground_means_nothing(daemon: Daemon, probe: Probe, display: str) -> None:
    x, y = await probe.run("return probe.place(dock._status)")
    await xdotool(display, "mousemove", f"{x:.0f}", f"{y:.0f}", "click", "1", "click", "1")
    popup = await daemon.popup()
    await probe.until(f"probe.has_keys({popup['id']})")
    await xdotool(display, "mousemove", f"{x:.0f}", f"{y:.0f}", "click", "1", "click", "1")
    await daemon.settled()
    assert await probe.run(f"return probe.has_keys({popup['id']})")
    # Nor does one after Escape leave anything behind.
    await escape(probe, display)
    await xdotool(display, "key", "--delay", "100", "Tab", "Tab")
    await probe.until("probe.is_in_dock() and dock.focus_mode == 0")


@pytest.mark.parametrize("type_", ["bool", "int", "choice", "text"])
async def test_escape_takes_the_keys_from_a_field(
    daemon: Daemon, probe: Probe, display: str, type_: str
) -> None:
    await daemon.popup(fields=[{"name": "field", "type": type_, "label": "Field", "options": ["a", "b"]}])
    await probe.until("probe.cards().size() == 1 and probe.is_focused(probe.cards()[0]._default)")
    await probe.run("probe.first_field().grab_focus()")
    await escape(probe, display)


async def test_escape_takes_the_keys_from_the_tick_box(daemon: Daemon, probe: Probe, display: str) -> None:
    for _ in range(2):
        await daemon.popup()
    await probe.until("probe.cards().size() == 2 and probe.is_focused(probe.cards()[0]._default)")
    await probe.until("probe.cards()[0]._apply_to_all.visible")
    await probe.run("probe.cards()[0]._apply_to_all.grab_focus()")
    await escape(probe, display)


async def test_escape_takes_the_keys_from_the_search(daemon: Daemon, probe: Probe, display: str) -> None:
    for _ in range(6):
        await daemon.popup()
    await probe.until("dock._search.visible")
    await probe.run("dock._search.grab_focus()")
    await escape(probe, display)


async def test_a_second_click_presses_nothing_that_has_moved_under_the_mouse(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    popups = [await daemon.popup() for _ in range(4)]
    await probe.until("probe.cards().size() == 4 and probe.is_focused(probe.cards()[0]._default)")
    x, y = await probe.run("return probe.place(probe.cards()[1]._default)")
    click = ("click", "--repeat", "6", "--delay", "50", "1")
    clicking = asyncio.create_task(xdotool(display, "mousemove", f"{x:.0f}", f"{y:.0f}", *click))
    # The next card takes the place of one that is settled.
    answer = await daemon.hear("answer")
    await daemon.say(type="popup_close", id=answer["id"], reason="answered")
    await clicking
    await daemon.settled()
    assert [answer["id"] for answer in answers(daemon, *popups)] == [popups[1]["id"]]


async def test_a_window_has_one_button_that_closes_it(daemon: Daemon, probe: Probe) -> None:
    popup = await daemon.popup(present="modal")
    await probe.until(f"probe.has_card({popup['id']})")
    assert await probe.run(f"return probe.has_close({popup['id']})") is False


async def test_a_popup_takes_no_panel_away_that_the_person_types_in(daemon: Daemon, probe: Probe) -> None:
    await probe.run("probe.put_beside()")
    await daemon.acknowledged(await daemon.popup())
    await probe.until("probe.cards().size() == 1")
    await probe.until("probe.tab_title() == 'PopBridge (1)'")
    assert await probe.run("return probe.is_beside_focused()")
    await probe.run("probe.take_away()")


async def test_a_screen_reader_has_a_name_for_what_can_be_reached(daemon: Daemon, probe: Probe) -> None:
    if not await probe.run("return 'accessibility_name' in dock"):
        pytest.skip("Godot tells screen readers nothing before 4.5")
    fields = [{"name": type_, "type": type_, "label": type_} for type_ in ("bool", "int", "choice", "text")]
    await daemon.popup(fields=fields)
    await probe.until("probe.cards().size() == 1")
    assert await probe.run("return probe.nameless()") == []
    assert "rock.png" in await probe.run("return probe.cards()[0]._default.accessibility_description")
