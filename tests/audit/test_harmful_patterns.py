"""Advice that harmed real projects: a project that shows each pattern, and what must not be said of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from bridge import cli
from bridge.demo.textures import Pixels, bricks, button, disc, grey, noise, normals, packed, save, tint
from tests.audit.projects import GODOT4, imported
from tests.unity import projects as unity
from tests.unity.test_usage import material as material_of_unity

pytestmark = pytest.mark.usefixtures("shared_workers")

HEAD = '[gd_{what} {type}format=3]\n\n[ext_resource type="Texture2D" path="res://{file}" id="1"]\n'
MIPPED = {"mipmaps/generate=false": "mipmaps/generate=true"}
IN_BLOCKS = {"compress/mode=0": "compress/mode=2"}
AS_NORMAL = {"compress/normal_map=0": "compress/normal_map=1"}
SETTLED = {"detect_3d/compress_to=1": "detect_3d/compress_to=0"}
UNTREATED = {"textureCompression: 1": "textureCompression: 0", "    enableMipMap: 1": "    enableMipMap: 0"}
GUI = {"  textureType: 0": "  textureType: 2"}


class Pattern(NamedTuple):
    """A project, the advice that harms, and the same project without what makes it harmful."""

    name: str
    file: str
    never: frozenset[str]
    """Codes of findings about the file."""
    make: Callable[[Path, str], None]
    """Makes the project with that file."""
    harmless: Callable[[Path, str], None]
    """Changes it so that some of the advice is right."""


def put(root: Path, file: str, pixels: Pixels, replaced: Mapping[str, str] | None = None) -> None:
    """A texture of a Godot project."""
    if not (root / "project.godot").exists():
        root.mkdir(parents=True, exist_ok=True)
        (root / "project.godot").write_text(GODOT4.format("4.6"), encoding="utf-8")
    save(pixels, root / file)
    imported(root, file, "4.6", replaced)


def write(root: Path, file: str, text: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def material(root: Path, file: str, **properties: object) -> None:
    """A material that uses a texture."""
    lines = "".join(f"{name} = {value}\n" for name, value in properties.items())
    head = HEAD.format(what="resource", type='type="StandardMaterial3D" ', file=file)
    write(root, "used.tres", f"{head}\n[resource]\n{lines}")


def scene(root: Path, file: str, body: str) -> None:
    """A scene that uses a texture."""
    write(root, "used.tscn", HEAD.format(what="scene", type="", file=file) + body)


def shader(root: Path, file: str, source: str) -> None:
    """A material with a shader that reads a texture as `map`."""
    write(root, "used.gdshader", source)
    head = HEAD.format(what="resource", type='type="ShaderMaterial" ', file=file)
    head += '[ext_resource type="Shader" path="res://used.gdshader" id="2"]\n'
    body = '[resource]\nshader = ExtResource("2")\nshader_parameter/map = ExtResource("1")\n'
    write(root, "used.tres", f"{head}\n{body}")


def unused(root: Path, file: str) -> None:
    """Nothing uses the texture any more."""
    for path in root.glob("used.*"):
        path.unlink()


SIDE = 512


def relief() -> Pixels:
    return normals(bricks(SIDE), 2.0)


def relief_with_alpha() -> Pixels:
    return np.dstack([relief(), 0.3 + 0.5 * noise(2, SIDE)])


def brick_colors() -> Pixels:
    return tint(bricks(SIDE), (0.60, 0.27, 0.20))


def glow() -> Pixels:
    """White light that fades away in few steps."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    light = np.round(np.clip(1 - np.hypot(x, y), 0, 1) * 12) / 12
    return np.dstack([np.ones_like(light)] * 3 + [light])


