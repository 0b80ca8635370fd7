"""The main job in real editors, headless, from the import to the revert, and with kill -9 in the middle."""

from __future__ import annotations

import pytest

from bridge.core.messages import Popup
from bridge.demo.textures import noise, normals, save
from bridge.paths import ConnectionFile
from bridge.server.access import certificates
from bridge.store.records import Receipt
from tests.e2e.world import World, until

pytestmark = pytest.mark.engine

NORMAL = "res://materials/rock_normal.png"


def settings_on_disk(world: World, file: str) -> dict[str, str]:
    """What the project's own import file says, as raw text."""
    text = (world.project / f"{file.removeprefix('res://')}.import").read_text()
    params = text.partition("[params]")[2]
    return dict(line.split("=", 1) for line in params.splitlines() if "=" in line)


def observed(receipt: Receipt, which: str, path: str) -> dict[str, object]:
    """The options that the editor saw for one file, before or after."""
    found: dict[str, object] = next(c["options"] for c in getattr(receipt, which) if c["path"] == path)
    return found


def settings_of(receipts: list[Receipt], path: str) -> list[dict[str, object]]:
    """What each receipt that is answered says of a file, after the change."""
    return [observed(one, "after", path) for one in receipts if path in str(one.after)]


def test_one_popup_advises_on_one_import_and_apply_changes_the_project_and_revert_puts_it_back(
    real: World,
) -> None:
    real.start_daemon()
    real.start_editor(answer="apply")
    (receipt,) = real.applied()
    advice = [popup for popup, _ in real.popups() if popup.actions[0].id == "apply"]
    assert len(advice) == 1
    assert "rock_normal.png" in advice[0].body
    assert "unit vectors" in advice[0].body
    assert "hero.png" not in advice[0].body
    assert advice[0].image
    before, after = (observed(receipt, which, NORMAL) for which in ("before", "after"))
    assert before["compress/normal_map"] != 1
    assert after["compress/normal_map"] == 1
    assert settings_on_disk(real, NORMAL)["compress/normal_map"] == "1"

    reverted = real.popbridge("revert", str(receipt.id))
    assert reverted.returncode == 0, reverted.stderr
    newest = real.receipts()[0]
    assert newest.reverts == receipt.id
    assert newest.state == "applied"
    assert observed(newest, "after", NORMAL) == before
    assert settings_on_disk(real, NORMAL)["compress/normal_map"] == str(before["compress/normal_map"])
    listed = real.popbridge("receipts")
    assert str(newest.id) in listed.stdout

    def cards() -> dict[str, Popup]:
        return {popup.kind: popup for popup, _ in real.popups()}

    until(lambda: "texture.undone" in cards(), "the card that says that it was reverted")
    asked, applied, undone = (cards()[f"texture.{kind}"] for kind in ("import", "applied", "undone"))
    changes = [change.title for group in asked.items for row in group.children for change in row.children]
    assert "Compress › Normal Map: Detect → Enable" in changes
    assert (applied.replaces, undone.replaces) == (asked.id, applied.id)
    assert {row.status for row in applied.items} == {"done"}
    assert any("Compress › Normal Map: Detect → Enable" in row.detail for row in applied.items)


def test_an_editor_works_through_tls_and_goes_on_after_a_renewal(real: World) -> None:
    certificates.create(real.paths.certificates)
    real.env["POPBRIDGE_TLS"] = "on"
    real.start_daemon()
    file = ConnectionFile.read(real.paths.connection_file)
    assert file.ws.startswith("wss://")
    real.start_editor(answer="apply")
    (receipt,) = real.applied()
    assert observed(receipt, "after", NORMAL)["compress/normal_map"] == 1
    renewed = certificates.renew(real.paths.certificates)
    until(lambda: fingerprint(real) == renewed.fingerprint, "the renewed certificate in connection.json")
    assert ConnectionFile.read(real.paths.connection_file).pid == file.pid
    # The session outlives the daemon, whose successor shows the new certificate.
    real.kill("daemon")
    real.start_daemon()
    until(lambda: real.popbridge("revert", str(receipt.id)).returncode == 0, "the revert by the editor")
    assert settings_on_disk(real, NORMAL)["compress/normal_map"] != "1"


def fingerprint(world: World) -> str | None:
    """That of the certificate that clients are told to expect."""
    return ConnectionFile.read(world.paths.connection_file).fingerprint


