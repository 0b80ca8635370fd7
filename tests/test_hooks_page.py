"""The examples of docs/reference/hooks.md, run as they stand: each hook's plugin does what the page says."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import subprocess
import sys
import tomllib
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accel.image.open_raster import open_raster
from bridge import api
from bridge.api import (
    Answer,
    Client,
    Command,
    Input,
    InputRef,
    Limits,
    Popup,
    ProjectInfo,
    RequestError,
    TextureIntent,
    WorkloadError,
)
from bridge.audit.project import find
from bridge.host import host
from bridge.project.safe_files import CHANGED
from tests.advisors import pictures
from tests.server import daemons
from tests.server.daemons import ThreadDaemon
from tools import generate

PAGE = generate.ROOT / "docs" / "reference" / "hooks.md"
IMPORT = {"assets": [{"path": "acme:/rock", "options": {"GenerateMips": False}}]}


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, types.ModuleType]]:
    """One module for each example, by the hook that it implements."""
    text = PAGE.read_text(encoding="utf-8")
    examples = dict(re.findall(r"### (popbridge_\w+)\n.*?```python\n(from .*?)```", text, re.DOTALL))
    made = {}
    for hook, code in examples.items():
        module = types.ModuleType(f"acme_{hook}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(code, f"docs/reference/hooks.md: {hook}", "exec"), module.__dict__)
        made[hook] = module
    yield made


@pytest.fixture
def acme(plugins: dict[str, types.ModuleType]) -> host.Registry:
    loaded = host.load(plugins, installed=False)
    assert [(p.name, p.reason) for p in loaded.plugins if p.status != "ok"] == []
    return loaded


def test_its_project_file_makes_a_distribution_with_one_plugin() -> None:
    text = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    project = tomllib.loads(block)["project"]
    assert (project["name"], project["version"]) == ("acme-popbridge", "1.0")
    assert project["entry-points"] == {host.hooks.PROJECT: {"acme": "acme_popbridge"}}


def test_its_project_file_is_enough_with_the_tests_beside_the_module(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(block, encoding="utf-8")
    installed(tmp_path)
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "egg_info"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    named = tmp_path / "acme_popbridge.egg-info" / "top_level.txt"
    assert named.read_text(encoding="utf-8").split() == ["acme_popbridge"]


def test_every_hook_has_an_example(plugins: dict[str, types.ModuleType]) -> None:
    assert set(plugins) == {name for name in vars(host.hooks) if name.startswith("popbridge_")}


def test_the_page_says_what_each_name_is_and_keeps_private_ones_to_itself() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## API")[2]
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    rows = re.findall(r"^\| \[?`?(\w+)", text, re.MULTILINE)
    explained = {
        *headings,
        *rows,
        *re.findall(r"^`(\w+)` ", text, re.MULTILINE),
        *re.findall(r"\. `(\w+)` is", text),
    }
    assert sorted(set(api.__all__) - explained) == []
    assert [name for name in rows if name.startswith("_")] == []


def installed(folder: Path) -> Path:
    """The page's examples as one module, and what pip would leave beside it; gives the page's own tests."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n((?:from|import) .*?)```", text, re.DOTALL)
    *hooks, projects, operation, tests = (block for block in blocks if "class " in block or "def " in block)
    name = '    name = "acme4"\n'
    module = "\n\n".join([projects, operation, *hooks]).replace(name, f"{name}    project = AcmeProjects()\n")
    module = module.replace("[count.workload]", "[count.workload, fade.workload]")
    (folder / "acme_popbridge.py").write_text(module, encoding="utf-8")
    about = folder / "acme_popbridge-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: acme-popbridge\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[popbridge]\nacme = acme_popbridge\n", encoding="utf-8")
    (folder / "test_acme.py").write_text(tests, encoding="utf-8")
    return folder / "test_acme.py"