def bolts(size: int = 1024) -> Pixels:
    """The normals of bolts on a plate with faint grain, whose green points the other way."""
    y, x = np.mgrid[0:size, 0:size]
    far = np.hypot(x % 128 - 64, y % 128 - 64)
    heads = np.clip(24 - far, 0, 8) / 8
    # Single-pixel grain in most of the map; the bolts cover a thirtieth.
    grain = np.random.default_rng(1).normal(0, 1, (size, size)) * 0.02
    p = np.roll(heads, -1, 1) - np.roll(heads, 1, 1), np.roll(grain, -1, 1) - np.roll(grain, 1, 1)
    q = np.roll(heads, -1, 0) - np.roll(heads, 1, 0), np.roll(grain, -1, 0) - np.roll(grain, 1, 0)
    vectors = np.dstack([-(p[0] * 3 + p[1]), q[0] * 3 - q[1], np.ones_like(far)])
    return vectors / np.linalg.norm(vectors, axis=2, keepdims=True) / 2 + 0.5


def faint(size: int = 1024) -> Pixels:
    """The plate alone."""
    grain = np.random.default_rng(1).normal(0, 1, (size, size)) * 0.02
    p = np.roll(grain, -1, 1) - np.roll(grain, 1, 1)
    q = np.roll(grain, -1, 0) - np.roll(grain, 1, 0)
    vectors = np.dstack([-p, -q, np.ones_like(grain)])
    return vectors / np.linalg.norm(vectors, axis=2, keepdims=True) / 2 + 0.5


def alpha_read(root: Path, file: str) -> None:
    put(root, file, relief_with_alpha())
    one = 'ExtResource("1")'
    material(
        root,
        file,
        normal_enabled="true",
        normal_texture=one,
        roughness_texture=one,
        roughness_texture_channel=3,
    )


def opaque(root: Path, file: str) -> None:
    put(root, file, relief())
    unused(root, file)


def terrain(root: Path, file: str) -> None:
    put(root, file, relief())
    write(root, "addons/terrainer/plugin.cfg", '[plugin]\n\nname="Terrainer"\nscript="plugin.gd"\n')
    source = 'extends EditorPlugin\n\nfunc save(path):\n\tvar data = "tmap"\n\tvar file = path + ".import"\n'
    source += '\tConfigFile.new().set_value("params", "compress/mode", 0)\n'
    write(root, "addons/terrainer/plugin.gd", source)
    write(root, f"{Path(file).parent.as_posix()}/level.tmap", "0")


def without_addon(root: Path, file: str) -> None:
    shutil.rmtree(root / "addons")


def declared(root: Path, file: str) -> None:
    put(root, file, brick_colors(), {**AS_NORMAL, **IN_BLOCKS})
    shader(
        root,
        file,
        "shader_type spatial;\nuniform sampler2D map : hint_normal;\n"
        "void fragment() { NORMAL_MAP = texture(map, UV).rgb; }\n",
    )


def drawn_by_2d_shader(root: Path, file: str) -> None:
    put(root, file, brick_colors())
    shader(
        root,
        file,
        "shader_type canvas_item;\nuniform sampler2D map;\nvoid fragment() { COLOR = texture(map, UV); }\n",
    )


def decal(root: Path, file: str) -> None:
    put(root, file, brick_colors())
    scene(root, file, '\n[node name="Spot" type="Decal"]\ntexture_albedo = ExtResource("1")\n')


def particles(root: Path, file: str) -> None:
    put(root, file, button(), MIPPED)
    scene(
        root,
        file,
        '\n[sub_resource type="StandardMaterial3D" id="2"]\nalbedo_texture = ExtResource("1")\n'
        '\n[sub_resource type="QuadMesh" id="3"]\nmaterial = SubResource("2")\n'
        '\n[node name="Spray" type="GPUParticles3D"]\ndraw_pass_1 = SubResource("3")\n',
    )


def shrunk(root: Path, file: str) -> None:
    put(root, file, button(), MIPPED)
    scene(
        root,
        file,
        '\n[node name="Small" type="TextureRect"]\ntexture_filter = 4\noffset_right = 48.0\n'
        'offset_bottom = 16.0\ntexture = ExtResource("1")\nexpand_mode = 1\n',
    )


