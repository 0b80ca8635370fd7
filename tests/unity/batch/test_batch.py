"""`popbridge audit --with-editor` of Unity projects; the editor is fake behind its command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bridge.api import UserError
from bridge_unity import batch
from bridge_unity.batch import UnityBatch
from bridge_unity.support import SOURCE, UnityInstaller
from tests.commands.conftest import popbridge as popbridge
from tests.commands.shell import one_line
from tests.unity.projects import NEWEST, game, imported
from tools import csharp

HERE = Path(__file__).parent
NORMAL = "Assets/materials/brick_normal.png"
FILES = ("materials/brick_normal.png", "materials/brick_albedo.png")


def program(place: Path, *command: str) -> Path:
    """An executable file that runs a command with its own arguments."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        file = place.with_suffix(".cmd")
        file.write_text(f"@{' '.join(command)} %*\n", encoding="utf-8")
        return file
    quoted = " ".join(f"'{each}'" for each in command)
    place.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n', encoding="utf-8")
    place.chmod(0o755)
    return place


def installed(root: Path) -> Path:
    (root / "Packages").mkdir(parents=True, exist_ok=True)
    (root / "Packages/manifest.json").write_text('{"dependencies": {}}', "utf-8")
    UnityInstaller().install(root)
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(game(tmp_path_factory.mktemp("unity") / "game", only=FILES))


@pytest.fixture
def project(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "game"))


