"""What both sides of a pairing derive from the common key."""

from __future__ import annotations

import pytest

from bridge.core import pairing


@pytest.mark.parametrize(
    ("typed", "code"),
    [("12345678", "12345678"), (" 1234 5678 ", "12345678"), ("1234-5678", "12345678"),
     ("00000000", "00000000"), ("1234567", ""), ("123456789", ""), ("1234567a", ""),
     ("١٢٣٤٥٦٧٨", ""), ("", "")],
)  # fmt: skip
def test_a_code_is_eight_digits_however_they_are_grouped(typed: str, code: str) -> None:
    assert pairing.typed(typed) == code
    if code:
        assert pairing.typed(pairing.shown(code)) == code


def test_a_confirmation_is_about_side_messages_and_certificate() -> None:
    base = {"key": b"k", "side": "client", "start": b"a", "answer": b"b", "fingerprint": "f"}
    own = pairing.confirmation(**base)  # type: ignore[arg-type]
    assert pairing.confirms(own, own)
    for name, other in {
        "key": b"l",
        "side": "daemon",
        "start": b"x",
        "answer": b"x",
        "fingerprint": "",
    }.items():
        assert not pairing.confirms(pairing.confirmation(**{**base, name: other}), own)  # type: ignore[arg-type]
    assert not pairing.confirms("\ud800", own)


def test_the_grant_has_a_key_of_its_own() -> None:
    assert len(pairing.sealing_key(b"k")) == 32
    assert pairing.sealing_key(b"k") != pairing.sealing_key(b"l")
