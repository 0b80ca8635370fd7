"""The worlds that end-to-end tests live in: one for each Godot that runs here."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from bridge.core.textures import TextureIntent
from bridge.core.versions import lowest
from bridge.demo.textures import bricks, disc, noise, normals, save, tint
from bridge_godot.plugin import popbridge_adapters
from tests.e2e.world import World, world
from tools import engines

WRONG = TextureIntent(compression="lossless", mipmaps=False)
FILES = {
    "materials/rock_normal.png": lambda: normals(noise(1, 128), 2.0),
    "materials/rock_albedo.png": lambda: tint(bricks(128), (0.5, 0.4, 0.3)),
    "sprites/hero.png": lambda: disc(64),
}


def needs_engine(found: object, name: str) -> None:
    """Skips the test without the engine; fails it where engines are required."""
    if not found:
        reason = f"{name} isn't on this machine: python tools/engines.py brings it"
        if os.environ.get("POPBRIDGE_REQUIRE_ENGINES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(params=["godot3", "godot4"])
def real(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A project with two wrongly imported textures and a right one, the addon installed; nothing runs yet."""
    found = {"godot3": engines.godot3_server, "godot4": engines.godot4}[request.param]()
    needs_engine(found, request.param)
    for name, command in engines.environment().items():
        monkeypatch.setenv(name, command)
    adapter = next(a for a in popbridge_adapters() if a.name == request.param)
    with world(adapter) as made:
        for file, draw in FILES.items():
            save(draw(), made.project / file)
        options = adapter.compile_texture(WRONG, {}, lowest(adapter.versions))
        made.support.create_project(made.project, dict.fromkeys(FILES, options))
        made.support.install(made.project)
        yield made