@pytest.fixture(scope="module")
def unity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An editor that runs the package's own script."""
    if not csharp.is_ready():
        assert not os.environ.get("POPBRIDGE_REQUIRE_ENGINES"), "python tools/csharp.py"
        pytest.skip("Roslyn or Mono isn't there: python tools/csharp.py")
    folder = tmp_path_factory.mktemp("editor")
    out = folder / "Editor.exe"
    # Nothing in it depends on the version.
    wanted = {"out": out, "sources": (SOURCE / "Batch", HERE / "Editor.cs")}
    assert csharp.compile_programs(wanted) == [[]]
    command = csharp.commands(out)["mono"]
    return program(folder / NEWEST / "Editor/Unity", *command)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An editor that fails."""
    monkeypatch.setenv("FAKE_UNITY_VERSION", NEWEST)
    return program(tmp_path / "Unity", sys.executable, str(HERE / "fake_unity.py"))


@pytest.fixture
def audit(popbridge: Any) -> Iterator[Any]:
    def call(root: Path, editor: Path, *more: str) -> tuple[int, str, str]:
        arguments = ("audit", str(root), "--workers", "1", "--with-editor", "--editor", str(editor), *more)
        code, out, err = popbridge(*arguments)
        return code, out, err

    yield call


class TestRead:
    def test_the_reports_have_what_only_the_editor_knows(
        self, audit: Any, unity: Path, project: Path, tmp_path: Path
    ) -> None:
        (project / "Assets/house.fbx").write_text(
            f"Standard|_BumpMap||{NORMAL}\nOwn|_Bumps|normal|{NORMAL}\n|_X||{NORMAL}\nStandard|_MainTex||\n",
            "utf-8",
        )
        (project / "Assets/house.fbx.meta").write_text("fileFormatVersion: 2\n", "utf-8")
        before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
        files = [str(tmp_path / f"report.{each}") for each in ("json", "sarif", "html")]
        code, out, err = audit(
            project, unity, "--json", files[0], "--sarif", files[1], "--html", files[2], "--all"
        )
        assert (code, err) == (1, "") and NEWEST in out and "StandaloneWindows64" in out
        assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
        report = json.loads(Path(files[0]).read_bytes())
        assert report["editor"] == {"version": NEWEST, "platform": "StandaloneWindows64"}
        by_file = {each["file"]: each for each in report["files"]}
        assert all(each["editor"]["format"] == "BC7" for each in by_file.values())
        found = by_file[NORMAL]["editor"]
        assert (found["width"], found["height"]) == (by_file[NORMAL]["width"], by_file[NORMAL]["height"])
        blocks = [
            max(1, (found["width"] >> mip) // 4) * max(1, (found["height"] >> mip) // 4) for mip in (0, 1, 2)
        ]
        assert found["memory"] == 16 * sum(blocks)
        assert found["used_as"] == [
            {"slot": "_BumpMap", "shader": "Standard", "kind": "normal"},
            {"slot": "_Bumps", "shader": "Own", "kind": "normal"},
        ]
        assert not found["options"] and not found["pixels"]
        # The slot counts as evidence.
        assert "slot" in {each["source"] for each in by_file[NORMAL]["evidence"]}
        sarif = json.loads(Path(files[1]).read_bytes())["runs"][0]
        assert sarif["properties"]["editor"] == NEWEST
        assert any(
            each["properties"]["editor"]["format"] == "BC7"
            for each in sarif["results"]
            if "properties" in each
        )
        assert "BC7" in Path(files[2]).read_text("utf-8")

    def test_cubes_arrays_volumes_and_broken_assets(self, unity: Path, project: Path, tmp_path: Path) -> None:
        source = project / NORMAL
        for name in ("cube", "array", "volume", "broken"):
            shutil.copy(source, project / f"Assets/{name}.png")
            imported(project, f"Assets/{name}.png")
        for name in ("screen.renderTexture", "screen.renderTexture.meta"):
            (project / "Assets" / name).write_text("", "utf-8")
        command = UnityBatch().command(unity, project, tmp_path)
        subprocess.run(command.arguments, env={**os.environ, **command.env}, check=True)
        report = json.loads((tmp_path / "report.json").read_bytes())
        known = {each["path"]: each for each in report["textures"]}
        one = known["Assets/array.png"]["memory"] // 3
        assert (
            known["Assets/cube.png"]["memory"] == 6 * one and known["Assets/volume.png"]["memory"] == 4 * one
        )
        assert "Assets/broken.png" not in known and report["errors"] == [
            'Assets/broken.png: it can\'t be "read"'
        ]
        assert "Assets/screen.renderTexture" not in known and "Packages/com.far.away/x.png" not in known
        assert len(known) == len(report["textures"])


class TestFailures:
    @pytest.mark.parametrize(
        ("mode", "says"),
        [("license", "licence"), ("open", "open"), ("scripts", "scripts"), ("old", "popbridge install unity"),
         ("failed", "exit code 1"), ("nothing", "without a report"), ("garbage", "can't be read"),
         ("future", "can't be read"), ("crash", "crashed")],
    )  # fmt: skip
    def test_each_is_one_line_with_the_log(
        self, audit: Any, fake: Path, project: Path, monkeypatch: pytest.MonkeyPatch, mode: str, says: str
    ) -> None:
        if mode == "crash" and sys.platform == "win32":
            says = "exit code"
        monkeypatch.setenv("FAKE_UNITY", mode)
        code, out, err = audit(project, fake)
        assert (code, out) == (2, "") and one_line(err) and says in err
        log = next(each for each in err.split() if each.endswith("editor.log.")).rstrip(".")
        assert "-executeMethod" in Path(log).read_text("utf-8")

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX programs and modes")
    def test_another_program_is_asked_about(self, audit: Any, project: Path, tmp_path: Path) -> None:
        code, out, err = audit(project, Path(shutil.which("true") or ""))
        assert (code, out) == (2, "") and one_line(err) and "exit code 0" in err and "editor.log" not in err
        script = tmp_path / "env.sh"
        script.write_text("#!/bin/sh\n", "utf-8")
        code, out, err = audit(project, script)
        assert (code, out) == (2, "") and one_line(err) and f"chmod +x {script}" in err

    def test_one_that_hangs_is_ended_with_all_that_it_started(
        self, audit: Any, fake: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAKE_UNITY", "hang")
        monkeypatch.setenv("FAKE_UNITY_PID", str(tmp_path / "pid"))
        code, _, err = audit(project, fake, "--editor-timeout", "2")
        assert code == 2 and one_line(err) and "--editor-timeout" in err
        assert not psutil.pid_exists(int((tmp_path / "pid").read_text("utf-8")))

    def test_changes_of_the_project_are_told(
        self, audit: Any, fake: Path, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAKE_UNITY", "changes")
        code, out, _ = audit(project, fake, "--fail-on", "never")
        assert code == 0 and "Assets/new.png.meta" in out and "\x1b" not in out

    def test_what_a_hostile_report_names_is_not_read(
        self, audit: Any, fake: Path, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("FAKE_UNITY", "hostile")
        code, out, _ = audit(project, fake, "--fail-on", "never", "--json", "-")
        assert code == 0
        assert not {each["path"] for each in json.loads(out)["files"]} & {f"x{n}" for n in range(5)}

    def test_no_editor_or_a_wrong_one(
        self,
        popbridge: Any,
        audit: Any,
        fake: Path,
        project: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(batch, "_editors", lambda version: iter(()))
        code, _, err = popbridge("audit", str(project), "--with-editor")
        assert code == 2 and one_line(err) and "--editor PATH" in err
        for path in (tmp_path / "gone", tmp_path):
            code, _, err = audit(project, path)
            assert code == 2 and one_line(err) and str(path) in err
        # Opening the project in another version would upgrade it.
        monkeypatch.setenv("FAKE_UNITY_VERSION", "6000.3.2f1")
        code, _, err = audit(project, fake)
        assert code == 2 and one_line(err) and "6000.3.2f1" in err and NEWEST in err
        if sys.platform != "win32":
            (tmp_path / "text").write_text("no program", "utf-8")
            monkeypatch.setattr(batch, "_version_of", lambda editor: "")
            code, _, err = audit(project, tmp_path / "text")
            assert code == 2 and one_line(err)
        assert popbridge("audit", str(project), "--editor", str(fake))[0] == 2

    def test_a_project_that_the_run_would_change_or_that_lacks_the_package(
        self, audit: Any, fake: Path, project: Path
    ) -> None:
        (project / "Assets/fresh.txt").write_text("x", "utf-8")
        (project / "Assets/docs~").mkdir()
        (project / "Assets/docs~/ignored.txt").write_text("x", "utf-8")
        code, _, err = audit(project, fake)
        assert code == 2 and one_line(err) and "Assets/fresh.txt" in err
        UnityInstaller().remove(project)
        code, _, err = audit(project, fake)
        assert code == 2 and one_line(err) and "popbridge install unity" in err

    def test_engines_without_a_batch_mode_say_so(self, popbridge: Any, tmp_path: Path) -> None:
        (tmp_path / "project.godot").write_text("config_version=5\n", "utf-8")
        for root in (tmp_path, tmp_path / "empty"):
            root.mkdir(exist_ok=True)
            code, _, err = popbridge("audit", str(root), "--with-editor")
            assert code == 2 and one_line(err) and "--with-editor" in err

    @pytest.mark.skipif(sys.platform == "win32", reason="its locks are told by an error")
    def test_a_lock_that_a_running_editor_holds(self, project: Path, tmp_path: Path) -> None:
        import fcntl

        lock = project / batch.LOCK
        lock.parent.mkdir()
        lock.write_bytes(b"")
        assert not batch._is_locked(lock)
        child = os.fork()
        if child == 0:
            with lock.open("r+b") as opened:
                fcntl.lockf(opened, fcntl.LOCK_EX)
                (tmp_path / "held").write_text("")
                time.sleep(30)
            os._exit(0)
        try:
            while not (tmp_path / "held").exists():
                pass
            with pytest.raises(UserError):
                UnityBatch().command(tmp_path / NEWEST / "Unity", project, tmp_path)
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)


class TestFind:
    def test_it_is_where_unity_hub_put_it_or_was_told_of_it(
        self, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batch, "hub_folder", lambda: tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("UNITY_EDITOR_PATH", raising=False)
        assert UnityBatch().find(project) == []
        second = batch._program(tmp_path / "disk" / NEWEST)
        other = batch._program(tmp_path / "disk/2021.3.45f1")
        located = tmp_path / "own/Unity"
        for each in (second, other, located):
            each.parent.mkdir(parents=True)
            each.write_bytes(b"")
        for content in ("{", "[]", "3"):
            (tmp_path / "secondaryInstallPath.json").write_text(content, "utf-8")
            assert UnityBatch().find(project) == []
        (tmp_path / "secondaryInstallPath.json").write_text(json.dumps(str(tmp_path / "disk")), "utf-8")
        assert UnityBatch().find(project) == [second]
        entries = [{"version": NEWEST, "location": [str(located)]}, {"version": "x"}, 3]
        (tmp_path / "editors-v2.json").write_text(
            json.dumps({"schema_version": "v2", "data": entries}), "utf-8"
        )
        (tmp_path / "editors.json").write_text(
            json.dumps({NEWEST: {"version": NEWEST, "location": str(located)}}), "utf-8"
        )
        assert UnityBatch().find(project) == [second, located]
        monkeypatch.setenv("UNITY_EDITOR_PATH", str(located))
        assert UnityBatch().find(project) == [located, second]
