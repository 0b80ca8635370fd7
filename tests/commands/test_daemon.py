"""`popbridge serve`'s flags and variables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accel.devices import Device
from bridge.core.settings import SETTINGS
from bridge.host import host
from bridge.host.discovery import PluginRecord
from bridge.host.host import Registry
from bridge.server.serve import startup_line
from tests.commands.shell import one_line
from tests.messages import in_chinese


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
        settings, paths, registry, _ = served[0]
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
            f"popbridge: broken.volume ({source}) is passed over: "
            "a plugin is disabled, see `popbridge plugins`."
            for source in ("--set", home / "settings.toml")
        ]
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        code, _, err = popbridge("config")
        assert code == 0 and one_line(err) and "broken.volume（" in err and "已忽略：有插件已停用" in err

    def test_a_misspelt_setting_isnt_taken_for_a_disabled_plugins(
        self, popbridge: Any, served: list[Any], acme: None, home: Path
    ) -> None:
        code, _, err = popbridge("serve", "--set", "sesion.keep_s=5")
        assert code == 2 and "--set sesion.keep_s: " in err and "did you mean session.keep_s" in err
        home.mkdir()
        (home / "settings.toml").write_text("[imagess]\nmax_pixels = 1\n", encoding="utf-8")
        code, _, err = popbridge("config")
        assert code == 2 and "did you mean images.max_pixels" in err

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
    (["--port", "many"], "设置 port（来自命令行选项）为 'many'，无效：应为 0 到 65535 的整数。"),
    (["--gpu", "perhaps"], "设置 gpu（来自命令行选项）为 'perhaps'，无效：应为 true 或 false。"),
    (["--log-format", "x"], "设置 log_format（来自命令行选项）为 'x'，无效：应为 json, text 之一。"),
    (["--set", "textures.max_siz=1"], "--set textures.max_siz：没有这个设置，您是指 textures.max_size"),
    (["--set", "volume"], "--set 'volume' 不是 NAME=VALUE 的形式。"),
    (["--host", "0.0.0.0"], "设置 host：'0.0.0.0' 不是本机回环地址"),
    (["--log-level", "x"], "设置 log_level：'x' 无效，应为以下之一：debug, info, warning, error。"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "says"), MISTAKES)
def test_what_is_wrong_with_a_flag_is_told_in_chinese(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    code, _, err = popbridge("serve", *arguments)
    assert code == 2 and one_line(err) and err.startswith(f"popbridge: {says}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("port = 'x'", "设置 port（来自 {file}）为 'x'，无效：应为 0 到 65535 的整数。"),
        ("prot = 1", "{file} 中设置了 prot：没有这个设置，您是指 port 吗？"),
        ("acme.x = 1", "{file} 中设置了 acme.x：没有这个设置；现有：blobs.keep_s, "),
        ("port =", "无法读取设置文件 {file}（"),
    ],
)
def test_what_is_wrong_in_the_settings_file_is_told_in_chinese(
    popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    home.mkdir()
    (home / "settings.toml").write_text(text, "utf-8")
    code, _, err = popbridge("serve")
    assert code == 2 and err.startswith(f"popbridge: {says.format(file=home / 'settings.toml')}")


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
    assert "POPBRIDGE_PROT 不是设置，已忽略；您是指 POPBRIDGE_PORT 吗？" in popbridge("serve")[2]


LOADED = host.load()
BROKEN = (PluginRecord("acme", "acme", "1", status="disabled", reason="x"),)


@pytest.mark.parametrize(
    ("said", "chinese"),
    [
        (
            startup_line("[::1]:1", Device("CPU", "no CUDA driver found"), Registry(plugins=BROKEN)),
            "，位于 ws://[::1]:1/ws | CPU：未找到 CUDA 驱动 | 适配器：无 | 工作负载：无 | 已停用的插件：acme"
            "（见 `popbridge plugins`）",
        ),
        (
            startup_line("127.0.0.1:1", Device("CPU", "no CUDA driver found"), LOADED),
            f" | 工作负载：{len(LOADED.workloads)} 个（见 `popbridge workloads`）",
        ),
        (
            startup_line("127.0.0.1:1", Device("CUDA", "NVIDIA H100 and 1 more"), Registry()),
            "，位于 ws://127.0.0.1:1/ws | CPU；NVIDIA H100 及另外 1 个 GPU 上更快的任务由其 CUDA 运行"
            "（可用 `popbridge devices` 测试） | 适配器：无 | 工作负载：无",
        ),
        ("PopBridge has stopped.", " 已停止。"),
    ],
)
def test_what_the_daemon_says_at_its_console_is_told_in_chinese(said: str, chinese: str) -> None:
    told = in_chinese(said)
    assert told.startswith("PopBridge") and told.endswith(chinese)


def test_a_gpu_that_is_left_alone_is_named_in_chinese() -> None:
    said = startup_line("127.0.0.1:1", Device("CUDA", "NVIDIA H100"), Registry(), gpu=False)
    assert " | CPU：设置 gpu 已关闭，不使用 NVIDIA H100 | " in in_chinese(said)


@pytest.mark.parametrize(
    ("holder", "chinese"),
    [("another program", "已被其他程序占用"), ("x.exe (process 5)", "已被 x.exe（进程 5）占用")],
)
def test_who_holds_a_port_is_told_in_chinese(holder: str, chinese: str) -> None:
    said = f"Port 1 is held by {holder}: listening on 2 (another one: --port)."
    assert in_chinese(said) == f"端口 1 {chinese}：改为监听 2（可用 --port 指定其他端口）。"


def test_the_demo_speaks_the_readers_language(
    popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    (tmp_path / "mine.txt").touch()
    code, _, err = popbridge("demo", "--out", str(tmp_path))
    assert code == 2 and one_line(err) and "不为空，也不是先前的演示" in err


def test_a_home_that_is_a_file_is_told_and_its_settings_arent_asked_for(popbridge: Any, home: Path) -> None:
    home.touch()
    code, _, err = popbridge("serve")
    assert code == 2 and f"{home} is no folder" in err and "settings" not in err
