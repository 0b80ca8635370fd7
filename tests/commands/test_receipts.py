"""`popbridge receipts` and `popbridge revert`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from bridge.commands import receipts, terminal
from bridge.core.messages import Command, Result
from bridge.store.database import open_database
from bridge.store.receipts import ReceiptStore
from tests.commands.shell import one_line
from tests.messages import is_chinese
from tests.server.daemons import ThreadDaemon, until
from tests.store.damage import misspell


def keep_receipt(
    home: Path, paths: list[str], note: str = "texture import: no_mipmaps", errors: Any = (),
    reverts: int | None = None, was: bool | None = False,
) -> int:  # fmt: skip
    db = open_database(home / "popbridge.db")
    store = ReceiptStore(db)
    before, after = ([{"path": path, "options": {"m": on}} for path in paths] for on in (was, True))
    command = Command(id=0, name="texture.apply", args={"changes": after}, deadline_ms=1000)
    receipt_id, _ = store.open("s1", "p1", "Game", command, note, reverts=reverts)
    value = {"before": before, "after": after, "errors": list(errors)}
    store.answered(receipt_id, Result(id=receipt_id, value=value))
    db.conn.close()
    return receipt_id


def damage(home: Path, receipt: int, **columns: Any) -> None:
    db = open_database(home / "popbridge.db")
    db.table("receipts").update(receipt, columns)
    db.conn.close()


class TestReceipts:
    @pytest.fixture
    def receipt(self, home: Path) -> int:
        return keep_receipt(home, ["res://a.png", "res://b.png"])

    def test_they_are_listed_without_a_daemon(self, popbridge: Any, receipt: int) -> None:
        code, out, _ = popbridge("receipts")
        assert code == 0
        first, second = out.splitlines()[1:]
        assert "Game" in first and "applied" in first and "no_mipmaps" in first
        assert "res://a.png: m false → true" in first and "res://b.png: m false → true" in second

    def test_a_name_with_a_line_break_is_one_line(self, popbridge: Any, home: Path) -> None:
        keep_receipt(home, ["res://a\nb.png"], errors=[{"path": "res://c\nd.png", "message": "is locked"}])
        out = popbridge("receipts")[1]
        assert "res://a\\nb.png: m" in out and "res://c\\nd.png is locked" in out

    def test_on_a_narrow_screen_what_changed_is_folded_and_never_cut(
        self, popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = "res://" + "a_folder_with_a_long_name/" * 3 + "wall_[normal].png"
        keep_receipt(home, [path], note="texture import: a reason that needs some room of its own")
        monkeypatch.setattr(terminal, "screen_width", lambda: 80)
        _, out, _ = popbridge("receipts")
        assert max(map(len, out.splitlines())) <= 80
        cells = "".join(line[30:].strip() for line in out.splitlines()[1:])
        assert path in cells and "…" not in out

    def test_errors_are_folded_and_only_the_first_are_named(self, popbridge: Any, home: Path) -> None:
        errors = [{"path": f"res://{at}.png", "message": "is locked; " * 20} for at in range(20)]
        keep_receipt(home, ["res://a.png"], errors=errors)
        out = popbridge("receipts")[1]
        assert max(map(len, out.splitlines())) < 200 and "res://7.png" in out and "res://8.png" not in out
        assert "12" in out.splitlines()[-1] and "--json" in out.splitlines()[-1]

    @pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8"])
    def test_on_a_very_narrow_screen_there_are_no_columns(
        self, popbridge: Any, receipt: int, monkeypatch: pytest.MonkeyPatch, locale: str
    ) -> None:
        monkeypatch.setenv("LC_ALL", locale)
        monkeypatch.setattr(terminal, "screen_width", lambda: 40)
        lines = popbridge("receipts")[1].splitlines()
        assert max(map(cell_len, lines)) <= 40
        assert lines[0].startswith("1  20") and lines[0].endswith(("  applied", "  已应用"))
        assert lines[1:] == ["    res://a.png: m false → true", "    res://b.png: m false → true"]

    def test_a_receipt_of_many_files_names_some_and_what_went_wrong(self, popbridge: Any, home: Path) -> None:
        keep_receipt(
            home, [f"res://{n}.png" for n in range(10)], errors=[{"path": "x", "message": "is locked"}]
        )
        _, out, _ = popbridge("receipts")
        assert "... and 2 more; --json shows all" in out and "error: x is locked" in out

    def test_an_objects_name_is_in_its_path_once(self, popbridge: Any, home: Path) -> None:
        path = "/Game/Art/T_Rock.T_Rock"
        keep_receipt(home, [path], errors=[{"path": path, "message": "is locked"}])
        out = popbridge("receipts")[1]
        assert "/Game/Art/T_Rock: m false" in out and "error: /Game/Art/T_Rock is locked" in out
        assert path in popbridge("receipts", "--json")[1]

    def test_a_setting_that_was_absent_is_a_dash_as_in_the_audit(self, popbridge: Any, home: Path) -> None:
        keep_receipt(home, ["res://a.png"], was=None)
        assert "res://a.png: m – → true" in popbridge("receipts")[1]

    def test_one_that_was_put_back_says_by_which(
        self, popbridge: Any, home: Path, receipt: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failed = keep_receipt(home, ["res://a.png"], errors=[{"path": "x"}], reverts=receipt)
        assert "(reverted by" not in popbridge("receipts")[1], f"{failed} put back only some"
        whole = keep_receipt(home, ["res://a.png"], reverts=receipt)
        assert f"applied (reverted by {whole})" in popbridge("receipts")[1]
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        assert f"已应用（已由 {whole} 还原）" in popbridge("receipts")[1]
        keep_receipt(home, ["res://a.png"], reverts=whole)
        assert f"已由 {whole} 撤销" not in popbridge("receipts")[1], "it was done again since"

    def test_a_files_name_steers_no_terminal(self, popbridge: Any, home: Path) -> None:
        evil = "res://\x1b]0;x\x07\x1b[2Ja.png"
        keep_receipt(home, [evil], errors=[{"path": evil, "message": "is locked"}])
        _, out, _ = popbridge("receipts")
        assert "\x1b" not in out and out.count("\\x1b[2Ja.png") == 2
        assert "\x1b" not in popbridge("audit", "\x1b[2J")[2]

    @pytest.mark.parametrize(
        ("created", "shown"),
        [
            ("yesterday", "yesterday"),
            ("2026-13-45T99:99:99Z", "2026-13-45T99:99:99Z"),
            ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
            ("", "?"),
            ("\x1b[2J\0", "?"),
        ],
    )
    def test_a_date_that_cant_be_read_is_shown_as_it_stands(
        self, popbridge: Any, home: Path, receipt: int, created: str, shown: str
    ) -> None:
        damage(home, receipt, created=created)
        code, out, err = popbridge("receipts")
        assert (code, err) == (0, "")
        assert out.splitlines()[1].split()[:2] == [str(receipt), shown]

    @pytest.mark.parametrize("wrong", [{"created": b"\xff"}, {"state": "gone"}, {"before": b"\xc1"}])
    def test_a_damaged_receipt_is_said_in_one_line(
        self, popbridge: Any, home: Path, receipt: int, wrong: dict[str, Any]
    ) -> None:
        damage(home, receipt, **wrong)
        for command in (["receipts"], ["revert", str(receipt)]):
            code, out, err = popbridge(*command)
            assert (code, out) == (2, "") and one_line(err)
            assert str(home / "popbridge.db") in err and "popbridge db check" in err

    @pytest.mark.parametrize("wrong", [{"state": "gone"}, {"before": b"\xc1"}])
    @pytest.mark.parametrize("flags", [[], ["--json"]])
    def test_the_others_are_listed_beside_a_damaged_one(
        self, popbridge: Any, home: Path, receipt: int, wrong: dict[str, Any], flags: list[str]
    ) -> None:
        others = [keep_receipt(home, [name]) for name in ("res://c.png", "res://d.png")]
        damage(home, others[0], **wrong)
        code, out, err = popbridge("receipts", *flags)
        assert code == 2 and "res://a.png" in out and "res://d.png" in out and "res://c.png" not in out
        assert one_line(err) and f"in {home / 'popbridge.db'}: {others[0]}" in err

    def test_a_database_whose_error_is_no_unicode_is_said_in_one_line(
        self, popbridge: Any, home: Path, receipt: int
    ) -> None:
        misspell(home / "popbridge.db", "jobs")
        code, out, err = popbridge("receipts")
        assert (code, out) == (2, "") and one_line(err)
        assert str(home / "popbridge.db") in err

    def test_as_json_they_hold_before_and_after(self, popbridge: Any, receipt: int) -> None:
        _, out, _ = popbridge("receipts", "--json")
        kept = json.loads(out)
        assert kept["id"] == receipt
        assert kept["before"][0] == {"path": "res://a.png", "options": {"m": False}}

    def test_before_the_first_change_there_is_nothing_to_list(self, popbridge: Any) -> None:
        assert popbridge("receipts") == (0, "No changes yet.\n", "")

    def test_who_reads_chinese_is_told_in_chinese(
        self, popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        assert popbridge("receipts") == (0, "尚无更改。\n", "")
        error = {"path": "x", "message": "x can't be written: it is read-only."}
        made = keep_receipt(home, [f"res://{n}.png" for n in range(10)], errors=[error])
        _, out, _ = popbridge("receipts")
        assert out.splitlines()[0].split() == ["编号", "时间", "项目", "状态", "更改内容", "原因"]
        assert "已应用" in out and "m false → true" in out
        assert "另有 2 个文件；用 --json 可全部显示" in out
        assert json.loads(popbridge("receipts", "--json")[1])["state"] == "applied"
        assert popbridge("revert", str(made))[2] == (
            "popbridge: PopBridge 没有运行：请用 `popbridge serve` 启动。\n"
        )
        assert "没有更改 99" in popbridge("revert", "99")[2]
        damage(home, made, state="gone")
        code, _, err = popbridge("receipts")
        assert code == 2 and is_chinese(err) and str(home / "popbridge.db") in err and f"：{made}" in err

    def test_revert_without_a_daemon_says_to_start_it(self, popbridge: Any, receipt: int) -> None:
        code, _, err = popbridge("revert", str(receipt))
        assert code == 2 and one_line(err) and "popbridge serve" in err

    def test_revert_of_a_receipt_that_isnt_there_is_the_askers_mistake(
        self, popbridge: Any, home: Path
    ) -> None:
        daemon = ThreadDaemon(home).start()
        try:
            code, _, err = popbridge("revert", "7")
            until(lambda: not len(daemon.bridge.sessions), "the end of the command's session")
        finally:
            daemon.stop()
        assert code == 2 and one_line(err) and "no change 7" in err

    def test_revert_tells_also_what_is_too_large_for_the_daemons_answer(
        self, popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = keep_receipt(home, ["res://b.png"], errors=[{"path": "res://a.png", "message": "read-only"}])

        async def reverted(connection_file: Path, receipt: int, editor: str) -> dict[str, Any]:
            return {"id": made, "state": "applied", "abridged": True}

        monkeypatch.setattr(receipts, "_revert", reverted)
        code, out, _ = popbridge("revert", "77")
        assert code == 1
        assert f"Change 77 was reverted by change {made}, with these problems:" in out
        assert "res://a.png read-only" in out
        assert json.loads(popbridge("revert", "77", "--json")[1])["errors"]

    def test_revert_tells_what_the_editor_answered(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def reverted(connection_file: Path, receipt: int, editor: str) -> dict[str, Any]:
            assert (receipt, editor) == (3, "e7")
            return {"id": 9, "state": "failed", "errors": [{"path": "res://a.png", "message": "read-only"}]}

        monkeypatch.setattr(receipts, "_revert", reverted)
        code, out, _ = popbridge("revert", "3", "--editor", "e7")
        assert code == 1
        assert "Change 3 was not reverted (change 9)." in out and "res://a.png read-only" in out
