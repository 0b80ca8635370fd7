"""The addons' codecs in the real engines, against bytes that other codecs wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack
import pytest

from bridge.core.messages import SERVER_MESSAGES
from tests.godot.codec import in_engine
from tests.godot.editor import Project

pytestmark = pytest.mark.engine

VECTORS = Path(__file__).parents[1] / "vectors"


def message_vectors(accepted: bool) -> list[dict[str, Any]]:
    """Of the frames that a client may be sent, those that are a message, or those that aren't."""
    files = sorted((VECTORS / "messages").glob("*.json"))
    every = [vector for file in files for vector in json.loads(file.read_text(encoding="utf-8"))]
    return [v for v in every if "client" in v["receivers"] and v["msgpack"] and (v["close"] == 0) == accepted]


def test_it_reads_and_writes_the_same_bytes_as_pythons(project: Project) -> None:
    vectors = json.loads((VECTORS / "msgpack.json").read_text(encoding="utf-8"))
    accept, reject = vectors["accept"], vectors["reject"]
    readings = in_engine(project, [vector["hex"] for vector in accept + reject])
    assert [reading.again for reading in readings[: len(accept)]] == [
        vector.get("again", vector["hex"]) for vector in accept
    ]
    refused = [reading.refused for reading in readings[len(accept) :]]
    read_all_the_same = [vector["name"] for vector, why in zip(reject, refused, strict=True) if not why]
    assert read_all_the_same == []


def test_it_takes_what_is_large(project: Project) -> None:
    values = ["d" * 65536, b"y" * 65536, [0] * 65536, {str(n): n for n in range(65536)}]
    frames = [msgpack.packb(value).hex() for value in values]
    assert [reading.again for reading in in_engine(project, frames)] == frames


def test_it_takes_every_message_that_a_daemon_may_send(project: Project) -> None:
    vectors = message_vectors(accepted=True)
    types = {msgpack.unpackb(bytes.fromhex(vector["msgpack"]))["type"] for vector in vectors}
    assert types == {message.__struct_config__.tag for message in SERVER_MESSAGES}
    readings = in_engine(project, [vector["msgpack"] for vector in vectors])
    assert [reading for reading in readings if reading.refused or reading.problem] == []


def test_what_lacks_a_field_or_is_no_message_is_noticed(project: Project) -> None:
    # Nested fields and ranges are the daemon's affair: an addon trusts the daemon that it has the token of.
    vectors = [
        v for v in message_vectors(accepted=False) if v["close"] in (4003, 4006) and "." not in v["field"]
    ]
    assert vectors
    readings = in_engine(project, [vector["msgpack"] for vector in vectors])
    assert [v["name"] for v, r in zip(vectors, readings, strict=True) if not (r.refused or r.problem)] == []
