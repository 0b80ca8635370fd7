"""Which imports are reported, and when, with the fake editor in this process."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unreal.conftest import HERE, PLUGIN

OWN = ("unreal", "fake_unreal", "popbridge_protocol", "popbridge_unreal")


class Daemon:
    """What a session reports to; it may be away."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.is_there = True

    def report(self, name: str, data: dict[str, Any]) -> bool:
        assert name == "asset.imported"
        if self.is_there:
            self.frames.append(data)
        return self.is_there


class Uploads:
    """Takes pixels; tells of their end when a test says so."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self.pending: list[Any] = []

    def upload(self, content: bytes, done: Any) -> None:
        self.contents.append(content)
        self.pending.append(done)

    def finish(self, digest: str) -> None:
        done, self.pending = self.pending, []
        for each in done:
            each(digest)


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """The fake editor with the plugin's imports, and textures in it."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.syspath_prepend(str(HERE))
    import fake_unreal  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "unreal", fake_unreal)
    from popbridge_unreal.imports import FRAME, Imports  # type: ignore[import-not-found]
    from popbridge_unreal.state_file import StateFile  # type: ignore[import-not-found]

    root = tmp_path.as_posix()
    state, daemon = StateFile(f"{root}/Saved/session.json"), Daemon()
    blobs = Uploads()
    imports = Imports(daemon, state, root, blobs)
    imports.connect()

    def add(name: str, file: str = "art.png") -> Any:
        (tmp_path / "art.png").touch()
        texture = fake_unreal.Texture2D(f"/Game/{name}.{name}", f"{root}/{file}" if file else "")
        fake_unreal.objects[texture.path] = texture
        fake_unreal.subsystem.on_asset_post_import.broadcast(None, texture)
        return texture

    def tick(count: int = 1, is_open: bool = True) -> None:
        for _ in range(count):
            imports.tick(time.monotonic() + 1.0, is_open)

    yield SimpleNamespace(
        unreal=fake_unreal, add=add, tick=tick, daemon=daemon, imports=imports, state=state, frame=FRAME,
        blobs=blobs,
    )  # fmt: skip
    imports.disconnect()
    for name in [each for each in sys.modules if each.partition(".")[0] in OWN]:
        del sys.modules[name]


def reported(editor: SimpleNamespace) -> list[str]:
    return [asset["path"] for frame in editor.daemon.frames for asset in frame["assets"]]


def test_a_texture_is_reported_as_the_editors_own_check_leaves_it(editor: SimpleNamespace) -> None:
    texture = editor.add("T_Rock_N")
    editor.tick(4)
    assert editor.daemon.frames == []
    texture.properties["compression_settings"] = editor.unreal.TextureCompressionSettings.TC_NORMALMAP
    editor.tick(2)
    (frame,) = editor.daemon.frames
    (asset,) = frame["assets"]
    assert asset["path"] == "/Game/T_Rock_N.T_Rock_N" and asset["file"] == "art.png"
    assert asset["options"]["compression_settings"] == "TC_NORMALMAP"


def test_an_import_of_many_is_one_batch_in_frames(editor: SimpleNamespace) -> None:
    for number in range(editor.frame + 1):
        editor.add(f"T_{number}")
    editor.tick(6)
    assert [(frame["batch"], frame["more"], len(frame["assets"])) for frame in editor.daemon.frames] == [
        (1, True, editor.frame), (1, False, 1),
    ]  # fmt: skip


def test_a_texture_that_is_imported_twice_is_reported_once(editor: SimpleNamespace) -> None:
    texture = editor.add("T_Rock")
    editor.unreal.subsystem.on_asset_reimport.broadcast(texture)
    editor.tick(6)
    assert reported(editor) == ["/Game/T_Rock.T_Rock"]


@pytest.mark.parametrize("file", ["", "../outside.png", "gone.png"])
def test_a_texture_without_a_file_of_the_project_comes_with_its_pixels(
    editor: SimpleNamespace, file: str, tmp_path: Path
) -> None:
    texture = editor.add("T_Rock", file)
    texture.pixels = str(tmp_path / "art.png")
    (tmp_path / "art.png").write_bytes(b"pixels")
    editor.tick(10)
    assert reported(editor) == [] and editor.blobs.contents == [b"pixels"]
    editor.blobs.finish("ab" * 32)
    editor.tick(1)
    ((asset,),) = [frame["assets"] for frame in editor.daemon.frames]
    assert asset["blob"] == "ab" * 32 and "file" not in asset


