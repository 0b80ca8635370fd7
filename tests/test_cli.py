"""The `popbridge` command, as a person at a shell meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge import cli, host
from bridge.api import AssetChange
from bridge.commands import install, receipts, shared
from bridge.commands.shared import read_settings_file
from bridge.core.errors import EDITOR_GONE, FORBIDDEN, NOT_FOUND, RequestError, UserError
from bridge.core.messages import Command, Result
from bridge.core.settings import SETTINGS
from bridge.store.database import open_database
from bridge.store.receipts import ReceiptStore
from tests.advisors import pictures

ACME = Path(__file__).parent / "data" / "acme"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def popbridge(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ACME))


def one_line(err: str) -> bool:
    return err.startswith("popbridge: ") and err.count("\n") == 1 and "Traceback" not in err


class TestAsAProgram:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "bridge.cli", *arguments], capture_output=True, timeout=60
        )

    def test_help_names_every_command(self) -> None:
        done = self.run("--help")
        assert done.returncode == 0
        assert all(name.encode() in done.stdout for name in cli.COMMANDS)

    def test_the_version_is_the_distributions(self) -> None:
        assert self.run("--version").stdout.decode().startswith("popbridge, version ")

    def test_a_mistake_is_one_line_and_exit_code_2(self) -> None:
        done = self.run("run", "image.none", "x.png")
        assert done.returncode == 2
        assert one_line(done.stderr.decode())

    def test_names_in_any_script_come_out_of_a_pipe_as_utf8(self, tmp_path: Path) -> None:
        path = pictures.save(tmp_path / "岩石.png", pictures.noise(3, 8))
        done = self.run("run", "image.inspect", str(path), "--json", "--workers", "1")
        assert json.loads(done.stdout.decode("utf-8"))["file"] == str(path)

    def test_help_costs_no_imports_that_only_a_daemon_needs(self) -> None:
        script = (
            "import sys; from bridge.cli import main; main(['--help']);"
            "bad = {'numpy', 'pyvips', 'uvicorn', 'websockets', 'rich', 'sqlite_utils'} & set(sys.modules);"
            "sys.exit(','.join(bad) or 0)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr


class TestMistakes:
    @pytest.mark.parametrize(
        "arguments",
        [["nonsense"], ["run"], ["revert", "x"], ["revert", "9" * 21], ["revert", str(2**53)],
         ["revert", "0"], ["receipts", "--limit", "0"], ["demo", "--nonsense"]],
    )  # fmt: skip
    def test_a_wrong_call_is_one_line_that_names_the_help(self, popbridge: Any, arguments: list[str]) -> None:
        code, _, err = popbridge(*arguments)
        assert code == 2 and one_line(err)
        command = f"popbridge {arguments[0]}" if arguments[0] != "nonsense" else "popbridge"
        assert f"`{command} --help` shows how." in err

    def test_a_bare_call_shows_the_help(self, popbridge: Any) -> None:
        code, out, err = popbridge()
        assert code == 2 and "Commands:" in out + err

    def test_help_is_the_same_for_every_command(self, popbridge: Any) -> None:
        for name in cli.COMMANDS:
            code, out, _ = popbridge(name, "-h")
            assert code == 0 and out.startswith(f"Usage: popbridge {name}")
        assert "popbridge run image.inspect rock.png --json" in popbridge("run", "--help")[1]
        assert "[default: demo-output]" in popbridge("demo", "-h")[1]

    @pytest.mark.parametrize(
        ("error", "code", "says"),
        [
            (
                RequestError(EDITOR_GONE, editor="Godot"),
                1,
                "popbridge: Godot isn't connected. Open the project",
            ),
            (RequestError(FORBIDDEN, name="x", reason="no"), 2, "popbridge: x: no."),
            (KeyboardInterrupt(), 130, ""),
            (BrokenPipeError(), 1, ""),
        ],
    )
    def test_what_ends_a_command_early_is_no_traceback(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, says: str
    ) -> None:
        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(receipts, "read_receipts", fail)
        monkeypatch.setattr(sys, "stdout", sys.stdout)
        given, _, err = popbridge("receipts")
        assert given == code and err.startswith(says)


class TestRun:
    @pytest.fixture
    def files(self, tmp_path: Path) -> list[str]:
        good = [pictures.save(tmp_path / f"{n}" / "rock.png", pictures.normal_map(32)) for n in range(2)]
        (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nshort")
        return [str(good[0]), str(tmp_path / "broken.png"), str(good[1]), str(tmp_path / "gone.png")]

    def test_each_file_gets_a_line_of_json_and_a_failure_costs_its_file_alone(
        self, popbridge: Any, files: list[str]
    ) -> None:
        code, out, _ = popbridge("run", "image.inspect", *files, "--json", "--workers", "2")
        lines = [json.loads(line) for line in out.splitlines()]
        assert code == 1
        assert [line["file"] for line in lines] == files
        assert lines[0]["value"]["width"] == 32
        assert lines[0]["meta"]["device"] == "CPU"
        assert lines[1]["error"]["code"] == "bad_input"
        assert lines[2]["value"] == lines[0]["value"]
        assert lines[3]["error"]["code"] == "not_found"

    @pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
    def test_a_name_that_is_no_unicode_costs_no_other_file(
        self, popbridge: Any, files: list[str], tmp_path: Path
    ) -> None:
        stray = str(tmp_path / "b\udcff.png")
        Path(stray).write_bytes(Path(files[0]).read_bytes())
        code, out, _ = popbridge(
            "run", "image.inspect", files[0], stray, files[2], "--json", "--workers", "1"
        )
        lines = [json.loads(line) for line in out.splitlines()]
        assert code == 1 and [line["file"] for line in lines] == [files[0], stray, files[2]]
        assert "isn't valid Unicode" in lines[1]["error"]["message"] and lines[2]["value"]["width"] == 32
        code, _, err = popbridge("run", "image.inspect", stray, "--workers", "1")
        assert code == 1 and err.endswith(
            r"b\udcff.png: its name isn't valid Unicode; rename the file" + "\n"
        )

    def test_a_folder_is_called_one_and_nothing_else_is_on_stderr(
        self, popbridge: Any, files: list[str], tmp_path: Path
    ) -> None:
        code, _, err = popbridge("run", "image.inspect", files[0], str(tmp_path), "--workers", "1")
        assert (code, err) == (1, f"{tmp_path}: is a folder; name the files in it\n")

    def test_a_crash_is_told_as_one(self, popbridge: Any, files: list[str], monkeypatch: Any) -> None:
        from tests.accel.workloads import crash

        registry = host.Registry(workloads={"test.crash": crash.workload})
        monkeypatch.setattr(host, "load", lambda: registry)
        arguments = ["--param", "text=exit", "--workers", "1"]
        _, _, err = popbridge("run", "test.crash", files[0], *arguments)
        assert err == f"{files[0]}: test.crash crashed its worker process (exit code 3)\n"

    def test_people_read_values_on_stdout_and_failures_on_stderr(
        self, popbridge: Any, files: list[str]
    ) -> None:
        code, out, err = popbridge("run", "image.inspect", *files[:2], "--workers", "1")
        assert code == 1
        assert out.startswith(f"{files[0]}: {{")
        assert f"{files[1]}: " in err

    def test_output_files_of_equal_names_dont_overwrite_each_other(
        self, popbridge: Any, files: list[str], tmp_path: Path
    ) -> None:
        arguments = ["--param", "size=16", "--out", str(tmp_path / "out"), "--workers", "1"]
        code, _, _ = popbridge("run", "image.thumbnail", files[0], files[2], *arguments)
        assert code == 0
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "rock.thumbnail-2.png",
            "rock.thumbnail.png",
        ]

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["image.nothing"], "no workload 'image.nothing'; there are"),
            (["image.thumbnail", "--param", "size=big"], "size"),
            (["image.thumbnail", "--param", "size=0"], "size"),
            (["image.thumbnail", "--param", "colour=1"], "colour"),
            (["image.thumbnail", "--param", "size"], "isn't NAME=VALUE"),
            (["image.thumbnail", "--out", "{file}/out"], "can't be made"),
        ],
    )
    def test_a_mistake_is_told_before_any_file_is_opened(
        self, popbridge: Any, files: list[str], arguments: list[str], says: str
    ) -> None:
        arguments = [argument.format(file=files[0]) for argument in arguments]
        code, _, err = popbridge("run", *arguments, files[0])
        assert code == 2
        assert one_line(err) and says in err


@pytest.mark.usefixtures("acme")
class TestListings:
    def test_plugins_are_shown_with_their_distribution_and_why_one_is_disabled(self, popbridge: Any) -> None:
        _, out, _ = popbridge("plugins")
        line = next(line for line in out.splitlines() if line.startswith("acme-import "))
        assert "1.2" in line and "disabled" in line and "No module named" in line

    def test_where_a_plugin_failed_is_shown_when_it_is_asked_for(self, popbridge: Any) -> None:
        assert "Traceback" not in popbridge("plugins")[1]
        _, out, _ = popbridge("plugins", "--traceback")
        assert "plugin 'acme-raises' (acme 1.2): popbridge_adapters raised ZeroDivisionError" in out
        assert "Traceback (most recent call last):" in out and 'hook_raises.py", line' in out

    def test_plugins_as_json(self, popbridge: Any) -> None:
        _, out, _ = popbridge("plugins", "--json")
        plugins = {plugin["name"]: plugin for plugin in map(json.loads, out.splitlines())}
        assert plugins["acme"]["provides"][0] == "adapter acme1"
        assert plugins["acme-raises"]["status"] == "disabled"

    def test_workloads_are_shown_with_their_parameters(self, popbridge: Any) -> None:
        _, out, _ = popbridge("workloads")
        assert "acme.size" in out
        assert "size=256  Longest side, pixels." in out
        _, out, _ = popbridge("workloads", "--json")
        assert {"image.inspect", "acme.size"} <= {json.loads(line)["name"] for line in out.splitlines()}

    def test_settings_are_shown_with_where_they_come_from(
        self, popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home.mkdir()
        (home / "settings.toml").write_text(
            "port = 1234\n[acme]\nvolume = 3\n[textures]\nmax_size = 99\n", "utf-8"
        )
        monkeypatch.setenv("POPBRIDGE_PORT", "4321")
        _, out, _ = popbridge("config", "--json")
        settings = {setting["name"]: setting for setting in map(json.loads, out.splitlines())}
        assert (settings["port"]["value"], settings["port"]["source"]) == (4321, "POPBRIDGE_PORT")
        assert (settings["acme.volume"]["value"], settings["acme.volume"]["source"]) == (
            3,
            "the settings file",
        )
        assert settings["textures.max_size"]["value"] == 99
        assert settings["host"]["source"] == "the default"
        code, out, _ = popbridge("config")
        assert code == 0 and "settings.toml" in out

    @pytest.mark.parametrize("command", ["config", "plugins", "workloads"])
    def test_a_narrow_screen_folds_the_words_and_cuts_none(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        wide = popbridge(command)[1]
        assert max(map(len, wide.splitlines())) > 80
        monkeypatch.setattr(shared, "screen_width", lambda: 80)
        narrow = popbridge(command)[1]
        listed = narrow.partition("\nSettings file")[0]
        assert max(map(len, listed.splitlines())) <= 80 and "…" not in narrow
        for name in ("textures.max_size", "acme.volume") if command == "config" else ("acme",):
            assert name in narrow

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("port = 'x'", "settings.toml is 'x'"),
            ("prot = 1", "settings.toml sets 'prot'"),
            ("port =", "can't be read"),
        ],
    )
    def test_a_bad_settings_file_is_one_clear_line(
        self, popbridge: Any, home: Path, text: str, says: str
    ) -> None:
        home.mkdir()
        (home / "settings.toml").write_text(text, "utf-8")
        code, _, err = popbridge("config")
        assert code == 2 and one_line(err) and says in err


def test_no_settings_file_is_fine(tmp_path: Path) -> None:
    assert read_settings_file(tmp_path / "none.toml") == {}


class TestServe:
    @pytest.fixture
    def served(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
        from bridge.server import serve

        calls: list[Any] = []
        monkeypatch.setattr(serve, "main", lambda *given: calls.append(given))
        yield calls

    def test_every_setting_has_a_flag(self, popbridge: Any, served: list[Any]) -> None:
        _, out, _ = popbridge("serve", "--help")
        for setting in SETTINGS:
            assert "--" + setting.name.replace(".", "-").replace("_", "-") in out

    def test_flags_win_and_plugins_settings_can_be_set(
        self, popbridge: Any, served: list[Any], acme: None, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POPBRIDGE_PORT", "4321")
        code, _, err = popbridge("serve", "--port", "0", "--blobs-max-size", "1000", "--set", "acme.volume=2")
        assert (code, err) == (0, "")
        settings, paths, registry = served[0]
        assert (settings["port"], settings["blobs.max_size"], settings["acme.volume"]) == (0, 1000, 2)
        assert paths.home == home
        assert "image.inspect" in registry.workloads

    def test_a_misspelt_variable_is_told_and_doesnt_stop_the_daemon(
        self, popbridge: Any, served: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POPBRIDGE_PROT", "1")
        code, _, err = popbridge("serve")
        assert code == 0 and one_line(err) and "POPBRIDGE_PROT" in err and "POPBRIDGE_PORT?" in err
        assert len(served) == 1

    @pytest.mark.parametrize(
        "arguments", [["--port", "many"], ["--port", "70000"], ["--set", "no.such=1"], ["--set", "volume"]]
    )
    def test_a_bad_flag_is_one_clear_line(
        self, popbridge: Any, served: list[Any], arguments: list[str]
    ) -> None:
        code, _, err = popbridge("serve", *arguments)
        assert code == 2 and one_line(err)
        assert served == []


class FakeEditor:
    """The files of an engine whose projects have a file `acme.txt` with the version in it."""

    def __init__(self, major: int) -> None:
        self.major = major

    def project_version(self, project: Path) -> str | None:
        file = project / "acme.txt"
        return file.read_text("utf-8") if file.exists() else None

    def serves(self, version: Any) -> bool:
        return bool(version.major == self.major)

    def install(self, project: Path) -> list[AssetChange]:
        addon = project / f"addon{self.major}.txt"
        if addon.exists():
            return [AssetChange(addon.name, "unchanged")]
        addon.write_text("addon", "utf-8")
        return [AssetChange(addon.name, "created")]

    def remove(self, project: Path) -> list[AssetChange]:
        addon = project / f"addon{self.major}.txt"
        addon.unlink()
        return [AssetChange(addon.name, "removed")]


class TestInstall:
    @pytest.fixture(autouse=True)
    def engine(self, acme: None, monkeypatch: pytest.MonkeyPatch) -> None:
        from acme_plugin.good import AcmeAdapter

        editors = {"acme1": FakeEditor(1), "acme2": FakeEditor(2)}
        monkeypatch.setattr(AcmeAdapter, "editor", property(lambda self: editors[self.name]))

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        (tmp_path / "acme.txt").write_text("2.1", "utf-8")
        return tmp_path

    def test_the_addon_for_the_projects_version_is_installed_and_removed(
        self, popbridge: Any, project: Path
    ) -> None:
        code, out, _ = popbridge("install", "acme", str(project))
        assert code == 0 and "created    addon2.txt" in out
        _, out, _ = popbridge("install", "Acme", str(project))
        assert "unchanged  addon2.txt" in out and "Nothing had to change." in out
        _, out, _ = popbridge("install", "acme", str(project), "--remove", "--json")
        assert json.loads(out) == {"path": "addon2.txt", "what": "removed"}

    def test_an_unknown_engine_is_told_with_those_that_are_known(self, popbridge: Any, project: Path) -> None:
        code, _, err = popbridge("install", "frostbite", str(project))
        assert code == 2 and one_line(err)
        assert "Unknown engine 'frostbite'; known: acme" in err

    def test_a_folder_without_a_project_a_missing_one_and_a_foreign_version_are_told(
        self, popbridge: Any, project: Path
    ) -> None:
        (project / "empty").mkdir()
        for folder, says in ((project / "empty", "is no acme project"), (project / "gone", "is no folder")):
            code, _, err = popbridge("install", "acme", str(folder))
            assert code == 2 and one_line(err) and says in err
        (project / "acme.txt").write_text("7.0", "utf-8")
        code, _, err = popbridge("install", "acme", str(project))
        assert code == 2 and one_line(err)
        assert "acme 7.0, which no addon serves" in err

    def test_a_folder_that_cannot_be_written_is_told(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(self: FakeEditor, project: Path) -> list[AssetChange]:
            raise PermissionError(13, "Permission denied", str(project / "addons"))

        monkeypatch.setattr(FakeEditor, "install", refuse)
        code, _, err = popbridge("install", "acme", str(project))
        assert code == 2 and one_line(err) and "can't be written (Permission denied)" in err

    def test_an_engine_without_an_addon_is_told(self, monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
        from acme_plugin.good import AcmeAdapter

        monkeypatch.setattr(AcmeAdapter, "editor", property(lambda self: None))
        with pytest.raises(UserError, match="no addon for acme"):
            install.find_editor(host.load(), "acme", project)


def keep_receipt(
    home: Path, paths: list[str], note: str = "texture import: no_mipmaps", errors: Any = ()
) -> int:
    db = open_database(home / "popbridge.db")
    store = ReceiptStore(db)
    before, after = ([{"path": path, "options": {"m": on}} for path in paths] for on in (False, True))
    command = Command(id=0, name="texture.apply", args={"changes": after}, deadline_ms=1000)
    receipt_id, _ = store.open("s1", "p1", "Game", command, note)
    value = {"before": before, "after": after, "errors": list(errors)}
    store.answered(receipt_id, Result(id=receipt_id, value=value))
    db.conn.close()
    return receipt_id


class TestReceipts:
    @pytest.fixture
    def receipt(self, home: Path) -> int:
        return keep_receipt(home, ["res://a.png", "res://b.png"])

    def test_they_are_listed_without_a_daemon(self, popbridge: Any, receipt: int) -> None:
        code, out, _ = popbridge("receipts")
        assert code == 0
        first, second = out.splitlines()[1:]
        assert "Game" in first and "applied" in first and "no_mipmaps" in first
        assert "res://a.png: m false → true" in first and "res://b.png: m false → true" in second

    def test_on_a_narrow_screen_what_changed_is_folded_and_never_cut(
        self, popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = "res://" + "a_folder_with_a_long_name/" * 3 + "wall_[normal].png"
        keep_receipt(home, [path], note="texture import: a reason that needs some room of its own")
        monkeypatch.setattr(shared, "screen_width", lambda: 80)
        _, out, _ = popbridge("receipts")
        assert max(map(len, out.splitlines())) <= 80
        cells = "".join(line[30:].strip() for line in out.splitlines()[1:])
        assert path in cells and "…" not in out

    def test_a_receipt_of_many_files_names_some_and_what_went_wrong(self, popbridge: Any, home: Path) -> None:
        keep_receipt(
            home, [f"res://{n}.png" for n in range(10)], errors=[{"path": "x", "message": "is locked"}]
        )
        _, out, _ = popbridge("receipts")
        assert "and 2 more files; --json shows them" in out and "error: x is locked" in out

    def test_as_json_they_hold_before_and_after(self, popbridge: Any, receipt: int) -> None:
        _, out, _ = popbridge("receipts", "--json")
        kept = json.loads(out)
        assert kept["id"] == receipt
        assert kept["before"][0] == {"path": "res://a.png", "options": {"m": False}}

    def test_before_the_first_change_there_is_nothing_to_list(self, popbridge: Any) -> None:
        assert popbridge("receipts") == (0, "No command has changed anything yet.\n", "")

    def test_revert_without_a_daemon_says_to_start_it(self, popbridge: Any, receipt: int) -> None:
        code, _, err = popbridge("revert", str(receipt))
        assert code == 2 and one_line(err) and "popbridge serve" in err

    def test_revert_of_a_receipt_that_isnt_there_is_the_askers_mistake(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Gone:
            async def __aenter__(self) -> Gone:
                return self

            async def __aexit__(self, *_: object) -> None: ...

            async def request(self, *_: object) -> None:
                raise RequestError(NOT_FOUND, name="receipt 7")

        async def connect(*_: object, **__: object) -> Gone:
            return Gone()

        monkeypatch.setattr("bridge.client.Client.connect", connect)
        code, _, err = popbridge("revert", "7")
        assert code == 2 and one_line(err) and "no receipt 7" in err

    def test_revert_tells_what_the_editor_answered(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def reverted(connection_file: Path, receipt: int) -> dict[str, Any]:
            return {"id": 9, "state": "failed", "errors": [{"path": "res://a.png", "message": "read-only"}]}

        monkeypatch.setattr(receipts, "_revert", reverted)
        code, out, _ = popbridge("revert", "3")
        assert code == 1
        assert "Receipt 3 is NOT put back (receipt 9)." in out and "res://a.png read-only" in out
