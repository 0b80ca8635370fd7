"""The vectors that every language's codec is tested against hold for this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack
import pytest

from bridge.core import codec
from bridge.core.errors import RemoteProtocolError
from bridge.core.messages import CLIENT_MESSAGES, SERVER_MESSAGES, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK

FOLDER = Path(__file__).parent.parent / "vectors" / "messages"
RECEIVERS = {"server": codec.server_codec, "client": codec.client_codec}
CASES = [
    pytest.param(case, receiver, subprotocol, id=f"{file.stem}-{case['name']}-{receiver}-{key}")
    for file in sorted(FOLDER.glob("*.json"))
    for case in json.loads(file.read_text(encoding="utf-8"))
    for receiver in case["receivers"]
    for key, subprotocol in (("msgpack", SUBPROTOCOL_MSGPACK), ("json", SUBPROTOCOL_JSON))
    if case[key] is not None
]


def test_every_message_has_vectors() -> None:
    tags = {message.__struct_config__.tag for message in CLIENT_MESSAGES + SERVER_MESSAGES}
    assert tags <= {file.stem for file in FOLDER.glob("*.json")}


@pytest.mark.parametrize(("case", "receiver", "subprotocol"), CASES)
def test_a_vector_is_accepted_or_closes_with_its_code_and_field(
    case: dict[str, Any], receiver: str, subprotocol: str
) -> None:
    own = RECEIVERS[receiver](subprotocol)
    frame = case["json"] if own.is_text else bytes.fromhex(case["msgpack"])
    if case["name"].startswith("accept-"):
        message = own.decode(frame)
        sent = own.encode(message)
        assert own.decode(sent.decode() if own.is_text else sent) == message
        return
    with pytest.raises(RemoteProtocolError) as caught:
        own.decode(frame)
    assert caught.value.close.code == case["close"], caught.value
    if case["field"]:
        assert str(caught.value.reason).startswith(f"field '{case['field']}'")
        assert case["field"] in caught.value.wire_reason


def with_bytes(value: dict[str, Any]) -> Any:
    """JSON has no bytes: the vectors write them as `{"$hex": …}`."""
    return bytes.fromhex(value["$hex"]) if value.keys() == {"$hex"} else value


ENGINES = json.loads((FOLDER.parent / "msgpack.json").read_text(encoding="utf-8"), object_hook=with_bytes)


@pytest.mark.parametrize("case", ENGINES["accept"], ids=lambda case: case.get("name", case["hex"][:16]))
def test_what_the_engines_must_read_is_what_pythons_msgpack_writes(case: dict[str, Any]) -> None:
    value = msgpack.unpackb(bytes.fromhex(case["hex"]), strict_map_key=False)
    assert msgpack.packb(value).hex() == case.get("again", case["hex"])
    if "value" in case:
        assert value == case["value"]
