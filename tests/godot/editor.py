"""A project with the addon, and the real editor on it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Self

import pyvips

from bridge_godot.support import GodotSupport
from tests.godot.engine import Engine

STOP_S = 10.0
WAIT_S = 120.0
"""Beside other tests, an editor may take half a minute to start."""


class Project:
    """A project's folder with the addon enabled."""

    def __init__(self, root: Path, engine: Engine) -> None:
        self.root = root
        self.engine = engine
        root.mkdir()
        template = engine.generation.template.format(name="Test project")
        (root / "project.godot").write_text(template, encoding="utf-8")
        GodotSupport(engine.generation).install(root)

    def add_texture(self, name: str, size: int = 32) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = pyvips.Image.gaussnoise(size, size, mean=128, sigma=40, seed=len(name)).cast("uchar")
        noise.bandjoin([noise, noise]).write_to_file(str(path))

    def settings(self, name: str) -> dict[str, str]:
        """Every line of the texture's `.import`, as it is written."""
        text = (self.root / f"{name}.import").read_text(encoding="utf-8")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def import_mark(self, name: str) -> Path:
        """The file that Godot writes when it has imported the texture."""
        (mark,) = (self.root / self.engine.imported).glob(f"{Path(name).name}-*.md5")
        return mark

    @property
    def state(self) -> Path:
        return self.root / self.engine.state

    def kept_replies(self) -> list[dict[str, Any]]:
        """The answers to commands that the addon keeps until it knows that they arrived."""
        return [kept["message"] for kept in self.engine.replies(self.state.read_bytes())]


class Editor:
    """The editor's process, until the block ends; `kill` ends it as a crash would.

    `home` is the daemon's folder and keeps the editor's log; `answer` is the action that answers every popup;
    `display` shows the editor's windows there. With `broken_files` Godot may complain of an import that the
    addon has asked for, and names the addon's lines on the way.
    """

    def __init__(
        self, project: Project, home: Path, *, answer: str = "", display: str = "", broken_files: bool = False
    ) -> None:
        engine = project.engine
        command = engine.windowed_command() if display else engine.command()
        self._command = [*command, "--path", str(project.root), "--editor"]
        self._log = home / "editor.log"
        # Nobody's own settings take part.
        own = {"LANG": "C", **{f"XDG_{kind}_HOME": str(home / kind) for kind in ("CONFIG", "DATA", "CACHE")}}
        addon = {"POPBRIDGE_HOME": str(home), "POPBRIDGE_TEST_ANSWER": answer}
        shown = {"DISPLAY": display, **engine.drawing()} if display else {}
        self._env = {**os.environ, **own, **addon, **shown}
        self._process: asyncio.subprocess.Process | None = None
        self._signs = ["SCRIPT ERROR", "PopBridge:"] + ([] if broken_files else ["(res://addons/popbridge/"])

    async def __aenter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, env=self._env
            )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        await self._end("terminate")
        if kind is not None:
            print(self.log()[-4000:])
        else:
            assert not self.complaints(), self.complaints()

    async def kill(self) -> None:
        await self._end("kill")

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def complaints(self) -> list[str]:
        """What Godot says about the addon's scripts, and what they say themselves."""
        return [line for line in self.log().splitlines() if any(sign in line for sign in self._signs)]

    async def _end(self, how: str) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        getattr(process, how)()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def until(condition: Any, within_s: float = WAIT_S) -> None:
    """Waits until `condition()` holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)
