"""Checks of the daemon: whether it answers, its version, its port and its certificate."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
from collections.abc import Iterator, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
import psutil

from accel.text import AnyText, sentences, text
from bridge import __version__
from bridge.client.client import Client
from bridge.client.transfer import ConnectionLost, exchange
from bridge.core import auth
from bridge.core.errors import UserError
from bridge.core.metrics import Status
from bridge.doctor.check import Check, Results, Step
from bridge.doctor.machine import settings_of
from bridge.host.host import Registry
from bridge.paths import ConnectionFile, Paths

CONNECT_S = 0.5
ANSWER_S = 2.0
CHECK_S = 10.0
"""For the daemon's own checks, which may ask a keyring."""
Answer = TypeVar("Answer")
RESTART = text("End it, then run `popbridge serve`.")
START = text("Start it with `popbridge serve`.")


def steps(paths: Paths, registry: Registry, seen: Sequence[Check] = ()) -> Iterator[Step]:
    """Yields the checks. `seen` are the results of this process for the machine, which the daemon's own
    environment may contradict."""
    yield "daemon.connection", lambda: connection(paths, registry, seen)
    yield "daemon.certificate", lambda: certificate(paths, registry)


def connection(paths: Paths, registry: Registry, seen: Sequence[Check] = ()) -> Results:
    """Checks who answers at the daemon's address, in which version, and what it finds itself."""
    name = "daemon.connection"
    if not paths.connection_file.exists():
        yield Check(name, "warning", text("The daemon isn't running."), START)
        yield from port(paths, registry)
        return
    file = ConnectionFile.read(paths.connection_file)
    if not _listens(file.http):
        yield Check(
            name,
            "warning",
            text(
                "The daemon isn't running: nothing answers at {address}, which it used last.",
                address=file.http,
            ),
            START,
        )
        return
    if not auth.token_id(file.token):
        yield Check(
            name,
            "error",
            text("The daemon at {address} is from PopBridge 0.2 or older.", address=file.http),
            RESTART,
        )
        return
    try:
        version, status, found_there = asyncio.run(_ask(paths))
    except UserError as error:
        number = urlsplit(file.http).port or 0
        if (who := holder(number)) is not None and who[0] not in (file.pid, 0):
            found: AnyText = text(
                "Another program answers at the daemon's address {address}: {program} (process {pid}).",
                address=file.http,
                program=who[1],
                pid=who[0],
            )
        else:
            found = text("The daemon at {address} doesn't answer as it should: {reason}",
                         address=file.http, reason=error.text)  # fmt: skip
        yield Check(name, "error", found, RESTART)
        return
    if version != __version__:
        yield Check(
            name,
            "error",
            text(
                "The daemon at {address} is PopBridge {theirs}, but this is {ours}.",
                address=file.http,
                theirs=version,
                ours=__version__,
            ),
            text(
                "Update the older one with `git pull` and `python -m pip install .` in PopBridge's clone, "
                "then restart the daemon."
            ),
        )
    elif status is None:
        yield Check(
            name, "ok", text("PopBridge {version} runs at {address}.", version=version, address=file.http)
        )
    else:
        yield Check(
            name,
            "ok",
            text(
                "PopBridge {version} has run at {address} for {minutes} min (process {pid}).",
                version=version,
                address=file.http,
                pid=status.pid,
                minutes=int(status.uptime_s // 60),
            ),
        )
    yield from _own(found_there, seen)


def _own(found: Sequence[Check], seen: Sequence[Check]) -> Results:
    """Yields what the daemon found of the machine and this process didn't, as in another Python."""
    known = {_identity(each) for each in seen}
    for each in found:
        if _identity(each) not in known:
            name = f"daemon.{each.check.partition('.')[2]}"
            yield Check(name, each.status, text("In the daemon: {found}", found=each.found), each.remedy)


def _identity(found: Check) -> tuple[str, str, str]:
    # Free space changes all the time.
    same = found.check == "machine.disk"
    return found.check, found.status, "" if same else str(sentences((found.found, found.remedy)))


async def _ask(paths: Paths) -> tuple[str, Status | None, list[Check]]:
    """Returns the daemon's version after the mutual proof, and, if it tells, its status and what it finds.

    Raises UserError.
    """
    try:
        async with asyncio.timeout(ANSWER_S):
            client = await Client.connect(paths.connection_file, name="popbridge doctor")
    except TimeoutError:
        raise UserError(text("It said nothing within {seconds} s.", seconds=f"{ANSWER_S:g}")) from None
    try:
        status = await _get(client, "/status", ANSWER_S, Status)
        # Older daemons have no such path.
        found = await _get(client, "/doctor", CHECK_S, list[Check])
        return client.hello.server.version, status, found or []
    finally:
        await client.close(done=True)


async def _get(client: Client, path: str, timeout_s: float, kind: type[Answer]) -> Answer | None:
    with contextlib.suppress(ConnectionLost, UserError, ValueError):
        code, body = await asyncio.to_thread(exchange, client.http, "GET", path, timeout_s=timeout_s)
        if code == 200:
            return msgspec.json.decode(body, type=kind)
    return None


def _listens(address: str) -> bool:
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 0), CONNECT_S):
            return True
    except (OSError, ValueError):
        return False


