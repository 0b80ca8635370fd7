"""`popbridge certs`: the local certificate authority, and the daemon's certificate."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from accel.text import AnyText, Text, text
from bridge.commands.options import as_json, print_json, read_settings
from bridge.commands.terminal import say
from bridge.core.errors import UserError
from bridge.core.settings import Settings
from bridge.host import host
from bridge.paths import Paths, quoted
from bridge.server.access import certificates
from bridge.server.access.certificates import Leaf
from bridge.store.audit_log import AuditLog

NAMES = click.option(
    "--name", "names", multiple=True, metavar="HOST", help="Another host name or address; repeatable."
)

TRUST: tuple[tuple[AnyText, AnyText], ...] = (
    (text("PopBridge's editors and tools"), text("nothing to do: they read `connection.json`")),
    (text("Scripts in a game engine"), text("give its TLS options {file}: see docs/guides/tls.md")),
    ("curl, Python, Node", "curl --cacert {file}, SSL_CERT_FILE, NODE_EXTRA_CA_CERTS"),
    ("Windows", "certutil -user -addstore Root {file}"),
    ("macOS", "security add-trusted-cert -r trustRoot -k login.keychain {file}"),
    (
        "Debian, Ubuntu",
        "sudo cp {file} /usr/local/share/ca-certificates/popbridge.crt && sudo update-ca-certificates",
    ),
    ("Fedora, Arch", "sudo trust anchor {file}"),
    ("Firefox", text("Settings › Privacy & Security › View Certificates › Authorities › Import {file}")),
)
"""How programs trust the authority, by program or system."""


@click.group()
def certs() -> None:
    """Manage the certificate for encrypted connections.

    Off loopback the daemon needs one. `init` makes a local certificate authority and a certificate that the
    daemon renews by itself; with `tls` on, the daemon uses it.
    """


@certs.command()
@NAMES
@click.option("--force", is_flag=True, help="Replace the authority, which has to be trusted anew.")
def init(names: Sequence[str], force: bool) -> None:
    """Make a local authority, and a certificate for this machine.

    It is valid for localhost, 127.0.0.1, ::1, the host name and this machine's private addresses, and for
    each --name.
    """
    paths = Paths.find()
    certificates.checked(paths.certificates, names, force=force)
    AuditLog(paths).append("certificate.create", subject=str(paths.certificates))
    leaf = _written(paths, lambda folder: certificates.create(folder, names, force=force))
    line = text("Made {file}, valid for {names} until {date}.")
    click.echo(say(line.fill(file=leaf.file, names=_names(leaf), date=_date(leaf))))
    click.echo(say(text("Now set `tls` to on: popbridge serve --tls on")))


@certs.command()
@NAMES
def renew(names: Sequence[str]) -> None:
    """Make another certificate with the same authority; a running daemon takes it over.

    The daemon does it by itself when a third of the lifetime is left. Open connections aren't interrupted.
    """
    paths = Paths.find()
    AuditLog(paths).append("certificate.renew", subject=str(paths.certificates))
    leaf = _written(paths, lambda folder: certificates.renew(folder, names))
    line = text("Renewed {file}, valid for {names} until {date}.")
    click.echo(say(line.fill(file=leaf.file, names=_names(leaf), date=_date(leaf))))


@certs.command()
@as_json
def status(as_json: bool) -> int:
    """Show the certificate; exit code 1 if it is expired or due for renewal."""
    paths = Paths.find()
    settings = _settings(paths)
    leaf = certificates.load(settings, paths)
    now = datetime.datetime.now(datetime.UTC)
    is_due = leaf.needs_renewal(now)
    if as_json:
        print_json(
            {
                "tls": settings["tls"],
                "file": leaf.file,
                "names": leaf.names,
                "fingerprint": leaf.fingerprint,
                "not_after": leaf.not_after.isoformat(),
                "renews_itself": leaf.is_local,
                "due": is_due,
            }
        )
        return int(is_due)
    rows: list[tuple[Text, AnyText]] = [
        (text("Certificate"), str(leaf.file)),
        (text("Names"), ", ".join(leaf.names)),
        (text("Valid until"), _validity(leaf, now)),
        (text("Fingerprint"), leaf.fingerprint),
        (text("TLS"), text("on") if settings["tls"] == "on" else text("off: set `tls` to on")),
    ]
    width = max(len(say(head)) for head, _ in rows)
    for head, value in rows:
        click.echo(f"{say(head).ljust(width)}  {say(value)}")
    return int(is_due)


@certs.command()
def trust() -> None:
    """Tell how other programs trust the authority; changes nothing."""
    paths = Paths.find()
    leaf = certificates.load(_settings(paths), paths)
    file = paths.certificates / certificates.CA_FILE if leaf.is_local else paths.ca_file
    if leaf.is_local:
        click.echo(
            say(
                text(
                    "{file} may only certify this machine's names and private addresses. Whoever has its "
                    "key, {key}, can impersonate those.",
                    file=file,
                    key=paths.certificates / certificates.CA_KEY_FILE,
                )
            )
        )
    for name, how in TRUST:
        template = how.fill if isinstance(how, Text) else how.format
        click.echo(f"\n{say(name)}\n    {say(template(file=quoted(file)))}")


def _written(paths: Paths, make: Callable[[Path], Leaf]) -> Leaf:
    try:
        return make(paths.certificates)
    except OSError as error:
        raise UserError(
            text("Can't write to {folder} ({reason}).", folder=paths.certificates, reason=error.strerror)
        ) from None


def _settings(paths: Paths) -> Settings:
    registry = host.load()
    return read_settings(registry.settings, paths.settings_file, os.environ, plugins_disabled=registry.lacks)


def _names(leaf: Leaf) -> str:
    return ", ".join(leaf.names)


def _date(leaf: Leaf) -> str:
    return f"{leaf.not_after:%Y-%m-%d}"


def _validity(leaf: Leaf, now: datetime.datetime) -> AnyText:
    if leaf.not_after < now:
        return text("expired on {date}", date=_date(leaf))
    if leaf.is_local:
        return text("{date}; the daemon renews it", date=_date(leaf))
    return text("{date}; renew it yourself", date=_date(leaf))
