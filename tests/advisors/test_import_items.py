"""The popup as a list: its groups, the ticks of an answer, rules, snoozing, and the cards that follow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.advisors import import_advisor
from bridge.advisors.advice import FileAdvice
from bridge.advisors.findings import ERROR, WARNING, Finding
from bridge.advisors.import_advisor import HOUR_S, HourlyLimit, TextureImportAdvisor
from bridge.advisors.import_batch import MAX_LISTED, Advice, Ticks
from bridge.advisors.import_items import (
    MAX_RULES,
    OptionTexts,
    group_codes,
    list_items,
    offered_rules,
)
from bridge.advisors.texts import bytes_text, say
from bridge.api import Action, Event, OptionLabel, Popup, PopupItem, SessionView, TextureIntent
from bridge.core.revert import REVERTED
from bridge.project import config
from tests.advisors import pictures
from tests.advisors.desk import Bench, FakeEngine

MIB = 1 << 20
OLD_ACTIONS = [Action(id=name, label=name) for name in ("apply", "later", "always")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, TextureImportAdvisor())


def normal(bench: Bench, file: str = "textures/rock_n.png", **options: Any) -> str:
    return bench.texture(file, pictures.normal_map(), **options)


class LabelledEngine(FakeEngine):
    def option_labels(self, version: Any, locale: str) -> Any:
        name = "纹理 › 法线贴图" if locale.startswith("zh") else "Texture › Normal Map"
        return {
            "normal_map": OptionLabel(name),
            "srgb": OptionLabel("Colour Space", {True: "sRGB", False: "Linear"}),
        }


def finding(code: str, rank: int, saved: int = 0, **intent: Any) -> Finding:
    memory = {"desktop": (4 * MIB, 4 * MIB - saved)} if saved else {}
    return Finding(code, rank, "data_as_srgb", {}, TextureIntent(**intent), memory=memory)


def advice(file: str, *findings: Finding, changes: Any, joint: bool = False) -> FileAdvice:
    options = {name: value for each in changes.values() for name, value in each.items()}
    present = dict.fromkeys(options, 0)
    return FileAdvice(file, file, list(findings), options, present, "c", "s", changes=changes, joint=joint)


def listed(files: list[FileAdvice]) -> list[PopupItem]:
    session = SessionView("s", "p", "P", None, None, None, "en")
    return list_items(files, group_codes(files), OptionTexts(session), "en")


def leaves(item: PopupItem) -> list[PopupItem]:
    return [item] if not item.children else [leaf for child in item.children for leaf in leaves(child)]


def group(popup: Popup, number: int = 0) -> PopupItem:
    return popup.items[number]


class TestList:
    def test_problems_are_sorted_by_severity_and_then_by_the_memory_that_they_free(self) -> None:
        mips = finding("no_mipmaps", WARNING, -MIB, mipmaps=True)
        blocks = finding("uncompressed", WARNING, 3 * MIB, compression="block")
        srgb = finding("data_as_srgb", ERROR, color_space="linear")
        files = [
            advice("a/one.png", mips, blocks, changes={"no_mipmaps": {"m": 1}, "uncompressed": {"b": 1}}),
            advice("b/two.png", srgb, blocks, changes={"data_as_srgb": {"s": 1}, "uncompressed": {"b": 1}}),
        ]
        items = listed(files)
        assert [(item.id, item.severity, len(item.children)) for item in items] == [
            ("1", "error", 1), ("2", "warning", 2), ("3", "warning", 1),
        ]  # fmt: skip
        assert [item.value for item in items] == [
            "", say("frees", "en", size=bytes_text(6 * MIB)), say("costs", "en", size=bytes_text(MIB)),
        ]  # fmt: skip
        assert [(row.id, row.title, row.detail, row.path) for row in items[1].children] == [
            ("2.1", "one.png", "a", "a/one.png"), ("2.2", "two.png", "b", "b/two.png"),
        ]  # fmt: skip
        assert all(leaf.checked and not leaf.needs for item in items for leaf in leaves(item))

    def test_the_options_of_one_problem_are_ticked_together(self) -> None:
        one = advice(
            "a.png", finding("data_as_srgb", ERROR, kind="normal"), changes={"data_as_srgb": {"x": 1, "y": 2}}
        )
        first, second = leaves(listed([one])[0])
        assert (first.needs, second.needs) == ([second.id], [first.id])

    def test_problems_whose_options_depend_on_each_other_are_ticked_together(self) -> None:
        found = [
            finding("data_as_srgb", ERROR, kind="normal"),
            finding("uncompressed", WARNING, compression="block"),
        ]
        one = advice(
            "a.png", *found, changes={"data_as_srgb": {"x": 1}, "uncompressed": {"y": 2}}, joint=True
        )
        (first,), (second,) = (leaves(item) for item in listed([one]))
        assert (first.needs, second.needs) == ([second.id], [first.id])

    def test_what_no_setting_fixes_is_locked(self) -> None:
        (item,) = listed([advice("a.png", finding("packed_order", WARNING), changes={})])
        assert item.children[0].locked == say("locked", "en") and not item.children[0].children

    @pytest.mark.parametrize(
        ("locale", "name"), [("en", "Texture › Normal Map"), ("zh-CN", "纹理 › 法线贴图")]
    )
    async def test_changes_have_the_engines_labels_and_raw_names_where_it_has_none(
        self, bench: Bench, locale: str, name: str
    ) -> None:
        bench.view = msgspec.structs.replace(bench.view, adapter=LabelledEngine(), locale=locale)
        await bench.imported(normal(bench))
        off, on = say("off", locale), say("on", locale)
        assert [leaf.title for item in bench.asking.items for leaf in leaves(item)] == [
            say("change", locale, option=option, before=before, after=after)
            for option, before, after in (
                (name, off, on),
                ("Colour Space", "sRGB", "Linear"),
                ("mipmaps", off, on),
            )
        ]
        keys = [leaf.key for item in bench.asking.items for leaf in leaves(item)]
        assert keys == ["normal_map", "srgb", "mipmaps"]

    async def test_an_adapter_whose_labels_fail_gets_raw_names(self, bench: Bench) -> None:
        class Failing(FakeEngine):
            def option_labels(self, version: Any, locale: str) -> Any:
                return {"mipmaps": "Mipmaps"}

        bench.view = msgspec.structs.replace(bench.view, adapter=Failing())
        await bench.imported(normal(bench))
        assert "normal_map: Off → On" in [leaf.title for leaf in leaves(group(bench.asking))]

    async def test_each_texture_has_a_picture(self, bench: Bench) -> None:
        await bench.imported(*(normal(bench, f"{chr(97 + n) * 3}_n.png") for n in range(12)))
        rows = group(bench.asking).children
        assert len(rows) == 12 and all(isinstance(row.picture, str) for row in rows)

    def test_a_list_has_a_limit_and_the_others_are_asked_about_later(self) -> None:
        one = finding("data_as_srgb", ERROR, color_space="linear")
        files = [advice(f"{n}.png", one, changes={"data_as_srgb": {"s": 1}}) for n in range(MAX_LISTED + 2)]
        (item,) = listed(files)
        assert len(item.children) == MAX_LISTED
        ticks = Ticks.of(["data_as_srgb"], ["1.1.1"])
        chosen = [ticks.chosen(at, file) is not None for at, file in enumerate(files)]
        declined = [ticks.declined(at, file) is not None for at, file in enumerate(files)]
        later = [ticks.unlisted(at, file) is not None for at, file in enumerate(files)]
        assert (sum(chosen), sum(declined), sum(later)) == (1, MAX_LISTED - 1, 2)
        assert [sum(each) for each in zip(chosen, declined, later, strict=True)] == [1] * len(files)

    def test_the_rules_for_the_most_textures_are_offered(self) -> None:
        one = finding("data_as_srgb", ERROR, color_space="linear")
        folders = [f"f{n}" for n in range(MAX_RULES + 5)]
        files = [advice(f"{folder}/a.png", one, changes={"data_as_srgb": {"s": 1}}) for folder in folders]
        files.append(advice("f9/b.png", one, changes={"data_as_srgb": {"s": 1}}))
        rules = offered_rules(files)
        assert rules[0] == ("f9", "data_as_srgb") and len(rules) == MAX_RULES


class TestTicks:
    async def test_only_what_is_ticked_is_set(self, bench: Bench) -> None:
        first, second = normal(bench, "a/wall_n.png"), normal(bench, "b/floor_n.png")
        await bench.imported(first, second)
        colour, mips = bench.asking.items
        ticked = [leaf.id for leaf in [*leaves(colour.children[0]), *leaves(mips.children[1])]]
        await bench.answer("apply", checked=ticked)
        assert [bench.options[path]["normal_map"] for path in (first, second)] == [True, False]
        assert [bench.options[path]["mipmaps"] for path in (first, second)] == [False, True]
        sent = {change["path"]: change["options"] for change in bench.commands[0][1]["changes"]}
        assert sent == {first: {"normal_map": True, "srgb": False}, second: {"mipmaps": True}}

    async def test_what_was_left_unticked_isnt_asked_again_until_its_settings_change(
        self, bench: Bench
    ) -> None:
        path = normal(bench)
        await bench.imported(path)
        await bench.answer("apply", checked=[leaf.id for leaf in leaves(group(bench.asking))])
        await bench.answer(None, state="dismissed")
        await bench.imported(path)
        assert bench.popups == {}
        bench.advisor = TextureImportAdvisor()
        await bench.imported(path)
        assert bench.popups == {}, "also by the next daemon"
        bench.options[path] |= {"mipmaps": True}
        await bench.imported(path)
        bench.options[path] |= {"mipmaps": False, "srgb": True}
        await bench.imported(path)
        assert [item.title for item in bench.asking.items] != []
        assert all(leaf.title.startswith("srgb") for item in bench.asking.items for leaf in leaves(item))

    async def test_an_editor_that_shows_no_lists_fixes_all(self, bench: Bench) -> None:
        path = normal(bench)
        await bench.imported(path)
        await bench.answer("apply")
        assert {name: bench.options[path][name] for name in ("normal_map", "srgb", "mipmaps")} == {
            "normal_map": True, "srgb": False, "mipmaps": True,
        }  # fmt: skip

    async def test_a_button_counts_textures_and_is_written_with_a_count_for_the_client(
        self, bench: Bench
    ) -> None:
        await bench.imported(normal(bench, "a/wall_n.png"), normal(bench, "b/floor_n.png"))
        apply = bench.asking.actions[0]
        assert apply.label == say("apply_many", "en", count=2)
        assert apply.label_many.format(count=2) == apply.label and apply.label_one == say("apply_one", "en")


class TestOlderVersions:
    """Popups that an older daemon stored: without lists, and files without `changes`."""

    async def stored(self, bench: Bench) -> str:
        path = normal(bench, "a/wall_n.png")
        await bench.imported(path)
        ((popup, state),) = bench.popups.values()
        old = [
            msgspec.structs.replace(file, changes={}, joint=False)
            for part in msgspec.convert(state, Advice)
            for file in part
        ]
        packed = msgspec.to_builtins(Advice(packed=[msgspec.msgpack.encode(old)]), builtin_types=(bytes,))
        bench.popups = {1: (msgspec.structs.replace(popup, items=[], menu=[], actions=OLD_ACTIONS), packed)}
        return path

    @pytest.mark.parametrize("action", ["apply", "always"])
    async def test_all_is_fixed_and_all_rules_are_added(self, bench: Bench, action: str) -> None:
        path = await self.stored(bench)
        await bench.answer(action)
        assert {name: bench.options[path][name] for name in ("normal_map", "srgb", "mipmaps")} == {
            "normal_map": True, "srgb": False, "mipmaps": True,
        }  # fmt: skip
        assert sorted(bench.rule_table.get("a", [])) == (
            ["no_mipmaps", "normal_as_color"] if action == "always" else []
        )
        await bench.answer("undo")
        assert not bench.options[path]["normal_map"] and not bench.rule_table.get("a")

    async def test_what_was_left_stays_left(self, bench: Bench) -> None:
        path = await self.stored(bench)
        await bench.answer("later")
        bench.advisor = TextureImportAdvisor()
        await bench.imported(path)
        assert bench.popups == {}

    async def test_a_popup_that_is_still_open_is_known(self, bench: Bench) -> None:
        path = await self.stored(bench)
        bench.advisor = TextureImportAdvisor()
        await bench.imported(path, normal(bench, "b/floor_n.png"))
        assert len(group(bench.asking).children) == 2

    async def test_a_change_can_be_undone(self, bench: Bench) -> None:
        path = await self.stored(bench)
        await bench.answer("apply")
        ((popup, _),) = bench.popups.values()
        bench.popups = {popup.id: (popup, {"kind": "applied", "receipts": [1]})}
        await bench.answer("undo")
        assert not bench.options[path]["normal_map"]


class TestRules:
    async def test_always_offers_its_rules_and_writes_the_ticked_ones(self, bench: Bench) -> None:
        await bench.imported(normal(bench, "a/wall_n.png"), normal(bench, "b/floor_n.png"))
        choices = next(action.choices for action in bench.asking.actions if action.id == "always")
        assert len(choices) == 4 and all(choice.checked for choice in choices)
        assert all(f'advice = ["{code}"]' in choices[at].detail for at, code in ((0, "no_mipmaps"),))
        wanted = [choice.id for choice in choices if '"a"' in choice.detail]
        await bench.answer("always", choices=wanted)
        assert {folder: sorted(codes) for folder, codes in bench.rule_table.items()} == {
            "a": ["no_mipmaps", "normal_as_color"]
        }

    async def test_undo_takes_back_the_rules_that_were_added(self, bench: Bench) -> None:
        bench.rule_table["c"] = ["no_mipmaps"]
        path = normal(bench, "a/wall_n.png")
        await bench.imported(path)
        await bench.answer("always")
        assert bench.rule_table["a"] and bench.options[path]["normal_map"]
        await bench.answer("undo")
        assert not bench.rule_table["a"] and bench.rule_table["c"] == ["no_mipmaps"]
        assert not bench.options[path]["normal_map"]

    async def test_rules_alone_can_be_undone(self, bench: Bench) -> None:
        await bench.imported(normal(bench, "a/wall_n.png"))
        await bench.answer("always", checked=[])
        assert bench.commands == [] and bench.rule_table["a"]
        await bench.answer("undo")
        assert not bench.rule_table["a"]


class TestQuiet:
    async def test_snoozed_advice_is_shown_in_an_hour_with_what_came_meanwhile(self, bench: Bench) -> None:
        await bench.imported(normal(bench, "a/wall_n.png"))
        await bench.answer("snooze")
        assert bench.delays == [0, pytest.approx(HOUR_S, abs=5)]
        assert len(group(bench.asking).children) == 1
        await bench.imported(normal(bench, "b/floor_n.png"))
        assert bench.delays[2] == pytest.approx(HOUR_S, abs=5)
        assert len(group(bench.asking).children) == 2

    async def test_snoozed_advice_that_was_settled_by_hand_isnt_shown(self, bench: Bench) -> None:
        path = normal(bench)
        await bench.imported(path)
        await bench.answer("snooze")
        bench.options[path] |= {"normal_map": True, "srgb": False, "mipmaps": True}
        await bench.imported(path)
        assert bench.popups == {}

    async def test_a_project_can_be_left_alone_until_that_is_undone(self, bench: Bench) -> None:
        path = normal(bench)
        await bench.imported(path)
        asked = bench.asking
        await bench.answer("never")
        assert not config.read(bench.root).textures.ask
        assert bench.asking.kind == "texture.silenced" and bench.asking.replaces == asked.id
        await bench.imported(path, normal(bench, "b/floor_n.png"))
        assert bench.asking.kind == "texture.silenced"
        await bench.answer("undo")
        assert config.read(bench.root).textures.ask
        assert bench.asking.kind == "texture.import" and len(group(bench.asking).children) == 1

    async def test_a_file_that_cant_be_written_is_told_and_the_question_stays(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await bench.imported(normal(bench))
        (bench.root / config.NAME).write_text("not toml", encoding="utf-8")
        await bench.answer("never")
        assert {popup.kind for popup, _ in bench.popups.values()} == {
            "texture.silence_failed",
            "texture.import",
        }

    async def test_more_popups_than_the_limit_of_an_hour_are_collected(self, bench: Bench) -> None:
        bench.settings["popups.per_hour"] = 2
        for number in range(5):
            await bench.imported(normal(bench, f"{'abcde'[number] * 3}/wall_n.png"))
            if number < 2:
                await bench.answer("later")
        assert bench.delays[:2] == [0, 0]
        assert all(delay == pytest.approx(HOUR_S, abs=60) for delay in bench.delays[2:])
        assert len(group(bench.asking).children) == 3

    def test_the_limit_is_for_each_project_and_ends_with_the_hour(self) -> None:
        limit = HourlyLimit()
        assert [limit.delay("p", 2, now) for now in (0.0, 10.0, 20.0)] == [0, 0, HOUR_S - 20]
        assert limit.delay("other", 2, 20.0) == 0
        assert limit.delay("p", 2, 30.0) == HOUR_S + 10 - 30
        assert limit.delay("p", 2, 3 * HOUR_S) == 0
        assert [limit.delay("p", 0, 3 * HOUR_S) for _ in range(9)] == [0] * 9
        for number in range(import_advisor.MAX_PROJECTS + 1):
            assert limit.delay(f"p{number}", 1, 0.0) == 0


class TestFollowing:
    async def test_the_card_says_for_each_texture_what_was_observed(self, bench: Bench) -> None:
        first, second = normal(bench, "a/wall_n.png"), normal(bench, "b/floor_n.png")
        await bench.imported(first, second)
        asked = bench.asking
        bench.refused[second] = "read-only"
        await bench.answer("apply")
        card = bench.asking
        assert card.replaces == asked.id and card.title == say("applied_partly", "en", done=1, count=2)
        assert [(row.title, row.status, row.checked) for row in card.items] == [
            ("floor_n.png", "failed", False), ("wall_n.png", "done", False),
        ]  # fmt: skip
        assert card.items[0].detail.endswith(". read-only") and "normal_map: Off → On" in card.items[1].detail
        assert bench.progress == [(asked.id, 1.0, say("progress", "en", done=1, count=2))]

    async def test_a_change_that_the_editor_observed_otherwise_is_told(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = normal(bench)
        await bench.imported(path)
        answered = bench._carried_out

        def lying(args: Any) -> int:
            receipt = answered(args)
            for entry in bench.receipts[receipt]["after"]:
                entry["options"]["mipmaps"] = False
            return receipt

        monkeypatch.setattr(bench, "_carried_out", lying)
        await bench.answer("apply")
        (row,) = bench.asking.items
        assert row.status == "failed" and "mipmaps" in row.detail
        assert bench.asking.title == say("incomplete_one", "en", name="rock_n.png")
        assert bench.asking.severity == "warning" and bench.asking.actions[0].id == "undo"

    @pytest.mark.parametrize(
        ("refused", "title", "told"),
        [
            ({"mipmaps"}, "incomplete_one", {"set": {"normal_map", "srgb"}, "not_set": {"mipmaps"}}),
            ({"normal_map", "srgb", "mipmaps"}, "applied_none",
             {"not_set": {"normal_map", "srgb", "mipmaps"}}),
            (set(), "applied_one", {"": {"normal_map", "srgb", "mipmaps"}}),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("silent", [False, True])
    async def test_settings_that_the_editor_refused_are_told_apart_from_those_that_it_set(
        self,
        bench: Bench,
        monkeypatch: pytest.MonkeyPatch,
        refused: set[str],
        title: str,
        told: dict[str, set[str]],
        silent: bool,
    ) -> None:
        path = normal(bench)
        await bench.imported(path)
        answered = bench._carried_out

        def refusing(args: Any) -> int:
            receipt = answered(args)
            for state in ("before", "after"):
                (entry,) = bench.receipts[receipt][state]
                for name in refused:
                    del entry["options"][name]
            if refused and not silent:
                bench.receipts[receipt]["errors"] = [{"path": path, "message": "Locked by the pipeline."}]
            return receipt

        monkeypatch.setattr(bench, "_carried_out", refusing)
        await bench.answer("apply")
        (row,) = bench.asking.items
        assert bench.asking.title == say(title, "en", name="rock_n.png")
        assert row.status == ("failed" if refused else "done")
        assert ("Locked by the pipeline." in row.detail) == (bool(refused) and not silent)
        wanted = {"normal_map": "On", "srgb": "Off", "mipmaps": "On"}
        for key, names in told.items():
            key = "not_reported" if key == "not_set" and silent else key
            before = {
                name: "" if key else f"{'On' if wanted[name] == 'Off' else 'Off'} → " for name in wanted
            }
            options = " · ".join(f"{name}: {before[name]}{wanted[name]}" for name in wanted if name in names)
            assert (say(key, "en", options=options) if key else options) in row.detail

    async def test_what_changed_meanwhile_is_kept_and_the_reason_given(self, bench: Bench) -> None:
        first, second = normal(bench, "a/wall_n.png"), normal(bench, "b/floor_n.png")
        await bench.imported(first, second)
        (bench.root / "b/floor_n.png").unlink()
        await bench.answer("apply")
        assert [(row.title, row.status) for row in bench.asking.items] == [
            ("floor_n.png", "kept"), ("wall_n.png", "done"),
        ]  # fmt: skip

    async def test_an_undone_card_takes_the_place_of_the_applied_one(self, bench: Bench) -> None:
        await bench.imported(normal(bench))
        await bench.answer("apply")
        applied = bench.asking
        await bench.answer("undo")
        assert bench.asking.replaces == applied.id and bench.asking.kind == "texture.undone"

    async def test_a_revert_elsewhere_takes_the_offer_to_undo_away(self, bench: Bench) -> None:
        await bench.imported(normal(bench))
        await bench.answer("apply")
        applied = bench.asking
        (made,) = await bench.revert([1])
        await self.reverted(bench, 1, made)
        assert bench.asking.replaces == applied.id and [action.id for action in bench.asking.actions] == [
            "ok"
        ]
        await self.reverted(bench, 1, made)
        await self.reverted(bench, 99, made)
        assert len(bench.popups) == 1

    async def test_a_revert_of_a_part_leaves_the_offer_for_the_rest(self, bench: Bench) -> None:
        paths = [normal(bench, f"{'ab'[n // 60]}{n:03}/wall_n.png") for n in range(60)]
        await bench.imported(*paths)
        await bench.answer("apply")
        assert len(bench.receipts) == 2
        (made,) = await bench.revert([1])
        await self.reverted(bench, 1, made)
        assert [action.id for action in bench.asking.actions] == ["undo"]
        await bench.answer("undo")
        assert bench.reverted[1:] == [[2]]

    @pytest.mark.parametrize("data", [{}, {"receipt": "1", "by": 2}, {"receipt": 1}])
    async def test_an_event_of_another_shape_changes_nothing(
        self, bench: Bench, data: dict[str, Any]
    ) -> None:
        await bench.imported(normal(bench))
        await bench.answer("apply")
        await bench.advisor.on_event(bench, bench.view, Event(name=REVERTED, data=data))
        assert bench.asking.kind == "texture.applied"

    async def reverted(self, bench: Bench, receipt: int, by: int) -> None:
        event = Event(name=REVERTED, data={"receipt": receipt, "by": by})
        await bench.advisor.on_event(bench, bench.view, event)


def test_two_thousand_textures_are_listed_in_linear_time() -> None:
    def took(count: int) -> float:
        found = [
            finding("data_as_srgb", ERROR, color_space="linear"),
            finding("uncompressed", WARNING, MIB, compression="block"),
            finding("no_mipmaps", WARNING, -MIB, mipmaps=True),
        ]
        changes = {"data_as_srgb": {"s": 1}, "uncompressed": {"b": 1}, "no_mipmaps": {"m": 1}}
        files = [advice(f"folder{n % 40}/{n}.png", *found, changes=changes) for n in range(count)]
        begin = time.process_time()
        items = listed(files)
        took = time.process_time() - begin
        assert sum(len(leaves(item)) for item in items) == 3 * count
        return took

    took(100)
    few, many = min(took(250) for _ in range(3)), min(took(2000) for _ in range(3))
    assert many < 8 * few * 3, "eight times the textures"
