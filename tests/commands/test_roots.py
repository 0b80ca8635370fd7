"""`popbridge roots`, and what `popbridge install` and `popbridge serve --root` register."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.server import serve
from bridge.store.roots import resolved_root
from tests.commands.shell import one_line
from tests.commands.test_install import FakeEditor


@pytest.fixture
def game(tmp_path: Path) -> Path:
    made = tmp_path / "game"
    made.mkdir()
    (made / "acme.txt").write_text("2.1", "utf-8")
    return made


def listed(popbridge: Any) -> list[tuple[str, str, str]]:
    _, out, _ = popbridge("roots", "list", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    return [(each["path"], each["owner"], each["source"]) for each in found]


def test_folders_are_added_listed_and_removed(popbridge: Any, game: Path, home: Path) -> None:
    path = resolved_root(game)
    assert popbridge("roots", "list")[0] == 0 and not home.exists()
    code, out, _ = popbridge("roots", "add", str(game))
    assert code == 0 and path in out
    first = out
    assert popbridge("roots", "add", str(game))[1] != first
    assert popbridge("roots", "add", str(game.parent), "--token", "laptop")[0] == 0
    parent = resolved_root(game.parent)
    assert listed(popbridge) == [(parent, "laptop", "terminal"), (path, "local", "terminal")]
    assert path in popbridge("roots", "list")[1].replace("\n", "")
    code, out, _ = popbridge("roots", "remove", str(game))
    assert code == 0 and parent in out, "it is still in another"
    code, _, err = popbridge("roots", "remove", str(game))
    assert code == 2 and one_line(err)


@pytest.mark.parametrize("folder", ["/", "missing", "home"])
def test_what_is_never_read_cant_be_added(popbridge: Any, folder: str, game: Path, home: Path) -> None:
    home.mkdir()
    place = {"/": Path(game.anchor), "missing": game / "missing", "home": home}[folder]
    for arguments in (("roots", "add", str(place)), ("serve", "--root", str(place))):
        code, _, err = popbridge(*arguments)
        assert code == 2 and one_line(err) and str(place) in err
    assert listed(popbridge) == []


def test_serve_registers_folders_for_its_run(
    popbridge: Any, game: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(serve, "main", lambda settings, *rest: seen.append(settings["roots"]))
    monkeypatch.setenv("POPBRIDGE_ROOTS", "/of the environment")
    assert popbridge("serve", "--root", str(game), "--root", str(game.parent))[0] == 0
    assert popbridge("serve")[0] == 0
    assert seen == [[resolved_root(game), resolved_root(game.parent)], ["/of the environment"]]
    assert listed(popbridge) == []


class TestInstall:
    @pytest.fixture(autouse=True)
    def engine(self, acme: None, monkeypatch: pytest.MonkeyPatch) -> None:
        from acme_plugin.good import AcmeAdapter

        monkeypatch.setattr(AcmeAdapter, "editor", property(lambda self: FakeEditor(int(self.name[-1]))))

    def test_who_installs_the_addon_allows_the_project_and_who_removes_it_no_more(
        self, popbridge: Any, game: Path
    ) -> None:
        assert popbridge("install", "acme", str(game))[0] == 0
        assert popbridge("install", "acme", str(game))[0] == 0
        assert listed(popbridge) == [(resolved_root(game), "local", "install")]
        assert popbridge("install", "acme", str(game), "--remove")[0] == 0
        assert listed(popbridge) == []

    def test_an_addon_in_a_home_is_installed_with_the_notice_that_it_isnt_read(
        self, popbridge: Any, game: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(game))
        monkeypatch.setenv("USERPROFILE", str(game))
        code, _, err = popbridge("install", "acme", str(game))
        assert code == 0 and one_line(err) and (game / "addon2.txt").exists()
        assert listed(popbridge) == []
