"""Whoever changes files of an installed addon, such as a project that somebody downloads, is noticed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge import cli
from bridge.host import host
from bridge.paths import Paths, quoted
from bridge.server import addon_check
from bridge.store.addon_manifests import Manifest, Manifests, compare, difference, digest
from bridge.store.audit_log import AuditLog
from tests.server import daemons
from tests.server.daemons import ThreadDaemon
from tests.server.wire import session

ADDON = Path("addons/popbridge")
PROJECT = 'config_version=5\n\n[application]\n\nconfig/name="P"\nconfig/features=PackedStringArray("4.3")\n'
links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")


@pytest.fixture(autouse=True)
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    return Paths.find()


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A project with the addon."""
    project = tmp_path / "game"
    project.mkdir()
    (project / "project.godot").write_text(PROJECT)
    assert cli.main(["install", "godot", str(project)]) == 0
    capsys.readouterr()
    return project


@pytest.fixture
def own() -> Manifest:
    adapter = next(each for each in host.load().adapters if each.name == "godot4")
    assert adapter.addon is not None
    return Manifest(adapter.name, adapter.addon.version, dict(adapter.addon.files), adapter.addon.sidecars)


def edit(project: Path) -> None:
    with (project / ADDON / "plugin.gd").open("a") as file:
        file.write("\n# OS.execute(...)\n")


def remove(project: Path) -> None:
    (project / ADDON / "plugin.gd").unlink()


def add(project: Path) -> None:
    (project / ADDON / "more").mkdir()
    (project / ADDON / "more" / "payload.gd").write_text("extends Node\n")


def link(project: Path) -> None:
    """The same content, which can change at any time."""
    content = (project / ADDON / "plugin.gd").read_bytes()
    (project / ADDON / "plugin.gd").unlink()
    (project / "elsewhere.gd").write_bytes(content)
    (project / ADDON / "plugin.gd").symlink_to(project / "elsewhere.gd")


def link_folder(project: Path) -> None:
    (project / ADDON).rename(project / "elsewhere")
    (project / ADDON).symlink_to(project / "elsewhere", target_is_directory=True)


def enlarge(project: Path) -> None:
    """Reading it as a whole would take the memory."""
    with (project / ADDON / "plugin.gd").open("r+b") as file:
        file.truncate(1 << 40)


def pipe(project: Path) -> None:
    """Opening it would wait for ever."""
    (project / ADDON / "plugin.gd").unlink()
    os.mkfifo(project / ADDON / "plugin.gd")


ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "edited": (edit, "changed"),
    "removed": (remove, "missing"),
    "added": (add, "added"),
}
POSIX: dict[str, tuple[Callable[[Path], None], str]] = {
    "link": (link, "changed"),
    "folder_link": (link_folder, "changed"),
    "large": (enlarge, "changed"),
    "pipe": (pipe, "changed"),
}
if sys.platform != "win32":
    ATTACKS |= POSIX


@pytest.mark.parametrize("name", ATTACKS)
def test_a_changed_addon_is_found(project: Path, own: Manifest, name: str) -> None:
    assert not compare(project, own)
    attack, kind = ATTACKS[name]
    attack(project)
    found = difference(project, own.version, [own])
    assert [each for each in ("changed", "missing", "added") if getattr(found, each)] == [kind]
    assert found.text


def test_what_git_and_the_engine_do_isnt_a_change(project: Path, own: Manifest) -> None:
    for file in [*(project / ADDON).rglob("*")]:
        if file.suffix == ".gd":
            file.with_name(f"{file.name}.uid").write_text("uid://x\n")
            file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert not compare(project, own)


def test_an_addon_of_an_earlier_version_is_known_by_its_manifest(
    project: Path, own: Manifest, paths: Paths
) -> None:
    content = b"extends Node # of an earlier version\n"
    path = f"{ADDON.as_posix()}/plugin.gd"
    earlier = Manifest(own.adapter, "0.1+old", {**own.files, path: digest(content)}, own.sidecars)
    (project / path).write_bytes(content)
    manifests = Manifests(paths)
    assert not difference(project, "0.1+old", [own, *manifests.all("godot4")])
    manifests.add(earlier)
    assert manifests.find("godot4", "0.1+old") == earlier
    both = [own, *(each for each in manifests.all("godot4") if each != own)]
    assert not difference(project, "0.1+old", both)
    edit(project)
    assert difference(project, "0.1+old", both).changed == [path]
    # The editor still runs the earlier one, and the present one is installed.
    assert cli.main(["install", "godot", str(project)]) == 0
    assert not difference(project, "0.1+old", both)


