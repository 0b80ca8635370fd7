"""Every error has one number, one sentence, and a reason that fits into a close frame."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core import errors
from bridge.core.errors import (
    CLOSE_CODES,
    ERROR_CODES,
    ErrorCode,
    RemoteProtocolError,
    RequestError,
    StoreError,
)


@pytest.mark.parametrize("table", [CLOSE_CODES, ERROR_CODES])
def test_names_are_unique(table: tuple[object, ...]) -> None:
    names = [row.name for row in table]  # type: ignore[attr-defined]
    assert len(set(names)) == len(names)


def test_numbers_are_unique_and_lie_where_the_websocket_standard_allows() -> None:
    codes = [close.code for close in CLOSE_CODES]
    assert len(set(codes)) == len(codes)
    assert all(4000 <= code <= 4999 or code in (1009, 1012) for code in codes)
    assert [code.number for code in ERROR_CODES] == list(range(1, len(ERROR_CODES) + 1))


def test_every_declared_code_stands_in_its_table() -> None:
    declared = [value for value in vars(errors).values() if isinstance(value, (ErrorCode, errors.CloseCode))]
    assert len(declared) == len(CLOSE_CODES) + len(ERROR_CODES)


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("field 'sise': did you mean size?", "w: field 'sise': did you mean size?"),
        ("no more.", "w: no more."),
        ("and so on…", "w: and so on…"),
        ("为什么？", "w: 为什么？"),
        ("is no number", "w: is no number."),
    ],
)
def test_a_reason_that_ends_a_sentence_gets_no_second_mark(reason: str, says: str) -> None:
    assert RequestError(errors.BAD_PARAMS, workload="w", reason=reason).message == says


@pytest.mark.parametrize("code", ERROR_CODES, ids=lambda code: code.name)
def test_an_error_says_what_happened_in_one_sentence(code: ErrorCode) -> None:
    names = {
        name for text in (code.text, code.hint) for _, name, _, _ in string.Formatter().parse(text) if name
    }
    error = RequestError(code, **{name: f"<{name}>" for name in names})
    assert error.message.endswith(".")
    assert all(f"<{name}>" in error.message + error.hint for name in names)
    assert str(error) == error.message


def test_a_plugin_may_say_internal_without_a_word_more() -> None:
    assert RequestError("internal").message == "The daemon failed; see the daemon's log."


def test_a_hint_can_be_given_for_one_occurrence() -> None:
    assert RequestError(errors.CANCELLED, hint="Ask again.").hint == "Ask again."


def test_a_plugin_names_a_code_and_says_in_its_own_words_what_happened() -> None:
    error = RequestError("bad_params", message="acme.count: {byte} is above 255.")
    assert error.code is errors.BAD_PARAMS
    assert (error.message, error.hint) == ("acme.count: {byte} is above 255.", "")
    assert RequestError("too_large", "Make it smaller.", message="Too large.").hint == "Make it smaller."
    assert RequestError("editor_gone", editor="Godot").message == "Godot isn't connected."


@pytest.mark.parametrize(
    ("told", "outcome"), [("not_started", "not_started"), ("nonsense", "unknown"), (7, "unknown")]
)
def test_whoever_raises_an_error_may_know_better_what_became_of_it(told: object, outcome: str) -> None:
    assert RequestError("deadline_exceeded", workload="w", deadline_ms=1).outcome == "unknown"
    assert RequestError("deadline_exceeded", workload="w", deadline_ms=1, outcome=told).outcome == outcome


def test_a_code_that_isnt_there_is_a_mistake_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"'bad_parms' is not an error code; use one of bad_params, "):
        RequestError("bad_parms", message="no")


def test_a_sentence_that_lacks_a_field_is_a_mistake_that_says_what_is_needed() -> None:
    with pytest.raises(ValueError, match=r"editor_gone needs message=... or the field 'editor' of "):
        RequestError("editor_gone")


@given(st.text(st.characters(), max_size=300))
def test_a_reason_on_the_wire_is_whole_characters_of_at_most_123_bytes(reason: str) -> None:
    error = RemoteProtocolError(errors.WRONG_VALUE, reason)
    sent = error.wire_reason
    assert len(sent.encode()) <= 123
    whole = reason.encode("utf-8", "replace").decode()
    assert whole.startswith(sent)
    assert sent == whole or len(whole[: len(sent) + 1].encode()) > 123


def test_a_protocol_error_reads_with_its_code_and_name() -> None:
    assert str(RemoteProtocolError(errors.TOO_BIG, "use a blob")) == "1009 (too_big): use a blob"


def test_a_store_errors_reason_is_its_text() -> None:
    assert StoreError("the disk is full").reason == "the disk is full"
