"""The local authority and its leaves, and certificates of the user's own."""

from __future__ import annotations

import datetime
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, resolve
from bridge.server.access import certificates
from tests.server.daemons import paths_in

DAY = datetime.timedelta(days=1)


def load(home: Path, **settings: Any) -> certificates.Leaf:
    return certificates.load(resolve(SETTINGS, settings), paths_in(home))


def test_a_leaf_is_for_this_machine_and_the_names_given(tmp_path: Path) -> None:
    made = certificates.create(
        tmp_path, ["Build.Local.", "8.8.8.8", "[2001:db8::1]", "*.studio.example", "münchen.example"]
    )
    for host in ("localhost", "127.0.0.1", "::1", "[::1]", "BUILD.local", "8.8.8.8", "2001:db8::1",
                 "a.studio.example", "xn--mnchen-3ya.example"):  # fmt: skip
        assert made.covers(host), host
    for host in ("8.8.4.4", "studio.example", "a.b.studio.example", "example", "127.0.0.1.evil.example"):
        assert not made.covers(host), host
    assert made.not_after - made.not_before <= 397 * DAY
    assert made.is_local


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "certs"
    certificates.create(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["ca-key.pem", "ca.pem", "server.pem"]
    if sys.platform != "win32":
        modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert modes == {0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_an_authority_is_only_replaced_by_force(tmp_path: Path) -> None:
    before = certificates.create(tmp_path)
    with pytest.raises(UserError, match="--force"):
        certificates.create(tmp_path)
    assert certificates.read_local(tmp_path) == before
    assert certificates.create(tmp_path, force=True).ca != before.ca


def test_a_renewed_leaf_has_the_same_authority_and_names_and_another_key(tmp_path: Path) -> None:
    before = certificates.create(tmp_path, ["build.local"])
    after = certificates.renew(tmp_path, ["192.168.77.7", "ci.build.local"])
    assert after.ca == before.ca
    assert after.fingerprint != before.fingerprint
    assert {*before.names, "192.168.77.7", "ci.build.local"} == {*after.names}
    for damage in (Path.unlink, lambda file: file.write_text("damaged")):
        damage(tmp_path / "server.pem")
        assert certificates.renew(tmp_path).covers("build.local")


def test_a_third_of_the_lifetime_is_left_at_the_renewal(tmp_path: Path) -> None:
    leaf = certificates.create(tmp_path)
    third = (leaf.not_after - leaf.not_before) / 3
    assert not leaf.needs_renewal(leaf.not_after - third - DAY)
    assert leaf.needs_renewal(leaf.not_after - third + DAY)


@pytest.mark.parametrize("name", ["", "a b", "http://x", "a/b", "x" * 300, "a..b", "-", "1.2.3.4:7757", "*"])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="neither a host name nor an address"):
        certificates.create(tmp_path / "certs", [name])
    assert not (tmp_path / "certs").exists()


def test_what_a_renewal_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"ca\.pem is missing"):
        certificates.renew(tmp_path)
    certificates.create(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "_now", lambda: datetime.datetime.now(datetime.UTC) + 4000 * DAY)
        with pytest.raises(UserError, match="expired"):
            certificates.renew(tmp_path)
    (tmp_path / "ca-key.pem").write_text("damaged")
    with pytest.raises(UserError, match="damaged"):
        certificates.renew(tmp_path)


def own(folder: Path, *, chain: bool) -> tuple[Path, Path]:
    """Files of a certificate that another authority issued, and its key."""
    made = certificates.create(folder)
    pem, _, rest = made.file.read_bytes().partition(b"-----BEGIN CERT")
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    certificate.write_bytes(b"-----BEGIN CERT" + rest + ((folder / "ca.pem").read_bytes() if chain else b""))
    key.write_bytes(pem)
    return certificate, key


@pytest.mark.parametrize("chain", [True, False])
def test_own_files_are_used_as_they_are(tmp_path: Path, chain: bool) -> None:
    certificate, key = own(tmp_path / "own", chain=chain)
    leaf = load(tmp_path, tls_certificate=str(certificate), tls_key=str(key))
    assert not leaf.is_local
    assert leaf.fingerprint == certificates.read_local(tmp_path / "own").fingerprint
    trusted = x509.load_pem_x509_certificate(leaf.ca.encode())
    assert (trusted.fingerprint(hashes.SHA256()).hex() == leaf.fingerprint) == (not chain)


def test_what_is_wrong_with_own_files_is_told(tmp_path: Path) -> None:
    certificate, key = own(tmp_path / "own", chain=True)
    with pytest.raises(UserError, match="without `tls_certificate`"):
        load(tmp_path, tls_key=str(key))
    with pytest.raises(UserError, match="Can't use the certificate"):
        load(tmp_path, tls_certificate=str(tmp_path / "none.pem"))
    # No key in the certificate's file.
    with pytest.raises(UserError, match="Can't use the certificate"):
        load(tmp_path, tls_certificate=str(certificate))
    other = ec.generate_private_key(ec.SECP256R1())
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key.write_bytes(other.private_bytes(serialization.Encoding.PEM, form, plain))
    with pytest.raises(UserError, match="doesn't belong"):
        load(tmp_path, tls_certificate=str(certificate), tls_key=str(key))
    form, locked = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(other.private_bytes(serialization.Encoding.PEM, form, locked))
    with pytest.raises(UserError, match="without a password"):
        load(tmp_path, tls_certificate=str(certificate), tls_key=str(key))
    with pytest.raises(UserError, match="popbridge certs init"):
        load(tmp_path)
