"""Only what a receipt can keep is written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.advisors.findings import Finding
from bridge.api import EditorSupport, TextureAsset, hookimpl
from bridge.audit.fix import fix, revert
from bridge.audit.project import Project
from bridge.audit.results import Issue, Report, Row
from bridge.audit.texts import sentence
from bridge.commands.receipts import read_receipt
from bridge.core import verification
from bridge.core.errors import UserError
from bridge.core.textures import TextureIntent
from bridge.host import host
from bridge.host.host import Registry
from bridge.store.records import Receipt
from tests.advisors.desk import FakeEngine

MIPMAPS = Issue.of(Finding("no_mipmaps", 1, "no_mipmaps", {}, TextureIntent(mipmaps=True)))


class Unasked(EditorSupport):
    """An adapter that is to write nothing."""

    def apply(self, project: Path, changes: Any) -> Any:
        raise AssertionError(changes)


@pytest.mark.parametrize(
    ("present", "says"),
    [
        ("\udcff", "UTF-8"),
        (["\udcff"], "UTF-8"),
        ({"a": {"\udcff": 1}}, "UTF-8"),
        ([1 << 64], "a receipt can't store"),
        (object(), "a receipt can't store"),
    ],
)
def test_settings_that_no_receipt_can_hold_are_told_at_whatever_depth_that_lies(
    tmp_path: Path, present: object, says: str
) -> None:
    row = Row("a.png", "a.png", [MIPMAPS], {"o": present}, {"o": True})
    report = Report(name="game", root="", engine="acme 1.0", rows=[row])
    project = Project(tmp_path, support=Unasked())  # type: ignore[abstract]
    fix(project, report, tmp_path / "popbridge.sqlite3")
    assert report.receipt is None and [issue.code for issue in row.issues] == ["not_applied", "no_mipmaps"]
    assert says in sentence(row.issues[0], "en") and "import" not in sentence(row.issues[0], "zh-CN")


class Failing(Unasked):
    """An adapter that fails while it writes, or gives something else than what it did."""

    def __init__(self, gives: Any) -> None:
        self.gives = gives

    def apply(self, project: Path, changes: Any) -> Any:
        if isinstance(self.gives, BaseException):
            raise self.gives
        return self.gives


@pytest.mark.parametrize(
    ("gives", "says"),
    [
        (ZeroDivisionError("acme"), r"import settings: ZeroDivisionError: acme \(audit/test_fix.py:\d+\)"),
        (SystemExit(3), "import settings: SystemExit: 3 "),
        (None, "import settings: apply .*None.* a dict of before, after and errors"),
    ],
)
def test_an_adapter_that_fails_while_it_writes_is_told_and_how_to_put_back_what_it_wrote(
    tmp_path: Path, gives: object, says: str
) -> None:
    row = Row("a.png", "a.png", [MIPMAPS], {"o": False}, {"o": True})
    report = Report(name="game", root="", engine="acme 1.0", rows=[row])
    project = Project(tmp_path, support=Failing(gives))  # type: ignore[abstract]
    with pytest.raises(UserError, match=says + r".*`popbridge revert 1`"):
        fix(project, report, tmp_path / "popbridge.sqlite3")
    assert report.receipt == 1


def test_who_puts_back_without_the_engines_plugin_is_told_what_may_be_missing(tmp_path: Path) -> None:
    row = Row("a.png", "a.png", [MIPMAPS], {"o": False}, {"o": True})
    report = Report(name="game", root="", engine="acme 1.0", rows=[row])
    database = tmp_path / "popbridge.sqlite3"
    support = Failing({"before": BEFORE[:1], "after": DONE[:1]})  # type: ignore[abstract]
    fix(Project(tmp_path, support=support), report, database)
    made = read_receipt(database, 1)
    assert made is not None
    with pytest.raises(UserError, match="`popbridge plugins` shows whether its engine's plugin is"):
        revert(Registry(), made, database)


class Careless(Unasked):
    """An adapter that takes what it was given apart."""

    def apply(self, project: Path, changes: Any) -> Any:
        before = [{"path": change["path"], "options": {"o": False}} for change in changes]
        for change in changes:
            change["seen"].clear()
        return {"before": before, "after": changes, "errors": []}


def test_what_an_adapter_does_with_settings_that_were_seen_changes_none(tmp_path: Path) -> None:
    settings = {"o": False, "p": 1}
    rows = [Row(file, file, [MIPMAPS], settings, {"o": True}) for file in ("a.png", "b.png")]
    report = Report(name="game", root="", engine="acme 1.0", rows=rows)
    project = Project(tmp_path, support=Careless())  # type: ignore[abstract]
    fix(project, report, tmp_path / "popbridge.sqlite3")
    assert [row.present for row in report.rows] == [{"o": False}] * 2 and settings == {"o": False, "p": 1}


class Generous(Unasked):
    """An adapter that tells more of what was before than of what came of it."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {"o": False, "p": 1}

    def apply(self, project: Path, changes: Any) -> Any:
        (change,) = changes
        before = [{"path": "a.png", "options": dict(self.options)}]
        self.options |= change["options"]
        return {"before": before, "after": [change]}


