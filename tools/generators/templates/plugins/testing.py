import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from acme_popbridge import Acme4, AcmeProjects, count, fade

from bridge.api import (
    Answer,
    Client,
    Command,
    Input,
    Limits,
    Popup,
    ProjectInfo,
    Raster,
    TextureIntent,
    Version,
)


def test_the_adapter_changes_what_has_to_change() -> None:
    wanted, version = TextureIntent(mipmaps=True), Version("4.1")
    changes = Acme4().compile_texture(wanted, {"GenerateMips": False}, version)
    assert changes == {"GenerateMips": True}
    assert Acme4().read_texture(changes, version) == wanted


def test_what_is_written_can_be_put_back(tmp_path: Path) -> None:
    (tmp_path / "rock.png").touch()
    change = {"path": "acme:/rock.png", "options": {"GenerateMips": True}}
    done = AcmeProjects().apply(tmp_path, [change])
    assert (done["after"], done["errors"]) == ([change], [])
    AcmeProjects().apply(tmp_path, done["before"])
    (rock,) = AcmeProjects().textures(tmp_path)
    assert rock.options == {"GenerateMips": False}


def test_the_workload_counts(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(7))
    zeros = Input("zeros", str(tmp_path / "zeros"))
    assert count([zeros], count.workload.parse({"byte": 0}), Limits()).value == 7


def test_the_operation_takes_the_colour_out() -> None:
    red = np.full((2, 3, 3), (255, 0, 0), np.uint8)
    rock = Raster(name="rock.png", pixels=red, has_alpha=False, transfer="srgb", format="png")
    done = fade.operate([rock], fade.workload.parse({"amount": 1}), Limits())
    assert np.unique(done.images["faded"].pixels).tolist() == [127]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    """The connection file of a daemon of the test's own."""
    environment = os.environ | {"POPBRIDGE_HOME": str(tmp_path / "home"), "POPBRIDGE_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge.cli", "serve", "--workers", "1", "--root", str(tmp_path)],
        env=environment,
    )
    try:
        file, deadline = tmp_path / "home" / "connection.json", time.monotonic() + 60
        while not file.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        yield file
    finally:
        process.terminate()
        process.wait()


async def answered(daemon: Path, root: Path) -> tuple[str, Any]:
    """What an editor shows when it imports a texture, and what the first button has it do."""
    shown: list[str] = []
    done: asyncio.Queue[Any] = asyncio.Queue()

    async def show(popup: Popup) -> Answer:
        shown.append(popup.title)
        return Answer(id=popup.id, state="answered", action=popup.actions[0].id)

    async def carry_out(command: Command) -> Any:
        done.put_nowait(command.args)
        return {"before": [], "after": command.args["changes"], "errors": []}

    async with await Client.connect(
        daemon,
        kind="editor",
        engine=("acme", "4.1"),
        project=ProjectInfo(id="game", name="Game", root=str(root)),
        on_popup=show,
        on_command=carry_out,
    ) as editor:
        rock = {"path": "acme:/rock.png", "file": "rock.png", "options": {"GenerateMips": False}}
        await editor.event("asset.imported", {"assets": [rock]})
        args = await asyncio.wait_for(done.get(), 60)
    return shown[0], args


def test_the_advisor_offers_mipmaps_and_adds_them(daemon: Path, tmp_path: Path) -> None:
    title, args = asyncio.run(answered(daemon, tmp_path))
    assert title == "No mipmaps"
    change = {
        "path": "acme:/rock.png",
        "options": {"GenerateMips": True},
        "expected": {"GenerateMips": False},
    }
    assert args == {"changes": [change]}
