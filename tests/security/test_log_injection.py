"""Nothing that a client sends forges a line of the log, hides one, or steers a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.server.conftest import process  # noqa: F401
from tests.server.daemons import ProcessDaemon
from tests.server.wire import session

FORGED = "ERROR bridge.server: forged"
NAME = f"a\r\n{FORGED}\x1b[2J\x1b]0;title\x07\x9b31m\u2028b\u202ec\x85d\x7f"
CONTROLS = [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F)]


@pytest.mark.parametrize("form", ["text", "json"])
async def test_a_clients_name_with_control_characters_stays_on_its_line(
    process: ProcessDaemon,  # noqa: F811
    tmp_path: Path,
    form: str,
) -> None:
    path = tmp_path / "daemon.log"
    process.environment |= {
        "POPBRIDGE_LOG_FILE": str(path),
        "POPBRIDGE_LOG_LEVEL": "info",
        "POPBRIDGE_LOG_FORMAT": form,
    }
    file = process.start()
    client = {"kind": "tool", "name": NAME, "version": NAME}
    async with session(file, client=client, project={"id": "p", "name": NAME}) as wire:
        failed = await wire.request(1, "test.fail", {}, inputs=[])
        assert failed["type"] == "error"
    process.stop()
    written = path.read_bytes().decode()
    lines = written.split("\n")
    assert any("\\n" in line or "\\r" in line for line in lines)
    assert not [line for line in lines if line.startswith(FORGED)]
    assert not {chr(number) for number in CONTROLS if number != 10} & set(written)
    if form == "json":
        # Also for programs that end a line elsewhere.
        messages = [json.loads(line)["message"] for line in written.splitlines()]
        assert any(NAME in message for message in messages)
