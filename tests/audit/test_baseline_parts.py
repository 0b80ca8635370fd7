"""The baseline of a project, as its parts use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.audit import baseline
from bridge.audit.project import scope_name
from bridge.core.errors import UserError
from bridge.host import host
from tests.audit.test_baseline import report, row
from tests.messages import in_chinese


class TestBaseline:
    def test_what_is_accepted_elsewhere_stays(
        self, game: Path, registry: host.Registry, tmp_path: Path
    ) -> None:
        path = tmp_path / "b.json"
        path.write_text(
            baseline.baseline_text([row("art/rock.png", "old"), row("icon.png", "x")]), encoding="utf-8"
        )
        art, whole = scope_name(registry, str(game / "art")), scope_name(registry, str(game))
        text = baseline.baseline_text([row("art/rock.png", "new")], baseline.read_others(path, art))
        path.write_text(text, encoding="utf-8")
        assert {(e.file, e.code) for e in baseline.read(path)} == {("art/rock.png", "new"), ("icon.png", "x")}
        assert baseline.read_others(path, whole) == set()

    def test_of_the_part_is_what_another_checkout_calls_by_other_letters(
        self, game: Path, registry: host.Registry, tmp_path: Path
    ) -> None:
        path, art = tmp_path / "b.json", scope_name(registry, str(game / "art"))
        path.write_text(baseline.baseline_text([row("Art/rock.png", "old")]), encoding="utf-8")
        assert baseline.read_others(path, art) == set()
        told = report(row("art/rock.png", "old"))
        baseline.accept(told, baseline.read(path), art)
        assert (told.rows, told.accepted, told.stale) == ([], 1, 0)

    def test_one_that_isnt_there_yet_accepts_nothing_elsewhere(
        self, game: Path, registry: host.Registry, tmp_path: Path
    ) -> None:
        assert baseline.read_others(tmp_path / "b.json", scope_name(registry, str(game / "art"))) == set()

    @pytest.mark.parametrize("blank", [b"", b"\n", b"\xff\xfe\r\0\n\0"])
    def test_one_that_is_blank_accepts_nothing_elsewhere(
        self, game: Path, registry: host.Registry, tmp_path: Path, blank: bytes
    ) -> None:
        (tmp_path / "b.json").write_bytes(blank)
        assert baseline.read_others(tmp_path / "b.json", scope_name(registry, str(game / "art"))) == set()

    @pytest.mark.parametrize(
        "text",
        [
            "<<<<<<< HEAD\n" + baseline.baseline_text([]),
            '{"popbridge_baseline": 2, "accepted": []}',
            "\n" * 5000 + "{",
        ],
    )
    def test_one_that_cannot_be_read_is_made_anew_by_the_whole_alone(
        self, game: Path, registry: host.Registry, tmp_path: Path, text: str
    ) -> None:
        (tmp_path / "b.json").write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match="`--update-baseline` on the whole project") as raised:
            baseline.read_others(tmp_path / "b.json", scope_name(registry, str(game / "art")))
        assert "整个项目" in in_chinese(raised.value)

    def test_entries_elsewhere_are_not_called_stale(self, game: Path, registry: host.Registry) -> None:
        known = baseline.entries([row("art/gone.png", "x"), row("icon.png", "x"), row("art/rock.png", "x")])
        found = report(row("art/rock.png", "x"))
        baseline.accept(found, known, scope_name(registry, str(game / "art")))
        assert (found.rows, found.accepted, found.stale) == ([], 1, 1)