def test_a_revert_leaves_what_somebody_has_changed_since_and_names_it(real: World) -> None:
    real.start_daemon()
    real.start_editor(answer="apply")
    (receipt,) = real.applied()
    before = observed(receipt, "before", NORMAL)
    mipmaps = next(name for name in before if "mipmaps" in name)
    file = real.project / f"{NORMAL.removeprefix('res://')}.import"
    file.write_text(file.read_text().replace("compress/normal_map=1", "compress/normal_map=2"))
    reverted = real.popbridge("revert", str(receipt.id))
    assert reverted.returncode == 1, reverted.stderr
    assert "with these problems:" in reverted.stdout
    assert any(NORMAL in line and "compress/normal_map" in line for line in reverted.stdout.splitlines())
    now = settings_on_disk(real, NORMAL)
    assert (now["compress/normal_map"], now[mipmaps]) == ("2", "false")


def test_an_answer_reaches_the_daemon_although_both_it_and_the_editor_were_killed_in_the_middle(
    real: World,
) -> None:
    real.start_daemon()
    real.start_editor()
    until(real.shown, "the popup on the editor's screen")
    real.kill("daemon")
    real.start_daemon()
    real.kill("editor")
    real.start_editor(answer="apply")
    (receipt,) = real.applied()
    assert observed(receipt, "after", NORMAL)["compress/normal_map"] == 1
    assert len(real.rows("SELECT id FROM sessions")) == 1, "the same session was resumed"


def test_settings_are_applied_once_although_the_daemon_dies_when_it_has_just_been_answered(
    real: World,
) -> None:
    real.start_daemon()
    real.start_editor(answer="apply")
    until(lambda: real.rows("SELECT 1 FROM popups WHERE answer IS NOT NULL"), "an answer")
    real.kill("daemon")
    real.start_daemon()
    receipts = real.applied()
    assert len(receipts) == 1
    assert observed(receipts[0], "after", NORMAL)["compress/normal_map"] == 1


def test_what_a_second_editor_took_over_is_back_in_the_first_when_the_second_is_gone(real: World) -> None:
    real.start_daemon()
    real.start_editor(name="first")
    until(real.shown, "the popup on the first editor's screen")
    real.start_editor(name="second")
    # Both keep their session in the project's one file: the first begins anew, and has the popup at once.
    (again,) = until(
        lambda: real.rows("SELECT id FROM sessions ORDER BY rowid")[1:], "the first to begin anew"
    )
    until(lambda: real.rows("SELECT 1 FROM sessions WHERE id = ? AND acked > 0", again["id"]), "it to see it")
    real.kill("second")
    real.start_editor(answer="apply", name="third")
    (receipt,) = real.applied()
    assert observed(receipt, "after", NORMAL)["compress/normal_map"] == 1
    advice = [popup for popup, _ in real.popups() if popup.actions[0].id == "apply"]
    assert len(advice) == 1, "the editors share it"


def test_a_texture_that_was_replaced_before_the_answer_is_advised_on_anew(real: World) -> None:
    real.start_daemon()
    real.start_editor()
    until(real.shown, "the popup on the editor's screen")
    real.kill("editor")
    # So small that it needs no mipmaps, and green points down.
    inverted = normals(noise(2, 64), 2.0) * [1, -1, 1] + [0, 1, 0]
    save(inverted, real.project / NORMAL.removeprefix("res://"))
    real.start_editor(answer="apply")
    # Godot may report the new one before the popup is answered, or after.
    (set_,) = until(lambda: settings_of(real.receipts(), NORMAL), "the texture to be mended")
    assert set_["compress/normal_map"] == 1
    assert not any("mipmaps" in name for name in set_), "the one before was large enough for them"
    assert settings_on_disk(real, NORMAL)["compress/normal_map"] == "1"


def test_an_editor_finds_a_daemon_that_starts_after_it(real: World) -> None:
    real.start_editor(answer="later")
    real.start_daemon()
    until(lambda: [s for _, s in real.popups() if s == "settled"], "the popup to be answered")
    assert real.receipts() == []
    assert settings_on_disk(real, NORMAL)["compress/normal_map"] != "1"


def test_a_project_that_nobody_has_allowed_is_checked_once_the_popup_is_answered(real: World) -> None:
    real.env["POPBRIDGE_ROOTS"] = ""
    real.start_daemon()
    real.start_editor(answer="allow")

    def kinds() -> list[str]:
        return [popup.kind for popup, _ in real.popups()]

    until(lambda: "texture.import" in kinds(), "the advice on what was imported before the answer")
    assert kinds()[0] == "project.allow" and kinds().count("project.allow") == 1
    (root,) = real.rows("SELECT path, source FROM roots")
    assert root == {"path": str(real.project.resolve()), "source": "editor"}
    assert len(real.rows("SELECT id FROM sessions")) == 1
