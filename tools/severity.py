"""Draws textures in Godot 4 with the settings that findings name and with the right ones, and compares them.

    python tools/severity.py            # writes docs/explanation/severity.md
    python tools/severity.py --check    # exit code 1 if a severity says something else than the pictures

Needs Godot 4 and Xvfb, which `python tools/engines.py` installs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyvips
from msgspec import Struct

from accel.image.codecs.hdr import write_hdr
from accel.image.operation import Writing
from accel.image.operations.analysis import Inspect, inspect
from accel.image.raster import Raster
from accel.texture.kinds import Kind
from accel.workload import Input, Limits
from bridge.advisors.findings import ERROR, NOTE, find
from bridge.advisors.texture_facts import TextureFacts
from bridge.core.textures import GpuFormat, TextureIntent, TextureUse, TextureUses
from bridge.demo.textures import Pixels, bricks, disc, normals, packed, save, tint
from bridge.demo.textures import noise as waves
from bridge_godot.support import GODOT4, GodotSupport

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools import engines  # noqa: E402
from tools.display import display  # noqa: E402

PAGE = ROOT / "docs" / "explanation" / "severity.md"
SIDE = 256
"""Pixels of a side of the textures and of the pictures."""
PATIENCE_S = 180
STEP = 10
"""Levels of 255 by which a pixel differs visibly."""
VISIBLE = 0.02
"""Share of such pixels from which a difference is visible."""
RANKS = ("note", "warning", "error")
SHADER = """shader_type spatial;
uniform sampler2D map : filter_linear_mipmap, repeat_enable;

vec3 decoded(vec3 c) {{
	return mix(c / 12.92, pow((c + 0.055) / 1.055, vec3(2.4)), step(0.04045, c));
}}

vec3 encoded(vec3 c) {{
	return mix(c * 12.92, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c));
}}

