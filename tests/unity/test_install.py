"""The package goes into Unity projects, and out of them without a trace."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from bridge.api import AssetChange, ProjectFolder, UserError
from bridge.paths import Paths
from bridge_unity import support
from bridge_unity.package_manifest import PackageManifest
from bridge_unity.plugin import Unity2022
from bridge_unity.support import FILES, NAME, PACKAGE, SOURCE, UnityInstaller
from tests.commands.conftest import popbridge as popbridge
from tests.commands.shell import one_line
from tests.unity.projects import game
from tools.generators._first_party import release

UNITYS = """\
{
  "dependencies": {
    "com.unity.ide.rider": "3.0.31",
    "com.unity.render-pipelines.universal": "14.0.11",
    "com.unity.modules.ai": "1.0.0"
  },
  "scopedRegistries": []
}
"""
SORTED = UNITYS.replace('    "com.unity.modules.ai": "1.0.0"\n', "").replace('14.0.11",', '14.0.11"')
COMMENTED = """\
{
  // what the game needs
  "dependencies": {
    "a.first": "1.0.0", // one
    /* two */ "z.last": "https://example.com/z.git#v1", // {"not": "json"
  },
}
"""
CASES = [
    pytest.param(UNITYS.encode(), id="unsorted"),
    pytest.param(SORTED.encode(), id="sorted"),
    pytest.param(SORTED.replace("\n", "\r\n").encode(), id="windows"),
    pytest.param(b"\xef\xbb\xbf" + SORTED.replace("  ", "\t").encode(), id="byte-order-mark-and-tabs"),
    pytest.param(COMMENTED.encode(), id="comments-and-commas"),
    pytest.param(b'{"dependencies": {"a.first": "1.0.0"}}', id="one-line"),
    pytest.param(b'{"dependencies":{"z.last":"1.0.0"}}', id="dense"),
    pytest.param(b'{\n  "dependencies": {}\n}\n', id="empty"),
    pytest.param(b'{\n  "dependencies": {\n  }\n}', id="empty-on-two-lines"),
    pytest.param(b'{\n  "testables": ["x"]\n}\n', id="none"),
    pytest.param(b"{}", id="nothing"),
    pytest.param('{"dependencies": {"名字": "file:../游戏"}}'.encode(), id="chinese"),
]
OWN = f"file:{SOURCE.as_posix()}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(tmp_path / "game")


def make(root: Path, manifest: bytes = SORTED.encode()) -> Path:
    game(root, only={"none"})
    for folder in ("Assets", "Packages"):
        (root / folder).mkdir(exist_ok=True)
    (root / "Packages/manifest.json").write_bytes(manifest)
    return root


def tree(folder: Path) -> dict[str, bytes]:
    return {
        each.relative_to(folder).as_posix(): each.read_bytes()
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }


def tally(changes: Sequence[AssetChange]) -> Counter[str]:
    return Counter(change.what for change in changes)


def read(content: bytes) -> Any:
    """The JSON of a manifest, without comments and trailing commas."""
    text = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', r"\1", content.decode("utf-8-sig"), flags=re.S)
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", text))


class TestEmbedded:
    def test_what_is_installed_is_a_package_and_can_be_removed_without_a_trace(self, project: Path) -> None:
        before = tree(project)
        done = UnityInstaller().install(project)
        assert set(tally(done)) == {"created"}
        own = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.is_file()}
        installed = {name for name in own if not name.startswith("Tests")}
        assert own > installed and not (project / PACKAGE / "Tests").exists()
        assert {change.path for change in done} == {f"{PACKAGE}/{name}" for name in (*installed, FILES)}
        assert set(tally(UnityInstaller().install(project))) == {"unchanged"}
        assert UnityInstaller().fault(project) == "" == UnityInstaller().reference(project)
        UnityInstaller().remove(project)
        assert tree(project) == before and not (project / PACKAGE).exists()
        assert set(tally(UnityInstaller().remove(project))) <= {"unchanged"}

    def test_an_upgrade_replaces_edited_files_and_removes_those_of_older_versions(
        self, project: Path
    ) -> None:
        UnityInstaller().install(project)
        folder = project / PACKAGE
        (folder / "Editor/EditorBridge.cs").write_text("edited", "utf-8")
        (folder / "Editor/Old").mkdir()
        (folder / "Editor/Old/Gone.cs").write_text("old", "utf-8")
        (folder / "Editor/Mine.cs").write_text("mine", "utf-8")
        # 0.3.0 installed the tests, too.
        (folder / "Tests").mkdir()
        (folder / "Tests/JsonTests.cs").write_text("test", "utf-8")
        with (folder / FILES).open("a", encoding="utf-8") as listed:
            listed.write("Tests/JsonTests.cs\nEditor/Old/Gone.cs\n../../Assets/x.txt\n/etc/hosts\nC:/x\n")
        (project / "Assets/x.txt").write_text("x", "utf-8")
        done = {change.path: change.what for change in UnityInstaller().install(project)}
        assert done[f"{PACKAGE}/Editor/EditorBridge.cs"] == "updated"
        assert done[f"{PACKAGE}/Editor/Old/Gone.cs"] == "removed"
        assert (
            not (folder / "Editor/Old").exists()
            and not (folder / "Tests").exists()
            and (project / "Assets/x.txt").exists()
        )
        UnityInstaller().remove(project)
        assert [path for path in tree(folder)] == ["Editor/Mine.cs"]

    def test_the_files_are_those_that_the_daemon_compares(self, project: Path) -> None:
        UnityInstaller().install(project)
        own = Unity2022().addon
        assert own is not None and Version(own.version) == Version(release())
        assert set(own.files) == {f"{PACKAGE}/{path}" for path in tree(project / PACKAGE)}

    def test_what_fails_in_the_middle_is_undone(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        UnityInstaller().install(project)
        (project / PACKAGE / "Editor/EditorBridge.cs").write_text("old", "utf-8")
        (project / PACKAGE / "Editor/Texts.cs").unlink()
        for state in (tree(project), "new"):
            if state == "new":
                UnityInstaller().remove(project)
            before, write = tree(project), ProjectFolder.write

            def full(self: ProjectFolder, path: str, *rest: Any, write: Any = write, **more: Any) -> None:
                if path.endswith("TextureTables.cs") or path.endswith("package.json"):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
                write(self, path, *rest, **more)

            (project / PACKAGE / "Editor/TextureTables.cs").unlink(missing_ok=True)
            before = tree(project)
            monkeypatch.setattr(ProjectFolder, "write", full)
            with pytest.raises(UserError):
                UnityInstaller().install(project)
            monkeypatch.setattr(ProjectFolder, "write", write)
            assert tree(project) == before
        assert not (project / PACKAGE).exists()

    def test_a_file_that_is_not_checked_out_stops_it_before_anything_is_written(self, project: Path) -> None:
        UnityInstaller().install(project)
        for name in ("EditorBridge.cs", "Texts.cs"):
            (project / PACKAGE / "Editor" / name).write_text("old", "utf-8")
        (project / PACKAGE / "Editor/Texts.cs").chmod(0o444)
        before = tree(project)
        for call in (UnityInstaller().install, UnityInstaller().remove):
            with pytest.raises(UserError) as raised:
                call(project)
            assert "Texts.cs" in str(raised.value) and tree(project) == before

    @pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
    @pytest.mark.parametrize("link", ["Packages", PACKAGE, f"{PACKAGE}/Editor"])
    def test_nothing_is_written_behind_a_link_out_of_the_project(
        self, project: Path, tmp_path: Path, link: str
    ) -> None:
        outside = tmp_path / "outside"
        (project / link).parent.mkdir(parents=True, exist_ok=True)
        if (project / link).exists():
            (project / link).rename(outside)
        else:
            outside.mkdir()
        (project / link).symlink_to(outside)
        before = tree(project), tree(outside)
        for call in (UnityInstaller().install, UnityInstaller().install_reference):
            with pytest.raises(UserError, match=re.escape(str(project / link).split("/com.")[0])):
                call(project)
            assert (tree(project), tree(outside)) == before
            if link != "Packages":
                break


class TestReference:
    @pytest.mark.parametrize("content", CASES)
    def test_it_adds_one_entry_and_restores_every_byte(self, tmp_path: Path, content: bytes) -> None:
        project = make(tmp_path / "game", content)
        file, before = project / "Packages/manifest.json", tree(project)
        UnityInstaller().install_reference(project)
        wanted = read(content)
        wanted["dependencies"] = {**wanted.get("dependencies", {}), NAME: OWN}
        present = file.read_bytes()
        assert read(present) == wanted and UnityInstaller().reference(project) == OWN
        assert b"\r\n" not in content or b"\n" not in present.replace(b"\r\n", b"")
        assert present.startswith(b"\xef\xbb\xbf") == content.startswith(b"\xef\xbb\xbf")
        assert UnityInstaller().fault(project) == ""
        assert set(tally(UnityInstaller().install_reference(project))) == {"unchanged"}
        UnityInstaller().remove(project)
        assert tree(project) == before
        assert not (project / "Library").exists()

    @pytest.mark.parametrize("content", [each for each in CASES if each.id not in ("none", "nothing")])
    def test_what_others_changed_since_stays(self, tmp_path: Path, content: bytes) -> None:
        project = make(tmp_path / "game", content)
        UnityInstaller().install_reference(project)
        file = project / "Packages/manifest.json"
        edited = PackageManifest(file.read_bytes())
        edited.set("m.later", "2.0.0")
        file.write_bytes(edited.content)
        UnityInstaller().remove(project)
        wanted = PackageManifest(content)
        wanted.set("m.later", "2.0.0")
        assert read(file.read_bytes()) == read(wanted.content)

    @pytest.mark.parametrize(
        "content", [each for each in CASES if each.id not in ("empty-on-two-lines", "none", "nothing")]
    )
    @pytest.mark.parametrize("name", ["b.between", "zz.after", "a.a"])
    def test_an_entry_alone_can_be_removed(self, content: bytes, name: str) -> None:
        manifest = PackageManifest(content)
        manifest.set(name, "1.2.3")
        assert manifest.get(name) == "1.2.3"
        assert list(read(manifest.content)["dependencies"]).index(name) >= 0
        manifest.remove(name)
        assert manifest.content == content
        manifest.remove(name)
        assert manifest.content == content

    def test_sorted_packages_stay_sorted(self) -> None:
        manifest = PackageManifest(SORTED.encode())
        manifest.set(NAME, OWN)
        keys = list(read(manifest.content)["dependencies"])
        assert keys == sorted(keys) and keys[0] == NAME

    def test_the_last_of_several_entries_counts_and_all_are_removed(self) -> None:
        manifest = PackageManifest(b'{"dependencies": {"a": "1.0.0", "b": "1.0.0", "a": "2.0.0"}}')
        assert manifest.get("a") == "2.0.0"
        manifest.remove("a")
        assert read(manifest.content) == {"dependencies": {"b": "1.0.0"}}

    def test_one_way_replaces_the_other(self, project: Path) -> None:
        before = tree(project)
        UnityInstaller().install(project)
        UnityInstaller().install_reference(project)
        assert not (project / PACKAGE).exists() and UnityInstaller().reference(project) == OWN
        UnityInstaller().install(project)
        assert UnityInstaller().reference(project) == "" and (project / PACKAGE / "package.json").exists()
        assert (project / "Packages/manifest.json").read_bytes() == before["Packages/manifest.json"]
        UnityInstaller().remove(project)
        assert tree(project) == before

    def test_that_of_a_moved_installation_is_updated(self, project: Path) -> None:
        file = project / "Packages/manifest.json"
        before = file.read_bytes()
        manifest = PackageManifest(before)
        manifest.set(NAME, f"file:/opt/old/lib/bridge_unity/editor/{NAME}")
        file.write_bytes(manifest.content)
        assert UnityInstaller().fault(project)
        UnityInstaller().install_reference(project)
        assert UnityInstaller().reference(project) == OWN and not UnityInstaller().fault(project)
        UnityInstaller().remove(project)
        assert PackageManifest(file.read_bytes()).get(NAME) is None


class TestBadInput:
    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[]", b"{} x", b'{"dependencies": []}', b'{"dependencies": {"a": 1}}', b"\xff\xfe{\0}\0",
         b'{"dependencies": {"a" "1"}}', b'{"dependencies": {a: "1"}}', b'{"x": [1, 2', b'{"x": nul}',
         b'{"x": ' + b"[" * 5000, b'<<<<<<< HEAD\n{"dependencies": {}}\n=======\n{}\n>>>>>>> theirs\n',
         b'{\n<<<<<<< HEAD\n"dependencies": {}\n=======\n>>>>>>> theirs\n}'],
        ids=lambda content: content[:20].hex(),
    )  # fmt: skip
    def test_a_manifest_that_is_none_stays(self, tmp_path: Path, content: bytes) -> None:
        project = make(tmp_path / "game", content)
        before = tree(project)
        installer = UnityInstaller()
        for call in (installer.install, installer.install_reference, installer.remove, installer.fault):
            with pytest.raises(UserError) as raised:
                call(project)
            assert "manifest.json" in str(raised.value) and "\n" not in str(raised.value)
        assert tree(project) == before and installer.reference(project) == ""

    def test_an_embedded_package_is_removed_whatever_the_manifest_is(self, project: Path) -> None:
        UnityInstaller().install(project)
        (project / "Packages/manifest.json").write_bytes(b"{")
        UnityInstaller().remove(project)
        assert not (project / PACKAGE).exists()
        assert (project / "Packages/manifest.json").read_bytes() == b"{"

    def test_without_a_manifest_only_a_folder_can_be_installed(self, project: Path) -> None:
        (project / "Packages/manifest.json").unlink()
        (project / "Packages").rmdir()
        with pytest.raises(UserError):
            UnityInstaller().install_reference(project)
        UnityInstaller().install(project)
        assert UnityInstaller().fault(project) == ""

    @pytest.mark.parametrize(
        "entry",
        ["0.3.0", "https://example.com/popbridge.git?path=/plugins/unity/bridge_unity/editor/" + NAME,
         "file:../../packages/popbridge.tgz", "git@example.com:popbridge.git#v0.3.0"],
    )  # fmt: skip
    def test_a_package_from_elsewhere_stays_where_it_is(self, tmp_path: Path, entry: str) -> None:
        manifest = PackageManifest(SORTED.encode())
        manifest.set(NAME, entry)
        project = make(tmp_path / "game", manifest.content)
        before = tree(project)
        installer = UnityInstaller()
        for call in (installer.install, installer.install_reference, installer.remove):
            with pytest.raises(UserError, match=re.escape(entry)):
                call(project)
        assert tree(project) == before and installer.reference(project) == entry

    @pytest.mark.parametrize("folder", ["Packages/popbridge", "Assets/PopBridge", "Assets/Plugins/PopBridge"])
    def test_a_second_copy_is_told(self, project: Path, folder: str) -> None:
        (project / folder).mkdir(parents=True)
        (project / folder / "package.json").write_text(json.dumps({"name": NAME}), "utf-8")
        before = tree(project)
        for call in (UnityInstaller().install, UnityInstaller().install_reference):
            with pytest.raises(UserError, match=re.escape(folder)):
                call(project)
        assert tree(project) == before
        assert folder in str(UnityInstaller().fault(project))

    @pytest.mark.parametrize("version", ["2019.4.40f1", "2021.2.19f1", "5.6.7f1"])
    def test_an_older_version_is_refused(self, popbridge: Any, project: Path, version: str) -> None:
        (project / "ProjectSettings/ProjectVersion.txt").write_text(f"m_EditorVersion: {version}\n", "utf-8")
        before = tree(project)
        code, _, err = popbridge("install", "unity", str(project))
        assert code == 2 and one_line(err) and f"Unity {version}" in err and "2021.3 " in err
        assert not any(mark in err for mark in (">=", ".post", "unity2021"))
        assert "popbridge audit" in err
        assert tree(project) == before

    @pytest.mark.parametrize("version", ["2021.3.45f1", "6000.3.2f1", "6000.5.0b4", "7000.0.0a1"])
    def test_newer_versions_are_served_unknown_ones_with_a_notice(
        self, popbridge: Any, project: Path, version: str
    ) -> None:
        (project / "ProjectSettings/ProjectVersion.txt").write_text(f"m_EditorVersion: {version}\n", "utf-8")
        code, _, err = popbridge("install", "unity", str(project))
        assert code == 0 and bool(err) == version.startswith("7")

    def test_a_package_or_an_empty_folder_is_no_project(self, popbridge: Any, tmp_path: Path) -> None:
        (tmp_path / "package.json").write_text('{"name": "a.b", "unity": "2021.3"}', "utf-8")
        code, _, err = popbridge("install", "unity", str(tmp_path))
        assert code == 2 and one_line(err) and list(tree(tmp_path)) == ["package.json"]

    def test_edited_files_are_kept_elsewhere_and_own_ones_stay(self, popbridge: Any, project: Path) -> None:
        popbridge("install", "unity", str(project))
        edited, own = project / PACKAGE / "Editor/EditorBridge.cs", project / PACKAGE / "Editor/Own.cs"
        for flags in ([], ["--remove"]):
            popbridge("install", "unity", str(project))
            edited.write_text(f"// edited {flags}", "utf-8")
            own.write_text("// own", "utf-8")
            code, _, err = popbridge("install", "unity", str(project), *flags)
            assert code == 0 and edited.name in err and own.name in err
            (folder,) = (
                each for each in (Paths.find().data / "addons/replaced").iterdir() if str(each) in err
            )
            copy = folder / edited.relative_to(project)
            assert copy.read_text("utf-8") == f"// edited {flags}"
            if os.name == "posix":
                assert copy.stat().st_mode & 0o077 == folder.stat().st_mode & 0o077 == 0
            assert own.read_text("utf-8") == "// own"
            own.unlink()
            assert edited.exists() is not bool(flags)
            for each in folder.rglob("*.cs"):
                each.unlink()
        assert not popbridge("install", "unity", str(project))[2]

    def test_the_first_reference_is_an_installation_and_the_next_an_update(
        self, popbridge: Any, project: Path
    ) -> None:
        first = popbridge("install", "unity", str(project), "--reference")[1]
        popbridge("install", "unity", str(project), "--remove")
        assert popbridge("install", "unity", str(project))[1] == first
        popbridge("install", "unity", str(project), "--remove")
        popbridge("install", "unity", str(project), "--reference")
        assert popbridge("install", "unity", str(project))[1] != first

    def test_half_a_package_is_told_and_completed(self, popbridge: Any, project: Path) -> None:
        UnityInstaller().install(project)
        whole = tree(project)
        (project / PACKAGE / "package.json").unlink()
        (project / PACKAGE / "Editor/EditorBridge.cs").write_text("edited", "utf-8")
        assert UnityInstaller().fault(project)
        code, _, err = popbridge("install", "unity", str(project))
        assert code == 0 and "package.json" in err and "EditorBridge.cs" in err and tree(project) == whole


class TestHub:
    def test_projects_of_unity_hub_are_offered_the_last_opened_first(
        self, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(support, "hub_folder", lambda: tmp_path)
        assert UnityInstaller().known_projects() == []
        second = make(tmp_path / "second")
        listed = {
            str(project): {"path": str(project), "lastModified": 5},
            str(second): {"path": str(second), "lastModified": 7.5},
            "gone": {"path": str(tmp_path / "gone"), "lastModified": 9},
            "odd": {"path": 3, "lastModified": "x"},
            "none": None,
        }
        (tmp_path / "projects-v1.json").write_text(
            json.dumps({"schema_version": "v1", "data": listed}), "utf-8"
        )
        assert UnityInstaller().known_projects() == [second, project]
        for content in ("[]", "{", '{"data": 1}'):
            (tmp_path / "projects-v1.json").write_text(content, "utf-8")
            assert UnityInstaller().known_projects() == []


class TestPackage:
    """The rules of Unity's package manager, for a package from a Git URL above all."""

    def test_the_description_is_valid(self) -> None:
        described = json.loads((SOURCE / "package.json").read_bytes())
        assert SOURCE.name == described["name"] == NAME
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,213}", described["name"])
        assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", described["version"])
        assert described["version"] == release()
        assert re.fullmatch(r"\d{4}\.\d", described["unity"]) and described["description"]
        assert described["displayName"] and described["dependencies"] == {}
        for sample in described.get("samples", []):
            assert (SOURCE / sample["path"]).is_dir() and sample["path"].startswith("Samples~/")
        known = {"name", "displayName", "version", "description", "unity", "unityRelease", "type", "license",
                 "dependencies", "keywords", "author", "samples", "hideInEditor", "documentationUrl",
                 "changelogUrl", "licensesUrl"}  # fmt: skip
        assert described.keys() <= known

    def test_all_that_unity_imports_has_a_meta_file_with_a_guid_of_its_own(self) -> None:
        imported, metas = set(), {}
        for path in SOURCE.rglob("*"):
            parts = path.relative_to(SOURCE).parts
            hidden = any(part.endswith("~") or part.startswith(".") for part in parts)
            if path.suffix == ".meta":
                # Unity copies samples with theirs, and ignores those of the documentation.
                assert parts[0] != "Documentation~"
                guid = re.search(r"^guid: ([0-9a-f]{32})$", path.read_text("utf-8"), re.MULTILINE)
                assert guid and path.read_text("utf-8").startswith("fileFormatVersion: 2\n")
                metas[path.with_suffix("").relative_to(SOURCE)] = guid[1]
            elif not hidden or (parts[0] == "Samples~" and len(parts) > 1):
                imported.add(path.relative_to(SOURCE))
        assert imported == metas.keys() and len(set(metas.values())) == len(metas)

    def test_no_path_is_too_long_for_windows_or_differs_only_in_case(self) -> None:
        paths = [path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*")]
        # Below Library/PackageCache/NAME@HASH of a project in a deep folder.
        assert max(map(len, paths)) < 100
        assert len({path.lower() for path in paths}) == len(paths)
        assert all(re.fullmatch(r"[A-Za-z0-9._~/ -]+", path) for path in paths)

    def test_assemblies_are_for_the_editor_and_tests_for_those_who_want_them(self) -> None:
        definitions = [json.loads(path.read_bytes()) for path in SOURCE.rglob("*.asmdef")]
        names = [each["name"] for each in definitions]
        assert len(set(names)) == len(names) >= 2
        for each in definitions:
            assert each["includePlatforms"] == ["Editor"]
            if "Tests" in each["name"]:
                assert "UNITY_INCLUDE_TESTS" in each["defineConstraints"]
        scripts = [path for path in SOURCE.rglob("*.cs") if "Samples~" not in path.parts]
        assert scripts and all(
            any(list(folder.glob("*.asmdef")) for folder in script.parents if folder.is_relative_to(SOURCE))
            for script in scripts
        )

    def test_it_has_what_a_package_ships(self) -> None:
        for name in ("README.md", "CHANGELOG.md", "LICENSE.md", "Editor", "Tests/Editor", "Documentation~"):
            assert (SOURCE / name).exists()
