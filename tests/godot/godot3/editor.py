"""A project with the addon, and the real Godot 3 editor on it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any, Self

import pytest
import pyvips

from tools import engines

ADDON = Path(__file__).parents[3] / "plugins/godot/bridge_godot/editor/godot3/addons/popbridge"
PROJECT = """\
config_version=4
[application]
config/name="Test project"
[editor_plugins]
enabled=PoolStringArray( "res://addons/popbridge/plugin.cfg" )
"""
STOP_S = 10.0


def program(name: str = "godot3-server") -> str:
    """The engine's program. Skips the test where it isn't installed, unless engines are required."""
    found = engines.godot3_server() if name == "godot3-server" else shutil.which(name)
    if found is None:
        missing = f"{name} isn't installed: `apt install {name}` brings it"
        if os.environ.get("POPBRIDGE_REQUIRE_ENGINES") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return str(found)


class Project:
    """A Godot 3 project's folder with the addon enabled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ADDON, root / "addons/popbridge")
        (root / "project.godot").write_text(PROJECT, encoding="utf-8")

    def add_texture(self, name: str, size: int = 32) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = pyvips.Image.gaussnoise(size, size, mean=128, sigma=40, seed=len(name)).cast("uchar")
        noise.bandjoin([noise, noise]).write_to_file(str(path))

    def settings(self, name: str) -> dict[str, str]:
        """Every line of the texture's `.import`, as it is written."""
        text = (self.root / f"{name}.import").read_text(encoding="utf-8")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def reported_at(self) -> int:
        """The newest import that the addon remembers to have reported, seconds."""
        state = self.root / ".import/popbridge.json"
        return int(json.loads(state.read_text(encoding="utf-8"))["reported_at"])

    def import_mark(self, name: str) -> Path:
        """The file that Godot writes when it has imported the texture."""
        (mark,) = (self.root / ".import").glob(f"{Path(name).name}-*.md5")
        return mark


class Editor:
    """The editor's process, until the block ends; `kill` ends it as a crash would."""

    def __init__(self, project: Project, home: Path, *, program: str, answer: str = "", **env: str) -> None:
        self._command = [program, "--path", str(project.root), "--editor"]
        self._log = home / "editor.log"
        # Nobody's own settings take part.
        own = {
            name: str(home / name.lower()) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
        }
        self._env = {**os.environ, **own, "POPBRIDGE_HOME": str(home), "POPBRIDGE_TEST_ANSWER": answer, **env}
        self._process: asyncio.subprocess.Process | None = None

    def with_arguments(self, *arguments: str) -> Self:
        self._command += arguments
        return self

    async def __aenter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, env=self._env
            )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        await self._end("terminate")
        log = self._log.read_text(encoding="utf-8", errors="replace")
        if kind is not None:
            print(log[-4000:])
        else:
            assert not self.complaints(log)

    async def kill(self) -> None:
        await self._end("kill")

    @staticmethod
    def complaints(log: str) -> list[str]:
        """What Godot says about the addon's scripts."""
        return [line for line in log.splitlines() if "SCRIPT ERROR" in line or "PopBridge:" in line]

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


async def until(condition: Any, within_s: float = 20.0) -> None:
    """Waits until `condition()` holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)