void fragment() {{
	ALBEDO = vec3(0.7, 0.65, 0.6);
	ROUGHNESS = 0.6;
	vec3 texel = texture(map, UV).rgb;
	{body}
}}
"""
"""With sRGB's curve (IEC 61966-2-1), as Godot 4's Compatibility renderer computes light without it."""
BLOCKS = {"compress/mode": 2, "mipmaps/generate": True}
NORMAL_BLOCKS = {**BLOCKS, "compress/normal_map": 1}
KEPT = {"detect_3d/compress_to": 0}
"""Off, so that the pictures are of the settings and not of what Godot would make of them."""


class Side(Struct, frozen=True, kw_only=True):
    """One way to import and read a texture."""

    draw: Callable[[], Pixels]
    options: Mapping[str, Any] = {}
    slots: Sequence[str] = ()
    """Properties of a material that read it."""
    body: str = ""
    """A line of a shader, for what other engines set when they import."""
    orm: bool = False


class Case(Struct, frozen=True, kw_only=True):
    """A finding with both sides, and the facts by which it is raised."""

    name: str
    what: str
    """Words for the page."""
    scene: str
    code: str
    wrong: Side
    right: Side
    file: str
    kind: Kind
    named: frozenset[Kind]
    present: TextureIntent
    decides: frozenset[str] = frozenset({"kind", "compression", "mipmaps"})
    detects: frozenset[str] = frozenset()
    uses: TextureUses = TextureUses()
    order: Mapping[str, Any] | None = None
    formats: Callable[[TextureIntent], Sequence[GpuFormat]] = lambda intent: ()


class Measured(NamedTuple):
    """The difference of two pictures."""

    share: float
    """Of pixels that differ by at least STEP."""
    mean: float
    """Levels of 255."""

    @property
    def visible(self) -> bool:
        return self.share >= VISIBLE


def shader(body: str, draw: Callable[[], Pixels]) -> Side:
    return Side(draw=draw, options=BLOCKS, body=body)


def material(draw: Callable[[], Pixels], options: Mapping[str, Any], *slots: str, orm: bool = False) -> Side:
    return Side(draw=draw, options=options, slots=slots, orm=orm)


def relief() -> Pixels:
    return normals(bricks(SIDE), 2.0)


def inverted_relief() -> Pixels:
    return relief() * [1, -1, 1] + [0, 1, 0]


def brick_colors() -> Pixels:
    return tint(bricks(SIDE), (0.60, 0.27, 0.20))


def roughness() -> Pixels:
    return np.repeat((0.35 + 0.4 * waves(1, SIDE))[..., None], 3, axis=2)


def orm() -> Pixels:
    return packed(waves(7, SIDE), waves(8, SIDE))


def pixel_art() -> Pixels:
    """A drawing of few colours, with outlines."""
    palette = np.array([[0.1, 0.1, 0.2], [0.8, 0.2, 0.2], [0.95, 0.8, 0.4], [0.2, 0.6, 0.3], [0.9, 0.95, 1]])
    cells = np.random.default_rng(4).integers(0, len(palette), (16, 16))
    drawn: Pixels = palette[np.kron(cells, np.ones((4, 4), int))]
    drawn[::4] = palette[0]
    return drawn


def bright_sky() -> Pixels:
    """Light far above white in one place of a dim sky."""
    y, x = np.mgrid[0:1:128j, 0:1:256j]
    sun = 20.0 * np.exp(-((x - 0.5) ** 2 + (y - 0.4) ** 2) * 60)
    return np.dstack([0.2 + sun, 0.3 + sun, 0.5 + sun])


def heights_as_normals() -> Pixels:
    """What an engine computes from the brightness of a normal map."""
    return normals(relief().mean(axis=2), 2.0)


PACKED = "vec3 p = {texel}; AO = p.r; ROUGHNESS = p.g; METALLIC = p.b;"
COLORS = frozenset({"kind", "color_space", "compression", "mipmaps"})
"""The fields of engines with a colour space in their import settings."""
FULL = TextureIntent(compression="block", mipmaps=True)


def godot_formats(intent: TextureIntent) -> Sequence[GpuFormat]:
    """Returns the format of a texture on desktop: two channels are left of a normal map in blocks."""
    if intent.compression != "block":
        return ("rgb8",)
    return ("bc5",) if intent.kind == "normal" else ("bc1",)


CASES = (
    Case(
        name="normal_srgb", code="normal_as_color", what="Normal map decoded as sRGB (Unity, Godot 3)",
        scene="lit", file="brick_normal.png", kind="normal", named=frozenset({"normal"}),
        present=TextureIntent(color_space="srgb").over(FULL), decides=COLORS,
        wrong=shader("NORMAL_MAP = decoded(texel);", relief), right=shader("NORMAL_MAP = texel;", relief),
    ),
    Case(
        name="normal_heights", code="normal_as_color", what="Normals computed from a normal map's brightness",
        scene="lit", file="brick_normal.png", kind="normal", named=frozenset({"normal"}),
        present=TextureIntent(kind="height", color_space="linear").over(FULL), decides=COLORS,
        wrong=material(heights_as_normals, NORMAL_BLOCKS, "normal_texture"),
        right=material(relief, NORMAL_BLOCKS, "normal_texture"),
    ),
    Case(
        name="normal_linear", code="normal_as_color", what="Normal map in blocks of linear colour",
        scene="lit", file="brick_normal.png", kind="normal", named=frozenset({"normal"}),
        present=TextureIntent(color_space="linear").over(FULL), decides=COLORS,
        wrong=material(relief, {**BLOCKS, "compress/normal_map": 2}, "normal_texture"),
        right=material(relief, NORMAL_BLOCKS, "normal_texture"),
    ),
    Case(
        name="normal_detect", code="normal_as_color", what="Normal map with Godot 4's defaults (Detect)",
        scene="lit", file="brick_normal.png", kind="normal", named=frozenset({"normal"}),
        present=TextureIntent(compression="lossless", mipmaps=True),
        detects=frozenset({"kind", "compression", "mipmaps"}),
        uses=TextureUses((TextureUse(kinds=("normal",), domain="surface"),)),
        wrong=material(relief, {"mipmaps/generate": True}, "normal_texture"),
        right=material(relief, {"mipmaps/generate": True, "compress/normal_map": 1}, "normal_texture"),
    ),
    Case(
        name="convention", code="normal_convention", what="Green channel inverted",
        scene="lit", file="brick_normal.png", kind="normal", named=frozenset({"normal"}),
        present=TextureIntent(kind="normal", color_space="linear", normal_convention="opengl").over(FULL),
        decides=COLORS | {"normal_convention"},
        wrong=material(inverted_relief, NORMAL_BLOCKS, "normal_texture"),
        right=material(
            inverted_relief, {**NORMAL_BLOCKS, "process/normal_map_invert_y": True}, "normal_texture"
        ),
    ),
    Case(
        name="color_normal", code="color_as_normal", what="Colours in the blocks of a normal map",
        scene="lit", file="brick_albedo.png", kind="albedo", named=frozenset({"albedo"}),
        present=TextureIntent(kind="normal").over(FULL), formats=godot_formats,
        wrong=material(brick_colors, NORMAL_BLOCKS, "albedo_texture"),
        right=material(brick_colors, {**BLOCKS, "compress/normal_map": 2}, "albedo_texture"),
    ),
    Case(
        name="color_normal_lossless", code="color_as_normal", what="The same without compression",
        scene="lit", file="brick_albedo.png", kind="albedo", named=frozenset({"albedo"}),
        present=TextureIntent(kind="normal", compression="lossless", mipmaps=True), formats=godot_formats,
        wrong=material(brick_colors, {"compress/normal_map": 1, "mipmaps/generate": True}, "albedo_texture"),
        right=material(brick_colors, {"compress/normal_map": 2, "mipmaps/generate": True}, "albedo_texture"),
    ),
    Case(
        name="color_linear", code="color_as_linear", what="Colours that aren't decoded (Unity, Godot 3)",
        scene="lit", file="brick_albedo.png", kind="albedo", named=frozenset({"albedo"}),
        present=TextureIntent(color_space="linear").over(FULL), decides=COLORS,
        wrong=shader("ALBEDO = encoded(texel);", brick_colors),
        right=shader("ALBEDO = texel;", brick_colors),
    ),
    Case(
        name="data_srgb", code="data_as_srgb", what="Roughness decoded as sRGB (Unity, Godot 3)",
        scene="lit", file="rock_roughness.png", kind="roughness", named=frozenset({"roughness"}),
        present=TextureIntent(color_space="srgb").over(FULL), decides=COLORS,
        wrong=shader("ROUGHNESS = decoded(texel).r;", roughness),
        right=shader("ROUGHNESS = texel.r;", roughness),
    ),
    Case(
        name="packed_srgb", code="data_as_srgb", what="Occlusion, roughness and metallic decoded as sRGB",
        scene="lit", file="metal_orm.png", kind="packed", named=frozenset({"packed"}),
        present=TextureIntent(color_space="srgb", compression="block_high", mipmaps=True), decides=COLORS,
        wrong=shader(PACKED.format(texel="decoded(texel)"), orm),
        right=shader(PACKED.format(texel="texel"), orm),
    ),
    Case(
        name="packed_order", code="packed_order", what="Metallic, roughness and occlusion read as ORM",
        scene="lit", file="metal_mra.png", kind="packed", named=frozenset({"packed"}),
        present=TextureIntent(color_space="linear", compression="block_high", mipmaps=True), decides=COLORS,
        order={"r": "occlusion", "g": "roughness", "b": "metallic"},
        wrong=material(lambda: orm()[..., ::-1], BLOCKS, "orm_texture", orm=True),
        right=material(orm, BLOCKS, "orm_texture", orm=True),
    ),
    Case(
        name="pixel_art", code="pixel_art_blocks", what="Pixel art in blocks",
        scene="flat", file="sprites/tiles.png", kind="sprite", named=frozenset({"sprite"}),
        present=TextureIntent(compression="block", mipmaps=False, filter="nearest"),
        wrong=material(pixel_art, {"compress/mode": 2}), right=material(pixel_art, {"compress/mode": 0}),
    ),
    Case(
        name="small_image", code="pixel_art_blocks", what="A small 2D image in blocks",
        scene="flat", file="ui/icon.png", kind="ui", named=frozenset({"ui"}),
        present=TextureIntent(compression="block", mipmaps=False),
        wrong=material(lambda: disc(64), {"compress/mode": 2}),
        right=material(lambda: disc(64), {"compress/mode": 0}),
    ),
    Case(
        name="hdr_lossy", code="lossy_hdr", what="HDR sky with lossy compression",
        scene="sky", file="sky.hdr", kind="environment", named=frozenset({"environment"}),
        present=TextureIntent(compression="lossy", mipmaps=False),
        wrong=material(bright_sky, {"compress/mode": 1}), right=material(bright_sky, {"compress/mode": 0}),
    ),
)  # fmt: skip


def rank_of(case: Case, folder: Path) -> int | None:
    """Returns the rank of the finding that is raised about the wrong side; None if none is."""
    path = folder / Path(case.file).name
    write(case.right.draw() if case.code == "normal_as_color" else case.wrong.draw(), path)
    image = inspect([Input(path.name, str(path))], Inspect(), Limits()).value
    texture = TextureFacts(
        image, case.file, case.kind, 0.99, case.named, present=case.present, decides=case.decides,
        detects=case.detects, uses=case.uses, formats=case.formats,
    )  # fmt: skip
    return next((one.rank for one in find(texture, case.order) if one.code == case.code), None)


def write(pixels: Pixels, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".hdr":
        floats = np.ascontiguousarray(pixels, np.float32)
        path.write_bytes(write_hdr(Raster(path.name, floats, False, "linear", "hdr"), Writing()))
    else:
        save(pixels, path)


def make_project(folder: Path) -> None:
    """Creates the project: a texture for each side, with its settings."""
    told: list[dict[str, Any]] = []
    options: dict[str, dict[str, Any]] = {}
    for case in CASES:
        told.append({"name": case.name, "scene": case.scene})
        for name in ("wrong", "right"):
            side: Side = getattr(case, name)
            file = f"{case.name}_{name}{Path(case.file).suffix}"
            write(side.draw(), folder / file)
            options[file] = {**KEPT, **side.options}
            fields: dict[str, Any] = {"texture": f"res://{file}", "slots": list(side.slots)}
            if side.body:
                fields["shader"] = SHADER.format(body=side.body)
            if side.orm:
                fields["orm"] = True
            told[-1][name] = fields
    GodotSupport(GODOT4).create_project(folder, options)
    (folder / "cases.json").write_text(json.dumps(told), encoding="utf-8")
    script = Path(__file__).with_suffix(".gd").read_text(encoding="utf-8")
    (folder / "severity.gd").write_text(script, encoding="utf-8")


def draw(folder: Path) -> None:
    """Draws all cases in Godot 4. Raises RuntimeError with what it says if it draws nothing."""
    own = {f"XDG_{kind}_HOME": str(folder.parent / kind) for kind in ("CONFIG", "DATA", "CACHE")}
    env = {**os.environ, **own, **engines.godot4_window_environment(), "LANG": "C"}
    command = [*(engines.godot4() or ()), "--path", str(folder)]
    size = ("--resolution", f"{SIDE}x{SIDE}")
    with display((SIDE, SIDE)) as screen:
        for arguments in (("--headless", "--import"), (*engines.GODOT4_WINDOW, *size, "-s", "severity.gd")):
            done = subprocess.run(
                [*command, *arguments], env={**env, "DISPLAY": screen}, capture_output=True, text=True,
                timeout=PATIENCE_S, check=False,
            )  # fmt: skip
    if f"DRAWN {len(CASES)}" not in done.stdout:
        raise RuntimeError(f"Godot drew nothing:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def measure_all() -> list[tuple[Case, int | None, Measured]]:
    """Returns each case with the rank of its finding and the difference of its pictures."""
    with tempfile.TemporaryDirectory(prefix="popbridge-severity-") as name:
        folder = Path(name, "project")
        make_project(folder)
        draw(folder)
        facts = Path(name, "facts")
        return [(case, rank_of(case, facts), compare(folder, case.name)) for case in CASES]


def compare(folder: Path, name: str) -> Measured:
    wrong, right = (
        pyvips.Image.pngload(str(folder / f"{name}_{side}.out")).numpy()[..., :3].astype(int)
        for side in ("wrong", "right")
    )
    difference = np.abs(wrong - right).max(axis=2)
    return Measured(float((difference >= STEP).mean()), float(difference.mean()))


def contradictions(measured: Sequence[tuple[Case, int | None, Measured]]) -> list[str]:
    """Returns the names of cases whose rank says something else than their pictures."""
    return [
        case.name
        for case, rank, found in measured
        if rank is None or (rank == ERROR and not found.visible) or (rank == NOTE and found.visible)
    ]


TEMPLATE = """# Severities