def test_its_own_tests_pass_with_its_examples_installed(tmp_path: Path) -> None:
    file = installed(tmp_path)
    paths = [str(tmp_path), str(generate.ROOT), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(file),
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_a_project_is_known_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "acme_popbridge", raising=False)
    game = tmp_path / "game"
    game.mkdir()
    (game / "acme.json").write_text('{"version": "4.1"}', encoding="utf-8")
    (game / "rock.png").touch()
    (game / "rock.png.acme").write_text("<<<", encoding="utf-8")
    found = find(host.load(), game)
    assert found.engine == "acme 4.1"
    (rock,) = found.textures()
    assert (rock.path, rock.options) == ("acme:/rock.png", None) and str(rock.problem).startswith(
        "rock.png.acme: "
    )
    # Not by monkeypatch, which would put it back.
    sys.modules.pop("acme_popbridge")


@pytest.mark.parametrize("there", [None, '{"GenerateMips":  true}'])
def test_a_project_keeps_what_others_have_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str | None
) -> None:
    installed(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    projects = importlib.import_module("acme_popbridge").AcmeProjects()
    settings, path = tmp_path / "rock.png.acme", "acme:/rock.png"
    (tmp_path / "rock.png").touch()
    if there:
        settings.write_text(there, encoding="utf-8")
    # Nothing is due, so that nothing is written.
    expected = {"GenerateMips": "as it never was"}
    done = projects.apply(tmp_path, [{"path": path, "options": {"GenerateMips": None}, "expected": expected}])
    assert [error["path"] for error in done["errors"]] == [path] and done["after"] == []
    assert (settings.read_text(encoding="utf-8") if settings.exists() else None) == there
    settings.write_text("{}", encoding="utf-8")
    real = uuid.uuid4

    def and_somebody_saves() -> uuid.UUID:
        # The draft's name, between reading the one file and putting the other in its place.
        settings.write_text('{"Mine": 1}', encoding="utf-8")
        return real()

    monkeypatch.setattr(uuid, "uuid4", and_somebody_saves)
    done = projects.apply(tmp_path, [{"path": path, "options": {"GenerateMips": True}}])
    assert str(CHANGED) in done["errors"][0]["message"] and done["after"] == []
    assert settings.read_text(encoding="utf-8") == '{"Mine": 1}'
    sys.modules.pop("acme_popbridge")


def test_the_workload_counts(acme: host.Registry, tmp_path: Path) -> None:
    workload = acme.workloads["acme.count"]
    (tmp_path / "zeros").write_bytes(bytes(7))
    (tmp_path / "empty").touch()
    zeros, empty = (Input(name, str(tmp_path / name)) for name in ("zeros", "empty"))
    assert workload.load()([zeros], workload.parse({"byte": 0}), Limits()).value == 7
    with pytest.raises(WorkloadError, match="it is empty"):
        workload.load()([empty], workload.parse({}), Limits())


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`popbridge` with the page's examples installed in `folder`."""
    paths = [str(folder), str(generate.ROOT), os.environ.get("PYTHONPATH", "")]
    more = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "POPBRIDGE_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "bridge.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=os.environ | more, capture_output=True, encoding="utf-8", timeout=300
    )


