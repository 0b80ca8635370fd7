"""Popups in the real editors' windows, on a display of their own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.godot.daemon import Daemon
from tests.godot.editor import Editor, Project, until
from tests.godot.engine import Engine, require
from tests.godot.probe import Probe
from tools import engines
from tools.display import display as own_display

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

PICTURE = "textures/rock.png"
MAX_BODY = 32768
HELD_UP_S = 15
CLEAN = """\
probe.addon._popups.close_all()
if probe.focused(): probe.focused().release_focus()
dock.has_left = false
dock.theme = null
"""

FOR_ALL_AND_OFF = """\
var card = probe.cards()[0]
card._for_all.set_pressed(true)
card._armed_at = 0
card._choose('answered', 'later')
probe.get_editor_interface().set_plugin_enabled('popbridge', false)
"""


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    if not engines.have_display_tools():
        require("Xvfb, xdotool and ImageMagick aren't all here: `python tools/engines.py` brings them")
    with own_display() as name:
        yield name


@dataclass(frozen=True)
class Shown:
    """An editor with windows that is connected, and what is in them."""

    daemon: Daemon
    probe: Probe


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(
    engine: Engine, display: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shown]:
    """Its daemon has one picture to offer."""
    folder = tmp_path_factory.mktemp("windows")
    project, home = Project(folder / "project", engine), folder / "home"
    home.mkdir()
    probe = Probe(project)
    project.add_texture(PICTURE)
    picture = (project.root / PICTURE).read_bytes()
    async with Daemon(home) as daemon, Editor(project, home, display=display):
        daemon.blobs[hashlib.sha256(picture).hexdigest()] = picture
        await daemon.hear_event("asset.imported")
        yield Shown(daemon, probe)


@pytest.fixture
def daemon(shown: Shown) -> Daemon:
    return shown.daemon


@pytest_asyncio.fixture(loop_scope="module")
async def probe(shown: Shown) -> AsyncIterator[Probe]:
    """Of an editor in which nothing is shown, and nothing remains."""
    await shown.probe.run(CLEAN)
    yield shown.probe
    await shown.probe.run(CLEAN)


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
    await daemon.outcome(await daemon.command("texture.options", paths=[]))
    assert answers(daemon, popup) == []
    await daemon.say(type="popup_close", id=popup["id"], reason="superseded")


async def test_a_popup_with_a_window_leaves_the_keys_to_the_panel_that_the_person_types_in(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    for _ in range(6):
        await daemon.popup()
    await probe.until("dock._find.visible")
    await probe.run("dock._find.grab_focus()")
    popup = await daemon.popup(present="modal")
    await probe.until(f"probe.addon._popups._open[{popup['id']}].card != null")
    await xdotool(display, "key", "--repeat", "12", "--delay", "100", "r", "Return")
    await probe.until("dock._find.text.begins_with('rrrr')")
    assert answers(daemon, popup) == []


async def test_of_many_popups_some_are_shown_any_is_found_and_one_answer_is_given_to_all_of_a_kind(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    popups = [await daemon.popup(title=f"rock {number}") for number in range(25)]
    other = await daemon.popup(kind="other", body="**textures/Moss.png**")
    await probe.until("probe.cards().size() == 20")
    assert await probe.run("return dock._more.visible and dock._find.visible")
    await probe.run("probe.find('moss.')")
    await probe.until(f"probe.seen_cards() == ['{other['title']}']")
    await probe.run("probe.find('')\nprobe.cards()[0].focus_default(dock)")
    await probe.until("probe.seen_cards().size() >= 20 and probe.is_focused(probe.cards()[0]._default)")
    # From the default button over "Not now" to "The other 24 of this kind, too", and back.
    await xdotool(display, "key", "--delay", "100", "Tab", "Tab", "space", "shift+Tab")
    await probe.until("probe.cards()[0]._for_all.is_pressed() and not probe.is_guarded(probe.cards()[0])")
    await xdotool(display, "key", "Return")
    await until(lambda: len(answers(daemon, *popups)) == len(popups))
    assert {answer["action"] for answer in answers(daemon, *popups)} == {"later"}
    assert {answer["id"] for answer in answers(daemon, *popups)} == {popup["id"] for popup in popups}
    assert answers(daemon, other) == []


async def test_an_answer_for_all_of_a_kind_is_not_given_to_what_came_after_the_tick(
    daemon: Daemon, probe: Probe
) -> None:
    popups = [await daemon.popup() for _ in range(3)]
    await probe.until("probe.cards().size() == 3 and probe.cards()[0]._for_all.visible")
    await probe.run("probe.cards()[0]._for_all.set_pressed(true)")
    popups.append(await daemon.popup())
    await probe.until("probe.cards().size() == 4 and probe.cards()[3]._for_all.visible")
    await probe.run("probe.cards()[0]._armed_at = 0\nprobe.cards()[0]._choose('answered', 'later')")
    await daemon.outcome(await daemon.command("texture.options", paths=[]))
    assert [answer["id"] for answer in answers(daemon, *popups)] == [popups[0]["id"]]


async def test_answers_that_are_given_at_once_are_written_once(daemon: Daemon, probe: Probe) -> None:
    popups = [await daemon.popup() for _ in range(3)]
    await probe.until("probe.cards().size() == 3")
    ids = [popup["id"] for popup in popups]
    assert await probe.run(f"return probe.is_written_after_answers_to({ids})") is False
    await until(lambda: len(answers(daemon, *popups)) == 3)
    # By then it is.
    assert await probe.run("return probe.is_written()")


async def test_the_keys_go_on_from_where_they_were_when_several_popups_go_at_once(
    daemon: Daemon, probe: Probe
) -> None:
    ids = [(await daemon.popup())["id"] for _ in range(6)]
    await probe.until(f"probe.cards().size() == 6 and probe.has_keys({ids[0]})")
    await probe.run(f"probe.addon._popups.close_others({[*ids[1:4], ids[5]]})")
    await probe.until("probe.cards().size() == 4 and probe.is_in_dock()")
    assert await probe.run(f"return probe.has_keys({ids[1]})")


async def test_searching_for_one_thing_after_another_piles_up_no_cards(daemon: Daemon, probe: Probe) -> None:
    for number in range(66):
        await daemon.popup(title=f"{number:02} {('rock', 'moss', 'fern')[number // 22]}")
    for looked_for in ("rock", "moss", "fern"):
        await probe.run(f"probe.find('{looked_for}')")
        await probe.until(f"probe.seen_cards().size() == 20 and '{looked_for}' in probe.seen_cards()[0]")
    assert await probe.run("return probe.cards().size()") == 40
    await probe.run("probe.find('')")
    seen = await probe.run("return probe.seen_cards()")
    assert seen == sorted(seen)


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
    await daemon.outcome(await daemon.command("texture.options", paths=[]))
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
    await daemon.outcome(await daemon.command("texture.options", paths=[]))
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
    await probe.until("probe.cards()[0]._for_all.visible")
    await probe.run("probe.cards()[0]._for_all.grab_focus()")
    await escape(probe, display)


async def test_escape_takes_the_keys_from_the_search(daemon: Daemon, probe: Probe, display: str) -> None:
    for _ in range(6):
        await daemon.popup()
    await probe.until("dock._find.visible")
    await probe.run("dock._find.grab_focus()")
    await escape(probe, display)


async def test_what_is_soon_gone_waits_behind_no_others_and_no_search(daemon: Daemon, probe: Probe) -> None:
    for number in range(21):
        await daemon.popup(title=f"rock {number}")
    await probe.until("probe.cards().size() == 20")
    await daemon.popup(title="Undo?", present="toast", expires_ms=60_000)
    await probe.until("'Undo?' in probe.seen_cards()")
    await probe.run("probe.find('moss')")
    await daemon.popup(title="Again?", present="toast", expires_ms=60_000)
    await probe.until("probe.seen_cards() == ['Undo?', 'Again?']")
    await probe.run("probe.addon._popups.close_all()")
    await probe.until("dock._find.text == '' and not dock._find.visible")


async def test_a_popup_about_a_thousand_files_does_not_hold_up_the_editor(
    daemon: Daemon, probe: Probe
) -> None:
    body = "\n".join(f"**{number}.png**: `res://textures/{number}.png`" for number in range(1000))
    await daemon.popup(body=body[:MAX_BODY])
    async with asyncio.timeout(HELD_UP_S):
        await probe.until("probe.cards().size() == 1")
        # It has its height, and scrolls.
        await probe.until("probe.cards()[0]._body.focus_mode == 2")


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
    await daemon.outcome(await daemon.command("texture.options", paths=[]))
    assert [answer["id"] for answer in answers(daemon, *popups)] == [popups[1]["id"]]


async def test_a_popup_needs_no_more_width_than_a_narrow_dock_has(daemon: Daemon, probe: Probe) -> None:
    long = "A_very_long_label_without_a_space_" * 6
    fields = [{"name": type_, "type": type_, "label": long} for type_ in ("bool", "int", "float", "text")]
    choice = {"name": "choice", "type": "choice", "label": long, "options": [long]}
    actions = [{"id": str(number), "label": long} for number in range(3)]
    await daemon.popup(title=long, body=long, fields=[*fields, choice], actions=actions)
    await probe.until("probe.cards().size() == 1")
    assert await probe.run("return dock._cards.get_combined_minimum_size().x") <= 200
    assert await probe.run("return probe.cut_off()") == []
    assert await probe.run("return probe.tooltips(probe.cards()[0]._buttons)") == [long] * 3


@pytest.mark.parametrize("type_", ["int", "text", "choice"])
async def test_fields_and_buttons_can_be_told_from_the_ground_that_they_lie_on(
    daemon: Daemon, probe: Probe, type_: str
) -> None:
    await daemon.popup(fields=[{"name": "field", "type": type_, "label": "Field"}])
    await probe.until("probe.cards().size() == 1")
    assert await probe.run("return probe.lightness_on_card()") > 0.03
    await probe.run("probe.choose_theme_of_one_fill()")
    await probe.until("probe.lightness_on_card() > 0.03")


async def test_a_card_takes_the_colours_of_a_theme_that_is_chosen_while_it_is_shown(
    daemon: Daemon, probe: Probe
) -> None:
    await daemon.popup(fields=[{"name": "field", "type": "text", "label": "Field"}])
    await probe.until("probe.cards().size() == 1")
    before = await probe.run("return probe.grounds()")
    await probe.run("probe.choose_theme('Light')")
    await probe.until(f"probe.are_others({before})")
    await probe.run("probe.choose_theme('Default')")
    await probe.until(f"probe.grounds() == {json.dumps(before)}")


async def test_buttons_are_as_wide_as_their_labels_are_in_a_theme_that_is_chosen_while_they_are_shown(
    daemon: Daemon, probe: Probe
) -> None:
    await daemon.popup()
    await probe.until("probe.cards().size() == 1 and probe.width_of_button() > 0")
    before = await probe.run("return probe.width_of_button()")
    await probe.run("probe.choose_theme_of_large_buttons()")
    await probe.until(f"probe.width_of_button() > {before}")
    await probe.run("dock.theme = null")
    await probe.until(f"probe.width_of_button() == {before}")


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


async def test_an_answer_says_what_becomes_of_it(daemon: Daemon, probe: Probe) -> None:
    popup = await daemon.popup()
    await probe.until("probe.cards().size() == 1")
    await probe.run("probe.addon._popups.slow_s = 0.1\nprobe.cards()[0]._armed_at = 0")
    await probe.run("probe.cards()[0]._choose('answered', 'apply')")
    # Nothing is left to press.
    assert await probe.run(f"return probe.has_close({popup['id']})") is False
    await probe.until("probe.note() == probe.word('slow')")
    await daemon.stop()
    await probe.until("probe.note() == probe.word('kept')")
    # It is sent again, and has time again.
    await probe.run("probe.addon._popups.slow_s = 10.0")
    await daemon.start()
    await probe.until("probe.note() == probe.word('sending')")


async def test_the_panel_keeps_still_while_the_addon_looks_for_a_daemon_that_is_gone(
    daemon: Daemon, probe: Probe
) -> None:
    await probe.run("probe.record_statuses()")
    await daemon.stop()
    await probe.until("probe.statuses.size() >= 4")
    assert await probe.run("return probe.word('connecting') in probe.statuses") is False
    await daemon.start()
    await daemon.hear_idle()


async def test_the_panel_keeps_still_while_a_try_to_connect_again_takes_long(
    daemon: Daemon, probe: Probe
) -> None:
    await daemon.stop()
    async with silence(daemon) as tried:
        await tried.wait()
        # Longer than the panel waits with the first try.
        await asyncio.sleep(1.5)
        assert await probe.run("return dock._status.text == probe.word('connecting')") is False
    await daemon.start()
    await daemon.hear_idle()


async def test_a_daemon_that_stands_still_is_noticed(daemon: Daemon, probe: Probe) -> None:
    if not await probe.run("return probe.has_heartbeat()"):
        pytest.skip("Godot can't ask for a sign of life before 4.5")
    daemon.heartbeat_s = 0.5
    await daemon.stop()
    await daemon.start()
    await daemon.hear("identify")
    await daemon.hear_idle()
    # Nothing of the daemon runs meanwhile.
    time.sleep(2)
    assert "resume" in await daemon.hear("identify")
    daemon.heartbeat_s = 20.0
    await daemon.stop()
    await daemon.start()
    await daemon.hear_idle()


async def test_a_screen_reader_has_a_name_for_what_can_be_reached(daemon: Daemon, probe: Probe) -> None:
    if not await probe.run("return 'accessibility_name' in dock"):
        pytest.skip("Godot tells screen readers nothing before 4.5")
    fields = [{"name": type_, "type": type_, "label": type_} for type_ in ("bool", "int", "choice", "text")]
    await daemon.popup(fields=fields)
    await probe.until("probe.cards().size() == 1")
    assert await probe.run("return probe.nameless()") == []
    assert "rock.png" in await probe.run("return probe.cards()[0]._default.accessibility_description")


@asynccontextmanager
async def silence(daemon: Daemon) -> AsyncIterator[asyncio.Event]:
    """Takes connections in place of `daemon`, which is stopped, silently; the first sets the event."""
    tried = asyncio.Event()

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tried.set()
        taken.append(writer)

    taken: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        daemon.publish(server.sockets[0].getsockname()[1])
        try:
            yield tried
        finally:
            for writer in taken:
                writer.close()


async def test_an_answer_for_all_of_a_kind_is_given_to_all_where_the_addon_is_switched_off_meanwhile(
    daemon: Daemon, probe: Probe
) -> None:
    popups = [await daemon.popup() for _ in range(30)]
    await probe.until("probe.cards().size() == 20 and probe.cards()[0]._for_all.visible")
    await probe.run(FOR_ALL_AND_OFF)
    await probe.run("probe.get_editor_interface().set_plugin_enabled('popbridge', true)")
    await until(lambda: {answer["id"] for answer in answers(daemon, *popups)} == {p["id"] for p in popups})


def answers(daemon: Daemon, *popups: dict[str, Any]) -> list[dict[str, Any]]:
    """All answers to these popups so far, in order."""
    ids = [popup["id"] for popup in popups]
    return [said for said in daemon.said if said["type"] == "answer" and said["id"] in ids]


async def pressing(key: str, display: str, outcome: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Presses until `outcome` comes: a key that arrives before the window takes keys is lost."""
    waiting = asyncio.create_task(outcome)
    while not waiting.done():
        await xdotool(display, "key", key)
        await asyncio.wait([waiting], timeout=0.5)
    return waiting.result()


async def escape(probe: Probe, display: str) -> None:
    """Presses Escape until the keys are taken from the cards: one that arrives too early is lost."""
    async with asyncio.timeout(HELD_UP_S):
        while not await probe.run("return probe.is_focused(dock)"):
            await xdotool(display, "key", "Escape")


async def xdotool(display: str, *does: str) -> None:
    run = await asyncio.create_subprocess_exec("xdotool", *does, env={**os.environ, "DISPLAY": display})
    assert await run.wait() == 0
