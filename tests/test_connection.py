"""`connection.json`: written whole, for its owner alone, and read with a word on what is wrong."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from bridge.core.errors import UserError
from bridge.paths import ConnectionFile

FILE = ConnectionFile(ws="ws://127.0.0.1:1/ws", http="http://127.0.0.1:1", token="secret", pid=7, protocol=1)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    FILE.write(path)
    assert ConnectionFile.read(path) == replace(FILE, path=str(path))
    written = json.loads(path.read_text())
    assert written["fingerprint"] is written["ca"] is None
    assert "path" not in written
    assert [p.name for p in tmp_path.iterdir()] == ["connection.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    path.with_suffix(".tmp").touch(0o666)
    path.touch(0o666)
    FILE.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_the_file_nothing_is_running(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="isn't running. Start it with `popbridge serve`"):
        ConnectionFile.read(tmp_path / "connection.json")


@pytest.mark.parametrize("place", ["home/connection.json", "home/run/connection.json"])
def test_a_home_that_is_a_file_is_told_and_no_start_is_advised(tmp_path: Path, place: str) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(UserError, match="home is not a folder") as caught:
        ConnectionFile.read(tmp_path / place)
    assert "popbridge serve" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"ws": 1}', b'{"ws": "ws://x"}', b'{"ws": "\xff"}'])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "connection.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"Can't read .*connection\.json"):
        ConnectionFile.read(path)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Can't read"):
        ConnectionFile.read(tmp_path)


def test_a_newer_daemons_further_fields_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    FILE.write(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "red"}))
    assert ConnectionFile.read(path) == replace(FILE, path=str(path))
