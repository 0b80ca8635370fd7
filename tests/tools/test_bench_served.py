import asyncio
import sys
from pathlib import Path

import pytest

from tools.bench import batching, peer_servers, served


def test_texts_are_all_different_so_that_no_cache_answers():
    texts = batching.various(served.COUNT + served.COUNT // 4)
    assert len(set(texts)) == len(texts)
    assert {len(text.split()) for text in texts} == {2, 3, 4, 5, 6}


def test_a_peer_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setattr(peer_servers, "environment", lambda: Path(sys.executable))
    with (
        pytest.raises(peer_servers.Missing, match=r"it ended at once: ModuleNotFoundError.*litserve"),
        peer_servers.served("litserve_app.py", "models", "1", "0"),
    ):
        raise AssertionError("it has no litserve here")


async def test_the_client_of_peers_keeps_its_connection_and_wants_a_whole_vector():
    seen = []

    async def answer(reader, writer):
        for numbers in (384, 384, 3):
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            seen.append(await reader.readexactly(size))
            body = b'{"vectors":[[' + b",".join([b"0.5"] * numbers) + b"]]}"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with served.connection(f"http://127.0.0.1:{port}/predict") as ask:
        await ask("oak planks")
        await ask("rusty metal")
        with pytest.raises(AssertionError):
            await ask("half a vector")
    assert seen[0] == b'{"texts": ["oak planks"]}' and len(seen) == 3
    server.close()
    await server.wait_closed()
