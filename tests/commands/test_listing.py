"""`popbridge plugins`, `workloads` and `config`, as a person at a shell meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.commands import terminal
from bridge.host.plugin_policy import read_settings_file
from tests.commands.shell import one_line


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

    def test_workloads_are_listed_by_what_they_do(self, popbridge: Any) -> None:
        _, out, _ = popbridge("workloads")
        assert "\nacme.size  " in out and "Longest side" not in out
        assert out.splitlines()[-1] == "`popbridge workloads NAME` shows the parameters of one."
        _, out, _ = popbridge("workloads", "--json")
        assert {"image.inspect", "acme.size"} <= {json.loads(line)["name"] for line in out.splitlines()}

    def test_one_workload_is_shown_with_each_parameter(self, popbridge: Any) -> None:
        code, out, _ = popbridge("workloads", "image.thumbnail")
        assert code == 0 and out.startswith("image.thumbnail  (version ")
        assert "\nFiles: one; several are processed one by one.\n" in out
        assert "\n  size=256  a whole number from 1 to " in out
        out = popbridge("workloads", "pipeline")[2]
        assert "Did you mean image.pipeline?" in out
        out = popbridge("workloads", "image.pipeline")[1]
        assert "  steps (required)  a list of objects\n" in out
        assert "        workload (required)  text\n" in out and "        params={}  an object\n" in out
        assert "Files: 1 to 4096, processed together." in out
        assert 'name="atlas"  text of the form ^' in popbridge("workloads", "image.atlas")[1]
        assert "one of " in popbridge("workloads", "image.convert")[1]
        assert "the others help with the first" in popbridge("workloads", "image.mipmaps")[1]
        assert "No parameters." in popbridge("workloads", "image.fingerprint")[1]
        assert "\n  target_db=null  " in popbridge("workloads", "image.compress")[1]
        out = popbridge("workloads", "image.resize")[1]
        own, averaging, writing = (out.index(f"\n  {name}=") for name in ("width", "kind", "format"))
        assert own < averaging < writing < out.index("\n  transfer=")
        _, out, _ = popbridge("workloads", "image.convert", "--json")
        assert json.loads(out)["name"] == "image.convert"

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

    def test_sizes_are_shown_as_people_read_them_beside_what_is_to_be_written(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POPBRIDGE_CACHE_MAX_SIZE", "1610612736")
        monkeypatch.setenv("POPBRIDGE_INLINE", "0")
        lines = {line.split()[0]: line for line in popbridge("config")[1].splitlines() if line}
        assert " 1610612736 (1.5 GiB) " in lines["cache.max_size"]
        assert " 21474836480 (20.0 GiB) " in lines["blobs.quota"] and " 0  " in lines["inline"]
        programs = map(json.loads, popbridge("config", "--json")[1].splitlines())
        assert {each["name"]: each["value"] for each in programs}["cache.max_size"] == 1610612736

    def test_who_reads_chinese_is_shown_it(
        self, popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        programs = [popbridge(command, "--json")[1] for command in ("config", "plugins", "workloads")]
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        monkeypatch.setenv("POPBRIDGE_PORT", "4321")
        lines = [line.split() for line in popbridge("config")[1].splitlines()]
        assert ["设置", "值", "来源", "环境变量", "说明"] in lines
        assert ["port", "4321", "POPBRIDGE_PORT", "POPBRIDGE_PORT"] in [line[:4] for line in lines]
        assert ["gpu", "true", "默认值"] in [line[:3] for line in lines]
        assert [f"设置文件：{home / 'settings.toml'}"] in lines
        out = popbridge("plugins", "--traceback")[1]
        assert "已停用" in out and "适配器 acme1" in out
        assert "popbridge_adapters 引发了 ZeroDivisionError" in out and "无法加载：" in out
        assert popbridge("workloads")[1].splitlines()[-1] == "`popbridge workloads NAME` 显示一个操作的参数。"
        monkeypatch.delenv("POPBRIDGE_PORT")
        assert programs == [popbridge(command, "--json")[1] for command in ("config", "plugins", "workloads")]

    @pytest.mark.parametrize("command", ["config", "plugins"])
    def test_a_very_narrow_screen_has_no_columns(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        monkeypatch.setattr(terminal, "screen_width", lambda: 40)
        listed = popbridge(command)[1].partition("\nSettings file")[0]
        assert max(map(len, listed.splitlines())) <= 40
        says = (
            "acme  ok, new\n    adapters acme1, "
            if command == "plugins"
            else "gpu  true  (the default)\n    Use an"
        )
        assert says in listed

    def test_a_narrow_screen_has_chinese_brackets(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(terminal, "screen_width", lambda: 40)
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        assert "\ngpu  true  (默认值)\n" in popbridge("config")[1]

    def test_what_a_plugin_adds_is_told_by_kinds(self, popbridge: Any) -> None:
        out = popbridge("plugins")[1]
        assert "adapters godot3, godot4" in out and "workloads image.atlas, " in out
        assert "advisor texture_import" in out

    @pytest.mark.parametrize("command", ["config", "plugins", "workloads", "workloads image.atlas"])
    def test_a_narrow_screen_folds_the_words_and_cuts_none(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        wide = popbridge(*command.split())[1]
        assert max(map(len, wide.splitlines())) > 80
        monkeypatch.setattr(terminal, "screen_width", lambda: 80)
        narrow = popbridge(*command.split())[1]
        listed = narrow.partition("\nSettings file")[0]
        assert max(map(len, listed.splitlines())) <= 80 and "…" not in narrow
        for name in (
            ("textures.max_size", "acme.volume")
            if command == "config"
            else (() if "atlas" in command else ("acme",))
        ):
            assert name in narrow

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("port = 'x'", "settings.toml is 'x'"),
            ("prot = 1", "settings.toml sets 'prot'"),
            ("port =", "Can't read"),
            ('log_file = "D:\\logs\\a.txt"', "line 1: a backslash in double quotes"),
            ('port = 1\r\n[models]\r\nfolder = "C:\\Users\\a"', "line 3: a backslash in double quotes"),
            ('log_file = "\udcff"', "it isn't UTF-8"),
        ],
    )
    def test_a_bad_settings_file_is_one_clear_line(
        self, popbridge: Any, home: Path, text: str, says: str
    ) -> None:
        home.mkdir()
        (home / "settings.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
        code, _, err = popbridge("config")
        assert code == 2 and one_line(err) and says in err


def test_a_settings_file_may_have_windows_line_ends_and_a_mark(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(b"\xef\xbb\xbfport = 1\r\n[models]\r\nfolder = 'D:\\models'\r\n")
    assert read_settings_file(file) == {"port": 1, "models.folder": "D:\\models"}


def test_no_settings_file_is_fine(tmp_path: Path) -> None:
    assert read_settings_file(tmp_path / "none.toml") == {}
