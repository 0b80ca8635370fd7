"""Tells editors when files of the addon in their project were changed."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from accel.text import AnyText, text
from bridge.api import Adapter, Addon
from bridge.core.errors import RequestError, UserError
from bridge.core.messages import Identify
from bridge.paths import quoted
from bridge.server.handshake import addon_of, referenced_addon
from bridge.store.addon_manifests import Difference, Manifest, Manifests, difference
from bridge.store.audit_log import PROGRAM, AuditLog

log = logging.getLogger(__name__)

LIMIT_S = 2.0
"""Seconds after which an editor isn't kept waiting any longer; a project may lie on a slow network drive."""


class AddonCheck:
    """Compares the addons of local editors with what this and earlier versions of PopBridge installed."""

    def __init__(self, manifests: Manifests, audit: AuditLog) -> None:
        self._manifests = manifests
        self._audit = audit
        self._recorded: set[tuple[str, str]] = set()

    async def notice(self, identify: Identify, adapter: Adapter) -> AnyText:
        """Returns what to tell the editor, which must be on this machine; empty if its addon is intact."""
        addon = addon_of(adapter)
        root = identify.project.root if identify.project else None
        if addon is None or not addon.files or not root or identify.client.name != addon.name:
            return ""
        try:
            async with asyncio.timeout(LIMIT_S):
                found = await asyncio.to_thread(
                    self._compare, Path(root), identify.client.version, adapter, addon
                )
        except TimeoutError:
            log.info("the addon in %s isn't checked: reading it takes too long", root)
            return ""
        if not found:
            return ""
        await self._record(root, found)
        return text(
            "Files of the PopBridge addon in this project were changed: {files}. If you didn't change them, "
            "run `{install}` and reopen the project.",
            files=found.text,
            install=f"popbridge install {adapter.engine} {quoted(Path(root))}",
        )

    def _compare(self, root: Path, version: str, adapter: Adapter, addon: Addon) -> Difference:
        if referenced_addon(adapter, root):
            return Difference()
        own = Manifest(adapter.name, addon.version, dict(addon.files), addon.sidecars)
        try:
            # For later versions of PopBridge.
            self._manifests.add(own)
            known = self._manifests.all(adapter.name)
        except (OSError, UserError) as error:
            log.warning("the manifests of earlier addons can't be used: %s", error)
            known = []
        return difference(root, version, [own, *(each for each in known if each.version != own.version)])

    async def _record(self, root: str, found: Difference) -> None:
        key = (root, repr(found))
        if key in self._recorded:
            return
        self._recorded.add(key)
        log.warning("files of the addon in %s were changed: %s", root, ", ".join(found.paths))
        try:
            await self._audit.record(
                "addon.changed",
                principal=PROGRAM,
                subject=root,
                detail={
                    name: ", ".join(getattr(found, name))
                    for name in ("changed", "added", "missing")
                    if getattr(found, name)
                },
            )
        except RequestError as error:
            log.warning("this isn't recorded: %s", error)
