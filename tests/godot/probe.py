"""Looks into a real editor: what a test wants to know of the addon's panel, and no key or message tells."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.godot.editor import WAIT_S, Project, until

CONFIG = '[plugin]\n\nname="Probe"\ndescription=""\nauthor=""\nversion="1"\nscript="probe.gd"\n'
ADDON = '"res://addons/popbridge/plugin.cfg"'
PROBE = "res://addons/probe/plugin.cfg"


class Probe:
    """A second addon in `project`, to be put there before its editor starts."""

    def __init__(self, project: Project) -> None:
        self.root = project.root
        folder = self.root / "addons" / "probe"
        folder.mkdir()
        (folder / "probe.gd").write_text(project.engine.script("probe.gd"), encoding="utf-8")
        (folder / "plugin.cfg").write_text(CONFIG, encoding="utf-8")
        settings = self.root / "project.godot"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace(ADDON, f'{ADDON}, "{PROBE}"'), encoding="utf-8")

    async def run(self, body: str) -> Any:
        """What the body of a function in GDScript returns in the editor; it has `probe` and `dock`."""
        draft, answer = self.root / "probe.draft", self.root / "probe.out"
        draft.write_text(body, encoding="utf-8")
        draft.rename(self.root / "probe.in")
        await until(answer.exists)
        text = answer.read_text(encoding="utf-8")
        answer.unlink()
        return json.loads(text)

    async def until(self, condition: str) -> None:
        """Waits until the GDScript expression holds. Raises TimeoutError."""
        async with asyncio.timeout(WAIT_S):
            while not await self.run(f"return {condition}"):
                pass