def test_what_an_adapter_tells_of_before_alone_is_put_back_and_can_be_set_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, support = tmp_path / "popbridge.sqlite3", Generous()  # type: ignore[abstract]
    report = Report(
        name="game",
        root="",
        engine="acme 1.0",
        rows=[Row("a.png", "a.png", [MIPMAPS], {"o": False}, {"o": True})],
    )
    fix(Project(tmp_path, support=support), report, database)
    asset = SimpleNamespace(path="a.png", file="a.png", options=support.options)
    project = SimpleNamespace(support=support, textures=lambda: [asset])
    monkeypatch.setattr("bridge.audit.fix.find", lambda *_: project)
    support.options["p"] = 2

    def receipt(number: int) -> Receipt:
        found = read_receipt(database, number)
        assert found is not None
        return found

    back = revert(Registry(), receipt(1), database)
    assert support.options == {"o": False, "p": 1}
    assert back.args["before"] == [{"path": "a.png", "options": {"o": True, "p": 2}}]
    # It is back already.
    with pytest.raises(UserError, match="already reverted"):
        revert(Registry(), receipt(1), database)


DONE = [{"path": "a.png", "options": {"o": True}}, {"path": "b.png", "options": {"o": True}}]


BEFORE = [{"path": "a.png", "options": {"o": False}}, {"path": "b.png", "options": {"o": False}}]


class Lying(Unasked):
    """An adapter that says that it has done all, whatever it has written."""

    def __init__(self, writes: dict[str, Any]) -> None:
        self.settings: dict[str, Any] = {"o": False, "p": 1}
        self.writes = writes

    def texture(self, project: Path, file: str) -> TextureAsset:
        return TextureAsset(file, file, dict(self.settings))

    def apply(self, project: Path, changes: Any) -> Any:
        self.settings |= self.writes
        return {"before": BEFORE[:1], "after": DONE[:1], "errors": []}


@pytest.mark.parametrize(
    ("writes", "now", "after"), [({}, "false", []), ({"o": 7}, "7", [{"path": "a.png", "options": {"o": 7}}])]
)
def test_an_adapter_that_says_it_wrote_what_it_didnt_is_found_out(
    tmp_path: Path, writes: Any, now: str, after: Any
) -> None:
    database, support = tmp_path / "popbridge.sqlite3", Lying(writes)  # type: ignore[abstract]
    row = Row("a.png", "a.png", [MIPMAPS], dict(support.settings), {"o": True})
    report = Report(name="game", root="", engine="acme 1.0", rows=[row])
    fix(Project(tmp_path, support=support), report, database)
    assert (row.mended, [issue.code for issue in row.issues]) == ([], ["not_applied", "no_mipmaps"])
    reason = row.issues[0].values["reason"]
    assert (reason.id, reason.values["now"]) == (verification.FALSE_REPORT.id, now)
    receipt = read_receipt(database, 1)
    assert receipt is not None
    assert (receipt.state, receipt.after) == ("applied" if after else "failed", after)


def test_settings_that_changed_since_they_were_judged_arent_even_asked_for(tmp_path: Path) -> None:
    support = Lying({})  # type: ignore[abstract]
    row = Row("a.png", "a.png", [MIPMAPS], {"o": False, "p": 2}, {"o": True})
    report = Report(name="game", root="", engine="acme 1.0", rows=[row])
    fix(Project(tmp_path, support=support), report, tmp_path / "popbridge.sqlite3")
    assert [issue.code for issue in row.issues] == ["not_applied", "no_mipmaps"]
    assert report.receipt is None


def test_a_result_without_before_is_told(tmp_path: Path) -> None:
    row = Row("a.png", "a.png", [MIPMAPS], {"o": False}, {"o": True})
    report = Report(name="game", root="", engine="acme 1.0", rows=[row])
    support = Failing({"after": DONE[:1]})  # type: ignore[abstract]
    fix(Project(tmp_path, support=support), report, tmp_path / "popbridge.sqlite3")
    assert row.refused and row.issues[0].values["reason"].id == verification.NO_BEFORE.id


@pytest.mark.parametrize("errors", [None, [{"path": "c.png"}]])
def test_an_adapter_may_tell_of_files_that_it_wasnt_asked_for(tmp_path: Path, errors: Any) -> None:
    row = Row("a.png", "a.png", [MIPMAPS], {"o": False}, {"o": True})
    report = Report(name="game", root="", engine="acme 1.0", rows=[row])
    gives = {"before": BEFORE, "after": DONE, "errors": errors}
    fix(Project(tmp_path, support=Failing(gives)), report, tmp_path / "popbridge.sqlite3")  # type: ignore[abstract]
    assert (row.issues, row.mended) == ([], [MIPMAPS])


class Flaky(Failing):
    """An adapter's support whose one texture is mended already."""

    def project_version(self, project: Path) -> str:
        return "1.0"

    def textures(self, project: Path) -> Any:
        yield TextureAsset("a.png", "a.png", {"o": True})


class Engine(FakeEngine):
    project: Any = Flaky({"before": [{"path": "a.png", "options": {"o": False}}], "after": DONE[:1]})  # type: ignore[abstract]


def test_where_a_revert_fails_that_of_the_same_receipt_is_advised(tmp_path: Path) -> None:
    database, given = tmp_path / "popbridge.sqlite3", Engine.project.gives
    row = Row("a.png", "a.png", [MIPMAPS], {"o": False}, {"o": True})
    report = Report(name="game", root="", engine="fake 1", rows=[row])
    fix(Project(tmp_path, support=Engine.project), report, database)
    plugin = type("Plugin", (), {"popbridge_adapters": staticmethod(hookimpl(popbridge_adapters))})()
    registry = host.load({"fake": plugin}, installed=False)
    receipt = read_receipt(database, 1)
    assert receipt is not None
    Engine.project.gives = SystemExit(3)
    with pytest.raises(UserError, match="`popbridge revert 1`"):
        revert(registry, receipt, database)
    Engine.project.gives = {"before": given["after"], "after": given["before"]}
    assert revert(registry, receipt, database).after == given["before"]


def popbridge_adapters() -> list[Engine]:
    return [Engine()]