def port(paths: Paths, registry: Registry) -> Results:
    """Checks whether the port of a stopped daemon is free."""
    settings = settings_of(paths, registry)
    host, number = settings["host"], settings["port"]
    if not number:
        yield Check("daemon.port", "ok", text("The system chooses the port."))
        return
    if not _listens(f"http://{f'[{host}]' if ':' in host else host}:{number}"):
        yield Check("daemon.port", "ok", text("The port {port} is free.", port=number))
        return
    who = holder(number)
    program: AnyText = (
        text("{program} (process {pid})", program=who[1], pid=who[0])
        if who and who[0]
        else text("another program")
    )
    yield Check(
        "daemon.port",
        "warning",
        text(
            "{program} uses the port {port}; the daemon would choose another.", program=program, port=number
        ),
        text("End that program, or choose another port with the setting `port`."),
    )


def holder(number: int) -> tuple[int, str] | None:
    """Returns the process that listens on a TCP port, and its program's name; None if that isn't known.

    Only administrators see other users' processes.
    """
    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == number and each.pid:
                return each.pid, psutil.Process(each.pid).name()
    except (psutil.Error, OSError):
        pass
    return None


def certificate(paths: Paths, registry: Registry) -> Results:
    """Checks the certificate that an encrypted daemon shows."""
    name, settings = "daemon.certificate", settings_of(paths, registry)
    with contextlib.suppress(UserError):
        file = ConnectionFile.read(paths.connection_file)
        if file.is_joined:
            yield Check(
                name, "ok", text("This machine has joined PopBridge at {address}.", address=file.http)
            )
            return
    if settings["tls"] == "off":
        yield Check(
            name, "ok", text("Connections aren't encrypted (setting `tls`); only this machine can connect.")
        )
        return
    # cryptography takes a tenth of a second to load.
    from bridge.server.access import certificates, tls

    try:
        leaf = certificates.load(settings, paths)
    except UserError as error:
        yield Check(name, "error", error.text, text("See `popbridge certs status`."))
        return
    now = datetime.datetime.now(datetime.UTC)
    renew = text("Renew it with `popbridge certs renew`.") if leaf.is_local else text("Replace the file.")
    until = leaf.not_after.date().isoformat()
    if leaf.not_after < now:
        yield Check(name, "error", text("{file} expired on {date}.", file=leaf.file, date=until), renew)
    elif leaf.not_before > now:
        yield Check(
            name,
            "error",
            text("{file} isn't valid yet.", file=leaf.file),
            text("Check this machine's clock."),
        )
    elif settings["host"] not in tls.ANY and not leaf.covers(settings["host"]):
        yield Check(
            name,
            "error",
            text("{file} isn't valid for {host}.", file=leaf.file, host=settings["host"]),
            text("Run `popbridge certs renew --name {host}`.", host=settings["host"]),
        )
    elif leaf.needs_renewal(now) and not leaf.is_local:
        yield Check(name, "warning", text("{file} expires on {date}.", file=leaf.file, date=until), renew)
    else:
        yield Check(name, "ok", text("{file} is valid until {date}.", file=leaf.file, date=until))