def trilinear(root: Path, file: str) -> None:
    unity.game(root, only=["ui/button.png"])
    unity.imported(root, file, unity.meta(file, replaced={**GUI, "    filterMode: 1": "    filterMode: 2"}))


def bilinear(root: Path, file: str) -> None:
    unity.imported(root, file, unity.meta(file, replaced=GUI))


def unity_texture(root: Path, file: str, pixels: Pixels, replaced: Mapping[str, str]) -> None:
    """A texture of a Unity project."""
    if not (root / "ProjectSettings").exists():
        unity.game(root, only=["ui/icon.png"])
    save(pixels, root / file)
    unity.imported(root, file, unity.meta(file, replaced=replaced))


LINEAR = {"    sRGBTexture: 1": "    sRGBTexture: 0"}
UNITY_NORMAL = {**LINEAR, "  textureType: 0": "  textureType: 1"}
SHADER = """Shader "Wall" {{
    Properties {{ {attribute}_Wall ("Wall", 2D) = "{default}" {{}} }}
    SubShader {{ Pass {{ }} }}
}}
"""


def declared_in_unity(root: Path, file: str) -> None:
    unity_texture(root, file, brick_colors(), UNITY_NORMAL)
    write(root, "Assets/used.shader", SHADER.format(attribute="[Normal] ", default="bump"))
    write(root, "Assets/used.shader.meta", f"fileFormatVersion: 2\nguid: {'ab' * 16}\n")
    slot = material_of_unity(f"{{fileID: 4800000, guid: {'ab' * 16}, type: 3}}", _Wall=file)
    write(root, "Assets/used.mat", slot)


def undeclared_in_unity(root: Path, file: str) -> None:
    (root / "Assets/used.mat").unlink()


