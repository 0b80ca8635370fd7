"""Whatever the bytes are, one kind of error comes out; whatever the message is, it comes back."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.core import errors
from bridge.core.codec import SUBPROTOCOLS, Codec, client_codec, server_codec
from bridge.core.errors import CloseCode, RemoteProtocolError
from bridge.core.messages import (
    CLIENT_MESSAGES,
    MAX_DEPTH,
    MAX_FRAME,
    SERVER_MESSAGES,
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    Cancel,
    Request,
)
from tests.core.strategies import as_map, messages

PACKED = server_codec(SUBPROTOCOL_MSGPACK)
TEXTUAL = server_codec(SUBPROTOCOL_JSON)


def refusal(codec: Codec[Any], frame: bytes | str) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        codec.decode(frame)
    return caught.value


def decodes_or_refuses(codec: Codec[Any], frame: bytes | str) -> None:
    try:
        codec.decode(frame)
    except RemoteProtocolError as error:
        assert error.close in errors.CLOSE_CODES
        assert error.reason
        assert len(error.wire_reason.encode()) <= 123


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_decoded_or_refused(frame: bytes) -> None:
    decodes_or_refuses(PACKED, frame)
    decodes_or_refuses(client_codec(SUBPROTOCOL_MSGPACK), frame)


@given(st.text(st.characters(), max_size=200))
def test_arbitrary_text_is_decoded_or_refused(frame: str) -> None:
    decodes_or_refuses(TEXTUAL, frame)
    decodes_or_refuses(client_codec(SUBPROTOCOL_JSON), frame)


@given(messages(CLIENT_MESSAGES), st.data())
def test_a_valid_frame_with_bytes_changed_is_decoded_or_refused(message: Any, data: st.DataObject) -> None:
    frame = bytearray(PACKED.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        if not frame:
            break
    decodes_or_refuses(PACKED, bytes(frame))
    decodes_or_refuses(TEXTUAL, bytes(frame).decode("utf-8", "surrogateescape"))


@given(messages(CLIENT_MESSAGES, binary=False), st.data())
def test_a_valid_text_frame_with_characters_changed_is_decoded_or_refused(
    message: Any, data: st.DataObject
) -> None:
    frame = TEXTUAL.encode(message).decode()
    at = data.draw(st.integers(0, len(frame)))
    changed = frame[:at] + data.draw(st.text(st.characters(), max_size=3)) + frame[at + 1 :]
    decodes_or_refuses(TEXTUAL, changed)


@given(messages(CLIENT_MESSAGES))
def test_every_client_message_comes_back_from_msgpack(message: Any) -> None:
    assert PACKED.decode(PACKED.encode(message)) == message


@given(messages(CLIENT_MESSAGES, binary=False))
def test_every_client_message_comes_back_from_json(message: Any) -> None:
    assert TEXTUAL.decode(TEXTUAL.encode(message).decode()) == message


@given(messages(SERVER_MESSAGES))
def test_every_server_message_comes_back_from_msgpack(message: Any) -> None:
    codec = client_codec(SUBPROTOCOL_MSGPACK)
    assert codec.decode(codec.encode(message)) == message


@given(messages(SERVER_MESSAGES, binary=False))
def test_every_server_message_comes_back_from_json(message: Any) -> None:
    codec = client_codec(SUBPROTOCOL_JSON)
    assert codec.decode(codec.encode(message).decode()) == message


@given(messages(CLIENT_MESSAGES))
def test_what_the_msgpack_library_sends_reads_as_the_same_message(message: Any) -> None:
    assert PACKED.decode(msgpack.packb(as_map(message))) == message


@given(messages(CLIENT_MESSAGES))
def test_the_msgpack_library_reads_what_we_send(message: Any) -> None:
    assert msgpack.unpackb(PACKED.encode(message)) == as_map(message)


@given(st.sampled_from(SUBPROTOCOLS), st.integers(1, 60_000), st.booleans())
@example(SUBPROTOCOL_JSON, MAX_DEPTH - 1, True)
@example(SUBPROTOCOL_MSGPACK, MAX_DEPTH - 1, False)
@example(SUBPROTOCOL_JSON, MAX_DEPTH, False)
@example(SUBPROTOCOL_MSGPACK, MAX_DEPTH, True)
def test_nesting_is_refused_beyond_its_limit_and_never_overflows_the_stack(
    subprotocol: str, depth: int, maps: bool
) -> None:
    head = {"type": "request", "id": 1, "workload": "w"}
    if subprotocol == SUBPROTOCOL_JSON:
        opening, closing = ('{"a":', "}") if maps else ("[", "]")
        frame: bytes | str = (
            json.dumps(head)[:-1] + f', "params": {{"a": {opening * depth}1{closing * depth}}}}}'
        )
    else:
        opened = (b"\x81\xa1a" if maps else b"\x91") * depth
        frame = b"\x84" + msgpack.packb(head)[1:] + b"\xa6params\x81\xa1a" + opened + b"\x01"
    codec = server_codec(subprotocol, max_frame=1 << 20)
    if depth < MAX_DEPTH:
        assert codec.decode(frame)
    else:
        assert refusal(codec, frame).close is errors.UNDECODABLE


@pytest.mark.parametrize("codec", [PACKED, TEXTUAL], ids=SUBPROTOCOLS)
def test_a_frame_of_the_other_kind_says_which_kind_to_send(codec: Codec[Any]) -> None:
    error = refusal(codec, b"" if codec.is_text else "")
    assert error.close is errors.UNDECODABLE
    assert ("send text" if codec.is_text else "send binary") in error.reason


def test_a_frame_may_be_as_large_as_the_limit_and_no_larger() -> None:
    def frame(size: int) -> bytes:
        empty = msgpack.packb({"type": "cancel", "id": 1, "x": b""})
        # bin 32 has a head of five bytes where the empty bin 8 has two.
        return msgpack.packb({"type": "cancel", "id": 1, "x": bytes(size - len(empty) - 3)})

    assert len(frame(MAX_FRAME)) == MAX_FRAME
    assert PACKED.decode(frame(MAX_FRAME)) == Cancel(id=1)
    assert refusal(PACKED, frame(MAX_FRAME + 1)).close is errors.TOO_BIG


def test_the_limit_counts_bytes_where_text_has_characters_of_several() -> None:
    codec = server_codec(SUBPROTOCOL_JSON, max_frame=60)
    assert codec.decode('{"type":"cancel","id":1,"x":"' + "e" * 29 + '"}') == Cancel(id=1)
    assert refusal(codec, '{"type":"cancel","id":1,"x":"' + "é" * 29 + '"}').close is errors.TOO_BIG


REQUEST = {"type": "request", "id": 1, "workload": "w"}
IDENTIFY = {
    "type": "identify", "protocol": 1, "instance": "i", "auth": {},
    "client": {"kind": "tool", "name": "n", "version": "1"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "close", "names"),
    [
        ({}, errors.MISSING_FIELD, "'type'"),
        ({"type": "request", "id": 1}, errors.MISSING_FIELD, "'workload'"),
        ({**IDENTIFY, "client": {"kind": "tool", "name": "n"}}, errors.MISSING_FIELD, "'client.version'"),
        ({**REQUEST, "inputs": [{}]}, errors.MISSING_FIELD, "'inputs[0].name'"),
        ([], errors.WRONG_TYPE, "'message'"),
        ({**REQUEST, "id": "1"}, errors.WRONG_TYPE, "'id'"),
        ({**REQUEST, "params": []}, errors.WRONG_TYPE, "'params'"),
        ({**REQUEST, "params": {1: 2}}, errors.WRONG_TYPE, "'params'"),
        ({**REQUEST, "params": {"a": {1: 2}}}, errors.WRONG_TYPE, "'params'"),
        ({**REQUEST, "params": {"a": {b"b": 2}}}, errors.WRONG_TYPE, "'params'"),
        ({"type": 5}, errors.WRONG_TYPE, "'type'"),
        ({**REQUEST, "id": -1}, errors.WRONG_VALUE, "'id'"),
        ({**REQUEST, "id": 2**53}, errors.WRONG_VALUE, "'id'"),
        ({**REQUEST, "priority": "soon"}, errors.WRONG_VALUE, "'priority'"),
        ({**REQUEST, "inputs": [{"name": "a", "blob": "A" * 64}]}, errors.WRONG_VALUE, "'inputs[0].blob'"),
        ({**REQUEST, "params": {"a": [float("nan")]}}, errors.WRONG_VALUE, "'params'"),
        ({**REQUEST, "params": {"a": float("inf")}}, errors.WRONG_VALUE, "'params'"),
        ({"type": "event", "name": "n", "data": {"a": float("-inf")}}, errors.WRONG_VALUE, "'data'"),
        ({"type": "result", "id": 1, "value": float("nan")}, errors.WRONG_VALUE, "'value'"),
        ({"type": "answer", "id": 1, "state": "answered", "values": {"a": float("nan")}}, errors.WRONG_VALUE,
         "'values'"),
        ({"type": "popup"}, errors.UNKNOWN_TYPE, "'type'"),
        ({"type": "nonsense"}, errors.UNKNOWN_TYPE, "'type'"),
        ({**REQUEST, "params": {"a": msgpack.Timestamp(1)}}, errors.UNDECODABLE, "'params'"),
        ({**REQUEST, "params": {"a": msgpack.ExtType(5, b"")}}, errors.UNDECODABLE, "extension type 5"),
    ],
)  # fmt: skip
def test_a_refused_message_closes_with_its_own_code_and_names_the_field(
    frame: Any, close: CloseCode, names: str
) -> None:
    error = refusal(PACKED, msgpack.packb(frame))
    assert error.close is close, error
    assert names in error.wire_reason


@pytest.mark.parametrize(
    ("params", "close"),
    [
        ('{"a": 18446744073709551616}', errors.WRONG_VALUE),
        ('{"a": -9223372036854775809}', errors.WRONG_VALUE),
        ('{"a": 1e400}', errors.WRONG_VALUE),
        ('{"a": NaN}', errors.UNDECODABLE),
        ('{"a": "\ud800"}', errors.UNDECODABLE),
        ('{"a": "\\ud800"}', errors.UNDECODABLE),
    ],
)
def test_json_can_say_no_more_than_msgpack_can(params: str, close: CloseCode) -> None:
    frame = f'{{"type": "request", "id": 1, "workload": "w", "params": {params}}}'
    assert refusal(TEXTUAL, frame).close is close


def test_bytes_that_are_no_utf8_are_refused_where_text_is_expected() -> None:
    frame = msgpack.packb({**REQUEST, "params": {"a": "??"}}).replace(b"??", b"\xff\xfe")
    assert refusal(PACKED, frame).close is errors.UNDECODABLE


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    frame = b"\x84" + msgpack.packb(REQUEST)[1:] + msgpack.packb("id") + msgpack.packb(2)
    assert PACKED.decode(frame) == Request(id=2, workload="w")


def test_bytes_in_a_free_field_are_base64_in_json() -> None:
    assert json.loads(TEXTUAL.encode(Request(id=1, workload="w", params={"a": b"abc"})))["params"] == {
        "a": "YWJj"
    }


def test_unknown_fields_are_ignored_whatever_they_hold() -> None:
    for junk in (1, "x", b"\xff", [msgpack.Timestamp(1)], msgpack.ExtType(5, b""), {1: {2: 3}}):
        assert PACKED.decode(msgpack.packb({"type": "cancel", "id": 1, "later": junk})) == Cancel(id=1)


@given(st.text(max_size=300))
def test_no_text_of_a_peer_changes_which_code_it_is_refused_with(text: str) -> None:
    for imitation in (
        text,
        f"Object missing required field `{text}`",
        f"Expected `int`, got `{text}` - at `$.a`",
    ):
        error = refusal(PACKED, msgpack.packb({**REQUEST, "priority": imitation + "?"}))
        assert error.close is errors.WRONG_VALUE
        assert str(error.reason).startswith("field 'priority'")
        error = refusal(PACKED, msgpack.packb({"type": imitation + "?"}))
        assert error.close is errors.UNKNOWN_TYPE
