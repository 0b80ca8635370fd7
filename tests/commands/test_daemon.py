"""`popbridge serve`'s flags and variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accel.devices import Device
from accel.text import AnyText
from bridge.commands.daemon import serve
from bridge.core.settings import SETTINGS
from bridge.host.discovery import PluginRecord
from bridge.host.host import Registry
from bridge.server.serve import startup_line
from tests.commands.shell import one_line
from tests.messages import in_chinese, is_chinese


class TestServe:
    @pytest.fixture
    def served(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
        from bridge.server import serve

        calls: list[Any] = []
        monkeypatch.setattr(serve, "main", lambda *given: calls.append(given))
        yield calls

    def test_every_setting_has_a_flag_and_the_help_shows_the_usual_ones(
        self, popbridge: Any, served: list[Any]
    ) -> None:
        _, out, _ = popbridge("serve", "--help")
        flags = {"--" + setting.name.replace(".", "-").replace("_", "-"): setting for setting in SETTINGS}
        assert flags.keys() <= {flag for param in serve.params for flag in param.opts}
        assert "--port" in out and "--session-unacked-mib" not in out and len(out.splitlines()) < 40

    def test_flags_win_and_plugins_settings_can_be_set(
        self, popbridge: Any, served: list[Any], acme: None, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POPBRIDGE_PORT", "4321")
        code, _, err = popbridge("serve", "--port", "0", "--blobs-max-size", "1000", "--set", "acme.volume=2")
        assert (code, err) == (0, "")
        settings, paths, registry, *_ = served[0]
        assert (settings["port"], settings["blobs.max_size"], settings["acme.volume"]) == (0, 1000, 2)
        assert paths.home == home
        assert "image.inspect" in registry.workloads

    def test_settings_of_a_plugin_that_is_disabled_keep_nothing_from_working(
        self,
        popbridge: Any,
        served: list[Any],
        acme: None,
        home: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        home.mkdir()
        (home / "settings.toml").write_text("port = 1\n[broken]\nvolume = 2\n", encoding="utf-8")
        code, _, err = popbridge("serve", "--set", "broken.volume=3")
        assert code == 0 and served[0][0]["port"] == 1
        assert err.splitlines() == [
            f"popbridge: Ignoring broken.volume ({source}): it may belong to a disabled plugin. "
            "See `popbridge plugins`."
            for source in ("--set", home / "settings.toml")
        ]
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        code, _, err = popbridge("config")
        assert code == 0 and one_line(err) and "broken.volume（" in err and is_chinese(err)

    def test_a_misspelt_setting_isnt_taken_for_a_disabled_plugins(
        self, popbridge: Any, served: list[Any], acme: None, home: Path
    ) -> None:
        code, _, err = popbridge("serve", "--set", "sesion.keep_s=5")
        assert code == 2 and "--set sesion.keep_s: " in err and "session.keep_s or" in err
        home.mkdir(exist_ok=True)
        (home / "settings.toml").write_text("[imagess]\nmax_pixels = 1\n", encoding="utf-8")
        code, _, err = popbridge("config")
        assert code == 2 and "images.max_pixels?" in err

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


MISTAKES = [
    (["--port", "many"], "port"),
    (["--gpu", "perhaps"], "gpu"),
    (["--log-format", "x"], "log_format"),
    (["--set", "textures.max_siz=1"], "textures.max_size"),
    (["--set", "volume"], "NAME=VALUE"),
    (["--host", "0.0.0.0"], "host"),
    (["--log-level", "x"], "log_level"),
]


@pytest.mark.parametrize(("arguments", "name"), MISTAKES)
def test_a_wrong_flag_is_explained_in_chinese(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], name: str
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    code, _, err = popbridge("serve", *arguments)
    assert code == 2 and one_line(err) and name in err and re.search("[\u4e00-\u9fff]", err)


@pytest.mark.parametrize(
    ("text", "name"), [("port = 'x'", "port"), ("prot = 1", "port"), ("acme.x = 1", "acme.x"), ("port =", "")]
)
def test_a_wrong_settings_file_is_named_and_explained_in_chinese(
    popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    home.mkdir()
    (home / "settings.toml").write_text(text, "utf-8")
    code, _, err = popbridge("serve")
    assert code == 2 and str(home / "settings.toml") in err and name in err
    assert re.search("[\u4e00-\u9fff]", err)


def test_a_variable_with_a_wrong_value_is_named_in_chinese(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    monkeypatch.setenv("POPBRIDGE_PROT", "1")
    monkeypatch.setenv("POPBRIDGE_PORT", "x")
    says = "设置 port（来自环境变量 POPBRIDGE_PORT）为 'x'，无效："
    assert says in popbridge("serve")[2]
    monkeypatch.setenv("POPBRIDGE_PORT", "1")
    monkeypatch.setenv("POPBRIDGE_LOG_LEVEL", "x")
    notice = popbridge("serve")[2].splitlines()[0]
    assert "POPBRIDGE_PROT" in notice and "POPBRIDGE_PORT" in notice


BROKEN = (PluginRecord("acme", "acme", "1", status="disabled", reason="x"),)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (
            startup_line("ws://[::1]:1/ws", Device("CPU", ""), Registry(plugins=BROKEN)),
            ["ws://[::1]:1/ws", "acme"],
        ),
        (
            startup_line("ws://127.0.0.1:1/ws", Device("CUDA", "NVIDIA H100"), Registry()),
            ["CPU", "NVIDIA H100"],
        ),
    ],
)
def test_the_daemon_starts_with_a_line_in_chinese(line: AnyText, names: list[str]) -> None:
    chinese = in_chinese(line)
    assert re.search("[\u4e00-\u9fff]", chinese) and all(name in chinese for name in names)


def test_a_gpu_that_is_left_alone_is_named_in_chinese() -> None:
    said = startup_line("ws://127.0.0.1:1/ws", Device("CUDA", "NVIDIA H100"), Registry(), gpu=False)
    (part,) = [each for each in in_chinese(said).split(" | ") if "H100" in each]
    assert is_chinese(part) and part.startswith("CPU：") and "gpu" in part


def test_the_demo_speaks_the_readers_language(
    popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    (tmp_path / "mine.txt").touch()
    code, _, err = popbridge("demo", "--out", str(tmp_path))
    assert code == 2 and one_line(err) and str(tmp_path) in err and is_chinese(err)


def test_a_home_that_is_a_file_is_told_and_its_settings_arent_asked_for(popbridge: Any, home: Path) -> None:
    home.touch()
    code, _, err = popbridge("serve")
    assert code == 2 and str(home) in err and "settings" not in err