def rain(upright: bool) -> Pixels:
    """The normals of drops in red and green, as a shader reads them; blue is a mask unless upright."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(float)
    p, q, mask = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for left, top, radius, delay in np.random.default_rng(1).uniform(0.1, 1, (60, 4)):
        across, down = (x - left * SIDE) / (radius * 40), (y - top * SIDE) / (radius * 40)
        inside = across**2 + down**2 < 0.9
        p[inside], q[inside], mask[inside] = across[inside], -down[inside], delay
    z = np.sqrt(1 - p**2 - q**2) / 2 + 0.5
    return np.dstack([p / 2 + 0.5, q / 2 + 0.5, z if upright else mask])


def contradictory() -> Pixels:
    """The normals of bricks with green up under noise with green down, so steep that neither prevails."""
    one, other = (normals(heights, steep) * 2 - 1 for heights, steep in ((bricks(SIDE), 2), (noise(3), 35)))
    one, other = one / one[..., 2:], other / other[..., 2:]
    vectors = np.dstack([one[..., 0] + other[..., 0], one[..., 1] - other[..., 1], np.ones((SIDE, SIDE))])
    return vectors / np.linalg.norm(vectors, axis=2, keepdims=True) / 2 + 0.5


def green_down(pixels: Pixels) -> Pixels:
    return np.dstack([pixels[..., 0], 1 - pixels[..., 1], pixels[..., 2]])


def nearest(root: Path, file: str) -> None:
    name = file.removeprefix("Assets/")
    unity.game(root, only=[name])
    unity.imported(
        root, file, unity.meta(file, replaced={**UNTREATED, "    filterMode: 1": "    filterMode: 0"})
    )


def smooth(root: Path, file: str) -> None:
    unity.imported(root, file, unity.meta(file, replaced=UNTREATED))


def binary_settings(root: Path, file: str) -> None:
    unity.game(root, only=[file.removeprefix("Assets/")])
    (root / "ProjectSettings/ProjectSettings.asset").write_bytes(b"\0\0\x92\xf5\0\0\x9f\x495.5.0f3\0")


def linear_settings(root: Path, file: str) -> None:
    write(root, "ProjectSettings/ProjectSettings.asset", "PlayerSettings:\n  m_ActiveColorSpace: 1\n")


def told(root: Path, out: Path) -> dict[str, Any]:
    """The report of an audit."""
    path = out / "report.json"
    arguments = [
        "audit",
        str(root),
        "--workers",
        "1",
        "--no-cache",
        "--severity",
        "note",
        "--json",
        str(path),
    ]
    assert cli.main(arguments) in (0, 1)
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def findings(report: Mapping[str, Any], file: str) -> dict[str, str]:
    """Severities by code."""
    rows = [row for row in report["files"] if row["file"] == file]
    return {each["code"]: each["severity"] for row in rows for each in row["findings"]}


ALL = frozenset({"normal_as_color", "uncompressed", "no_mipmaps", "normal_convention"})
NORMAL_SETTINGS = frozenset({"normal_as_color", "uncompressed"})
TREATMENTS = frozenset({"no_mipmaps", "uncompressed"})
PATTERNS = [
    Pattern("materials read roughness in the alpha of a normal map", "m/wall_normal.png", NORMAL_SETTINGS,
            alpha_read, opaque),
    Pattern("alpha varies and nothing says that it isn't read", "m/wall_normal.png", NORMAL_SETTINGS,
            lambda root, file: put(root, file, relief_with_alpha()), opaque),
    Pattern("an addon writes the settings", "world/slope_normal.png", ALL, terrain, without_addon),
    Pattern("a shader declares a normal map", "m/brick_albedo.png", frozenset({"color_as_normal"}),
            declared, unused),
    Pattern("a shader of Unity declares a normal map", "Assets/brick_albedo.png",
            frozenset({"color_as_normal"}),
            declared_in_unity, undeclared_in_unity),
    Pattern("a shader reads linear colours as vectors", "Assets/wind.png", frozenset({"normal_as_color"}),
            lambda root, file: unity_texture(root, file, relief(), LINEAR),
            lambda root, file: unity_texture(root, file, relief(), {})),
    Pattern("faint grain contradicts bolts", "m/plate_normal.png", frozenset({"normal_convention"}),
            lambda root, file: put(root, file, bolts()), lambda root, file: put(root, file, faint())),
    Pattern("particles in 3D", "ui/splash.png", frozenset({"ui_mipmaps"}), particles, unused),
    Pattern("drawn far smaller than it is", "ui/button.png", frozenset({"ui_mipmaps"}), shrunk, unused),
    Pattern("trilinear filtering by hand", "Assets/ui/button.png", frozenset({"ui_mipmaps"}), trilinear,
            bilinear),
    Pattern("a smooth glow of few colours", "ui/icon.png", frozenset({"pixel_art_blocks"}),
            lambda root, file: put(root, file, glow(), IN_BLOCKS),
            lambda root, file: put(root, file, disc(64), IN_BLOCKS)),
    Pattern("drawn by a 2D shader", "m/brick_albedo.png", TREATMENTS, drawn_by_2d_shader, unused),
    Pattern("vectors that point into the surface", "fx/rain.png", TREATMENTS,
            lambda root, file: put(root, file, rain(upright=False)),
            lambda root, file: put(root, file, rain(upright=True))),
    Pattern("layers that contradict each other", "m/wall_normal.png", frozenset({"normal_convention"}),
            lambda root, file: put(root, file, contradictory()),
            lambda root, file: put(root, file, green_down(relief()))),
    Pattern("single pixels by a filter", "Assets/materials/rock_normal.png", TREATMENTS, nearest, smooth),
    Pattern("one colour", "m/wall_metallic.png", frozenset({"no_mipmaps"}),
            lambda root, file: put(root, file, grey(np.zeros((SIDE, SIDE)))),
            lambda root, file: put(root, file, grey(noise(1, SIDE)))),
    Pattern("settings of colours that can't be read", "Assets/materials/rock_roughness.png",
            frozenset({"data_as_srgb"}), binary_settings, linear_settings),
    Pattern("a drawing that Godot has seen in 3D", "ui/icon.png", frozenset({"pixel_art_blocks"}),
            lambda root, file: put(root, file, disc(64), {**IN_BLOCKS, **MIPPED, **SETTLED}),
            lambda root, file: put(root, file, disc(64), IN_BLOCKS)),
    Pattern("a decal", "m/brick_albedo.png", frozenset({"no_mipmaps"}), decal, unused),
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_what_would_harm_isnt_said_and_what_wouldnt_is(pattern: Pattern, tmp_path: Path) -> None:
    root = tmp_path / "game"
    pattern.make(root, pattern.file)
    said = findings(told(root, tmp_path), pattern.file)
    assert not pattern.never & said.keys()
    pattern.harmless(root, pattern.file)
    assert pattern.never & findings(told(root, tmp_path), pattern.file).keys()


def test_what_godot_detects_at_first_use_is_a_note(tmp_path: Path) -> None:
    root, file = tmp_path / "game", "m/wall_normal.png"
    put(root, file, relief())
    material(root, file, normal_enabled="true", normal_texture='ExtResource("1")')
    used = findings(told(root, tmp_path), file)
    assert used == dict.fromkeys(("normal_as_color", "uncompressed", "no_mipmaps"), "note")
    # A script may load it, and Godot detects nothing then.
    unused(root, file)
    severities = {"normal_as_color": "note", "uncompressed": "warning", "no_mipmaps": "warning"}
    assert findings(told(root, tmp_path), file) == severities
    put(root, file, relief(), SETTLED)
    assert findings(told(root, tmp_path), file) == severities
    put(root, file, relief(), {"compress/normal_map=0": "compress/normal_map=2"})
    assert "normal_as_color" not in findings(told(root, tmp_path), file), "somebody has ruled it out"


def test_fixing_the_warnings_of_a_normal_map_makes_it_one(tmp_path: Path) -> None:
    root, file = tmp_path / "game", "m/wall_normal.png"
    put(root, file, relief())
    (row,) = told(root, tmp_path)["files"]
    assert row["options"].items() >= {"compress/mode": 2, "compress/normal_map": 1}.items()


def test_pictures_that_only_look_alike_are_no_copies(tmp_path: Path) -> None:
    root = tmp_path / "game"

    def face(smile: int) -> Pixels:
        drawn = disc(256)
        drawn[144:152, 100 : 130 + 8 * smile, :3] = 0
        return drawn

    for smile, word in enumerate(("happy", "sad")):
        put(root, f"talk/anna_{word}.png", face(smile))
        put(root, f"glyphs/{word[0]}.png", face(smile)[::4, ::4])
    assert told(root, tmp_path)["duplicates"] == []
    for name in ("anna_happy", "s"):
        put(root, f"old/{name}.png", face(2) if "_" in name else face(2)[::4, ::4])
    (group,) = told(root, tmp_path)["duplicates"]
    assert (group["how"], group["files"]) == ("looks", ["old/anna_happy.png", "talk/anna_happy.png"])


def test_all_maps_of_a_material_are_treated_alike_or_the_report_says_why_not(tmp_path: Path) -> None:
    root = tmp_path / "game"
    put(root, "m/brick_normal.png", relief())
    put(root, "m/brick_roughness.png", grey(0.4 + 0.3 * noise(1, SIDE)))
    put(root, "m/brick_ao.png", grey(0.4 + 0.3 * noise(1, SIDE))[:510])
    put(root, "m/brick_orm.png", packed(noise(7, SIDE), noise(8, SIDE)))
    put(root, "m/brick.png", brick_colors())
    report = told(root, tmp_path)
    for file in ("brick", "brick_normal", "brick_roughness", "brick_orm"):
        assert findings(report, f"m/{file}.png").keys() >= TREATMENTS
    values = [
        finding["values"]
        for row in report["files"]
        for finding in row["findings"]
        if finding["code"] == "uncompressed"
    ]
    assert all(each["left"] == {"brick_ao.png": "size"} for each in values if "like" not in each)
