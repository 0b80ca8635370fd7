"""`popbridge revert` of what an audit has mended, without a daemon: never over what was set since."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.audit.projects import game
from tests.commands.shell import one_line
from tests.commands.test_audit import FILES, settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return game(tmp_path / "game", "4.6", FILES)


class TestRevert:
    def test_an_unknown_receipt_is_told_without_a_daemon(self, popbridge: Any) -> None:
        code, _, err = popbridge("revert", "99")
        assert code == 2 and one_line(err) and "There is no change 99" in err

    def test_what_fix_wrote_is_listed_and_put_back_without_a_daemon(
        self, popbridge: Any, project: Path
    ) -> None:
        before = settings(project)
        popbridge("audit", str(project), "--fix", "--workers", "1")
        _, listed, _ = popbridge("receipts")
        assert (
            "res://materials/brick_albedo.png: compress/mode 0 → 2, mipmaps/generate false → true" in listed
        )
        code, out, _ = popbridge("revert", "1")
        assert (code, out) == (0, "Change 1 was reverted by change 2.\n")
        assert settings(project) == before
        assert popbridge("revert", "2")[0] == 0 and settings(project) != before

    def test_what_is_put_back_already_is_told_as_that(self, popbridge: Any, project: Path) -> None:
        popbridge("audit", str(project), "--fix", "--workers", "1")
        mended = settings(project)
        assert popbridge("revert", "1")[0] == 0
        today = datetime.now().astimezone().strftime(r"%Y-")
        code, _, err = popbridge("revert", "1")
        assert code == 2 and one_line(err)
        assert f"Change 1 was already reverted by change 2 ({today}" in err
        # Done again, by the receipt of the revert or by hand, it can be put back again.
        assert popbridge("revert", "2")[0] == 0 and settings(project) == mended
        code, _, err = popbridge("revert", "2")
        assert code == 2 and "Change 2 was already reverted by change 3 (" in err
        assert popbridge("revert", "1")[0] == 0 and settings(project) != mended
        for file, text in mended.items():
            (project / file).write_text(text, encoding="utf-8")
        assert popbridge("revert", "1")[0] == 0 and settings(project) != mended

    def test_what_could_be_put_back_in_part_is_put_back_for_the_rest(
        self, popbridge: Any, project: Path
    ) -> None:
        before = settings(project)
        popbridge("audit", str(project), "--fix", "--workers", "1")
        file = project / "materials/brick_albedo.png.import"
        mended = file.read_text()
        file.write_text(f"{mended}<<<<<<< ours\n")
        code, out, _ = popbridge("revert", "1")
        assert code == 1
        assert "res://materials/brick_albedo.png is missing or can't be read: left unchanged" in out
        file.write_text(mended)
        file.chmod(0o444)
        assert popbridge("revert", "1")[0] == 1
        file.chmod(0o644)
        assert file.read_text() == mended
        assert popbridge("revert", "1")[0] == 0 and settings(project) == before
        code, _, err = popbridge("revert", "1")
        assert code == 2 and "was already reverted by change 4 (" in err

    @pytest.mark.parametrize(
        ("locale", "said"),
        [
            ("C", "compress/mode was changed meanwhile: it is 1, not 2."),
            ("zh_CN.UTF-8", "compress/mode 期间有改动：现为 1，而非 2。"),
        ],
    )
    def test_what_somebody_has_changed_since_is_named_and_alone_stays_as_it_is(
        self, popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch, locale: str, said: str
    ) -> None:
        before = settings(project)
        popbridge("audit", str(project), "--fix", "--workers", "1")
        file = "materials/brick_albedo.png.import"
        mine = (project / file).read_text().replace("compress/mode=2\n", "compress/mode=1\n")
        (project / file).write_text(mine)
        monkeypatch.setenv("LC_ALL", locale)
        code, out, _ = popbridge("revert", "1")
        assert code == 1 and said in out and "mipmaps" not in out
        assert settings(project) == before | {
            file: before[file].replace("compress/mode=0\n", "compress/mode=1\n")
        }
        assert popbridge("revert", "1")[0] == 1 and "compress/mode=1\n" in (project / file).read_text()

    def test_where_all_of_it_has_changed_since_nothing_is_put_back(
        self, popbridge: Any, project: Path
    ) -> None:
        popbridge("audit", str(project), "--fix", "--workers", "1")
        for name in ("materials/brick_albedo.png.import", "materials/rock_normal.png.import"):
            text = (project / name).read_text().replace("compress/mode=2\n", "compress/mode=1\n")
            text = text.replace("compress/normal_map=1\n", "compress/normal_map=2\n")
            # What is as it was before is put back already.
            (project / name).write_text(text.replace("mipmaps/generate=true", "mipmaps/generate=false"))
        before = settings(project)
        code, out, _ = popbridge("revert", "1")
        assert code == 1 and "compress/normal_map was changed" in out
        assert settings(project) == before

    def test_other_options_may_have_changed_since(self, popbridge: Any, project: Path) -> None:
        popbridge("audit", str(project), "--fix", "--workers", "1")
        file = project / "materials/brick_albedo.png.import"
        file.write_text(file.read_text().replace("size_limit=0", "size_limit=64"))
        assert popbridge("revert", "1")[0] == 0
        assert "size_limit=64\n" in file.read_text() and "generate=false" in file.read_text()
