"""`popbridge doctor`, in real states of a machine, of a daemon and of projects."""

from __future__ import annotations

import datetime
import http.server
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accel.devices import current
from accel.devices.driver import Gpu
from accel.devices.report import Devices, Report
from accel.text import text
from bridge import __version__
from bridge.commands import doctor as doctor_module
from bridge.doctor import check, machine
from bridge.doctor import daemon as daemon_checks
from bridge.doctor.check import Check
from bridge.paths import ConnectionFile, Paths
from bridge.server.access import certificates
from bridge.store.addon_manifests import Manifest, Manifests, digest
from bridge.store.audit_log import AuditLog
from tests.commands.shell import one_line, tree
from tests.e2e.world import until
from tests.server.daemons import ThreadDaemon
from tests.unity.projects import game as unity_game

GODOT = 'config_version=5\n\n[application]\n\nconfig/features=PackedStringArray("{version}", "Mobile")\n'
IMPORT = '[remap]\n\nimporter="texture"\ntype="CompressedTexture2D"\n\n[params]\n\ncompress/mode=0\n'
CONFLICT = "<<<<<<< HEAD\ncompress/mode=1\n=======\ncompress/mode=2\n>>>>>>> theirs\n"

DAEMON_CHECKS = {"daemon.connection", "daemon.certificate"}
Found = dict[str, list[dict[str, str]]]


@pytest.fixture
def checks(popbridge: Any) -> Any:
    def call(*arguments: str) -> tuple[int, Found]:
        code, out, err = popbridge("doctor", "--json", *arguments)
        assert err == ""
        found: Found = {}
        for line in out.splitlines():
            each = json.loads(line)
            assert each.keys() == {"check", "status", "found", "remedy"} and each["found"]
            assert each["status"] == "ok" or each["remedy"]
            found.setdefault(each["check"], []).append(each)
        assert code == int(any(each["status"] == "error" for several in found.values() for each in several))
        return code, found

    return call


def status(found: Found, name: str) -> str:
    (only,) = found[name]
    return only["status"]


@pytest.fixture
def castle(tmp_path: Path) -> Path:
    root = tmp_path / "castle"
    root.mkdir()
    (root / "project.godot").write_text(GODOT.format(version="4.3"), "utf-8")
    return root


def add_texture(root: Path, name: str, pixels: bytes = b"\x89PNG\r\n", settings: str = IMPORT) -> Path:
    (root / name).write_bytes(pixels)
    file = root / f"{name}.import"
    file.write_text(settings, "utf-8")
    return file


