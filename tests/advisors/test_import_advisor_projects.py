"""The import advisor and the project around a texture: its file, its other maps; and what is no project's."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.advisors.import_advisor import TextureImportAdvisor
from bridge.advisors.texts import say
from bridge.api import RequestError, SessionView
from tests.advisors import pictures
from tests.advisors.desk import WRONG, Bench, FakeEngine
from tests.messages import is_chinese


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, TextureImportAdvisor())


def normal(bench: Bench, file: str = "textures/rock_n.png", **options: Any) -> str:
    return bench.texture(file, pictures.normal_map(), **options)


class TestProjects:
    async def test_what_the_project_ignores_is_never_opened(self, bench: Bench) -> None:
        (bench.root / "popbridge.toml").write_text('[textures]\nignore = ["third_party/"]\n')
        await bench.imported(normal(bench, "third_party/rock_n.png"), normal(bench))
        assert bench.ran == ["textures/rock_n.png"]

    @pytest.mark.parametrize("file", ["./third_party/rock_n.png", "third_party//rock_n.png"])
    async def test_it_is_obeyed_however_an_editor_writes_a_files_folder(
        self, bench: Bench, file: str
    ) -> None:
        (bench.root / "popbridge.toml").write_text('[textures]\nignore = ["/third_party/"]\n')
        await bench.event(
            {"assets": [{**bench.asset(normal(bench, "third_party/rock_n.png")), "file": file}]}
        )
        assert bench.ran == []

    async def test_a_place_counts_by_what_the_engine_calls_it_too(self, bench: Bench) -> None:
        (bench.root / "popbridge.toml").write_text('[textures]\nignore = ["com.acme.rocks"]\n')
        asset = bench.asset(normal(bench, "Packages/rocks/rock_n.png"))
        await bench.event({"assets": [{**asset, "path": "Packages/com.acme.rocks/rock_n.png"}]})
        assert bench.ran == []

    async def test_the_projects_own_limit_comes_before_the_bridges(self, bench: Bench) -> None:
        (bench.root / "popbridge.toml").write_text("[textures]\nmax_size = 64\n")
        await bench.imported(normal(bench))
        assert "128×128, over the limit of 64" in bench.asking.body

    async def test_a_mistake_in_the_projects_file_is_told_once_with_its_line_and_advice_goes_on(
        self, bench: Bench
    ) -> None:
        (bench.root / "popbridge.toml").write_text("[textures\n")
        await bench.imported(normal(bench))
        await bench.imported(normal(bench, "b_n.png"))
        told = [popup for popup in bench.shown if popup.kind == "texture.project_file"]
        assert len(told) == 1 and "popbridge.toml, line 1: " in told[0].body
        assert bench.shown[-1].title == "Import settings to fix: 2 textures"

    async def test_a_chinese_editor_reads_in_chinese_what_is_wrong_with_the_projects_file(
        self, bench: Bench
    ) -> None:
        bench.view = msgspec.structs.replace(bench.view, locale="zh-CN")
        (bench.root / "popbridge.toml").write_text("[[always]]\nfolder = '..'\nadvice = ['too_large']\n")
        await bench.imported(normal(bench))
        (told,) = [popup for popup in bench.shown if popup.kind == "texture.project_file"]
        assert told.title == say("project_file", "zh-CN")
        assert str(bench.root / "popbridge.toml") in told.body and is_chinese(told.body)

    async def test_a_code_that_a_newer_popbridge_may_know_is_told_once_and_the_rest_of_the_file_holds(
        self, bench: Bench
    ) -> None:
        text = "[textures]\nmax_size = 64\n[[always]]\nfolder = '.'\nadvice = ['seams']\n"
        (bench.root / "popbridge.toml").write_text(text)
        await bench.imported(normal(bench))
        await bench.imported(normal(bench, "b_n.png"))
        (told,) = [popup for popup in bench.shown if popup.kind == "texture.passed_over"]
        assert told.title == say("passed_over", "en")
        assert "a newer PopBridge may know it" in told.body
        assert "over the limit of 64" in bench.shown[-1].body

    async def test_the_other_maps_of_a_material_are_evidence_and_other_files_arent(
        self, bench: Bench
    ) -> None:
        path = normal(bench)
        for name in ("rock_d.png", "rocket.png", "readme.txt"):
            (bench.root / "textures" / name).touch()
        await bench.imported(path)
        assert bench.asked[0]["siblings"] == ["rock_d.png"]

    async def test_what_materials_use_and_settings_say_is_evidence(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[Path] = []

        class Support:
            def uses(self, project: Path) -> dict[str, list[str]]:
                asked.append(project)
                return {"textures/rock_n.png": ["normal"]}

        monkeypatch.setattr(FakeEngine, "editor", Support())
        path = normal(bench, normal_map=True)
        await bench.imported(path)
        await bench.imported(path)
        assert [params["slots"] for params in bench.asked] == [["normal"], ["normal"]]
        assert bench.asked[0]["imported_as"] == "normal"
        assert asked == [bench.root], "materials aren't read anew for every import"

    async def test_a_plugin_that_cant_tell_what_uses_textures_costs_that_evidence_alone(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(FakeEngine, "editor", object())
        await bench.imported(normal(bench))
        assert bench.asking.title == "Import settings to fix: rock_n.png"


class TestBadInput:
    @pytest.mark.parametrize(
        "data", [{}, {"assets": None}, {"assets": "x"}, {"assets": [], "more": "yes"}, {"assets": {"a": 1}}]
    )
    async def test_an_event_of_another_shape_is_refused_with_the_fields_name(
        self, bench: Bench, data: dict[str, Any]
    ) -> None:
        with pytest.raises(RequestError, match=r"asset.imported: .*(assets|more)"):
            await bench.event(data)

    async def test_assets_of_another_shape_are_passed_over(self, bench: Bench) -> None:
        good = bench.asset(normal(bench))
        odd = [7, {}, {**good, "options": None}, {**good, "path": 3}, {**good, "type": "mesh", "path": "m"}]
        await bench.event({"assets": [*odd, good]})
        assert bench.asking.title == "Import settings to fix: rock_n.png"

    @pytest.mark.parametrize("file", ["../outside_n.png", "/etc/passwd", "gone_n.png", "", ".", "a\0b.png"])
    async def test_a_file_outside_the_project_or_missing_is_never_opened(
        self, bench: Bench, file: str
    ) -> None:
        pictures.save(bench.root.parent / "outside_n.png", pictures.normal_map())
        asset = {"path": "res://x", "file": file, "type": "texture", "options": WRONG}
        await bench.event({"assets": [asset]})
        assert (bench.ran, bench.shown) == ([], [])

    async def test_a_file_that_isnt_named_from_the_root_is_never_opened(self, bench: Bench) -> None:
        normal(bench)
        for file in (str(bench.root / "textures/rock_n.png"), "textures/../textures/rock_n.png"):
            asset = {"path": "res://x", "file": file, "type": "texture", "options": WRONG}
            await bench.event({"assets": [asset]})
        assert (bench.ran, bench.shown) == ([], [])

    async def test_a_broken_image_doesnt_stop_the_others(self, bench: Bench) -> None:
        good, broken = normal(bench), normal(bench, "broken_n.png")
        (bench.root / "broken_n.png").write_bytes(b"\x89PNG\r\n\x1a\nshort")
        await bench.imported(broken, good)
        assert bench.asking.title == "Import settings to fix: rock_n.png"

    async def test_options_that_the_adapter_cannot_read_cost_their_file_alone(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        good, odd = normal(bench), normal(bench, "odd_n.png")
        bench.options[odd] = {}
        with caplog.at_level(logging.ERROR):
            await bench.imported(odd, good)
        assert bench.asking.title == "Import settings to fix: rock_n.png"
        assert "odd_n.png" in caplog.text

    async def test_a_session_without_a_project_on_this_machine_gets_no_advice(self, bench: Bench) -> None:
        path = normal(bench)
        bench.view = SessionView("s2", "p", "P", None, bench.view.adapter, bench.view.version, "en")
        await bench.imported(path)
        assert bench.ran == []
