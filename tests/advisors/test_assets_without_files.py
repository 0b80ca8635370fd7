"""Textures whose pixels, uses or settings an editor alone knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from bridge.advisors import import_advisor
from bridge.advisors.import_advisor import TextureImportAdvisor
from bridge.advisors.imported_assets import WANTED, read_asset
from bridge.api import PixelSource, RequestError, TextureUse
from bridge.host.observation import asset_name, file_of
from tests.advisors import pictures
from tests.advisors.desk import WRONG, Bench, FakeEngine

ROCK = "/Game/Textures/T_Rock_N.T_Rock_N"
NAME = "Game/Textures/T_Rock_N"
RIGHT = {"normal_map": True, "srgb": False, "mipmaps": True}


class Elsewhere(FakeEngine):
    """An engine that knows where its sources are: what `found` is."""

    found: Any = None

    @property
    def pixel_source(self) -> PixelSource | None:
        return self

    def pixels(self, project: Path, path: str, options: Mapping[str, Any]) -> Path | bytes | None:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found  # type: ignore[no-any-return]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "project").mkdir()
    return Bench(tmp_path / "project", TextureImportAdvisor())


def png(folder: Path, pixels: Any = None) -> bytes:
    return pictures.save(folder / "x.png", pictures.normal_map() if pixels is None else pixels).read_bytes()


async def report(bench: Bench, path: str = ROCK, **more: Any) -> None:
    bench.options.setdefault(path, dict(WRONG))
    asset = {"path": path, "type": "texture", "options": dict(bench.options[path]), **more}
    await bench.event({"batch": 1, "more": False, "assets": [asset]})


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("res://art/rock.png", "art/rock.png"), ("Assets/rock.png", "Assets/rock.png"), (ROCK, NAME),
        ("/Game/T_Rock.v2", "Game/T_Rock.v2"), ("/Game/Rock", "Game/Rock"),
    ],
)  # fmt: skip
def test_an_object_has_a_name_like_a_file(path: str, file: str) -> None:
    assert file_of(path) == file


@pytest.mark.parametrize(
    ("path", "file", "name"),
    [
        ("res://art/rock.png", "", "rock.png"), ("res://art/rock.png", "art/rock.png", "rock.png"),
        ("uid://b3", "art/rock.png", "rock.png"), (ROCK, "", "T_Rock_N"), (ROCK, "Source/r.png", "T_Rock_N"),
        ("/Game/T_Rock.v2", "", "T_Rock.v2"), ("art/png.png", "", "png.png"),
    ],
)  # fmt: skip
def test_people_read_an_objects_name_once(path: str, file: str, name: str) -> None:
    assert asset_name(path, file) == name


def test_uses_of_a_newer_editor_are_skipped_and_the_texture_stays() -> None:
    uses = [{"kind": "normal", "slot": "_BumpMap"}, {"kind": "hologram"}, 7, {"domain": "ui", "slot": "x"}]
    asset = read_asset({"path": ROCK, "type": "texture", "options": {}, "used_as": uses})
    assert asset.used_as == (
        TextureUse(kinds=("normal",), slot="_BumpMap"), TextureUse(slot="x", domain="ui"),
    )  # fmt: skip
    assert (asset.file, asset.has_file) == (NAME, False)


class TestUploadedPixels:
    async def test_a_texture_without_a_file_is_asked_about_fixed_and_taken_back(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        await report(bench, blob=bench.upload(png(tmp_path)))
        popup = bench.asking
        assert f"`{NAME}`" in popup.body and isinstance(popup.image, str)
        assert {item.path for group in popup.items for item in group.children} == {ROCK}
        await bench.answer("apply")
        ((name, args),) = bench.commands
        assert name == "texture.apply" and [change["path"] for change in args["changes"]] == [ROCK]
        assert args["changes"][0]["expected"]["normal_map"] is False
        assert bench.options[ROCK]["normal_map"] is True
        await bench.answer("undo")
        assert bench.options[ROCK] == WRONG

    async def test_it_isnt_asked_about_twice_and_rules_are_for_its_folder(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        blob = bench.upload(png(tmp_path))
        await report(bench, blob=blob)
        await bench.answer("later")
        await report(bench, blob=blob)
        assert not bench.popups
        bench.rule_table = {"Game/Textures": ["normal_as_color"]}
        other = ROCK.replace("Rock", "Moss")
        await report(bench, other, blob=blob)
        assert bench.options[other]["normal_map"] is True

    async def test_lost_pixels_are_wanted_once_more_then_the_user_is_told(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        lost = "0" * 64
        await report(bench, blob=lost)
        assert bench.notified == [(WANTED, {"paths": [ROCK]})] and not bench.shown
        await report(bench, blob=lost)
        assert len(bench.notified) == 1
        assert bench.asking.kind == "texture.pixels_gone" and f" /{NAME}." in bench.asking.body
        blob = bench.upload(png(tmp_path))
        await report(bench, blob=blob)
        assert bench.shown[-1].kind == "texture.import"
        # What has arrived once is asked for again when it expires.
        for count in (2, 3):
            (bench.blobs / blob).unlink()
            await report(bench, blob=blob)
            assert len(bench.notified) == count
            bench.upload(png(tmp_path))
            await report(bench, blob=blob)

    async def test_why_is_answered_for_what_was_reported(self, bench: Bench, tmp_path: Path) -> None:
        blob = bench.upload(png(tmp_path))
        await report(bench, blob=blob)
        for path in (ROCK, NAME):
            answer = await bench.advisor.on_ask(bench, bench.view, "texture.explain", {"path": path})
            assert answer.value["judged_as"] == "normal"
        (bench.blobs / blob).unlink()
        with pytest.raises(RequestError) as error:
            await bench.advisor.on_ask(bench, bench.view, "texture.explain", {"path": ROCK})
        assert error.value.code.name == "not_found"
        assert bench.notified == [(WANTED, {"paths": [ROCK]})]

    async def test_why_is_answered_by_a_daemon_that_has_seen_nothing(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        asset = {"path": ROCK, "type": "texture", "options": WRONG, "blob": bench.upload(png(tmp_path))}
        asked = {"path": ROCK, "asset": asset}
        answer = await bench.advisor.on_ask(bench, bench.view, "texture.explain", asked)
        assert answer.value["judged_as"] == "normal"
        for wrong, code in (({"path": ROCK}, "not_found"), ({"path": ROCK, "asset": {}}, "bad_params")):
            with pytest.raises(RequestError) as error:
                await bench.advisor.on_ask(bench, bench.view, "texture.explain", wrong)
            assert error.value.code.name == code
        no_pixels = {"path": ROCK, "asset": {**asset, "blob": UNSET}}
        del no_pixels["asset"]["blob"]  # type: ignore[attr-defined]
        with pytest.raises(RequestError):
            await bench.advisor.on_ask(bench, bench.view, "texture.explain", no_pixels)

    async def test_the_settings_of_a_file_that_no_other_file_has_are_those_of_the_last_report(
        self, bench: Bench
    ) -> None:
        path = bench.texture("rock_n.png", pictures.normal_map())
        await bench.imported(path)
        answer = await bench.advisor.on_ask(bench, bench.view, "texture.explain", {"path": path})
        assert any(finding["raised"] for finding in answer.value["findings"])
        elsewhere = {**bench.asset(path), "path": "res://x.png", "file": "../x.png"}
        await bench.event({"batch": 2, "more": False, "assets": [elsewhere]})
        with pytest.raises(RequestError):
            await bench.advisor.on_ask(bench, bench.view, "texture.explain", {"path": "res://x.png"})

    async def test_only_the_newest_reports_are_remembered(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(import_advisor, "MAX_REPORTED", 1)
        blob = bench.upload(png(tmp_path))
        await report(bench, blob=blob)
        await report(bench, "/Game/Other.Other", blob=blob)
        with pytest.raises(RequestError):
            await bench.advisor.on_ask(bench, bench.view, "texture.explain", {"path": ROCK})


class TestPixelsThatTheAdapterFinds:
    async def test_bytes_are_judged(self, bench: Bench, tmp_path: Path) -> None:
        engine = Elsewhere()
        engine.found = png(tmp_path)
        bench.view = replace(bench.view, adapter=engine)
        await report(bench)
        assert bench.asking.kind == "texture.import"

    async def test_a_file_outside_the_project_is_read_only_below_a_registered_folder(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        engine = Elsewhere()
        engine.found = pictures.save(tmp_path / "sources" / "rock_n.png", pictures.normal_map())
        bench.view = replace(bench.view, adapter=engine)
        await report(bench)
        assert not bench.shown and not bench.ran
        bench.roots = [tmp_path / "sources"]
        await report(bench)
        assert bench.asking.kind == "texture.import"

    async def test_a_link_in_a_registered_folder_leads_nowhere_else(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        engine = Elsewhere()
        secret = pictures.save(tmp_path / "private" / "rock_n.png", pictures.normal_map())
        (tmp_path / "sources").mkdir()
        engine.found = tmp_path / "sources" / "rock_n.png"
        try:
            engine.found.symlink_to(secret)
        except OSError:
            pytest.skip("no links here")
        bench.roots, bench.view = [tmp_path / "sources"], replace(bench.view, adapter=engine)
        await report(bench)
        assert not bench.ran

    @pytest.mark.parametrize("found", [None, ValueError("broken"), "text", Path("missing.png")])
    async def test_without_pixels_nothing_is_said(self, bench: Bench, found: Any) -> None:
        engine = Elsewhere()
        engine.found = bench.root / found if isinstance(found, Path) else found
        bench.view = replace(bench.view, adapter=engine)
        await report(bench)
        assert not bench.shown and not bench.ran


async def test_a_use_that_the_editor_knows_counts_like_one_in_the_projects_files(
    bench: Bench, tmp_path: Path
) -> None:
    blob = bench.upload(png(tmp_path, pictures.grey()))
    uses = [{"kind": "roughness", "slot": "Roughness"}, {"kind": "ao", "slot": "X_AO", "basis": "name"}]
    await report(bench, "/Game/A.A", blob=blob, used_as=uses)
    assert bench.asked[-1]["slots"] == ["roughness"] and bench.asked[-1]["named_slots"] == ["ao"]
    await report(bench, "/Game/B.B", blob=blob)
    assert bench.asked[-1]["slots"] == []
