"""The demo, with the built-in editor and a real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.core.errors import UserError
from bridge.demo import run
from bridge.demo.textures import textures


def test_the_demo_finds_exactly_the_wrong_half_and_leaves_a_page_with_before_and_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--headless", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    drawn = [texture.file for texture in textures()]
    right = said.partition("Left alone, for they are right: ")[2].splitlines()[0].split(", ")
    page = (tmp_path / "out" / "demo.html").read_text(encoding="utf-8")
    # Godot 4 doesn't decide colour space at import: there the roughness map is wrong for its mipmaps alone.
    assert set(right) == set(drawn[6:])
    assert "a normal map imported as colour" in said
    assert page.count("<tr>") == len(drawn) + 1
    assert "data:image/png;base64," in page


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_where_the_demo_cant_write_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file.* can't be written"):
        run(["--headless", "--out", str(tmp_path / place)])


def test_a_daemon_that_doesnt_start_isnt_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_LOG_LEVEL", "nonsense")
    with pytest.raises(UserError, match=r"demo\.log"):
        run(["--headless", "--out", str(tmp_path / "out")])
    assert "log_level" in (tmp_path / "out" / "demo.log").read_text(encoding="utf-8")


def test_the_demo_can_be_repeated_and_never_removes_what_it_did_not_make(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious.txt").write_text("x")
    with pytest.raises(UserError, match="isn't empty"):
        run(["--headless", "--out", str(mine)])
    assert (mine / "precious.txt").exists()
    out = str(tmp_path / "out")
    assert run(["--headless", "--out", out]) == 0
    assert run(["--headless", "--out", out]) == 0