@pytest.mark.parametrize("digest", [None, ""], ids=["no exporter", "failed upload"])
def test_a_texture_whose_pixels_cant_be_sent_isnt_reported(
    editor: SimpleNamespace, tmp_path: Path, digest: str | None
) -> None:
    texture = editor.add("T_Rock", "")
    if digest is not None:
        texture.pixels = str(tmp_path / "art.png")
    editor.add("T_Moss")
    editor.tick(8)
    editor.blobs.finish(digest or "")
    editor.tick(8)
    assert reported(editor) == ["/Game/T_Moss.T_Moss"]


def test_exporting_many_textures_can_be_cancelled(editor: SimpleNamespace, tmp_path: Path) -> None:
    for number in range(6):
        editor.add(f"T_{number}", "").pixels = str(tmp_path / "art.png")
    editor.unreal.ScopedSlowTask.cancel_at = 2
    try:
        editor.tick(10)
    finally:
        editor.unreal.ScopedSlowTask.cancel_at = None
    assert len(editor.blobs.contents) == 2


@pytest.mark.parametrize("version", ["4.27.2", "5.0.3", "5.6.1"])
def test_a_folder_is_checked_with_everything_below_it(
    editor: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    from popbridge_unreal import menu  # type: ignore[import-not-found]

    monkeypatch.setattr(editor.unreal, "version", version)
    editor.imports.disconnect()
    for name in ("Textures/T_Rock", "Textures/Deep/T_Moss", "Other/T_Sky"):
        editor.add(name)
    mesh = editor.unreal.StaticMesh()
    mesh.path = "/Game/Textures/Mesh.Mesh"
    editor.unreal.objects[mesh.path] = mesh
    editor.imports.check(menu.textures_in(menu.selected_folders()))
    editor.tick(1)
    assert reported(editor) == ["/Game/Textures/Deep/T_Moss.Textures/Deep/T_Moss",
                                "/Game/Textures/T_Rock.Textures/T_Rock"]  # fmt: skip


def test_materials_tell_what_a_texture_is_for(editor: SimpleNamespace) -> None:
    editor.add("T_Rock")
    path = "/Game/T_Rock.T_Rock"
    for each in (
        editor.unreal.Material("/Game/M_Rock.M_Rock", {"Detail Normal": path, "Base Color": "/Game/T_X.T_X"}),
        editor.unreal.MaterialInstanceConstant("/Game/MI_Rock.MI_Rock", {"Tex2": path, "ORM": path}),
    ):
        editor.unreal.objects[each.path] = each
    editor.tick(6)
    ((asset,),) = [frame["assets"] for frame in editor.daemon.frames]
    assert asset["used_as"] == [
        {"slot": "Detail Normal", "basis": "name", "kind": "normal"},
        {"slot": "ORM", "basis": "name", "kind": "packed"},
        {"slot": "Tex2", "basis": "name"},
    ]


def test_imports_wait_for_the_daemon(editor: SimpleNamespace) -> None:
    editor.add("T_Rock")
    editor.tick(6, is_open=False)
    editor.daemon.is_there = False
    editor.tick(6)
    assert reported(editor) == []
    editor.daemon.is_there = True
    editor.tick(6)
    assert reported(editor) == ["/Game/T_Rock.T_Rock"]


def test_another_run_of_the_daemon_gets_the_last_minute_again(editor: SimpleNamespace) -> None:
    editor.imports.opened("one")
    editor.add("T_Rock")
    editor.tick(6)
    editor.imports.opened("one")
    editor.tick(6)
    assert len(reported(editor)) == 1
    editor.imports.opened("two")
    editor.tick(6)
    assert len(reported(editor)) == 2


def test_a_large_import_takes_many_ticks(editor: SimpleNamespace) -> None:
    for number in range(50):
        editor.add(f"T_{number}")
    editor.tick(4)
    for _ in range(3):
        # No time is left in these ticks.
        editor.imports.tick(time.monotonic() - 1.0, True)
    assert editor.daemon.frames == []
    editor.tick()
    assert len(reported(editor)) == 50
