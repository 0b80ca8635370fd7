"""What the two generations of Godot differ in, as far as the tests of their addons are concerned."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import msgpack
import pytest

from bridge_godot import support
from tools import engines
from tools.display import SIZE
from tools.generators._gdscript import for_godot3, for_godot4

RESOLUTION = ("--resolution", "{}x{}".format(*SIZE))
SCRIPTS = Path(__file__).parent / "scripts"
BRING = "`python tools/engines.py` brings it"


@dataclass(frozen=True)
class Engine:
    """One generation of Godot: how to start it, where it keeps things, and its names for import options."""

    name: str
    generation: support.Generation
    find: Callable[[], list[str] | None]
    """The command of an editor that needs no display, given the generation's `headless` arguments."""
    find_windowed: Callable[[], list[str] | None]
    window: tuple[str, ...]
    """Arguments with which the editor draws its windows in software."""
    drawing: Callable[[], Mapping[str, str]]
    """What that needs in the environment."""
    imported: str
    """Where the project's imported files lie."""
    state: str
    """Where the addon keeps what must outlive the editor."""
    replies: Callable[[bytes], list[dict[str, Any]]]
    """The answers to commands in that file's content."""
    settings: tuple[str, ...]
    """Names that the file of the editor's own settings may have; each minor version has its own."""
    mipmaps: str
    """The option that is off in a new import."""
    on_from_the_start: str
    """Another one, that is on."""
    slow: Mapping[str, Any]
    """Options with which the import of a large texture takes the better part of a second."""

    def script(self, name: str) -> str:
        """One of `scripts/`, in this generation's language."""
        template = (SCRIPTS / name).read_text(encoding="utf-8")
        return for_godot3(template) if self.generation is support.GODOT3 else for_godot4(template)

    def command(self) -> list[str]:
        """Skips the test where the engine isn't installed, unless engines are required."""
        found = self.find()
        if found is None:
            require(f"{self.name} isn't here: {BRING}, or set {self.generation.variable}")
        return [*found, *self.generation.headless]

    def windowed_command(self) -> list[str]:
        found = self.find_windowed()
        if found is None:
            require(f"{self.name} with windows isn't here: {BRING}")
        return [*found, *self.window]


def require(missing: str) -> NoReturn:
    """Skips the test, or fails it where engines are required."""
    if os.environ.get("POPBRIDGE_REQUIRE_ENGINES") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


def _unpacked(state: bytes) -> Any:
    # Answers and states before a change are kept by numbers.
    return msgpack.unpackb(state, strict_map_key=False)


def _command(program: Path | None) -> list[str] | None:
    return [str(program)] if program else None


GODOT3 = Engine(
    name="Godot 3",
    generation=support.GODOT3,
    find=lambda: _command(engines.godot3_server()),
    find_windowed=lambda: _command(engines.godot3()),
    window=("--video-driver", "GLES2", "--audio-driver", "Dummy", *RESOLUTION),
    drawing=lambda: {"LIBGL_ALWAYS_SOFTWARE": "1"},
    imported=".import",
    state=".import/popbridge.json",
    replies=lambda state: _unpacked(base64.b64decode(json.loads(state)["kept"]))[1],
    settings=("editor_settings-3.tres",),
    mipmaps="flags/mipmaps",
    on_from_the_start="flags/filter",
    slow={"compress/mode": 2},
)
GODOT4 = Engine(
    name="Godot 4",
    generation=support.GODOT4,
    find=engines.godot4,
    find_windowed=engines.godot4,
    window=(*engines.GODOT4_WINDOW, *RESOLUTION),
    drawing=engines.godot4_window_environment,
    imported=".godot/imported",
    state=".godot/popbridge.state",
    replies=lambda state: _unpacked(state)["replies"],
    settings=engines.GODOT4_SETTINGS,
    mipmaps="mipmaps/generate",
    on_from_the_start="process/fix_alpha_border",
    slow={"compress/mode": 2, "compress/high_quality": True},
)
