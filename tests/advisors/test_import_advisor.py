"""The import advisor from an import to a changed setting and back; only the bridge around it is played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.advisors.import_advisor import TextureImportAdvisor
from bridge.advisors.texts import say
from bridge.api import Popup, RequestError
from bridge.core import errors
from tests.advisors import pictures
from tests.advisors.desk import WRONG, Bench
from tests.messages import in_chinese


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, TextureImportAdvisor())


def normal(bench: Bench, file: str = "textures/rock_n.png", **options: Any) -> str:
    return bench.texture(file, pictures.normal_map(), **options)


def body_of(popup: Popup) -> list[str]:
    return popup.body.splitlines()


class TestAsking:
    async def test_the_popup_gives_the_evidence_a_picture_and_what_apply_would_set(
        self, bench: Bench
    ) -> None:
        await bench.imported(normal(bench, mipmaps=True))
        popup = bench.asking
        assert popup.title == "Import settings to fix: rock_n.png"
        assert body_of(popup) == [
            "`textures/rock_n.png` · normal map, 99% (`_n`)",
            "• Imported as colour, but looks like a normal map: 100% unit vectors, mean RGB 0.50 0.50 0.95. "
            "Vectors are distorted; lighting is wrong.",
            "Fix sets `normal_map` false → true, `srgb` true → false",
        ]
        assert popup.severity == "warning"
        assert popup.present == "dock"
        assert isinstance(popup.image, str) and len(popup.image) == 64
        assert [(action.id, action.default) for action in popup.actions] == [
            ("apply", True), ("later", False), ("always", False),
        ]  # fmt: skip

    async def test_a_chinese_editor_is_asked_in_chinese(self, bench: Bench) -> None:
        bench.view = msgspec.structs.replace(bench.view, locale="zh_CN")
        await bench.imported(normal(bench))
        assert bench.asking.title == say("title_one", "zh_CN", name="rock_n.png")
        assert bench.asking.actions[0].label == say("apply", "zh_CN")

    async def test_nothing_is_shown_where_the_settings_are_right(self, bench: Bench) -> None:
        right = normal(bench, normal_map=True, srgb=False, mipmaps=True)
        await bench.imported(right, bench.texture("photo.png", pictures.noise(3)))
        assert bench.shown == []

    async def test_the_files_of_one_import_share_a_popup_with_the_worst_first(self, bench: Bench) -> None:
        settled = {"normal_map": True, "srgb": False}
        await bench.imported(normal(bench, "cave/wall_n.png", **settled), more=True)
        assert bench.shown == []
        await bench.imported(normal(bench))
        assert bench.asking.title == "Import settings to fix: 2 textures"
        assert body_of(bench.asking)[0].startswith("`textures/rock_n.png`")
        assert len(bench.shown) == 1

    async def test_many_files_are_counted_and_the_first_has_its_picture(self, bench: Bench) -> None:
        settled = {"normal_map": True, "srgb": False}
        paths = [normal(bench, f"{chr(97 + n) * 3}_n.png", **settled) for n in range(18)]
        await bench.imported(*paths)
        assert bench.asking.title == "Import settings to fix: 18 textures"
        assert "… and 12 more" in body_of(bench.asking)
        assert isinstance(bench.asking.image, str)
        assert bench.asking.severity == "info"

    async def test_what_only_the_author_can_mend_has_no_apply_and_is_said_once(self, bench: Bench) -> None:
        settled = {"normal_map": True, "srgb": False, "mipmaps": True, "block": True}
        path = bench.texture("wall_n.png", pictures.normal_map(102), **settled)
        await bench.imported(path)
        assert [action.id for action in bench.asking.actions] == ["later"]
        await bench.answer("later")
        await bench.imported(path)
        assert bench.popups == {}

    async def test_what_only_the_author_can_mend_isnt_repeated_after_the_rest_was_applied(
        self, bench: Bench
    ) -> None:
        path = bench.texture("wall_n.png", pictures.normal_map(102), block=True)
        await bench.imported(path)
        assert "isn't a multiple of 4" in bench.asking.body
        await bench.imported(path)
        assert len(bench.shown) == 1
        await bench.answer("apply")
        toast = bench.asking
        await bench.answer(None, state="dismissed")
        await bench.imported(path)
        assert bench.shown[-1] is toast

    async def test_what_is_only_a_note_interrupts_nobody(self, bench: Bench) -> None:
        path = bench.texture("thing.png", pictures.opaque(pictures.noise(3)))
        await bench.imported(path)
        assert bench.shown == []

    async def test_the_maps_of_one_material_are_one_paragraph(self, bench: Bench) -> None:
        files = ("rock_normal.png", "rock_n_detail_normal.png", "rock_n.png")
        await bench.imported(
            *(normal(bench, f"cave/{file}") for file in files[::2]), normal(bench, "b_n.png")
        )
        body = bench.asking.body
        assert bench.asking.title == "Import settings to fix: 3 textures"
        assert "Material `cave/rock`: 2 textures\n`rock_n" in body
        assert body.index("Material") < body.index("`rock_normal.png`") and "`cave/rock_n.png`" not in body

    async def test_a_popup_about_one_material_alone_names_it(self, bench: Bench) -> None:
        await bench.imported(normal(bench, "rock_normal.png"), normal(bench, "rock_n.png"))
        assert bench.asking.title == "Import settings to fix: material rock, 2 textures"

    async def test_what_it_saves_is_said_in_numbers_for_each_file_and_in_all(self, bench: Bench) -> None:
        settled = {"normal_map": True, "srgb": False}
        paths = [
            bench.texture(f"{name}_n.png", pictures.normal_map(512), **settled) for name in ("wall", "floor")
        ]
        await bench.imported(*paths)
        lines = body_of(bench.asking)
        assert lines.count("GPU memory: 1.0 MiB → 1.3 MiB") == 2, "mipmaps cost what they cost"
        assert lines[-1] == "GPU memory in total: 2.0 MiB → 2.7 MiB"

    async def test_a_popup_that_nobody_could_see_is_shown_at_the_next_import(self, bench: Bench) -> None:
        path = normal(bench)
        await bench.imported(path)
        await bench.answer(None, state="undeliverable")
        await bench.imported(path)
        assert bench.asking.kind == "texture.import"

    async def test_a_file_name_cannot_pose_as_a_link(self, bench: Bench) -> None:
        await bench.imported(normal(bench, "`[free](http__evil)_n.png"))
        assert body_of(bench.asking)[0] == "`'[free](http__evil)_n.png` · normal map, 99% (`_n`)"


class TestAnswers:
    async def test_apply_changes_the_settings_and_a_toast_offers_to_undo(self, bench: Bench) -> None:
        path = normal(bench)
        await bench.imported(path)
        await bench.answer("apply")
        assert bench.options[path] == {**WRONG, "normal_map": True, "srgb": False, "mipmaps": True}
        toast = bench.asking
        assert (toast.title, toast.present, toast.expires_ms) == ("Fixed rock_n.png", "toast", 120_000)
        await bench.imported(path)
        assert bench.shown[-1] is toast, "the reimport finds nothing left to say"

    @pytest.mark.parametrize(("locale", "title"), [("en", "Undone"), ("zh-CN", "已撤销")])
    async def test_undo_puts_everything_back_says_so_and_isnt_argued_with(
        self, bench: Bench, locale: str, title: str
    ) -> None:
        bench.view = msgspec.structs.replace(bench.view, locale=locale)
        path = normal(bench)
        await bench.imported(path)
        await bench.answer("apply")
        await bench.answer("undo")
        assert bench.options[path] == WRONG
        toast = bench.asking
        assert (toast.title, toast.severity, toast.present) == (title, "info", "toast")
        assert f"`{path.rpartition('/')[2]}`" in toast.body
        await bench.imported(path)
        assert bench.shown[-1] is toast

    @pytest.mark.parametrize(
        ("locale", "title", "said"),
        [
            ("en", "Partly undone",
             "mipmaps was changed meanwhile: it is \"mine\", not true. Left unchanged."),
            ("zh-CN", "部分撤销", 'mipmaps 期间有改动：现为 "mine"，而非 true。保持不变。'),
        ],
    )  # fmt: skip
    async def test_undo_leaves_what_somebody_has_changed_since_and_names_it(
        self, bench: Bench, locale: str, title: str, said: str
    ) -> None:
        bench.view = msgspec.structs.replace(bench.view, locale=locale)
        path = normal(bench)
        await bench.imported(path)
        await bench.answer("apply")
        bench.options[path]["mipmaps"] = "mine"
        await bench.answer("undo")
        assert bench.options[path] == {**WRONG, "mipmaps": "mine"}
        assert (bench.asking.title, bench.asking.body) == (title, f"`{path}`: {said}")

    async def test_not_now_is_not_asked_again_for_the_same_file(self, bench: Bench) -> None:
        path = normal(bench)
        await bench.imported(path)
        await bench.answer("later")
        await bench.imported(path)
        assert (bench.popups, bench.commands) == ({}, [])

    async def test_not_now_is_asked_again_once_the_file_is_another(self, bench: Bench) -> None:
        await bench.imported(normal(bench))
        await bench.answer(None, state="dismissed")
        path = bench.texture("textures/rock_n.png", pictures.normal_map(64))
        await bench.imported(path)
        assert bench.asking.kind == "texture.import"

    async def test_always_applies_now_and_later_without_asking_in_that_folder_alone(
        self, bench: Bench
    ) -> None:
        await bench.imported(normal(bench))
        await bench.answer("always")
        assert set(bench.rule_table["textures"]) == {"normal_as_color", "no_mipmaps"}
        await bench.answer("ok", state="expired")
        below, beside = normal(bench, "textures/cave/wall_n.png"), normal(bench, "textures2/wall_n.png")
        await bench.imported(below, beside)
        assert bench.options[below]["normal_map"] is True
        assert bench.options[beside] == WRONG
        assert [popup.title for popup, _ in bench.popups.values()] == [
            "Import settings to fix: wall_n.png",
            "Fixed wall_n.png",
        ]

    async def test_always_tells_where_its_rule_is_kept_and_the_rule_what_it_did(self, bench: Bench) -> None:
        await bench.imported(normal(bench))
        await bench.answer("always")
        assert bench.asking.body.startswith(say("rule_kept", "en", file="popbridge.toml"))
        await bench.answer("ok", state="expired")
        await bench.imported(normal(bench, "textures/wall_n.png"))
        assert bench.asking.title == "Fixed wall_n.png"
        assert bench.asking.body.startswith(say("rule_followed", "en", file="popbridge.toml"))

    async def test_a_rule_for_the_root_isnt_one_for_the_whole_project(self, bench: Bench) -> None:
        bench.rule_table[""] = ["normal_as_color", "no_mipmaps"]
        inside, root = normal(bench), normal(bench, "rock_n.png")
        await bench.imported(inside, root)
        assert bench.options[inside] == WRONG
        assert bench.options[root]["normal_map"] is True

    async def test_a_rule_that_an_editor_doesnt_follow_isnt_repeated_for_ever(self, bench: Bench) -> None:
        path = normal(bench)
        bench.rule_table["textures"] = ["normal_as_color", "no_mipmaps"]
        bench.refused[path] = "read-only"
        await bench.imported(path)
        await bench.imported(path)
        assert len(bench.commands) == 1

    async def test_a_file_that_cannot_be_changed_is_told_with_the_editors_reason(self, bench: Bench) -> None:
        good, bad = normal(bench), normal(bench, "locked_n.png")
        bench.refused[bad] = "the file is read-only"
        await bench.imported(good, bad)
        await bench.answer("apply")
        assert bench.asking.title == say("applied_partly", "en", done=1, count=2)
        (line, *_) = bench.asking.body.splitlines()
        assert line.startswith("`res://locked_n.png`: ") and line.endswith("the file is read-only")
        assert bench.asking.severity == "warning"

    async def test_when_nothing_could_be_applied_there_is_nothing_to_undo(self, bench: Bench) -> None:
        path = normal(bench)
        bench.refused[path] = "the file is read-only"
        await bench.imported(path)
        await bench.answer("apply")
        assert (bench.asking.title, bench.asking.severity) == ("Nothing was fixed", "error")
        assert [action.id for action in bench.asking.actions] == ["ok"]

    async def test_a_chinese_editor_reads_in_chinese_what_couldnt_be_applied_or_undone(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refused(_: int) -> dict[str, Any]:
            return {"state": "failed", "before": None, "after": None, "errors": None}

        async def gone(_: Any) -> Any:
            raise RequestError("editor_gone", editor="Godot")

        bench.view = msgspec.structs.replace(bench.view, locale="zh-CN")
        await bench.imported(normal(bench))
        with monkeypatch.context() as patch:
            patch.setattr(bench, "receipt", refused)
            await bench.answer("apply")
        assert (bench.asking.title, bench.asking.body) == ("未修复任何贴图", "编辑器拒绝了该命令。")
        await bench.answer("ok")
        await bench.imported(normal(bench, "textures/wall_n.png"))
        await bench.answer("apply")
        monkeypatch.setattr(bench, "revert", gone)
        await bench.answer("undo")
        assert (bench.asking.title, bench.asking.body) == (
            "撤销失败",
            in_chinese(RequestError("editor_gone", editor="Godot")),
        )

    async def test_many_changes_go_in_portions_and_one_undo_takes_them_all_back(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bridge.advisors.import_batch.MAX_CHANGES", 4)
        settled = {"normal_map": True, "srgb": False}
        small = pictures.normal_map(72)
        paths = [bench.texture(f"{n}/rock_n.png", small, **settled) for n in range(9)]
        await bench.imported(*paths)
        await bench.answer("apply")
        assert [len(args["changes"]) for _, args in bench.commands] == [4, 4, 1]
        assert bench.asking.title == "Fixed 9 textures"
        await bench.answer("undo")
        assert bench.reverted == [[3], [2], [1]]
        assert not any(bench.options[path]["mipmaps"] for path in paths)

    async def test_one_undo_after_another_piles_up_no_popups(self, bench: Bench) -> None:
        for file in ("rock_n.png", "wall_n.png"):
            await bench.imported(normal(bench, file))
            await bench.answer("apply")
            await bench.answer("undo")
        assert bench.asking.title == "Undone"

    async def test_an_answer_is_acted_on_by_a_daemon_that_was_restarted_since(self, bench: Bench) -> None:
        path = normal(bench)
        await bench.imported(path)
        bench.advisor = TextureImportAdvisor()
        await bench.answer("apply")
        assert bench.options[path]["normal_map"] is True

    async def test_a_rule_that_cant_be_kept_is_told_and_the_changes_are_made_all_the_same(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(*_: Any) -> None:
            raise RequestError(errors.BAD_INPUT, message="popbridge.toml, line 3: invalid value.")

        path = normal(bench)
        monkeypatch.setattr(bench, "add_rule", refuse)
        await bench.imported(path)
        await bench.answer("always")
        assert bench.options[path]["normal_map"] is True
        assert "popbridge.toml" not in bench.shown[-2].body
        toast = bench.shown[-1]
        assert (toast.title, toast.body) == (
            say("rule_refused", "en"), "popbridge.toml, line 3: invalid value.",
        )  # fmt: skip

    async def test_an_undo_that_fails_says_why(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        async def gone(receipt_ids: Any) -> Any:
            raise RequestError(errors.EDITOR_GONE, editor="Godot")

        await bench.imported(normal(bench))
        await bench.answer("apply")
        monkeypatch.setattr(bench, "revert", gone)
        await bench.answer("undo")
        assert bench.asking.body == "Godot isn't connected."

    async def test_an_undo_that_the_editor_refuses_for_a_file_says_so(self, bench: Bench) -> None:
        paths = [normal(bench), normal(bench, "wall_n.png")]
        await bench.imported(*paths)
        await bench.answer("apply")
        bench.refused[paths[1]] = "the file is read-only"
        await bench.answer("undo")
        assert bench.options[paths[0]] == WRONG
        assert (bench.asking.title, bench.asking.body) == (
            "Partly undone", "`res://wall_n.png`: the file is read-only",
        )  # fmt: skip

    async def test_an_undo_that_the_editor_refuses_altogether_says_so_in_chinese(self, bench: Bench) -> None:
        bench.view = msgspec.structs.replace(bench.view, locale="zh-CN")
        path = normal(bench)
        await bench.imported(path)
        await bench.answer("apply")
        bench.refused[path] = "文件为只读"
        await bench.answer("undo")
        assert (bench.asking.title, bench.asking.severity) == ("撤销失败", "error")
        assert bench.asking.body == "`res://textures/rock_n.png`: 文件为只读"

    async def test_undoing_a_change_that_was_reverted_meanwhile_shows_why_it_cant_be_done(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refused(receipt_ids: Any) -> Any:
            raise RequestError(errors.UNSUPPORTED, name="Change 1", reason="it was reverted by change 2")

        await bench.imported(normal(bench))
        await bench.answer("apply")
        monkeypatch.setattr(bench, "revert", refused)
        await bench.answer("undo")
        assert (bench.asking.kind, bench.asking.body) == (
            "texture.undo_failed", "Change 1: it was reverted by change 2.",
        )  # fmt: skip


async def test_sessions_that_ended_dont_fill_the_memory(bench: Bench) -> None:
    path = normal(bench)
    for number in range(200):
        bench.view = msgspec.structs.replace(bench.view, id=f"s{number}")
        await bench.event({"assets": [], "more": True})
    assert len(bench.advisor._batches) <= 64
    await bench.imported(path)
    assert bench.shown
