"""The proofs of tokens, for clients in other languages: `tests/vectors/proof.json`.

Made by another library than the daemon's, so that they check it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.hmac import HMAC

TARGET = Path("tests/vectors/proof.json")

NONCES = ("00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100")
SECRET = "Zm9yIHRlc3RzIG9ubHksIG5vdCBhIHJlYWwgc2VjcmU"
FINGERPRINT = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
CASES: dict[str, dict[str, str]] = {
    "the token of connection.json": {"id": "local"},
    "a token with a random id": {"id": "q3Xy-_09"},
    "under TLS": {"id": "local", "fingerprint": FINGERPRINT},
    "the longest nonces": {"id": "q3Xy-_09", "client_nonce": "0a" * 64, "server_nonce": "b1" * 64},
    "the nonces changed places": {"id": "local", "client_nonce": NONCES[1], "server_nonce": NONCES[0]},
}


def files() -> dict[Path, str]:
    """The text of each generated file, by its path below the repository."""
    return {TARGET: json.dumps([_case(name, **case) for name, case in CASES.items()], indent=1) + "\n"}


def _case(
    name: str,
    id: str,
    client_nonce: str = NONCES[0],
    server_nonce: str = NONCES[1],
    fingerprint: str = "",
) -> dict[str, Any]:
    token = f"{id}.{SECRET}"
    message = f"{id}:{client_nonce}:{server_nonce}:{fingerprint}"
    client_key, server_key = (_hmac(token.encode(), f"{side} Key") for side in ("Client", "Server"))
    stored_key = _sha256(client_key)
    signature = _hmac(stored_key, f"client:{message}")
    return {
        "name": name,
        "token": token,
        "id": id,
        "client_nonce": client_nonce,
        "server_nonce": server_nonce,
        "fingerprint": fingerprint,
        "message": message,
        "client_key": client_key.hex(),
        "stored_key": stored_key.hex(),
        "server_key": server_key.hex(),
        "server_proof": _hmac(server_key, f"server:{message}").hex(),
        "client_proof": bytes(a ^ b for a, b in zip(client_key, signature, strict=True)).hex(),
    }


def _hmac(key: bytes, message: str) -> bytes:
    mac = HMAC(key, SHA256())
    mac.update(message.encode())
    return mac.finalize()


def _sha256(data: bytes) -> bytes:
    digest = Hash(SHA256())
    digest.update(data)
    return digest.finalize()
