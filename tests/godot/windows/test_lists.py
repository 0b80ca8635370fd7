"""Popups with lists in the real editors' windows."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest

from tests.godot.daemon import Daemon
from tests.godot.editor import until
from tests.godot.popup_lists import COMPRESS, findings, group, popup, texture
from tests.godot.probe import Probe
from tests.godot.windows.keyboard import answers, pressing, xdotool

pytestmark = [pytest.mark.engine, pytest.mark.alone, pytest.mark.asyncio(loop_scope="module")]

FLIP = "Process › Normal Map Invert Y: Off → On"
NARROW = 240
MANY = 2000
LONGEST_FRAME_MS = 400
"""Beside four times the longest frame of an idle editor, as other tests may keep the machine busy."""


def problems() -> list[dict[str, Any]]:
    """Two groups: `1` with 3 textures and `2` with 2, one of them in both and one locked."""
    locked = texture("2.2", "textures/sky.png", [COMPRESS])
    locked["children"][0]["locked"] = "Kept by a rule"
    rocks = [texture(f"1.{n}", f"textures/rock{n}_n.png", [FLIP]) for n in (1, 2, 3)]
    return [
        group("1", "3 normal maps have an inverted green channel", "error", rocks),
        group("2", "2 textures", "note", [texture("2.1", "textures/rock1_n.png", [COMPRESS]), locked]),
    ]


async def show(daemon: Daemon, probe: Probe, items: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    shown = await daemon.popup(**popup(items, **more))
    await probe.until(f"probe.has_list({shown['id']})")
    return shown


async def test_the_button_counts_textures_and_the_answer_names_what_is_ticked(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    shown = await show(daemon, probe, problems())
    # The texture in both groups counts once.
    assert await probe.run("return probe.primary_label()") == "Fix 3 textures"
    # From the button into the list; the group opens, and its second texture is unticked.
    await probe.until("probe.cards()[0]._default.has_focus()")
    await xdotool(display, "key", "--delay", "100", "Up", "Right", "Right", "Down", "space")
    await probe.until("probe.primary_label() == 'Fix 2 textures'")
    assert await probe.run("return [probe.tick('1'), probe.tick('1.1'), probe.tick('1.2')]") == [1, 2, 0]
    await probe.run("probe.cards()[0]._default.grab_focus()\nprobe.cards()[0]._guarded_until = 0")
    answered = daemon.hear("answer", lambda answer: answer["id"] == shown["id"])
    answer = await pressing("Return", display, answered)
    assert answer["action"] == "apply"
    assert answer["checked"] == ["1.1.1", "1.3.1", "2.1.1"]
    # It comes again until it is confirmed.
    await daemon.stop()
    await daemon.start()
    assert await daemon.hear("answer", lambda again: again["id"] == shown["id"]) == answer
    await daemon.settled()


async def test_a_click_opens_and_selects_the_group_below_the_mouse(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    items = problems()
    for found in items:
        for shown in found["children"]:
            shown["picture"] = "0" * 64
    await show(daemon, probe, items)
    # Its pictures, which give way to the rows.
    x, y = await probe.run("return probe.bottom_of_row('1')")
    await xdotool(display, "mousemove", str(x), str(y), "sleep", "0.5", "click", "1")
    await probe.until("probe.list()._open.has('1') and probe.list().selected() == '1'")


async def test_without_a_tick_the_button_does_nothing(daemon: Daemon, probe: Probe) -> None:
    await show(daemon, probe, problems())
    await probe.run("probe.model().set_ticked('1', false)\nprobe.model().set_ticked('2', false)")
    assert await probe.run("return probe.cards()[0]._default.disabled")
    await probe.run("probe.model().toggle('1.2')")
    assert await probe.run("return probe.primary_label()") == "Fix 1 texture"
    assert not await probe.run("return probe.cards()[0]._default.disabled")


async def test_what_needs_another_change_is_ticked_and_unticked_with_it(daemon: Daemon, probe: Probe) -> None:
    items = [texture("1", "rock_n.png", [FLIP, COMPRESS, "Mipmaps"])]
    items[0]["children"][0]["needs"] = ["1.2"]
    await show(daemon, probe, items)
    for changed, ticks in (("1.1", [0, 0, 2]), ("1.2", [2, 2, 2]), ("1.2", [0, 0, 2])):
        await probe.run(f"probe.model().toggle('{changed}')")
        assert await probe.run("return [probe.tick('1.1'), probe.tick('1.2'), probe.tick('1.3')]") == ticks
    assert await probe.run("return probe.tick('1')") == 1


async def test_a_locked_row_has_no_box(daemon: Daemon, probe: Probe) -> None:
    await show(daemon, probe, problems())
    await probe.run("probe.model().set_ticked('2', false)\nprobe.model().set_ticked('2', true)")
    assert await probe.run("return probe.model().checked()") == ["1.1.1", "1.2.1", "1.3.1", "2.1.1"]
    assert not await probe.run("return probe.model().is_checkable('2.2')")


async def test_the_rules_are_shown_and_ticked_before_they_are_written(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    shown = await show(daemon, probe, problems())
    await probe.run("probe.cards()[0]._guarded_until = 0\nprobe.press('always')")
    await probe.until("probe.cards()[0]._choices != null and probe.cards()[0]._choices._confirm.has_focus()")
    assert answers(daemon, shown) == []
    # Back to the second of three rules, the third of which isn't ticked at first.
    await xdotool(display, "key", "--delay", "100", "shift+Tab", "shift+Tab", "space")
    await probe.until("probe.cards()[0]._choices._ids() == ['r1']")
    await probe.run("probe.cards()[0]._choices._confirm.grab_focus()")
    answer = await pressing(
        "Return", display, daemon.hear("answer", lambda answer: answer["id"] == shown["id"])
    )
    assert (answer["action"], answer["choices"]) == ("always", ["r1"])
    assert len(answer["checked"]) == 4


async def test_the_rules_take_no_more_room_than_they_need(daemon: Daemon, probe: Probe) -> None:
    await show(daemon, probe, problems())
    await probe.run("probe.make_taller(600)\nprobe.cards()[0]._guarded_until = 0\nprobe.press('always')")
    await probe.until("probe.cards()[0]._choices != null")
    await probe.until("probe.height_of(probe.cards()[0]._choices._scroll) > 0")
    await probe.until(
        "abs(probe.height_of(probe.cards()[0]._choices._scroll)"
        " - probe.height_of(probe.cards()[0]._choices._rows)) < 3"
    )
    await probe.run("probe.make_taller(0)")


async def test_the_rules_can_be_left_without_an_answer(daemon: Daemon, probe: Probe) -> None:
    shown = await show(daemon, probe, problems())
    await probe.run("probe.cards()[0]._guarded_until = 0\nprobe.press('always')")
    await probe.until("probe.cards()[0]._choices != null")
    await probe.run("probe.cards()[0]._choices._on_cancelled()")
    await probe.until("probe.cards()[0]._checklist.is_visible_in_tree()")
    await daemon.settled()
    assert answers(daemon, shown) == []


async def test_the_menu_has_further_answers(daemon: Daemon, probe: Probe) -> None:
    shown = await show(daemon, probe, problems())
    await probe.run("probe.cards()[0]._guarded_until = 0\nprobe.cards()[0]._on_menu_pressed(0)")
    answer = await daemon.hear("answer", lambda answer: answer["id"] == shown["id"])
    assert answer["action"] == "snooze"


async def test_of_27_findings_in_a_narrow_dock_each_can_be_reached_and_the_buttons_stay_in_sight(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    await probe.run(f"probe.set_dock_width({NARROW})")
    await show(daemon, probe, findings(27))
    await probe.until("probe.is_in_view(probe.cards()[0]._buttons)")
    assert await probe.run("return probe.cut_off()") == []
    await probe.run("probe.cards()[0].focus_list()")
    # A single group is open at first: Down goes from row to row.
    await probe.until("probe.list()._rows.size() == 28")
    for number in range(27):
        await xdotool(display, "key", "Down")
        await probe.until(f"probe.list().selected() == '1.{number}' and probe.is_row_in_view('1.{number}')")
    assert await probe.run("return probe.is_in_view(probe.cards()[0]._buttons)")


async def test_a_list_of_2000_textures_is_built_when_it_is_opened_and_loads_only_visible_pictures(
    daemon: Daemon, probe: Probe
) -> None:
    pictures = {f"{number:064x}": b"no picture" for number in range(MANY)}
    daemon.blobs.update(pictures)
    items = [*problems(), findings(MANY, list(pictures))[0] | {"id": "3"}]
    for number, found in enumerate(items[2]["children"]):
        found["id"] = f"3.{number}"
        found["children"][0]["id"] = f"3.{number}.1"
    blob = json.dumps(items).encode()
    sha = hashlib.sha256(blob).hexdigest()
    daemon.blobs[sha] = blob
    daemon.fetched.clear()
    await probe.run("probe.time_frames()")
    await asyncio.sleep(1)
    idle = await probe.run("return probe.longest_frame()")
    shown = await daemon.popup(**popup([], items_blob=sha))
    await probe.until(f"probe.has_list({shown['id']})")
    assert await probe.run("return probe.list()._rows.size()") == 3
    assert await probe.run("return probe.primary_label()") == f"Fix {MANY + 3} textures"
    await probe.run("probe.list()._set_open('3', true)")
    await probe.until(f"probe.list()._rows.size() == {MANY + 3}")
    await probe.run("probe.list().reveal('3.1999')")
    await probe.until("probe.is_row_in_view('3.1999')")
    await until(lambda: f"{MANY - 1:064x}" in daemon.fetched)
    assert await probe.run("return probe.longest_frame()") < LONGEST_FRAME_MS + 4 * idle
    assert len(daemon.fetched) < MANY / 10
    for name in (*pictures, sha):
        del daemon.blobs[name]


async def test_a_list_that_cannot_be_loaded_is_shown_as_text(daemon: Daemon, probe: Probe) -> None:
    await daemon.popup(**popup([], items_blob="0" * 64))
    await probe.until("probe.cards().size() == 1 and probe.cards()[0]._body.visible")


async def test_a_popup_takes_the_place_of_another_and_what_was_open_stays_open(
    daemon: Daemon, probe: Probe
) -> None:
    first = await show(daemon, probe, findings(27))
    other = await daemon.popup(title="Another")
    await probe.until(f"probe.has_card({other['id']})")
    await probe.run("probe.list().reveal('1.20')")
    await probe.until("probe.list()._scroll_bar.value > 0")
    before = await probe.run("return probe.list()._scroll_bar.value")
    await probe.run("probe.cards()[0]._guarded_until = 0\nprobe.press('apply')")
    await daemon.hear("answer", lambda answer: answer["id"] == first["id"])
    await daemon.say(type="popup_close", id=first["id"], reason="answered")
    await daemon.say(type="popup_progress", id=first["id"], fraction=0.5, text="13 of 27")
    await probe.until("probe.cards()[0]._bar.visible and probe.note() == '13 of 27'")
    done = findings(27)
    for found in done[0]["children"]:
        found["children"][0]["status"] = "done"
    last = await show(daemon, probe, done, title="Fixed", replaces=first["id"])
    await probe.until("probe.seen_cards() == ['Fixed', 'Another']")
    await probe.until(
        f"probe.list()._rows.size() == 28 and abs(probe.list()._scroll_bar.value - {before}) < 2"
    )
    assert await probe.run("return probe.list().selected()") == "1.20"
    assert await probe.run(f"return probe.addon._popups._open.has({first['id']})") is False
    assert await probe.run(f"return probe.addon._popups._open[{last['id']}].card._mark.visible")


async def test_only_groups_are_open_in_the_place_of_another_list(daemon: Daemon, probe: Probe) -> None:
    first = await show(daemon, probe, problems())
    await probe.run("probe.list()._set_open('2', true)")
    done = {"path": "textures/rock1_n.png", "status": "done", "detail": FLIP}
    items = [{"id": id_, "title": "rock.png", **done} for id_ in ("1", "2")]
    last = await show(daemon, probe, items, replaces=first["id"])
    await probe.until(f"probe.cards()[0].popup.id == {last['id']}")
    assert await probe.run("return probe.list()._open.keys()") == []


async def test_a_texture_opens_to_its_changes_and_what_the_daemon_explains(
    daemon: Daemon, probe: Probe, display: str
) -> None:
    (picture,) = daemon.blobs
    outputs = [
        {"name": name, "media_type": "image/png", "size": 1, "blob": picture} for name in ("before", "after")
    ]
    daemon.explanations["textures/rock2_n.png"] = {"value": {"lines": ["Looks like it."]}, "outputs": outputs}
    await show(daemon, probe, problems())
    await probe.run("probe.list().reveal('1.1')\nprobe.cards()[0].focus_list()")
    await xdotool(display, "key", "--delay", "200", "Right")
    await probe.until("probe.pane().visible and probe.pane().shown == '1.1'")
    # The daemon doesn't know it: only the change is shown.
    assert await probe.run("return probe.pane()._explanation.get_child_count()") == 0
    await xdotool(display, "key", "space")
    await probe.until("probe.tick('1.1.1') == 0")
    await xdotool(display, "key", "Escape")
    await probe.until("not probe.pane().visible and probe.list().has_focus()")
    await xdotool(display, "key", "--delay", "200", "Down", "Right")
    await probe.until("probe.pane().shown == '1.2' and probe.pane()._explanation.get_child_count() == 1")
    daemon.explanations.clear()


async def test_a_texture_is_beside_the_list_where_there_is_room_and_in_its_place_otherwise(
    daemon: Daemon, probe: Probe
) -> None:
    await show(daemon, probe, problems())
    await probe.run("probe.cards()[0]._checklist._open('1.1')")
    for width, is_beside in ((NARROW, False), (700, True)):
        await probe.run(f"probe.set_dock_width({width})")
        await probe.until(f"probe.list().visible == {str(is_beside).lower()} and probe.pane().visible")
    await probe.run("probe.set_dock_width(0)")
