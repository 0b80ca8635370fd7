"""Which requests are promised, what another one with the same key must repeat, and what frees the key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from bridge.core import errors
from bridge.core.messages import Error, InputRef, Request

MAX_CRASHES = 5
"""How often a job may crash its workers (each time several of them) before it is given up."""
MAX_DEATHS = 10
"""How many killed daemons may be blamed on a job before it is given up.

A kill blames all that was in hand, mostly wrongly, and so each with its share: a half where there were two.
"""

_FREEING = frozenset({errors.CANCELLED.name, errors.WORKER_CRASHED.name})


def is_journalled(request: Request) -> bool:
    """Whether a request for a workload is written down before it is accepted, and done whatever dies."""
    return request.key is not UNSET or request.priority == "bulk"


def digest(workload: str, params: Any, inputs: Sequence[InputRef], root: str | None) -> bytes:
    """SHA-256 of what is asked for: equal exactly where a key may be used again.

    `params` are as the workload parsed them, so that defaults and the order of fields make no difference;
    `inputs` name blobs or paths, which `root` tells apart.
    """
    asked = [workload, params, inputs, root if any(one.path is not UNSET for one in inputs) else None]
    return hashlib.sha256(msgspec.msgpack.encode(asked, order="deterministic")).digest()


def frees_key(error: Error) -> bool:
    """Whether the same key may be tried again after `error`; otherwise it is the key's answer."""
    return error.retryable or error.code in _FREEING
