"""Files that workloads made are named so that every client can read it."""

from __future__ import annotations

import msgspec
import pytest

from bridge.core.messages import OutputRef
from bridge.server.executors import output_ref


@pytest.mark.parametrize("name", ["rock", "r" * 128, f"{'r' * 128}.roughness", "r" * 300 + ".roughness"])
def test_a_name_of_any_length_can_be_read_by_the_client(name: str) -> None:
    sent = msgspec.msgpack.encode(output_ref(name, "image/png", 1, "0" * 64))
    read = msgspec.msgpack.decode(sent, type=OutputRef)
    assert read.name == name if len(name) <= 128 else read.name.endswith("….roughness"[-10:])
    assert read.name.startswith(name[:50])
