"""Keeps what is stored encrypted with the current master key, which may change while the daemon runs."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from bridge.core.errors import StoreError, UserError
from bridge.store.encryption import Vault
from bridge.store.key_rotation import KeyRotation
from bridge.store.master_key import KeyRing, MasterKey
from bridge.store.store import Store

log = logging.getLogger(__name__)

POLL_S = 2.0
"""Seconds between looks at the files with keys; `popbridge keys rotate` waits for them."""
RETRY_S = 30.0
"""Seconds until a failed conversion is continued."""


class KeyWatch:
    """Converts what has another form at the start, and after each change of the master key."""

    def __init__(
        self,
        master: MasterKey,
        vault: Vault,
        store: Store,
        blobs: Path,
        responses: Callable[[], Store | None],
        copies_lock: threading.Lock,
    ) -> None:
        """`blobs` is the folder of blobs. `responses` returns the response cache's file, if it is open.
        `copies_lock` is held while a backup is made."""
        self._master = master
        self._vault = vault
        self._responses = responses
        self._rotation = KeyRotation(master, vault, store, blobs, copies_lock)

    async def run(self) -> None:
        """Watches until cancelled."""
        stamp = self._master.stamp()
        try:
            while True:
                settled = await self._settle()
                waited = 0.0
                while (settled or waited < RETRY_S) and stamp == self._master.stamp():
                    await asyncio.sleep(POLL_S)
                    waited += POLL_S
                stamp = self._master.stamp()
                await self._reload()
        finally:
            self._rotation.cancel()

    async def _settle(self) -> bool:
        """Returns whether all is done. Failures are logged, and tried again."""
        try:
            await self._rotation.settle(self._responses())
        except StoreError as error:
            log.warning("the conversion to another encryption key is continued later: %s", error.reason)
        except (UserError, OSError, sqlite3.Error) as error:
            log.warning("the conversion to another encryption key is continued later: %s", error)
        else:
            return True
        return False

    async def _reload(self) -> None:
        try:
            ring = await asyncio.to_thread(self._master.read)
        except UserError as error:
            log.error("the master key can't be read again; the daemon goes on with the one it has: %s", error)
            return
        if self._keeps(ring):
            self._vault.use(ring.keys)
            self._vault.place = ring.place
        else:
            log.error(
                "%s no longer has the master key %s; restore it, or the next daemon can't read the database",
                ring.place, ", ".join(self._vault.ids),
            )  # fmt: skip

    def _keeps(self, ring: KeyRing) -> bool:
        """Whether the keys in use are still there."""
        return set(self._vault.ids) <= set(Vault(ring.keys).ids)
