"""Every engine version that the adapters know, as a simulated editor beside one real daemon."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from msgspec import UNSET

from bridge.core.versions import lowest
from bridge.demo.textures import directx, noise, normals, save
from bridge.paths import ConnectionFile, Paths
from tests.conformance.checks import CHECKS, NAMES, Case, Story, below, cases
from tests.conformance.editor import SimulatedEditor
from tests.conformance.projects import SettingsInMemory
from tests.e2e.world import until
from tools.generators import _first_party
from tools.generators.compatibility import read

ADAPTERS = _first_party.registry().adapters
CASES = {case.name: case for case in cases(ADAPTERS)}
AT_ONCE = 8
"""Editors that are connected together."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The connection file of a daemon that may read all of the editors' projects."""
    home = tmp_path_factory.mktemp("daemon")
    own = {"POPBRIDGE_HOME": str(home), "POPBRIDGE_ROOTS": str(tmp_path_factory.getbasetemp()),
           "POPBRIDGE_POPUPS_PER_HOUR": "0", "POPBRIDGE_LIMITS_FAILED_ATTEMPTS": "1000"}  # fmt: skip
    file = Paths.find(own).connection_file
    command = [sys.executable, "-m", "bridge.cli", "serve", "--port", "0", "--workers", "2"]
    with (home / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | own, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT)  # fmt: skip
    try:
        until(lambda: file.exists() and ConnectionFile.read(file).pid == process.pid, "the daemon")
        yield file
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def stories(daemon: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Story]:
    """What each editor went through, by the case's name."""
    folder = tmp_path_factory.mktemp("projects")
    pictures = {name: folder / f"{name}.png" for name in NAMES}
    rock, wall = pictures.values()
    save(normals(noise(0, 128), 2.0), rock)
    # Each of the engines expects one of the two directions of green.
    save(directx(normals(noise(1, 128), 2.0)), wall)
    stories = {name: Story(case, folder / name.replace(" ", "-"), daemon, pictures)
               for name, case in CASES.items()}  # fmt: skip

    async def run() -> None:
        free = asyncio.Semaphore(AT_ONCE)

        async def one(story: Story) -> None:
            async with free:
                await story.run()

        await asyncio.gather(*map(one, stories.values()))

    asyncio.run(run())
    return stories


@pytest.mark.parametrize(
    ("case", "check"),
    [(case, check) for case in CASES.values() for check in case.checks],
    ids=lambda value: value.name.replace(" ", "-") if isinstance(value, Case) else value,
)
def test_an_editor_of_this_version_gets_what_the_check_says(
    case: Case, check: str, stories: Mapping[str, Story]
) -> None:
    story = stories[case.name]
    assert check in story.passed, f"{CHECKS[check]} {story.failed or 'not reached'}"


@pytest.mark.parametrize("engine", sorted({adapter.engine for adapter in ADAPTERS}))
async def test_an_older_version_than_any_is_told_which_are_supported(
    engine: str, daemon: Path, tmp_path: Path
) -> None:
    adapter, version = below(ADAPTERS, engine)
    project = SettingsInMemory(tmp_path, {}, {})
    async with SimulatedEditor(adapter, version, project, daemon) as editor:
        assert editor.client.ready.adapter is UNSET
        oldest = min(lowest(own.versions) for own in ADAPTERS if own.engine == engine)
        assert f"{engine} >={oldest}" in str(editor.client.ready.notice)


def test_the_published_results_are_those_of_these_editors(stories: Mapping[str, Story]) -> None:
    record = read()
    assert record.checks == CHECKS, "python tools/compatibility.py simulated"
    published = {name: (one.adapter, one.version, one.exact, set(one.checks))
                 for name, one in record.simulated.items()}  # fmt: skip
    assert published == {
        name: (story.case.adapter.name, story.case.version, story.case.exact, set(story.passed))
        for name, story in stories.items()
    }, "python tools/compatibility.py simulated"
