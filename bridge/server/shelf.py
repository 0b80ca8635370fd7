"""Responses as they are kept: packed, given again only while their files are there."""

from __future__ import annotations

from typing import Any

import msgspec

from bridge.core.errors import RequestError
from bridge.core.messages import OutputRef, ResultMeta
from bridge.server.execution import Response
from bridge.store.blobs import BlobStore
from bridge.store.responses import Responses
from bridge.store.responsetables import Kept

_decoder = msgspec.msgpack.Decoder(Response)
USE_S = 60.0
"""How long a file's last use stays as it is written down: writing costs more than a look."""
PLAIN = (type(None), bool, int, float, str, bytes)


class Shelf:
    """Responses with their files."""

    def __init__(self, responses: Responses, blobs: BlobStore) -> None:
        self.responses = responses
        self._blobs = blobs

    def hot(self, key: bytes) -> Response | None:
        """The response, if it is in memory and whole."""
        return self._whole(key, self.responses.hot(key))

    async def find(self, key: bytes) -> Response | None:
        """The response, if it is whole."""
        return self._whole(key, await self.responses.find(key))

    async def put(self, key: bytes, outline: int, response: Response) -> None:
        """Keeps it, if it can be packed."""
        kept = msgspec.structs.replace(response, meta=ResultMeta(cached=True, device=response.meta.device))
        try:
            packed = msgspec.msgpack.encode(kept)
        except (TypeError, ValueError, OverflowError):
            return
        blobs = {one.blob: one.size for one in response.outputs if isinstance(one.blob, str)}
        await self.responses.keep(Kept(key, outline, packed, blobs))

    def _whole(self, key: bytes, packed: bytes | None) -> Response | None:
        if packed is None:
            return None
        try:
            response = _decoder.decode(packed)
        except (ValueError, TypeError):
            response = None
        if response is None or not all(map(self._there, response.outputs)):
            self.responses.forget(key)
            return None
        return response

    def _there(self, output: OutputRef) -> bool:
        try:
            return self._blobs.use(str(output.blob), every_s=USE_S).stat().st_size == output.size
        except (RequestError, OSError):
            return False


def copied(response: Response) -> Response:
    """With a value of its own, which its owner may change."""
    if isinstance(response.value, PLAIN):
        return response
    value: Any = msgspec.msgpack.decode(msgspec.msgpack.encode(response.value))
    return msgspec.structs.replace(response, value=value)
