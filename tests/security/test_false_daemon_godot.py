"""Another program in the daemon's place, and the addons in the real Godot editors: with and without TLS."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bridge.core.messages import SUBPROTOCOL_MSGPACK
from bridge.server.access import certificates
from tests.godot import conftest
from tests.godot.daemon import POPUP, Daemon
from tests.godot.editor import Editor, Project, until
from tests.godot.probe import Probe

pytestmark = pytest.mark.engine
engine, home, project = conftest.engine, conftest.home, conftest.project

SECRET = Daemon.token.partition(".")[2]
STRANGER, OUTDATED, UNVERIFIED = 1, 2, 3
"""Values of `Doubt` in connection.gd."""
DOUBT = "probe.addon._connection.doubt"


def _without_proof(daemon: Daemon, path: str) -> list[dict[str, Any]]:
    hello = daemon.hello(path)
    del hello["auth"]["proof"]
    return [hello]


def _with_another_tokens_proof(daemon: Daemon, path: str) -> list[dict[str, Any]]:
    daemon.token = "local.another"
    hello = daemon.hello(path)
    del daemon.token
    return [hello]


def _with_the_proof_of_an_earlier_connection(daemon: Daemon, path: str) -> list[dict[str, Any]]:
    return [daemon.hello(f"/ws?token=local&nonce={'0a' * 16}")]


def _with_a_popup_first(daemon: Daemon, path: str) -> list[dict[str, Any]]:
    return [{**POPUP, "id": 1, "seq": 1}, *_without_proof(daemon, path)]


ANSWERS: tuple[Callable[[Daemon, str], list[dict[str, Any]]], ...] = (
    _without_proof,
    _with_another_tokens_proof,
    _with_the_proof_of_an_earlier_connection,
    _with_a_popup_first,
)


class Stranger:
    """Listens where the daemon did, gives each connection another answer, and keeps all that it is sent."""

    def __init__(self, home: Path) -> None:
        self.daemon = Daemon(home)
        """What it imitates; not started."""
        self.frames: list[str | bytes] = []
        self.requests: list[str] = []

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[None]:
        async with serve(
            self._serve,
            "127.0.0.1",
            0,
            subprotocols=[SUBPROTOCOL_MSGPACK],  # type: ignore[list-item]
        ) as server:
            self.daemon.publish(server.sockets[0].getsockname()[1])
            yield

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        answer = ANSWERS[len(self.requests) % len(ANSWERS)]
        self.requests.append(f"{socket.request.path} {socket.request.headers}")
        try:
            for message in answer(self.daemon, socket.request.path):
                await socket.send(msgpack.packb(message))
            async for frame in socket:
                self.frames.append(frame)
        except ConnectionClosed:
            pass


async def test_a_program_on_the_daemons_port_learns_nothing(project: Project, home: Path) -> None:
    probe, stranger = Probe(project), Stranger(home)
    async with Editor(project, home):
        async with stranger.listen():
            await until(lambda: len(stranger.requests) > len(ANSWERS))
            await probe.until(f"{DOUBT} == {STRANGER}")
        assert stranger.frames == []
        said = " ".join(stranger.requests)
        assert SECRET not in said
        assert project.root.name not in said
        # It goes on trying, and finds the daemon.
        async with Daemon(home) as daemon:
            identify = await daemon.hear("identify")
            assert "token" not in identify["auth"]
            await daemon.settled()
            await probe.until(f"{DOUBT} == 0")
        # A daemon of 0.2.0 can't prove anything: its token has no id.
        shown = json.loads((home / "connection.json").read_text())
        (home / "connection.json").write_text(json.dumps({**shown, "token": "0123456789abcdef"}))
        await probe.until(f"{DOUBT} == {OUTDATED}")


async def test_tls_reaches_the_daemon_and_no_program_with_another_certificate(
    project: Project,
    home: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "certs"
    leaf = certificates.create(folder)
    probe, stranger = Probe(project), certificates.create(tmp_path / "other")
    picture = tmp_path / "picture.png"
    shutil.copy(project.root / "textures" / "rock.png", picture)
    # Godot names the addon's line when it refuses a certificate.
    async with Editor(project, home, broken_files=True):
        async with Daemon(home, leaf=stranger) as other:
            # connection.json names the daemon's certificate, but another program has its port.
            assert other._server is not None
            shown = json.loads((home / "connection.json").read_text())
            shown |= {"fingerprint": leaf.fingerprint, "ca": leaf.ca}
            (home / "ca.pem").write_text(leaf.ca)
            (home / "connection.json").write_text(json.dumps(shown))
            await probe.until(f"{DOUBT} == {UNVERIFIED}")
            assert other.said == other.paths == []
        async with Daemon(home, leaf=leaf) as daemon:
            await daemon.hear("identify")
            sha = hashlib.sha256(picture.read_bytes()).hexdigest()
            daemon.blobs[sha] = picture.read_bytes()
            await daemon.acknowledged(await daemon.popup())
            await probe.run(f'probe.addon._loader.fetch("{sha}")')
            await until(lambda: sha in daemon.fetched)
        # Another leaf of the same authority is accepted: a renewed one, or whatever its key signs.
        async with Daemon(home, leaf=certificates.renew(folder)) as daemon:
            await daemon.hear("identify")
            await daemon.settled()
