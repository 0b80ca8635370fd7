"""The daemon behind TLS, which has no setting yet, with a temporary certificate."""

from __future__ import annotations

import ctypes
import datetime
import functools
import ipaddress
import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bridge import cli
from bridge.server import serve

M_MMAP_THRESHOLD = -3


def certificate(folder: Path) -> Path:
    """Writes a key and its self-signed certificate for 127.0.0.1, valid for a day, to one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / "tls.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def context(config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Returns uvicorn's context restricted to X25519: hybrids with ML-KEM use 7 KiB more per connection."""
    made = default()
    made.set_ecdh_curve("X25519")
    return made


def keep_buffers_apart() -> None:
    """Fixes the threshold above which glibc allocates with mmap.

    uvloop allocates 256 KiB per connection and touches 4 KiB of it. By default, glibc soon takes such blocks
    from its heap, where earlier users have touched all pages (mallopt(3), M_MMAP_THRESHOLD).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 128 * 1024)


def main() -> None:
    keep_buffers_apart()
    file = certificate(Path(os.environ["POPBRIDGE_HOME"]))
    given = {"ssl_certfile": str(file), "ssl_context_factory": context}
    serve.server_config = functools.partial(serve.server_config, **given)
    cli.main()


if __name__ == "__main__":
    main()
