"""Who gets in: only a Host that names this machine, an Origin of ours, and who knows the token."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.auth import digest, host_allowed, is_loopback, origin_allowed, proof, token_matches
from bridge.core.messages import AuthProof


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST", "localhost."]
)
def test_loopback_has_many_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "192.168.1.2", "::", "localhost.evil.test", "127.0.0.1.evil.test"]
)
def test_what_merely_looks_like_loopback_is_none(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "header", ["127.0.0.1:7757", "localhost", "[::1]:7757", "bridge.lan:7757", "BRIDGE.lan"]
)
def test_a_host_header_may_name_loopback_or_a_configured_name(header: str) -> None:
    assert host_allowed(header, names=["Bridge.LAN"])


@pytest.mark.parametrize(
    "header",
    [
        "",
        "evil.test",
        "evil.test:7757",
        "evil.test@127.0.0.1",
        "127.0.0.1/evil.test",
        "127.0.0.1?evil.test",
        "127.0.0.1#evil.test",
        "127.0.0.1\\evil.test",
        "127.0.0.1:evil.test",
        "[::1",
        "127.0.0.1:99999",
    ],
)
def test_a_host_header_that_names_another_host_or_none_is_refused(header: str) -> None:
    assert not host_allowed(header)


@given(st.text(max_size=30))
def test_no_host_header_raises(header: str) -> None:
    assert host_allowed(header) in (True, False)


def test_a_browser_gets_in_from_the_consoles_own_origin_alone() -> None:
    own = ["http://127.0.0.1:7757"]
    assert origin_allowed("HTTP://127.0.0.1:7757", own)
    assert not origin_allowed("https://evil.test", own)
    assert not origin_allowed("null", own)
    assert origin_allowed(None)


def test_a_token_or_a_proof_of_it_gets_in_and_nothing_else_does() -> None:
    assert token_matches(AuthProof(token="secret"), "secret", "n")
    assert not token_matches(AuthProof(token="secreT"), "secret", "n")
    assert not token_matches(AuthProof(token=""), "secret", "n")
    assert token_matches(AuthProof(proof=proof("secret", "n", "mine"), nonce="mine"), "secret", "n")
    assert not token_matches(AuthProof(proof=proof("secret", "n", "mine"), nonce="other"), "secret", "n")
    assert not token_matches(AuthProof(proof=proof("secret", "n", "mine"), nonce="mine"), "secret", "n2")
    assert not token_matches(AuthProof(proof=proof("secret", "n", "")), "secret", "n")
    assert not token_matches(AuthProof(), "secret", "n")


def test_a_wrong_token_is_not_saved_by_a_right_proof() -> None:
    auth = AuthProof(token="wrong", proof=proof("secret", "n", "mine"), nonce="mine")
    assert not token_matches(auth, "secret", "n")


def test_the_proof_is_the_hmac_that_rfc_4231_computes() -> None:
    assert proof("Jefe", "what do ya want ", "for nothing?") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_of_a_secret_only_its_digest_is_kept() -> None:
    assert digest("secret") == hashlib.sha256(b"secret").hexdigest()
