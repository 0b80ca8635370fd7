"""`popbridge pair` and `popbridge join`: connect another machine's editors by a code."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TypeVar

import click
import msgspec

from accel.atomic_file import make_private_folder
from accel.text import text
from bridge.client.client import Client
from bridge.client.connection import as_request_error
from bridge.client.transfer import ConnectionLost, exchange
from bridge.commands.options import show_notice
from bridge.commands.terminal import say
from bridge.core import pairing
from bridge.core.access import SCOPE_NAMES
from bridge.core.errors import UserError
from bridge.core.pairing import Offer, OfferedCode, OfferState
from bridge.paths import ConnectionFile, Paths

Answer = TypeVar("Answer")

DEFAULT_PORT = 7757
LOOK_S = 1.0
"""Seconds between looks at what became of a code."""


@click.command()
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPE_NAMES),
    default=["editor"],
    show_default=True,
    metavar="SCOPE",
    help=f"What the device may do: {', '.join(SCOPE_NAMES)}. Repeat the option for several.",
)
def pair(scopes: tuple[str, ...]) -> None:
    """Show a code that lets another machine in.

    Type the code there, after `popbridge join`. It is valid once, for two minutes. `popbridge tokens list`
    shows the devices, and `popbridge tokens revoke` ends their access.
    """
    asyncio.run(_offer(list(scopes)))


async def _offer(scopes: list[str]) -> None:
    client = await Client.connect(name="popbridge pair")
    try:
        offered = await _ask(client, "POST", msgspec.json.encode(Offer(scopes=scopes)), OfferedCode)
        click.echo(say(text("Code: {code}", code=pairing.shown(offered.code))))
        show_notice(
            text(
                "Type it within {seconds} s on the other machine, after `popbridge join {host}`. "
                "Ctrl-C ends the offer.",
                seconds=round(offered.expires_s),
                host=socket.gethostname(),
            )
        )
        await _wait(client)
    except BaseException:
        # A code that nobody waits for must not stay valid.
        with contextlib.suppress(Exception):
            await asyncio.shield(asyncio.to_thread(exchange, client.http, "DELETE", "/pairing"))
        raise
    finally:
        await client.close(done=True)


async def _wait(client: Client) -> None:
    """Waits until a device has used the code. Raises UserError if none has."""
    tries = told = pairing.MAX_TRIES
    while True:
        found = await _ask(client, "GET", b"", OfferState)
        # An attempt that is right takes a moment too.
        if found.state == "waiting" and found.tries_left == tries < told:
            show_notice(text("A device tried a wrong code. Tries left: {left}.", left=tries))
            told = tries
        tries = found.tries_left
        if found.state == "paired":
            click.echo(
                say(text("{device} is paired. `popbridge tokens list` shows it.", device=found.device))
            )
            return
        if found.state != "waiting":
            raise UserError(
                text("The code was tried too often. Run `popbridge pair` again.")
                if found.state == "failed"
                else text("Nobody used the code in time. Run `popbridge pair` again.")
            )
        await asyncio.sleep(LOOK_S)


async def _ask(client: Client, method: str, body: bytes, kind: type[Answer]) -> Answer:
    try:
        status, content = await asyncio.to_thread(exchange, client.http, method, "/pairing", body)
    except ConnectionLost as error:
        raise UserError(text("PopBridge doesn't answer ({error}).", error=error)) from None
    if status >= 400:
        raise as_request_error(msgspec.json.decode(content))
    return msgspec.json.decode(content, type=kind)


@click.command()
@click.argument("address", metavar="HOST[:PORT]", required=False)
@click.option(
    "--name", default=socket.gethostname, show_default="the host name", help="This machine's name there."
)
@click.option("--leave", is_flag=True, help="Forget the daemon that this machine has joined.")
def join(address: str | None, name: str, leave: bool) -> None:
    """Use a daemon on another machine.

    HOST is that machine, where `popbridge pair` shows a code. Editors here find that daemon as they
    would find one on this machine.
    """
    paths = Paths.find()
    if leave:
        _leave(paths)
        return
    if not address:
        raise click.UsageError(say(text("Name the daemon's machine, as in `popbridge join build.local`.")))
    host, port = _parsed(address)
    _refuse_beside_daemon(paths)
    # It computes for a moment, and nothing else needs it.
    from bridge.client.pairing import check_reachable
    from bridge.client.pairing import pair as pair_with

    check_reachable(host, port)
    code = pairing.typed(click.prompt(say(text("Code")), type=str))
    if not code:
        raise UserError(text("A code has {digits} digits.", digits=pairing.CODE_DIGITS))

    file = pair_with(host, port, code, name)
    make_private_folder(paths.runtime)
    if file.ca is not None:
        paths.ca_file.write_text(file.ca, encoding="ascii")
    file.write(paths.connection_file)
    click.echo(say(text("This machine's editors now use PopBridge at {address}.", address=file.http)))
    _check()


def _check() -> None:
    """Connects once with what was written. Raises UserError."""

    async def connect() -> None:
        began = time.monotonic()
        client = await Client.connect(name="popbridge join")
        await client.close(done=True)
        took = text("{milliseconds} ms", milliseconds=round(1000 * (time.monotonic() - began)))
        show_notice(text("Connected as a test: {took}.", took=took))

    asyncio.run(connect())


def _leave(paths: Paths) -> None:
    try:
        joined = (file := ConnectionFile.read(paths.connection_file)).is_joined
    except UserError:
        joined = False
    if not joined:
        raise UserError(text("This machine has joined no daemon, so there is nothing to leave."))
    paths.connection_file.unlink()
    paths.ca_file.unlink(missing_ok=True)
    click.echo(
        say(
            text(
                "This machine no longer uses PopBridge at {address}. Its token stays valid until it is "
                "revoked there.",
                address=file.http,
            )
        )
    )


def _refuse_beside_daemon(paths: Paths) -> None:
    """Raises UserError if a daemon runs on this machine: it would replace the file that is written."""
    try:
        file = ConnectionFile.read(paths.connection_file)
    except UserError:
        return
    if not file.is_joined:
        raise UserError(
            text(
                "A daemon runs on this machine (process {pid}). Stop it first, so editors use the other.",
                pid=file.pid,
            )
        )


def _parsed(address: str) -> tuple[str, int]:
    """Splits an address. Raises UserError."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.path or parts.username:
        raise UserError(
            text("`{address}` isn't HOST or HOST:PORT, such as build.local:7757.", address=address)
        )
    return host, DEFAULT_PORT if port is None else port