class TestMachine:
    def test_nothing_is_there_and_nothing_is_made(self, checks: Any, home: Path) -> None:
        code, found = checks()
        assert code == 0 and not home.exists()
        assert {name.partition(".")[0] for name in found} == {"machine", "daemon"}
        assert status(found, "daemon.connection") == "warning"
        assert __version__ in found["machine.popbridge"][0]["found"]

    def test_for_people_it_is_one_line_each_in_groups(
        self, popbridge: Any, castle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, english, _ = popbridge("doctor", str(castle))
        heads = [line for line in english.splitlines() if line and not line.startswith(" ")]
        assert len(heads) == 3 and "popbridge install godot" in english
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        _, chinese, _ = popbridge("doctor", str(castle))
        assert len(chinese.splitlines()) == len(english.splitlines()) and "popbridge serve" in chinese

    def test_a_missing_project_is_the_users_mistake(self, popbridge: Any, tmp_path: Path) -> None:
        code, out, err = popbridge("doctor", str(tmp_path / "none"))
        assert (code, out) == (2, "") and one_line(err)

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
    @pytest.mark.parametrize(("mode", "expected"), [(0o700, "ok"), (0o755, "warning"), (0o777, "error")])
    def test_modes_of_folders(self, checks: Any, home: Path, mode: int, expected: str) -> None:
        home.mkdir()
        home.chmod(mode)
        _, found = checks()
        assert found["machine.folders"][0]["status"] == expected
        assert home.stat().st_mode & 0o777 == mode

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
    def test_folders_that_commands_make_before_the_daemon_are_private(
        self, checks: Any, popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = tmp_path / "above/popbridge"
        monkeypatch.setenv("POPBRIDGE_HOME", str(home))
        game = unity_game(tmp_path / "game")
        mask = os.umask(0o022)
        try:
            popbridge("audit", str(game), "--workers", "1", "--quiet")
        finally:
            os.umask(mask)
        folders = [path for path in (tmp_path / "above").rglob("*") if path.is_dir()]
        assert len(folders) > 1
        assert all(folder.stat().st_mode & 0o077 == 0 for folder in [home.parent, *folders])
        assert {each["status"] for each in checks()[1]["machine.folders"]} == {"ok"}

    def test_a_file_in_place_of_a_folder(self, checks: Any, home: Path) -> None:
        home.write_text("", "utf-8")
        _, found = checks()
        assert found["machine.folders"][0]["status"] == "error"

    @pytest.mark.parametrize(
        ("content", "expected"),
        [("port = 7000\n", "ok"), ("prot = 7000\n", "error"), ("port = 'x'\n", "error"), ("[", "error")],
    )
    def test_settings(self, checks: Any, home: Path, content: str, expected: str) -> None:
        home.mkdir(mode=0o700)
        (home / "settings.toml").write_text(content, "utf-8")
        _, found = checks()
        assert status(found, "machine.settings") == expected

    def test_a_broken_plugin_is_named(self, checks: Any, acme: None) -> None:
        _, found = checks()
        assert "warning" in {each["status"] for each in found["machine.plugins"]}

    def test_a_damaged_database(self, checks: Any, home: Path) -> None:
        home.mkdir(mode=0o700)
        database = home / "popbridge.db"
        with sqlite3.connect(database) as connection:
            connection.execute("CREATE TABLE other (x)")
        connection.close()
        _, found = checks()
        assert status(found, "machine.database") == "error"
        database.write_bytes(b"no database" * 1000)
        _, found = checks()
        assert status(found, "machine.database") == "error"

    def test_a_changed_audit_log(self, checks: Any, home: Path) -> None:
        log = AuditLog(Paths.find())
        log.append("root.register", subject="/first")
        assert status(checks()[1], "machine.audit-log") == "ok"
        file = home / "audit.log"
        file.write_text(file.read_text("utf-8").replace("/first", "/other"), "utf-8")
        assert status(checks()[1], "machine.audit-log") == "error"

    def test_several_onnxruntimes_overwrite_each_other(
        self, checks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("onnxruntime", "onnxruntime-gpu"):
            about = tmp_path / "site" / f"{name.replace('-', '_')}-1.2.dist-info"
            about.mkdir(parents=True)
            (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", "utf-8")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        (found,) = checks()[1]["machine.onnxruntime"]
        assert found["status"] == "error" and "pip uninstall onnxruntime`" in found["remedy"]

    @pytest.mark.parametrize(
        ("free", "expected"), [(1 << 20, "error"), (1 << 29, "warning"), (1 << 40, "ok")]
    )
    def test_free_space(self, checks: Any, monkeypatch: pytest.MonkeyPatch, free: int, expected: str) -> None:
        usage = shutil.disk_usage(Path.cwd())._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        assert status(checks()[1], "machine.disk") == expected

    @pytest.mark.parametrize(
        ("gpus", "usable", "expected"),
        [
            ((), {"cpu"}, "ok"),
            ((Gpu("RTX"),), {"cuda", "cpu"}, "ok"),
            ((Gpu("RTX"),), {"cpu"}, "warning"),
            ((), set(), "error"),
        ],
    )
    def test_devices_as_they_were_found_last(
        self, checks: Any, gpus: tuple[Gpu, ...], usable: set[str], expected: str
    ) -> None:
        reports = tuple(Report(name, name in usable, "reason") for name in ("cuda", "cpu"))
        current.save(Devices(reports, gpus, 12080), Paths.find().devices_file)
        (found,) = checks()[1]["machine.devices"]
        assert found["status"] == expected and all(gpu.name in found["found"] for gpu in gpus)

    @pytest.mark.own_workers
    def test_the_master_key_is_lost(self, checks: Any, home: Path) -> None:
        running = ThreadDaemon(home).start()
        running.stop()
        assert status(checks()[1], "machine.key") == "ok"
        (home / "master.key").rename(home / "elsewhere")
        assert status(checks()[1], "machine.key") == "error"
        assert not (home / "master.key").exists()

    def test_a_failing_check_is_an_error_and_the_others_run(
        self, checks: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("no luck")

        monkeypatch.setattr(machine, "disk", fail)
        code, found = checks()
        assert code == 1 and "no luck" in found["machine.disk"][0]["found"]
        assert status(found, "machine.python") == "ok" and "daemon.connection" in found


class TestDaemon:
    @pytest.fixture
    def daemon(self, home: Path) -> Iterator[ThreadDaemon]:
        running = ThreadDaemon(home).start()
        yield running
        running.stop()

    @pytest.mark.own_workers
    def test_a_running_one_and_then_another_version(
        self, checks: Any, daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, found = checks()
        assert status(found, "daemon.connection") == "ok" and status(found, "machine.database") == "ok"
        line = found["daemon.connection"][0]["found"]
        assert daemon.file.http in line and str(os.getpid()) in line and daemon.file.token not in line
        monkeypatch.setattr(daemon_checks, "__version__", "9.9")
        code, found = checks()
        assert code == 1 and status(found, "daemon.connection") == "error"

    @pytest.mark.own_workers
    def test_what_the_daemon_alone_finds(self, checks: Any, daemon: ThreadDaemon) -> None:
        own = list(check.run(machine.steps(Paths.find(), doctor_module._registry())))
        elsewhere = Check(
            "machine.python", "warning", text("Python {version}.", version="3.11"), "Update it."
        )
        fuller = Check("machine.disk", "error", text("{size} GiB free.", size="0.0"), "Free space.")
        daemon.bridge.operator.inspect = lambda: own
        assert not {name for name in checks()[1] if name.startswith("daemon.")} - DAEMON_CHECKS
        daemon.bridge.operator.inspect = lambda: [*own[2:], elsewhere, fuller]
        code, found = checks()
        assert code == 1
        assert {name for name in found if name.startswith("daemon.")} - DAEMON_CHECKS == {
            "daemon.python", "daemon.disk",
        }  # fmt: skip
        (python,) = found["daemon.python"]
        assert python["status"] == "warning" and "Python 3.11." in python["found"]
        assert python["remedy"] == "Update it."

    @pytest.mark.own_workers
    def test_a_daemon_that_cannot_check_itself_is_checked_all_the_same(
        self, checks: Any, daemon: ThreadDaemon
    ) -> None:
        def fail() -> list[Check]:
            raise RuntimeError("no luck")

        daemon.bridge.operator.inspect = fail
        code, found = checks()
        assert code == 0 and status(found, "daemon.connection") == "ok"
        assert not {name for name in found if name.startswith("daemon.")} - DAEMON_CHECKS

    @pytest.fixture
    def other(self) -> Iterator[int]:
        """The port of another program."""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
        server.server_close()

    def left(self, home: Path, port: int, token: str) -> None:
        home.mkdir(mode=0o700)
        address = f"127.0.0.1:{port}"
        ConnectionFile(f"ws://{address}/ws", f"http://{address}", token, 1, 1).write(home / "connection.json")

    def test_another_program_at_its_address_is_named(self, checks: Any, home: Path, other: int) -> None:
        self.left(home, other, "local.t")
        code, found = checks()
        assert code == 1 and status(found, "daemon.connection") == "error"
        assert str(os.getpid()) in found["daemon.connection"][0]["found"]

    def test_one_of_an_old_version(self, checks: Any, home: Path, other: int) -> None:
        self.left(home, other, "secret")
        assert status(checks()[1], "daemon.connection") == "error"

    def test_a_killed_one(self, checks: Any, home: Path) -> None:
        self.left(home, 9, "local.t")
        code, found = checks()
        assert code == 0 and status(found, "daemon.connection") == "warning"

    def test_the_port_of_a_stopped_one(
        self, checks: Any, other: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POPBRIDGE_PORT", str(other))
        _, found = checks()
        assert (
            status(found, "daemon.port") == "warning" and str(os.getpid()) in found["daemon.port"][0]["found"]
        )
        monkeypatch.setenv("POPBRIDGE_PORT", "0")
        assert status(checks()[1], "daemon.port") == "ok"

    def test_certificates(self, checks: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert status(checks()[1], "daemon.certificate") == "ok"
        monkeypatch.setenv("POPBRIDGE_TLS", "on")
        assert status(checks()[1], "daemon.certificate") == "error"
        home.mkdir(mode=0o700)
        certificates.create(home / "certs")
        assert status(checks()[1], "daemon.certificate") == "ok"
        monkeypatch.setenv("POPBRIDGE_HOST", "203.0.113.9")
        assert status(checks()[1], "daemon.certificate") == "error"
        monkeypatch.delenv("POPBRIDGE_HOST")
        long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1000)
        monkeypatch.setattr(certificates, "_now", lambda: long_ago)
        certificates.renew(home / "certs")
        assert status(checks()[1], "daemon.certificate") == "error"


class TestLog:
    def test_a_daemon_logs_what_is_wrong_once(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home.mkdir(mode=0o700)
        (home / "audit.log").write_text("no record\n", "utf-8")
        env = {**os.environ, "POPBRIDGE_HOME": str(home), "POPBRIDGE_LOG_FILE": str(tmp_path / "log.txt")}
        command = [sys.executable, "-m", "bridge.cli", "serve", "--port", "0", "--workers", "1"]
        with subprocess.Popen(
            command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                until(lambda: "machine.audit-log" in read_log(tmp_path / "log.txt"), "the finding")
            finally:
                process.terminate()
        assert read_log(tmp_path / "log.txt").count("machine.audit-log") == 1
        assert "machine.python" not in read_log(tmp_path / "log.txt")


def read_log(file: Path) -> str:
    return file.read_text("utf-8") if file.exists() else ""


class TestProject:
    def test_a_whole_one(self, checks: Any, popbridge: Any, castle: Path) -> None:
        add_texture(castle, "rock.png")
        before = tree(castle)
        _, found = checks(str(castle))
        assert tree(castle) == before
        names = ("engine", "addon", "roots", "access", "rules", "textures")
        expected = ["ok", "warning", "warning", "ok", "ok", "ok"]
        assert [status(found, f"project.{name}") for name in names] == expected
        assert popbridge("install", "godot", str(castle))[0] == 0
        _, found = checks(str(castle))
        assert (status(found, "project.addon"), status(found, "project.roots")) == ("ok", "ok")

    def test_the_editor_of_each_engine(
        self, checks: Any, castle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("POPBRIDGE_GODOT4", raising=False)
        assert status(checks(str(castle))[1], "project.editor") == "ok"
        monkeypatch.setenv("POPBRIDGE_GODOT4", str(tmp_path / "godot"))
        (tmp_path / "godot").touch()
        (found,) = checks(str(castle))[1]["project.editor"]
        assert found["status"] == "ok" and str(tmp_path / "godot") in found["found"]

        unreal = tmp_path / "unreal"
        unreal.mkdir()
        (unreal / "Game.uproject").write_text('{"FileVersion": 3, "EngineAssociation": "5.4"}', "utf-8")
        assert status(checks(str(unreal))[1], "project.editor") == "warning"
        unity = unity_game(tmp_path / "unity", only=["none"])
        assert status(checks(str(unity))[1], "project.editor") == "warning"

    def test_an_edited_and_a_half_installed_addon(self, checks: Any, popbridge: Any, castle: Path) -> None:
        assert popbridge("install", "godot", str(castle))[0] == 0
        script = next((castle / "addons").rglob("*.gd"))
        script.write_text(script.read_text("utf-8") + "# edited\n", "utf-8")
        (found,) = checks(str(castle))[1]["project.addon"]
        assert found["status"] == "warning" and script.name in found["found"]
        assert "popbridge install godot" in found["remedy"]
        popbridge("install", "godot", str(castle))
        notes = script.with_name("notes.txt")
        notes.write_text("mine\n", "utf-8")
        (found,) = checks(str(castle))[1]["project.addon"]
        # Installing again would keep it.
        assert found["status"] == "warning" and notes.name in found["found"]
        assert "popbridge install" not in found["remedy"]
        notes.unlink()
        script.unlink()
        assert status(checks(str(castle))[1], "project.addon") == "error"

    def test_an_addon_of_an_older_commit_with_the_same_version(
        self, checks: Any, popbridge: Any, castle: Path
    ) -> None:
        assert popbridge("install", "godot", str(castle))[0] == 0
        (current,) = (each for each in Manifests(Paths.find()).all("godot4"))
        script = next((castle / "addons").rglob("*.gd"))
        script.write_text("# of another commit\n", "utf-8")
        files = {**current.files, script.relative_to(castle).as_posix(): digest(script.read_bytes())}
        Manifests(Paths.find()).add(Manifest("godot4", current.version, files))
        # Another project gets the new one.
        Manifests(Paths.find()).add(current)
        assert Manifests(Paths.find()).find("godot4", current.version) == current
        (found,) = checks(str(castle))[1]["project.addon"]
        assert found["status"] == "warning" and current.version in found["found"]
        assert script.name not in found["found"]
        # It isn't edited.
        assert popbridge("install", "godot", str(castle))[::2] == (0, "")

    @pytest.mark.parametrize("installed", [False, True])
    def test_a_merged_package_manifest(
        self, checks: Any, popbridge: Any, tmp_path: Path, installed: bool
    ) -> None:
        root = unity_game(tmp_path / "unity", only=["none"])
        if installed:
            assert popbridge("install", "unity", str(root))[0] == 0
        (root / "Packages").mkdir(exist_ok=True)
        (root / "Packages/manifest.json").write_text("{\n" + CONFLICT + "}", "utf-8")
        code, found = checks(str(root))
        (line,) = found["project.addon-loaded"]
        assert code == 1 and line["status"] == "error" and "manifest.json" in line["found"]
        assert ("project.addon" in found) is installed

    def test_the_addon_of_another_version(self, checks: Any, popbridge: Any, castle: Path) -> None:
        assert popbridge("install", "godot", str(castle))[0] == 0
        script = next((castle / "addons").rglob("*.gd"))
        script.write_text("# of 0.0.9\n", "utf-8")
        files = [path for path in (castle / "addons").rglob("*") if path.is_file()]
        digests = {path.relative_to(castle).as_posix(): digest(path.read_bytes()) for path in files}
        Manifests(Paths.find()).add(Manifest("godot4", "0.0.9", digests))
        (found,) = checks(str(castle))[1]["project.addon"]
        assert found["status"] == "warning" and "0.0.9" in found["found"]

    def test_an_addon_that_the_engine_does_not_load(
        self, checks: Any, popbridge: Any, castle: Path, tmp_path: Path
    ) -> None:
        unity = unity_game(tmp_path / "unity", only=["none"])
        (unity / "Packages").mkdir()
        manifest = unity / "Packages/manifest.json"
        manifest.write_text('{"dependencies": {}}', "utf-8")
        for engine, root in (("godot", castle), ("unity", unity)):
            assert popbridge("install", engine, str(root))[0] == 0
            assert "project.addon-loaded" not in checks(str(root))[1]
        (castle / "project.godot").write_text(GODOT.format(version="4.3"), "utf-8")
        (unity / "Assets/PopBridge").mkdir(parents=True)
        (unity / "Assets/PopBridge/package.json").write_text('{"name": "com.popbridge.editor"}', "utf-8")
        for root in (castle, unity):
            code, found = checks(str(root))
            assert code == 1 and status(found, "project.addon-loaded") == "error"
            assert status(found, "project.addon") == "ok"

    def test_an_addon_from_elsewhere(self, checks: Any, popbridge: Any, tmp_path: Path) -> None:
        root = unity_game(tmp_path / "unity", only=["none"])
        (root / "Packages").mkdir()
        (root / "Packages/manifest.json").write_text('{"dependencies": {}}', "utf-8")
        assert status(checks(str(root))[1], "project.addon") == "warning"
        assert popbridge("install", "unity", str(root), "--reference")[0] == 0
        found = checks(str(root))[1]
        assert status(found, "project.addon") == "ok" and "project.addon-loaded" not in found
        assert "com.popbridge.editor" in found["project.addon"][0]["found"]

    def test_a_version_without_an_addon(self, checks: Any, tmp_path: Path) -> None:
        root = unity_game(tmp_path / "unity", "2021.3.45f1", only=["none"])
        (root / "ProjectSettings/ProjectVersion.txt").write_text("m_EditorVersion: 2019.4.40f1\n", "utf-8")
        assert status(checks(str(root))[1], "project.addon") == "ok"

    def test_a_folder_above_projects_needs_no_root(self, checks: Any, castle: Path) -> None:
        found = checks(str(castle.parent))[1]
        assert status(found, "project.engine") == "error" and "project.roots" not in found

    @pytest.mark.parametrize("version", ["2.1", "99.1"])
    def test_versions_that_arent_known(self, checks: Any, castle: Path, version: str) -> None:
        (castle / "project.godot").write_text(
            GODOT.format(version=version) if version == "99.1" else "config_version=2\n", "utf-8"
        )
        assert status(checks(str(castle))[1], "project.engine") in ("warning", "error")

    def test_no_project(self, checks: Any, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        code, found = checks(str(tmp_path / "empty"))
        assert code == 1 and status(found, "project.engine") == "error"
        assert "project.addon" not in found and "project.textures" not in found

    def test_two_engines_in_one_folder(self, checks: Any, castle: Path) -> None:
        unity_game(castle, only=["none"])
        (found,) = checks(str(castle))[1]["project.engine"]
        assert found["status"] == "error"
        assert "Godot, Unity" in found["found"] and found["remedy"]

    def test_conflicts_pointers_and_write_protection(self, checks: Any, castle: Path) -> None:
        add_texture(castle, "merged.png", settings=IMPORT + CONFLICT)
        add_texture(
            castle, "pointer.png", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
        )
        protected = add_texture(castle, "protected.png")
        protected.chmod(0o444)
        code, found = checks(str(castle))
        protected.chmod(0o644)
        assert code == 1
        for name, level, file in (
            ("conflicts", "error", "merged.png"),
            ("lfs", "warning", "pointer.png"),
            ("protected", "warning", "protected.png"),
        ):
            (line,) = found[f"project.{name}"]
            assert line["status"] == level and file in line["found"]

    def test_settings_that_only_the_engine_can_change_arent_checked_out(
        self, checks: Any, tmp_path: Path
    ) -> None:
        root = unity_game(tmp_path / "unity")
        metas = sorted((root / "Assets").rglob("*.png.meta"))
        content = metas[0].read_text("utf-8")
        metas[0].write_text(
            re.sub(r"(TextureImporter:\n.*?serializedVersion: )\d+", r"\g<1>2", content, flags=re.S), "utf-8"
        )
        metas[0].chmod(0o444)
        found = checks(str(root))[1]
        assert status(found, "project.unchangeable") == "ok" and "project.protected" not in found
        assert metas[0].name in found["project.unchangeable"][0]["found"]
        metas[1].chmod(0o444)
        found = checks(str(root))[1]
        assert metas[1].stem in found["project.protected"][0]["found"]
        assert metas[0].stem not in found["project.protected"][0]["found"]
        for meta in metas[:2]:
            meta.chmod(0o644)

    @pytest.mark.parametrize(
        ("version", "shown", "newer"), [("2020.3.18f1", "2021.3", False), ("7000.0.0f1", "6000.3", True)]
    )
    def test_only_a_newer_version_needs_a_newer_popbridge(
        self, checks: Any, tmp_path: Path, version: str, shown: str, newer: bool
    ) -> None:
        root = unity_game(tmp_path / "unity", only=["none"])
        (root / "ProjectSettings/ProjectVersion.txt").write_text(f"m_EditorVersion: {version}\n", "utf-8")
        (found,) = checks(str(root))[1]["project.engine"]
        assert found["status"] == "warning" and f"Unity {version}" in found["found"]
        assert shown in found["found"] and ("git pull" in found["remedy"]) is newer
        assert "--upgrade" not in found["remedy"]

    def test_a_merged_meta(self, checks: Any, tmp_path: Path) -> None:
        root = unity_game(tmp_path / "unity")
        meta = next((root / "Assets").rglob("*.png.meta"))
        lines = meta.read_text("utf-8").splitlines()
        meta.write_text("\n".join([*lines[:3], "<<<<<<< ours", *lines[3:], ">>>>>>> theirs"]), "utf-8")
        (found,) = checks(str(root))[1]["project.conflicts"]
        assert found["status"] == "error" and meta.stem in found["found"]

    @pytest.mark.parametrize(
        ("content", "expected"), [("[textures]\nmax_size = 1024\n", "ok"), ("[textures]\nmax = 1\n", "error")]
    )
    def test_the_projects_rules(self, checks: Any, castle: Path, content: str, expected: str) -> None:
        (castle / "popbridge.toml").write_text(content, "utf-8")
        assert status(checks(str(castle))[1], "project.rules") == expected

    def test_a_whole_home_is_never_read(
        self, checks: Any, castle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(castle))
        monkeypatch.setenv("USERPROFILE", str(castle))
        assert status(checks(str(castle))[1], "project.roots") == "error"

    @pytest.mark.skipif(
        sys.platform == "win32" or os.geteuid() == 0, reason="administrators may write anywhere"
    )
    def test_a_read_only_folder(self, checks: Any, castle: Path) -> None:
        castle.chmod(0o555)
        found = checks(str(castle))[1]
        castle.chmod(0o755)
        assert status(found, "project.access") == "warning"


def test_every_group_has_a_heading() -> None:
    assert set(doctor_module.GROUPS) == {"machine", "daemon", "project"}
