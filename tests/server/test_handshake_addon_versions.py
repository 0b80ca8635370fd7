"""An editor whose addon isn't the one that is installed now is told so, with what to type."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.api import Addon
from bridge.core.messages import Identify
from bridge.locale import translate
from bridge.paths import ConnectionFile
from bridge.server.handshake import addon_notice
from tests.server.plugin import Fake
from tests.server.wire import identity, session

ENGINE = {"name": "fake", "version": "2.1"}
OURS = "2.1.0+b2"


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setattr(Fake, "addon", Addon("fake-addon", OURS))
    return Fake()


def client(version: str, name: str = "fake-addon") -> dict[str, str]:
    return {"kind": "editor", "name": name, "version": version}


def told(adapter: Fake, file: ConnectionFile, version: str, **more: Any) -> str:
    said = identity(file, engine=ENGINE, client=client(version), **more)
    return translate(addon_notice(msgspec.convert(said, Identify), adapter), said.get("locale", ""))


@pytest.mark.parametrize("version", ["2.0.0", "2.1.0", "2.1.0+a1", "0", "of my own"])
def test_another_addon_is_told_what_to_type(
    adapter: Fake, file: ConnectionFile, tmp_path: Path, version: str
) -> None:
    root = str(tmp_path / "my game")
    quoted = f'"{root}"' if os.name == "nt" else f"'{root}'"
    project = {"id": "p", "name": "P", "root": root}
    said = told(adapter, file, version, project=project)
    assert "isn't the one of PopBridge 2.1.0." in said and f"`popbridge install fake {quoted}`" in said
    # It may be the daemon that is older than what was installed since.
    assert said.endswith("If you have, restart PopBridge.")
    said = told(adapter, file, version, project=project, locale="zh-CN")
    assert "插件与 PopBridge 2.1.0 不匹配" in said and f"`popbridge install fake {quoted}`" in said
    assert said.endswith("如已执行，请重启 PopBridge。")


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        (
            "en",
            "PopBridge 2.2.0, but PopBridge 2.1.0 is running. Update PopBridge; if you have, restart it.",
        ),
        (
            "zh_CN",
            "来自 PopBridge 2.2.0，而正在运行的是 PopBridge 2.1.0。请更新 PopBridge；如已更新，请重启它。",
        ),
    ],
)
def test_where_the_addon_is_newer_the_daemon_is_to_be_updated(
    adapter: Fake, file: ConnectionFile, locale: str, said: str
) -> None:
    found = told(adapter, file, "2.2.0+c3", locale=locale)
    assert found.endswith(said) and "popbridge install" not in found


def test_a_project_elsewhere_is_named_by_whoever_has_it(adapter: Fake, file: ConnectionFile) -> None:
    assert "`popbridge install fake PROJECT`" in told(adapter, file, "1")


@pytest.mark.parametrize(
    "addon",
    [
        property(lambda _: 1 / 0),
        property(lambda _: sys.exit("acme")),
        "fake-addon",
        ("fake-addon", OURS),
        lambda _: Addon("fake-addon", OURS),
        Addon("fake-addon", None),  # type: ignore[arg-type]
    ],
)
async def test_an_adapter_that_cant_tell_its_addon_keeps_no_editor_out(
    file: ConnectionFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, addon: object
) -> None:
    monkeypatch.setattr(Fake, "addon", addon)
    async with session(file, engine=ENGINE, client=client("1")) as wire:
        assert "popbridge install" not in wire.ready.get("notice", "")
    assert "adapter fake2 has an invalid `addon`" in caplog.text


async def test_the_editor_is_told_when_it_connects(
    adapter: Fake, file: ConnectionFile, tmp_path: Path
) -> None:
    said: dict[str, Any] = {"engine": ENGINE, "project": {"id": "p", "name": "P", "root": str(tmp_path)}}
    async with session(file, client=client("2.0.0"), **said) as wire:
        assert wire.ready["notice"].startswith("The addon in this project isn't")
    for own in (client(OURS), client("1", name="another")):
        async with session(file, client=own, **said) as wire:
            assert "notice" not in wire.ready