def test_a_forged_manifest_is_not_used(project: Path, own: Manifest, paths: Paths, tmp_path: Path) -> None:
    """One that a project brings along, or that somebody without the key has written."""
    edit(project)
    path = f"{ADDON.as_posix()}/plugin.gd"
    lie = Manifest(
        own.adapter, own.version, {**own.files, path: digest((project / path).read_bytes())}, own.sidecars
    )
    other = Manifests(Paths.find({"POPBRIDGE_HOME": str(tmp_path / "other")}))
    other.add(lie)
    (forged,) = (tmp_path / "other" / "addons").glob("*.json")
    manifests = Manifests(paths)
    for place in (project / ADDON, project, paths.data / "addons"):
        (place / forged.name).write_bytes(forged.read_bytes())
    assert manifests.find(own.adapter, own.version) is None
    # Nor one for another version, renamed.
    manifests.add(own)
    good = (paths.data / "addons" / forged.name).read_bytes()
    manifests.add(Manifest(own.adapter, "9", own.files, own.sidecars))
    names = {file.name for file in (paths.data / "addons").glob("*.json")}
    for name in names - {forged.name}:
        (paths.data / "addons" / name).write_bytes(good)
    assert manifests.find(own.adapter, "9") is None
    assert difference(project, own.version, [own, *manifests.all(own.adapter)]).changed == [path]


def test_a_damaged_manifest_is_not_used(own: Manifest, paths: Paths) -> None:
    manifests = Manifests(paths)
    manifests.add(own)
    (file,) = (paths.data / "addons").glob("*.json")
    for content in (b"", b"{}", b"\xff", b'{"manifest":{},"mac":"x"}', file.read_bytes()[:-30]):
        file.write_bytes(content)
        assert manifests.all(own.adapter) == []
    manifests.add(own)
    assert manifests.all(own.adapter) == [own]


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_workers: None) -> Iterator[ThreadDaemon]:
    monkeypatch.setattr(daemons, "registry", host.load)
    running = ThreadDaemon(tmp_path / "home").start()
    yield running
    running.stop()


async def notice(daemon: ThreadDaemon, project: Path, version: str) -> str:
    async with session(
        daemon.file,
        client={"kind": "editor", "name": "popbridge-godot", "version": version},
        engine={"name": "godot", "version": "4.6.3.stable"},
        project={"id": "p", "name": "P", "root": str(project)},
    ) as wire:
        return str(wire.ready.get("notice", ""))


async def test_the_editor_is_told_which_files_and_what_to_do(
    daemon: ThreadDaemon, project: Path, own: Manifest, paths: Paths
) -> None:
    def recorded() -> list[dict[str, Any]]:
        entries = [json.loads(line.data) for line in AuditLog(paths).lines()]
        return [entry["detail"] for entry in entries if entry["act"] == "addon.changed"]

    assert await notice(daemon, project, own.version) == ""
    edit(project)
    add(project)
    for _ in range(2):
        said = await notice(daemon, project, own.version)
        assert "plugin.gd" in said and "payload.gd" in said
        assert f"popbridge install godot {quoted(project)}" in said
    assert recorded() == [
        {"changed": "addons/popbridge/plugin.gd", "added": "addons/popbridge/more/payload.gd"}
    ]
    assert cli.main(["install", "godot", str(project)]) == 0
    (project / ADDON / "more" / "payload.gd").unlink()
    assert await notice(daemon, project, own.version) == ""


async def test_unusable_manifests_and_an_unwritable_log_hide_nothing(
    daemon: ThreadDaemon, project: Path, own: Manifest, paths: Paths
) -> None:
    shutil.rmtree(paths.data / "addons")
    (paths.data / "addons").write_bytes(b"")
    paths.audit_log.unlink()
    paths.audit_log.mkdir()
    edit(project)
    assert "plugin.gd" in await notice(daemon, project, own.version)


async def test_a_slow_drive_keeps_no_editor_waiting(
    daemon: ThreadDaemon, project: Path, own: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addon_check, "LIMIT_S", 0.0)
    edit(project)
    assert await notice(daemon, project, own.version) == ""


def test_installing_says_which_changes_it_replaces(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["install", "godot", str(project)]) == 0
    assert capsys.readouterr().err == ""
    edit(project)
    add(project)
    assert cli.main(["install", "godot", str(project)]) == 0
    replaced, stays = capsys.readouterr().err.splitlines()
    assert "plugin.gd" in replaced and "payload.gd" in stays
    assert (project / ADDON / "more" / "payload.gd").exists()
