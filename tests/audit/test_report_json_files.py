"""A report is there whole, or what was there before."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.audit.report_json import check_writable, write
from bridge.core.errors import UserError


def failing() -> Iterator[str]:
    yield "half"
    raise OSError(28, "No space left on device")


def test_pieces_are_put_together_in_utf8_whatever_they_hold(tmp_path: Path) -> None:
    write(str(tmp_path / "a.html"), ["岩石\n", "\udcff"])
    assert (tmp_path / "a.html").read_bytes() == "岩石\n\\udcff".encode()


def test_a_full_disk_leaves_the_old_report_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(UserError, match=r"audit.json`: No space left on device"):
        write(str(path), failing())
    assert path.read_text(encoding="utf-8") == "old" and list(tmp_path.iterdir()) == [path]


def test_a_report_with_the_longest_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 250 + ".json")
    write(str(path), ["{}"])
    assert path.read_text(encoding="utf-8") == "{}"


def test_what_is_read_only_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o444)
    with pytest.raises(UserError, match=r"it is read-only"):
        write(str(path), ["new"])
    assert path.read_text(encoding="utf-8") == "old" and list(tmp_path.iterdir()) == [path]
    path.chmod(0o644)


@pytest.mark.skipif(sys.platform == "win32", reason="links want a right there")
def test_a_link_that_leads_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop.json").symlink_to("loop.json")
    check_writable(str(tmp_path / "loop.json"))
    with pytest.raises(UserError, match="Can't write"):
        write(str(tmp_path / "loop.json"), ["new"])


@pytest.mark.skipif(sys.platform == "win32", reason="links want a right there")
def test_a_link_into_a_folder_that_isnt_there_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "gone" / "audit.json")
    with pytest.raises(UserError) as raised:
        check_writable(str(tmp_path / "link.json"))
    assert f"folder `{tmp_path.resolve() / 'gone'}` does not exist" in str(raised.value)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and /dev are Linux's")
def test_a_folder_that_nobody_may_write_in_is_told_beforehand(tmp_path: Path) -> None:
    check_writable("/dev/null")
    check_writable(str(tmp_path / "new.json"))
    check_writable(str(tmp_path / ("a" * 300)))
    if os.geteuid():
        tmp_path.chmod(0o555)
        with pytest.raises(UserError, match="there is no right to write in"):
            check_writable(str(tmp_path / "new.json"))
        tmp_path.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="rights and links are others there")
def test_rights_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "a.json", tmp_path / "link.json"
    path.touch(mode=0o600)
    link.symlink_to(path)
    write(str(link), ["new"])
    assert link.is_symlink() and path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_device_is_written_to_and_stays_one() -> None:
    write("/dev/null", ["text"])
    with pytest.raises(UserError, match="No space left"):
        write("/dev/full", ["text"])
    assert Path("/dev/null").is_char_device() and Path("/dev/full").is_char_device()


@pytest.mark.skipif(sys.platform != "win32", reason="NUL is Windows'")
def test_on_windows_nul_takes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_writable("NUL")
    write("NUL", ["text"])
    assert list(tmp_path.iterdir()) == []
