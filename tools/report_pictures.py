"""Takes the pictures of the audit's page in docs/images, of a project that is drawn here.

    python tools/report_pictures.py

Needs Chromium.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyvips
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bridge.core.textures import TextureIntent  # noqa: E402
from bridge.demo.textures import Pixels, bricks, disc, grey, noise, normals, packed, save, tint  # noqa: E402
from bridge_godot.adapter import Godot4  # noqa: E402
from tools.chromium import Page, browse  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SIDE = 512
SURFACE = TextureIntent(compression="block", mipmaps=True)
DEFAULT = TextureIntent(compression="lossless", mipmaps=False)
"""What Godot's defaults are: wrong for surfaces."""

Drawing = tuple[Callable[[], Pixels], TextureIntent]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="popbridge-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        project = folder / "outpost"
        _create(project)
        with browse(folder / "profile") as page:
            for locale, suffix in (("en", ""), ("zh-CN", ".zh-CN")):
                report = folder / f"{locale}.html"
                _audit(project, report, locale, folder / "home")
                _take(page, report, suffix)
    return 0


def _audit(project: Path, report: Path, locale: str, home: Path) -> None:
    command = [sys.executable, "-m", "bridge.cli", "audit", ".", "--html", str(report), "--locale", locale]
    command += ["--fail-on", "never", "--quiet"]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"POPBRIDGE_HOME": str(home), "PYTHONPATH": paths}
    subprocess.run(command, cwd=project, env=environment, check=True)


def _take(page: Page, report: Path, suffix: str) -> None:
    normal = (
        "[...document.querySelectorAll('[data-at]')].find(e => /tiles_normal/.test(e.textContent)).click()"
    )
    shots = [
        ("report-1280-light", 1280, 1180, "light", "0"),
        ("report-1280-drawer-dark", 1280, 900, "dark", normal),
        (
            "report-1280-table-dark",
            1280,
            900,
            "dark",
            "modes.lastChild.lastChild.click(); q.scrollIntoView()",
        ),
        ("report-400-light", 400, 860, "light", "0"),
        ("report-400-drawer-dark", 400, 860, "dark", normal),
        ("report-2560-light", 2560, 1440, "light", normal),
    ]
    for name, width, height, theme, action in shots if not suffix else shots[1:2]:
        page.open(report, width=width, height=height, theme=theme)
        page.run(action)
        page.run("new Promise(done => setTimeout(done, 400))")
        # A palette is a quarter of the bytes and looks the same here.
        image = pyvips.Image.new_from_buffer(page.picture(), "")
        image.write_to_file(str(IMAGES / f"{name}{suffix}.png"), palette=True, Q=92, keep="none")


def _create(project: Path) -> None:
    options: dict[str, Mapping[str, object]] = {}
    adapter = Godot4()
    for file, (draw, intent) in drawings():
        save(draw(), project / file)
        options[file] = adapter.compile_texture(intent, {}, Version("4.6"))
    adapter.editor.create_project(project, options)


def drawings() -> Iterator[tuple[str, Drawing]]:
    """Yields the project's textures: surfaces with some maps that are wrong, an interface and sprites."""
    surfaces: list[tuple[str, Pixels, tuple[float, float, float], bool]] = [
        ("environment/bath/tiles", _tiles(6), (0.55, 0.62, 0.66), True),
        ("environment/bath/hexagons", _rings(5), (0.36, 0.44, 0.52), True),
        ("environment/hall/bricks", bricks(SIDE), (0.62, 0.30, 0.22), False),
        ("environment/hall/planks", _planks(), (0.50, 0.34, 0.20), True),
        ("environment/ground/rock", noise(1, SIDE), (0.45, 0.40, 0.36), False),
        ("environment/ground/moss", noise(4, SIDE) ** 1.5, (0.28, 0.42, 0.16), True),
        ("props/crate/panel", _tiles(2), (0.42, 0.44, 0.40), True),
        ("props/crate/plates", _rings(3), (0.50, 0.42, 0.28), False),
    ]
    for at, (name, height, color, directx) in enumerate(surfaces):
        rough, good = noise(at + 20, SIDE), at % 4 == 2
        surface = normals(height, 2.5)
        if directx:
            surface = np.dstack([surface[..., 0], 1 - surface[..., 1], surface[..., 2]])
        mapped = TextureIntent(kind="normal", normal_convention="opengl").over(SURFACE)
        yield f"{name}_albedo.png", (_const(tint(0.5 + height / 2, color)), SURFACE if good else DEFAULT)
        yield f"{name}_normal.png", (_const(surface), mapped)
        yield f"{name}_roughness.png", (_const(grey(0.35 + 0.5 * rough)), SURFACE if at % 2 else DEFAULT)
        if at % 3 == 0:
            yield f"{name}_orm.png", (_const(packed(rough, noise(at + 40, SIDE))), SURFACE)
    yield "ui/icon.png", (_const(disc(64)), TextureIntent(compression="block").over(DEFAULT))
    yield "ui/badge.png", (_const(disc(128)), TextureIntent(mipmaps=True).over(DEFAULT))
    yield "sprites/coin.png", (_const(disc(96)), DEFAULT)
    yield "sprites/copy_of_coin.png", (_const(disc(96)), DEFAULT)


def _const(pixels: Pixels) -> Callable[[], Pixels]:
    return lambda: pixels


def _grid() -> tuple[Pixels, Pixels]:
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return x, y


def _tiles(count: int) -> Pixels:
    x, y = _grid()
    across, up = x * count % 1, y * count % 1
    edge = np.minimum(np.minimum(across, 1 - across), np.minimum(up, 1 - up))
    face: Pixels = np.clip(edge * 14, 0, 1) * 0.9 + 0.06 * noise(count, SIDE)
    return face


def _planks() -> Pixels:
    x, _ = _grid()
    gap = np.minimum(x * 5 % 1, 1 - x * 5 % 1)
    grain = np.sin((x * 60 + 2 * noise(9, SIDE)) * 6.28) * 0.04
    face: Pixels = np.clip(gap * 18, 0, 1) * 0.85 + grain + 0.08
    return np.clip(face, 0, 1)


def _rings(count: int) -> Pixels:
    x, y = _grid()
    radius = np.hypot(x * count % 1 - 0.5, y * count % 1 - 0.5)
    face: Pixels = np.clip((0.46 - radius) * 12, 0, 1) * 0.7 - np.clip((0.2 - radius) * 12, 0, 1) * 0.4 + 0.3
    return np.clip(face + 0.05 * noise(count + 3, SIDE), 0, 1)


if __name__ == "__main__":
    sys.exit(main())
