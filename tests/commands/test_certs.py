"""`popbridge certs`: makes, renews and shows certificates, and says how to trust them."""

from __future__ import annotations

import datetime
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.server.access import certificates
from tests.commands.shell import one_line, tree


def test_init_makes_a_certificate_that_status_shows(popbridge: Any, home: Path) -> None:
    code, out, err = popbridge("certs", "init", "--name", "build.local")
    assert (code, err) == (0, "")
    assert "build.local" in out
    assert tree(home / "certs") == ["ca-key.pem", "ca.pem", "server.pem"]
    code, out, _ = popbridge("certs", "status", "--json")
    shown, leaf = json.loads(out), certificates.read_local(home / "certs")
    assert code == 0
    assert shown["fingerprint"] == leaf.fingerprint
    assert "build.local" in shown["names"]
    assert (shown["tls"], shown["renews_itself"], shown["due"]) == ("off", True, False)
    code, out, _ = popbridge("certs", "status")
    assert code == 0
    assert leaf.fingerprint in out


def test_init_replaces_nothing_without_force(popbridge: Any, home: Path) -> None:
    popbridge("certs", "init")
    before = certificates.read_local(home / "certs")
    code, _, err = popbridge("certs", "init")
    assert code == 2
    assert one_line(err)
    assert certificates.read_local(home / "certs") == before
    assert popbridge("certs", "init", "--force")[0] == 0
    assert certificates.read_local(home / "certs").ca != before.ca


def test_renew_keeps_the_authority(popbridge: Any, home: Path) -> None:
    code, _, err = popbridge("certs", "renew")
    assert code == 2
    assert one_line(err)
    popbridge("certs", "init")
    before = certificates.read_local(home / "certs")
    code, out, _ = popbridge("certs", "renew", "--name", "10.1.2.3")
    after = certificates.read_local(home / "certs")
    assert code == 0
    assert "10.1.2.3" in out
    assert (after.ca, after.fingerprint != before.fingerprint) == (before.ca, True)


def test_status_fails_if_a_renewal_is_due(
    popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = popbridge("certs", "status")
    assert code == 2
    assert one_line(err)
    now = datetime.datetime.now(datetime.UTC)
    for days in (300, 400):
        with monkeypatch.context() as patch:
            patch.setattr(certificates, "_now", lambda days=days: now - datetime.timedelta(days=days))
            popbridge("certs", "init", "--force")
        assert popbridge("certs", "status")[0] == 1


def test_trust_only_tells(popbridge: Any, home: Path) -> None:
    popbridge("certs", "init")
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    code, out, _ = popbridge("certs", "trust")
    assert code == 0
    for system in ("Windows", "macOS", "Debian", "Fedora", "Firefox"):
        assert system in out
    assert str(home / "certs" / "ca.pem") in out
    assert before == {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_own_files_are_shown_and_not_renewed(
    popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = certificates.create(home / "own")
    monkeypatch.setenv("POPBRIDGE_TLS_CERTIFICATE", str(own.file))
    monkeypatch.setenv("POPBRIDGE_TLS", "on")
    shown = json.loads(popbridge("certs", "status", "--json")[1])
    assert shown["fingerprint"] == own.fingerprint
    assert (shown["tls"], shown["renews_itself"]) == ("on", False)
    assert popbridge("certs", "status")[0] == popbridge("certs", "trust")[0] == 0


@pytest.mark.skipif(
    sys.platform == "win32" or os.getuid() == 0, reason="needs a folder that can't be written"
)
def test_a_folder_that_cant_be_written_is_told(popbridge: Any, home: Path) -> None:
    home.mkdir(mode=0o500)
    code, _, err = popbridge("certs", "init")
    assert code == 2
    assert one_line(err)
