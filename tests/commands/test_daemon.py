"""`popbridge serve`'s flags and variables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.core.settings import SETTINGS
from tests.commands.shell import one_line


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


def test_a_home_that_is_a_file_is_told_and_its_settings_arent_asked_for(popbridge: Any, home: Path) -> None:
    home.touch()
    code, _, err = popbridge("serve")
    assert code == 2 and f"{home} is no folder" in err and "settings" not in err
