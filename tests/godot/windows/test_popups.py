"""Popups in the real editors' windows."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.godot.daemon import Daemon
from tests.godot.editor import until
from tests.godot.probe import Probe
from tests.godot.windows.keyboard import HELD_UP_S, answers, xdotool

pytestmark = [pytest.mark.engine, pytest.mark.alone, pytest.mark.asyncio(loop_scope="module")]

MAX_BODY = 32768
FOR_ALL_AND_OFF = """\
var card = probe.cards()[0]
card._apply_to_all.set_pressed(true)
card._guarded_until = 0
card._choose('answered', 'later')
probe.get_editor_interface().set_plugin_enabled('popbridge', false)
"""


async def test_of_many_popups_some_are_shown_any_is_found_and_one_answer_is_given_to_all_of_a_kind(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    popups = [await daemon.popup(title=f"rock {number}") for number in range(25)]
    other = await daemon.popup(kind="other", body="**textures/Moss.png**")
    await probe.until("probe.cards().size() == 20")
    assert await probe.run("return dock._count.visible and dock._search.visible")
    # Else the buttons of a card that is as high as the list lie below the editor's window.
    await probe.until("probe._tabs().get_global_rect().encloses(dock._list.get_global_rect())")
    await probe.run("probe.find('moss.')")
    await probe.until(f"probe.seen_cards() == ['{other['title']}']")
    await probe.run("probe.find('')\nprobe.cards()[0].focus_default(dock)")
    await probe.until("probe.seen_cards().size() >= 20 and probe.is_focused(probe.cards()[0]._default)")
    # From the default button over "Not now" to the checkbox for all of this kind, and back.
    await xdotool(display, "key", "--delay", "100", "Tab", "Tab", "space", "shift+Tab")
    await probe.until(
        "probe.cards()[0]._apply_to_all.is_pressed() and not probe.is_guarded(probe.cards()[0])"
    )
    await xdotool(display, "key", "Return")
    await until(lambda: len(answers(daemon, *popups)) == len(popups))
    assert {answer["action"] for answer in answers(daemon, *popups)} == {"later"}
    assert {answer["id"] for answer in answers(daemon, *popups)} == {popup["id"] for popup in popups}
    assert answers(daemon, other) == []


async def test_an_answer_apply_to_all_of_a_kind_is_not_given_to_what_came_after_the_tick(
    daemon: Daemon, probe: Probe
) -> None:
    popups = [await daemon.popup() for _ in range(3)]
    await probe.until("probe.cards().size() == 3 and probe.cards()[0]._apply_to_all.visible")
    await probe.run("probe.cards()[0]._apply_to_all.set_pressed(true)")
    popups.append(await daemon.popup())
    await probe.until("probe.cards().size() == 4 and probe.cards()[3]._apply_to_all.visible")
    await probe.run("probe.cards()[0]._guarded_until = 0\nprobe.cards()[0]._choose('answered', 'later')")
    await daemon.settled()
    assert [answer["id"] for answer in answers(daemon, *popups)] == [popups[0]["id"]]


async def test_answers_that_are_given_at_once_are_written_once(daemon: Daemon, probe: Probe) -> None:
    popups = [await daemon.popup() for _ in range(3)]
    await probe.until("probe.cards().size() == 3")
    ids = [popup["id"] for popup in popups]
    assert await probe.run(f"return probe.is_written_after_answers_to({ids})") is False
    await until(lambda: len(answers(daemon, *popups)) == 3)
    # By then it is.
    assert await probe.run("return probe.is_written()")


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
    await probe.until("dock._search.text == '' and not dock._search.visible")


async def test_a_popup_about_a_thousand_files_does_not_hold_up_the_editor(
    daemon: Daemon, probe: Probe
) -> None:
    body = "\n".join(f"**{number}.png**: `res://textures/{number}.png`" for number in range(1000))
    await daemon.popup(body=body[:MAX_BODY])
    async with asyncio.timeout(HELD_UP_S):
        await probe.until("probe.cards().size() == 1")
        # It has its height, and scrolls.
        await probe.until("probe.cards()[0]._body.focus_mode == 2")


async def test_a_long_text_takes_the_height_that_the_panel_has_and_leaves_the_buttons_in_sight(
    daemon: Daemon, probe: Probe
) -> None:
    await daemon.popup(body="\n".join(f"Line {number}" for number in range(200)))
    await probe.until("probe.cards().size() == 1 and probe.fills_list(probe.cards()[0])")
    # What is shown below it, such as the tick box, takes of its room.
    await daemon.popup()
    await probe.until("probe.cards().size() == 2 and probe.cards()[0]._apply_to_all.visible")
    await probe.until("probe.fills_list(probe.cards()[0])")


async def test_a_text_that_the_panel_has_room_for_does_not_scroll(daemon: Daemon, probe: Probe) -> None:
    await probe.run("probe.make_taller(600)")
    await daemon.popup(body="\n".join(f"Line {number}" for number in range(20)))
    await probe.until("probe.cards().size() == 1 and probe.shows_all_text(probe.cards()[0])")
    await probe.run("probe.make_taller(0)")


async def test_a_popup_without_a_text_has_no_gap_in_its_place(daemon: Daemon, probe: Probe) -> None:
    await daemon.popup(body="")
    await probe.until("probe.cards().size() == 1")
    assert await probe.run("return probe.cards()[0]._body in probe.controls(dock)") is False


async def test_the_buttons_of_a_long_text_are_in_sight_in_a_low_dock(daemon: Daemon, probe: Probe) -> None:
    (picture,) = daemon.blobs
    actions = [{"id": str(number), "label": f"A wide button, number {number}"} for number in range(3)]
    await daemon.popup(title="rock " * 12, body="**grey** " * 900, image=picture, actions=actions)
    await probe.until("probe.cards().size() == 1 and probe.cards()[0]._body.focus_mode == 2")
    await probe.until("probe.is_in_view(probe.cards()[0]._buttons)")


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
    await probe.until("probe.tab_title() == 'PopBridge (1)'")
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


async def test_an_answer_says_what_becomes_of_it(daemon: Daemon, probe: Probe) -> None:
    popup = await daemon.popup()
    await probe.until("probe.cards().size() == 1")
    await probe.run("probe.addon._popups.slow_s = 0.1\nprobe.cards()[0]._guarded_until = 0")
    sent = await probe.run("probe.cards()[0]._choose('answered', 'apply')\nreturn probe.note()")
    # Nothing is left to press.
    assert await probe.run(f"return probe.has_close({popup['id']})") is False
    await probe.until(f"not probe.note() in {json.dumps([sent, ''])}")
    late = await probe.run("return probe.note()")
    await daemon.stop()
    await probe.until(f"not probe.note() in {json.dumps([sent, late, ''])}")
    # It is sent again, and has time again.
    await probe.run("probe.addon._popups.slow_s = 10.0")
    await daemon.start()
    await probe.until(f"probe.note() == {json.dumps(sent)}")


async def test_the_panel_keeps_still_while_the_addon_looks_for_a_daemon_that_is_gone(
    daemon: Daemon, probe: Probe
) -> None:
    await probe.run("probe.record_statuses()")
    await daemon.stop()
    await probe.until("probe.statuses.size() >= 4")
    assert await probe.run("return probe.say('Connecting to PopBridge…') in probe.statuses") is False
    await daemon.start()
    await daemon.settled()


async def test_the_panel_keeps_still_while_a_try_to_connect_again_takes_long(
    daemon: Daemon, probe: Probe
) -> None:
    await daemon.stop()
    async with silence(daemon) as tried:
        await tried.wait()
        # Longer than the panel waits with the first try.
        await asyncio.sleep(1.5)
        assert await probe.run("return dock._status.text == probe.say('Connecting to PopBridge…')") is False
    await daemon.start()
    await daemon.settled()


async def test_a_daemon_that_stands_still_is_noticed(daemon: Daemon, probe: Probe) -> None:
    if not await probe.run("return probe.has_heartbeat()"):
        pytest.skip("Godot can't ask for a sign of life before 4.5")
    daemon.heartbeat_s = 0.5
    await daemon.stop()
    await daemon.start()
    await daemon.hear("identify")
    await daemon.settled()
    # Nothing of the daemon runs meanwhile.
    time.sleep(2)
    assert "resume" in await daemon.hear("identify")
    daemon.heartbeat_s = 20.0
    await daemon.stop()
    await daemon.start()
    await daemon.settled()


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


async def test_an_answer_apply_to_all_of_a_kind_is_given_to_all_where_the_addon_is_switched_off_meanwhile(
    daemon: Daemon, probe: Probe
) -> None:
    popups = [await daemon.popup() for _ in range(30)]
    await probe.until("probe.cards().size() == 20 and probe.cards()[0]._apply_to_all.visible")
    await probe.run(FOR_ALL_AND_OFF)
    await probe.run("probe.get_editor_interface().set_plugin_enabled('popbridge', true)")
    await until(lambda: {answer["id"] for answer in answers(daemon, *popups)} == {p["id"] for p in popups})