def test_the_operation_is_a_step_at_the_shell_as_the_page_has_it(tmp_path: Path) -> None:
    installed(tmp_path)
    pictures.save(tmp_path / "rock.png", np.full((64, 512, 3), (255, 0, 0), np.uint8))
    page = PAGE.read_text(encoding="utf-8")
    (command,) = re.findall(r"`popbridge (run acme\.fade\+image\.resize [^`]+)`", page)
    done = run(tmp_path, *command.split(), "--json", "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    made = open_raster(Input("rock", str(tmp_path / "small" / "rock.png")), Limits())
    assert (made.width, made.height) == (256, 32)
    # Half of the colour is gone: 0.2126 of red's light is what grey has of it.
    assert made.as_light()[0, 0].tolist() == pytest.approx([0.6063, 0.1063, 0.1063], abs=0.01)
    told = run(tmp_path, "workloads", "acme.fade").stdout
    assert "Can be a step, joined to others by +" in told and "1 leaves grey alone" in told


async def test_the_operation_is_a_step_in_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    rock = pictures.save(tmp_path / "rock.tif", np.full((8, 8, 3), (255, 0, 0), np.uint8))
    monkeypatch.setattr(daemons, "registry", host.load)
    daemon = ThreadDaemon(tmp_path / "home").start()
    steps = [{"workload": "acme.fade"}, {"workload": "image.convert", "params": {"format": "png"}}]
    try:
        async with await Client.connect(daemon.paths.connection_file, kind="tool") as client:
            sha256 = await client.put_blob(rock)
            asked = {"inputs": [InputRef(blob=sha256, name="rock.tif")]}
            result = await client.request("image.pipeline", {"steps": steps}, **asked)
            assert result.value["channels"] == 3 and result.value["format"] == "png"
            with pytest.raises(RequestError, match=r"step 1, acme\.fade: amount is 7"):
                wrong = [{"workload": "acme.fade", "params": {"amount": 7}}]
                await client.request("image.pipeline", {"steps": wrong}, **asked)
    finally:
        await asyncio.to_thread(daemon.stop)
        sys.modules.pop("acme_popbridge", None)


def test_the_adapter_changes_what_has_to_change(acme: host.Registry) -> None:
    choice = acme.choose("acme", "4.1beta2")
    version = acme.version("acme", "4.1beta2")
    assert choice and choice.exact and version
    wanted = TextureIntent(mipmaps=True, max_size=8)
    changes = choice.adapter.compile_texture(wanted, {"GenerateMips": False}, version)
    assert changes == {"GenerateMips": True}
    assert choice.adapter.read_texture(changes, version) == choice.adapter.expressible(wanted, version)
    assert choice.adapter.compile_texture(wanted, changes, version) == {}


async def imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acme: host.Registry, **settings: bool
) -> list[Any]:
    """The titles of popups and the changes that an editor sees when it imports a texture and presses Add."""
    monkeypatch.setattr(daemons, "registry", lambda: acme)
    daemon = ThreadDaemon(tmp_path / "home", **settings).start()
    seen: list[Any] = []
    done = asyncio.Event()

    async def show(popup: Popup) -> Answer:
        seen.append(popup.title)
        return Answer(id=popup.id, state="answered", action="add")

    async def carry_out(command: Command) -> Any:
        seen.append(command.args)
        done.set()
        return {"before": [], "after": [], "errors": []}

    try:
        async with await Client.connect(
            daemon.paths.connection_file,
            kind="editor",
            engine=("acme", "4.1"),
            project=ProjectInfo(id="p", name="P", root=str(tmp_path)),
            on_popup=show,
            on_command=carry_out,
        ) as client:
            await client.event("asset.imported", IMPORT)
            assert (await client.request("acme.wanted")).value == {"mipmaps": True}
            with pytest.raises(RequestError, match=r"acme\.wanted takes no parameters\."):
                await client.request("acme.wanted", {"texture": 1})
            if not settings:
                await asyncio.wait_for(done.wait(), daemons.PATIENCE_S)
    finally:
        await asyncio.to_thread(daemon.stop)
    return seen


async def test_the_advisor_offers_mipmaps_and_adds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acme: host.Registry
) -> None:
    change = {
        "path": "acme:/rock", "options": {"GenerateMips": True}, "expected": {"GenerateMips": False},
    }  # fmt: skip
    assert await imported(tmp_path, monkeypatch, acme) == ["No mipmaps", {"changes": [change]}]


async def test_the_setting_keeps_the_advisor_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acme: host.Registry
) -> None:
    assert await imported(tmp_path, monkeypatch, acme, acme__quiet=True) == []


def test_types_stand_as_in_the_source() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "<class" not in text and "| `Block` | `tuple[int, int, int]` |" in text


def test_a_value_that_is_empty_is_shown_among_the_others() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert '| `Multiplied` | `""`, `light`, `codes` |' in text
