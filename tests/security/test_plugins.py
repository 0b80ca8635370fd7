"""A plugin that a setting blocks runs no code, and one that somebody has installed doesn't go unnoticed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge import cli
from bridge.core.errors import UserError
from bridge.host import host
from bridge.host.discovery import PluginRecord
from bridge.host.plugin_policy import PluginPolicy, read_known, write_known
from bridge.paths import Paths
from bridge.store.audit_log import AuditLog

EVIL = """
from pathlib import Path
Path({mark!r}).write_text("ran")
"""


@pytest.fixture(autouse=True)
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return Paths.find()


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a plugin writes when it is imported."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    mark = tmp_path / "mark"
    install(site, "Evil_Tools", mark)
    return mark


def install(site: Path, distribution: str, mark: Path) -> None:
    folder = site / f"{distribution}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[popbridge]\nevil = evil_module.plugin\n")
    package = site / "evil_module"
    package.mkdir()
    (package / "__init__.py").write_text(EVIL.format(mark=str(mark)))
    (package / "plugin.py").write_text("")
    for name in [*sys.modules]:
        if name.startswith("evil_module"):
            del sys.modules[name]


def evil(policy: PluginPolicy | None = None) -> PluginRecord:
    return next(plugin for plugin in host.load(policy=policy).plugins if plugin.name == "evil")


def test_without_a_setting_it_would_run(mark: Path) -> None:
    assert evil().status == "ok"
    assert mark.exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("POPBRIDGE_PLUGINS_BLOCK", "evil"),
        ("POPBRIDGE_PLUGINS_BLOCK", "other, Evil-Tools"),
        ("POPBRIDGE_PLUGINS_BLOCK", "EVIL.TOOLS"),
        ("POPBRIDGE_PLUGINS_ALLOW", "acme"),
        # An entry point may have any name.
        ("POPBRIDGE_PLUGINS_ALLOW", "evil"),
    ],
)
def test_a_blocked_plugin_isnt_imported(
    mark: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    registry = host.load()
    plugin = next(plugin for plugin in registry.plugins if plugin.name == "evil")
    assert plugin.status == "blocked" and plugin.reason
    assert (registry.blocked, registry.disabled, registry.unserving, registry.lacks) == (
        ["evil"],
        [],
        [],
        True,
    )
    assert {"images", "import-advisor", "godot"} <= {
        one.name for one in registry.plugins if one.status == "ok"
    }
    assert not mark.exists() and "evil_module" not in sys.modules


def test_the_settings_file_and_flags_block_as_well(mark: Path, paths: Paths) -> None:
    paths.settings_file.write_text('[plugins]\nblock = ["evil"]\n')
    assert evil().status == "blocked"
    assert evil(PluginPolicy.find({"plugins.block": "other"})).status == "ok"
    paths.settings_file.write_text("[plugins]\nblock = 3\n")
    with pytest.raises(UserError):
        host.load()


def test_an_allowed_distribution_is_loaded(mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_PLUGINS_ALLOW", "evil-tools")
    assert evil().status == "ok"
    monkeypatch.setenv("POPBRIDGE_PLUGINS_BLOCK", "evil")
    assert evil().status == "blocked"


def test_new_and_changed_plugins_are_told_until_a_daemon_has_started(mark: Path, paths: Paths) -> None:
    assert evil().news == "new"
    plugin = evil()
    write_known(paths.plugins_file, [(plugin.name, plugin.distribution, plugin.version)])
    assert evil().news == ""
    write_known(paths.plugins_file, [("evil", "evil-tools", "0.9")])
    assert evil().news == "changed"
    assert [one.name for one in host.load().plugins if one.news] == ["evil"]
    paths.plugins_file.write_bytes(b"\xffnonsense")
    assert read_known(paths.plugins_file) == {} and evil().news == "new"


def test_a_new_plugin_is_recorded_before_its_code_runs(
    mark: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bridge.server import serve

    ran: list[Any] = []
    monkeypatch.setattr(serve, "main", lambda *arguments: ran.append(arguments[2]))
    paths.audit_log.mkdir()
    assert cli.main(["serve"]) == 2
    assert not ran and not mark.exists()
    paths.audit_log.rmdir()
    assert cli.main(["serve"]) == 0
    assert mark.exists()
    assert serve.plugin_news(ran[0]) == ["evil (Evil_Tools 1.0)"]
    (entry,) = [json.loads(line.data) for line in AuditLog(paths).lines()]
    assert (entry["act"], entry["subject"], entry["detail"]["version"]) == ("plugin.new", "evil", "1.0")
    capsys.readouterr()
    assert cli.main(["plugins", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["name"]: one["news"] for one in listed if one["news"]} == {"evil": "new"}


def test_the_daemon_remembers_the_plugins_that_it_started_with(shared_workers: None, paths: Paths) -> None:
    from tests.server.daemons import ThreadDaemon

    daemon = ThreadDaemon(paths.data).start()
    daemon.stop()
    assert paths.plugins_file.exists()
    assert read_known(paths.plugins_file).keys() == {"given by the caller/test", "given by the caller/echo"}