An error is something that one sees in the game. So each kind of error was drawn in Godot 4 with the wrong
and with the right settings, on a square of {side}×{side} pixels: a lit material, a 2D picture, or a sky
(`python tools/severity.py`). What other engines set when they import, such as the colour space, was set in
the shader.

The last columns are the share of pixels that differ by at least {step} of 255 levels, and the mean
difference in levels. From {visible} of the pixels on, a difference counts as visible. An error must be
visible and a note must not; a warning costs memory or quality.

| case | code | severity | pixels that differ | mean |
| --- | --- | --- | ---: | ---: |
{rows}

What the engine settles by itself is a note: Godot's *Detect* turns a texture into a normal map when a
material first reads it as one, and compresses it and makes its mipmaps when the editor first draws it in 3D.
Until then a lossless normal map looks the same. A texture of which no file says that it is drawn in 3D keeps
its warnings: a script may load it, and then nothing detects it.
"""


def page(measured: Sequence[tuple[Case, int | None, Measured]]) -> str:
    rows = [
        f"| {case.what} | `{case.code}` | {RANKS[rank or 0]} | {found.share:.1%} | {found.mean:.1f} |"
        for case, rank, found in measured
    ]
    return TEMPLATE.format(side=SIDE, step=STEP, visible=f"{VISIBLE:.0%}", rows="\n".join(rows))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 on a contradiction")
    options = parser.parse_args(arguments)
    if missing := [name for name in engines.missing() if not name.startswith("Godot 3")]:
        print(f"severity: missing {', '.join(missing)}: `python tools/engines.py` installs it")
        return 1
    try:
        measured = measure_all()
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"severity: {error}")
        return 1
    for case, rank, found in measured:
        severity = RANKS[rank] if rank is not None else "nothing"
        print(f"{case.name:24}{severity:10}{found.share:8.1%}{found.mean:8.1f}")
    wrong = contradictions(measured)
    if wrong:
        print(f"severity: the pictures say something else of {', '.join(wrong)}")
    if not options.check:
        PAGE.write_text(page(measured), encoding="utf-8", newline="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
