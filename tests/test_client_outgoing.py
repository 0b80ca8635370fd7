"""What a client refuses to send: in words, and at no cost to its connection."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.api import RequestError
from bridge.client import connection
from bridge.client.client import Client
from bridge.core.codec import server_codec
from bridge.core.messages import MAX_FRAME, SUBPROTOCOL_MSGPACK, Answer, Command, Error, Request
from tests.server.daemons import ThreadDaemon


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)

NOT_FINITE = "field 'params': "
LONG = "integers over 64 bits"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(tmp_path_factory.mktemp("outgoing") / "home").start()
    yield running
    running.stop()


@pytest.fixture
def where(daemon: ThreadDaemon) -> Path:
    return daemon.paths.connection_file


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        pytest.param(asked, code, said, id=name)
        for name, asked, code, said in (
            ("large", {"params": {"value": "x" * 300_000}}, "too_large", "this daemon accepts at most"),
            ("NaN", {"params": {"value": math.nan}}, "bad_params", NOT_FINITE),
            ("infinity", {"params": {"value": [{"x": -math.inf}]}}, "bad_params", NOT_FINITE),
            ("2**70", {"params": {"value": 2**70}}, "bad_params", LONG),
            ("-2**64", {"params": {"value": -(2**64)}}, "bad_params", LONG),
            ("object", {"params": {"value": object()}}, "bad_params", "only plain data"),
            ("surrogate", {"params": {"value": "\ud800"}}, "bad_params", "unpaired surrogate"),
            ("key", {"params": {"value": {1: 2}}}, "bad_params", "field 'params': "),
            ("nested", {"params": {"value": nested(100)}}, "bad_params", "nested deeper than"),
            ("deeper", {"params": {"value": nested(1200)}}, "bad_params", "nested too deeply"),
            ("deep", {"params": {"value": nested(5000)}}, "bad_params", "nested too deeply"),
            ("circle", {"params": {"value": CIRCLE}}, "bad_params", "nested too deeply"),
            ("priority", {"priority": "urgent"}, "bad_params", "'priority': Invalid enum value 'urgent'"),
            ("deadline", {"deadline_ms": -1}, "bad_params", "field 'deadline_ms'"),
            ("soon", {"deadline_ms": "soon"}, "bad_params", "field 'deadline_ms'"),
        )
    ],
)  # fmt: skip
async def test_what_no_daemon_takes_is_refused_in_words_and_the_connection_stays(
    where: Path, asked: dict[str, Any], code: str, said: str
) -> None:
    async with await Client.connect(where) as client:
        with pytest.raises(RequestError) as caught:
            await client.request("bridge.echo", **asked, retries=3)
        assert caught.value.code.name == code and not caught.value.code.retryable
        assert caught.value.message.startswith("bridge.echo") and said in caught.value.message
        assert (await client.request("bridge.echo", {"value": 7})).value == 7


async def test_an_event_that_no_daemon_takes_is_refused_too(where: Path) -> None:
    async with await Client.connect(where) as client:
        with pytest.raises(RequestError, match=r"asset\.opened: field 'data': "):
            await client.event("asset.opened", {"size": math.inf})
        assert (await client.request("bridge.echo", {"value": 7})).value == 7


async def test_an_answer_that_no_daemon_takes_isnt_kept_to_end_the_next_connection_too(where: Path) -> None:
    async with await Client.connect(where) as client:
        answer = Answer(id=1, state="answered", action="a", values={"scale": math.nan})
        with pytest.raises(RequestError, match="The answer to popup 1: field 'values'"):
            await client.answer(answer)
        assert client.handled.unconfirmed == {}


@pytest.mark.parametrize("value", [math.nan, object(), "x" * 300_000], ids=["NaN", "object", "large"])
async def test_a_command_whose_result_cant_be_sent_is_answered_as_failed(where: Path, value: Any) -> None:
    async def obey(_: Any) -> Any:
        return value

    command = Command(id=1, name="test.command", args={}, deadline_ms=1000)
    async with await Client.connect(where, kind="editor", on_command=obey) as client:
        reply = await client._reply_to(command)
    assert isinstance(reply, Error)
    assert reply.code in ("bad_params", "too_large") and reply.message.startswith("test.command")


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(st.characters())
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters()) | st.integers(), inner, max_size=3),
))  # fmt: skip
def test_whatever_is_given_is_either_refused_in_words_or_taken_by_the_daemon(value: Any) -> None:
    try:
        frame = connection.frame(Request(id=1, workload="w", params={"value": value}), "w", MAX_FRAME)
    except RequestError as error:
        assert error.message.startswith("w: ") and not error.code.retryable
    else:
        assert isinstance(server_codec(SUBPROTOCOL_MSGPACK).decode(frame), Request)
