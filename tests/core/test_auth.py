"""Who gets in: only a Host that names this machine, an Origin of ours, and who knows the token."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from bridge.core.auth import (
    client_proof,
    client_proof_matches,
    digest,
    host_allowed,
    is_loopback,
    nonce_is_valid,
    origin_allowed,
    server_proof,
    server_proof_matches,
    signed_message,
    token_id,
    token_matches,
    verifier,
)


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


VECTORS = json.loads(Path("tests/vectors/proof.json").read_text())
TOKEN = "local.secret"
STORED = verifier(TOKEN)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_keys_and_proofs_are_those_of_the_published_vectors(vector: dict[str, str]) -> None:
    token, message = vector["token"], vector["message"]
    nonces = vector["client_nonce"], vector["server_nonce"]
    assert all(map(nonce_is_valid, nonces))
    assert signed_message(vector["id"], *nonces, vector["fingerprint"]) == message
    assert token_id(token) == vector["id"]
    keys = verifier(token)
    assert (keys.stored_key.hex(), keys.server_key.hex()) == (vector["stored_key"], vector["server_key"])
    assert server_proof(keys.server_key, message) == vector["server_proof"]
    assert client_proof(token, message) == vector["client_proof"]
    assert server_proof_matches(vector["server_proof"], token, message)
    assert client_proof_matches(vector["client_proof"], keys.stored_key, message)


@pytest.mark.parametrize("part", range(4))
def test_a_proof_is_worth_nothing_for_another_id_nonce_or_certificate(part: int) -> None:
    signed = ["local", "a" * 32, "b" * 32, "c" * 64]
    other = [*signed[:part], "d" * 32, *signed[part + 1 :]]
    mine, theirs = signed_message(*signed), signed_message(*other)
    assert not client_proof_matches(client_proof(TOKEN, mine), STORED.stored_key, theirs)
    assert not server_proof_matches(server_proof(STORED.server_key, mine), TOKEN, theirs)


def test_neither_proof_can_be_sent_back_as_the_other() -> None:
    message = signed_message("local", "a" * 32, "b" * 32)
    server, client = server_proof(STORED.server_key, message), client_proof(TOKEN, message)
    assert not client_proof_matches(server, STORED.stored_key, message)
    assert not server_proof_matches(client, TOKEN, message)


def test_what_the_daemon_stores_makes_no_client() -> None:
    message = signed_message("local", "a" * 32, "b" * 32)
    for key in (STORED.stored_key, STORED.server_key):
        assert not client_proof_matches(client_proof(key.hex(), message), STORED.stored_key, message)
        assert not token_matches(key.hex(), STORED.stored_key)


@pytest.mark.parametrize("proof", ["", "00", "zz" * 32, "00" * 31, "00" * 33, "é" * 32, None, UNSET, 7])
def test_what_is_no_proof_matches_nothing(proof: object) -> None:
    assert not client_proof_matches(proof, STORED.stored_key, "m")
    assert not server_proof_matches(proof, TOKEN, "m")


def test_a_token_matches_only_itself() -> None:
    assert token_matches(TOKEN, STORED.stored_key)
    for other in ("local.secreT", "local.secret ", "", "\ud800", None, UNSET):
        assert not token_matches(other, STORED.stored_key)


@pytest.mark.parametrize(
    ("token", "expected"),
    [("local.x", "local"), ("ab_-9Z12.x.y", "ab_-9Z12"), ("x", ""), (".x", ""), ("a b.x", ""), ("id.", "")],
)
def test_a_tokens_id_is_what_stands_before_the_dot(token: str, expected: str) -> None:
    assert token_id(token) == expected


@pytest.mark.parametrize(
    "nonce", ["", "0a" * 15, "0a" * 65, "0A" * 16, "0g" * 16, "0a" * 16 + "\n", None, UNSET]
)
def test_a_nonce_is_16_to_64_bytes_in_hex(nonce: object) -> None:
    assert not nonce_is_valid(nonce)


def test_of_a_secret_only_its_digest_is_kept() -> None:
    assert digest("secret") == hashlib.sha256(b"secret").hexdigest()
