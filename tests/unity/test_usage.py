"""What materials, scenes and prefabs say of textures, as Unity writes them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bridge_unity.usage import texture_usage
from tests.unity.projects import game, guid_of, imported, meta

HEAD = "%YAML 1.1\n%TAG !u! tag:unity3d.com,2011:\n"
STANDARD = "{fileID: 46, guid: 0000000000000000f000000000000000, type: 0}"
URP_LIT = "{fileID: 4800000, guid: 933532a4fcc9baf4fa0491de14d08ed7, type: 3}"
HDRP_LIT = "{fileID: 4800000, guid: 6e4ae4064600d784cac1e41a9e6f2e59, type: 3}"
OTHER = "{fileID: 4800000, guid: 7777777777777777bbbbbbbbbbbbbbbb, type: 3}"
IMAGE, RAW_IMAGE = "fe87c0e1cc204ed48ad3b37840f39efc", "1344c3c82d62a2a41a3576d8abb8e3ea"
TILE = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return game(tmp_path / "game", only=["none of them"])


def texture(file: str) -> str:
    return f"{{fileID: 2800000, guid: {guid_of(file)}, type: 3}}"


def sprite(file: str) -> str:
    return f"{{fileID: 21300000, guid: {guid_of(file)}, type: 3}}"


def material(shader: str, **textures: str) -> str:
    slots = "".join(
        f"    - {name}:\n        m_Texture: {texture(file) if file else '{fileID: 0}'}\n"
        "        m_Scale: {x: 1, y: 1}\n        m_Offset: {x: 0, y: 0}\n"
        for name, file in textures.items()
    )
    return (
        f"{HEAD}--- !u!21 &2100000\nMaterial:\n  serializedVersion: 8\n  m_Name: rock\n"
        f"  m_Shader: {shader}\n  m_SavedProperties:\n    serializedVersion: 3\n    m_TexEnvs:\n{slots}"
        "    m_Floats:\n    - _Cull: 2\n"
    )


def script(guid: str, body: str) -> str:
    return (
        f"--- !u!114 &2\nMonoBehaviour:\n  m_GameObject: {{fileID: 1}}\n"
        f"  m_Script: {{fileID: 11500000, guid: {guid}, type: 3}}\n  m_Name: \n{body}"
    )


def write(root: Path, file: str, text: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def test_slots_of_a_material_say_what_its_textures_are(root: Path) -> None:
    slots = {
        "_BumpMap": "n", "_OcclusionMap": "o", "_ParallaxMap": "h", "_MetallicGlossMap": "m",
        "_EmissionMap": "e", "_MainTex": "c", "_DetailMask": "d",
    }  # fmt: skip
    files = {name: f"Assets/{letter}.png" for name, letter in slots.items()}
    for file in files.values():
        imported(root, file)
    write(root, "Assets/rock.mat", material(STANDARD, **files, _DetailNormalMap=""))
    assert texture_usage(root) == {
        "Assets/n.png": ["normal"], "Assets/o.png": ["ao"], "Assets/h.png": ["height"],
        "Assets/m.png": ["specular", "packed"], "Assets/e.png": ["emissive"], "Assets/c.png": ["albedo"],
    }  # fmt: skip


@pytest.mark.parametrize(("shader", "kinds"), [(STANDARD, ["albedo"]), (URP_LIT, ["albedo"]), (OTHER, None)])
def test_the_main_texture_is_colours_where_the_shader_is_known_to_light_it(
    root: Path, shader: str, kinds: list[str] | None
) -> None:
    imported(root, "Assets/a.png")
    write(root, "Assets/rock.mat", material(shader, _MainTex="Assets/a.png"))
    assert texture_usage(root).get("Assets/a.png") == kinds


def test_slots_that_a_material_kept_of_the_shader_it_had_before_say_nothing(root: Path) -> None:
    for letter in "nms":
        imported(root, f"Assets/{letter}.png")
    kept = {"_MaskMap": "Assets/m.png", "_SpecGlossMap": "Assets/s.png", "_BumpMap": "Assets/n.png"}
    write(root, "Assets/rock.mat", material(STANDARD, **kept))
    assert texture_usage(root) == {"Assets/n.png": ["normal"]}
    write(root, "Assets/rock.mat", material(URP_LIT, **kept))
    assert texture_usage(root) == {"Assets/n.png": ["normal"], "Assets/s.png": ["specular"]}
    # Of this one it isn't known which it has.
    write(root, "Assets/rock.mat", material(OTHER, **kept))
    assert texture_usage(root) == {
        "Assets/m.png": ["packed"], "Assets/s.png": ["specular"], "Assets/n.png": ["normal", "height"],
    }  # fmt: skip
    write(root, "Assets/rock.mat", material(HDRP_LIT, **kept))
    assert texture_usage(root) == {"Assets/m.png": ["packed"]}


def test_long_references_are_broken_into_two_lines_and_still_read(root: Path) -> None:
    imported(root, "Assets/a.png")
    text = material(URP_LIT, _BumpMap="Assets/a.png").replace(
        ", type: 3}\n        m_Scale", ",\n          type: 3}\n        m_Scale"
    )
    write(root, "Assets/rock.mat", text)
    assert texture_usage(root) == {"Assets/a.png": ["normal"]}


def test_scenes_and_prefabs_say_what_lies_in_2d(root: Path) -> None:
    for name in "abcdefg":
        imported(root, f"Assets/{name}.png")
    scene = (
        f"{HEAD}--- !u!212 &1\nSpriteRenderer:\n  m_Materials:\n"
        f"  - {{fileID: 10754, guid: {TILE}, type: 0}}\n"
        f"  m_Sprite: {sprite('Assets/a.png')}\n--- !u!4 &5 stripped\nTransform:\n  m_Children: []\n"
        + script(IMAGE, f"  m_Material: {{fileID: 0}}\n  m_Sprite: {sprite('Assets/b.png')}\n")
        + script(RAW_IMAGE, f"  m_Texture: {texture('Assets/c.png')}\n")
        + script(TILE, f"  m_SpriteState:\n    m_PressedSprite: {sprite('Assets/d.png')}\n")
        + script(TILE, f"  m_Sprite: {sprite('Assets/e.png')}\n  m_Texture: {texture('Assets/g.png')}\n")
        + f"--- !u!331 &9\nSpriteMask:\n  m_Sprite: {sprite('Assets/f.png')}\n"
    )
    write(root, "Assets/main.unity", scene)
    assert texture_usage(root) == {
        "Assets/a.png": ["sprite"], "Assets/b.png": ["ui"], "Assets/c.png": ["ui"], "Assets/d.png": ["ui"],
        "Assets/e.png": ["sprite"], "Assets/f.png": ["sprite"],
    }  # fmt: skip


def test_animations_terrains_and_the_projects_icons_count(root: Path) -> None:
    for name in ("run", "run_n", "grass", "grass_n", "grass_m", "icon"):
        imported(root, f"Assets/{name}.png")
    write(
        root,
        "Assets/run.anim",
        f"{HEAD}--- !u!74 &7400000\nAnimationClip:\n  m_PPtrCurves:\n  - curve:\n    - time: 0\n"
        f"      value: {sprite('Assets/run.png')}\n    attribute: m_Sprite\n    classID: 212\n",
    )
    write(
        root,
        "Assets/grass.terrainlayer",
        f"{HEAD}--- !u!1953259897 &8574412962073106934\nTerrainLayer:\n"
        f"  m_DiffuseTexture: {texture('Assets/grass.png')}\n"
        f"  m_NormalMapTexture: {texture('Assets/grass_n.png')}\n"
        f"  m_MaskMapTexture: {texture('Assets/grass_m.png')}\n  m_TileSize: {{x: 2, y: 2}}\n",
    )
    write(
        root,
        "ProjectSettings/ProjectSettings.asset",
        f"{HEAD}--- !u!129 &1\nPlayerSettings:\n  defaultCursor: {{fileID: 0}}\n  preloadedAssets:\n"
        f"  - {texture('Assets/run_n.png')}\n  m_BuildTargetIcons:\n"
        "  - m_BuildTarget: \n    m_Icons:\n    - serializedVersion: 2\n"
        f"      m_Icon: {texture('Assets/icon.png')}\n",
    )
    assert texture_usage(root) == {
        "Assets/run.png": ["sprite"], "Assets/grass.png": ["albedo"], "Assets/grass_n.png": ["normal"],
        "Assets/grass_m.png": ["packed"], "Assets/icon.png": ["ui"],
    }  # fmt: skip


def test_what_a_sprite_has_beside_it_lies_in_2d(root: Path) -> None:
    listed = (
        f"    secondaryTextures:\n    - texture: {texture('Assets/hero_b.png')}\n      name: _NormalMap\n"
        f"    - texture: {{fileID: 2800000, guid: {guid_of('Assets/hero_m.png')},\n        type: 3}}\n"
        f"      name: _MaskTex\n    - texture: {texture('Assets/other.png')}\n      name: _Own\n"
    )
    imported(
        root, "Assets/hero.png", meta("Assets/hero.png", replaced={"    secondaryTextures: []\n": listed})
    )
    for name in ("hero_b", "hero_m", "other"):
        imported(root, f"Assets/{name}.png")
    assert texture_usage(root) == {
        "Assets/hero_b.png": ["normal", "sprite"],
        "Assets/hero_m.png": ["packed", "sprite"],
    }


def test_several_uses_come_in_order_each_once(root: Path) -> None:
    imported(root, "Assets/a.png")
    write(
        root, "Assets/1.mat", material(OTHER, _OcclusionMap="Assets/a.png", _MetallicGlossMap="Assets/a.png")
    )
    write(root, "Assets/2.mat", material(OTHER, _OcclusionMap="Assets/a.png"))
    assert texture_usage(root) == {"Assets/a.png": ["ao", "specular", "packed"]}


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        ((STANDARD, "_BumpMap"), (STANDARD, "_ParallaxMap"), ["normal"]),
        ((OTHER, "_BumpMap"), (STANDARD, "_BumpMap"), ["normal"]),
        ((OTHER, "_ParallaxMap"), (STANDARD, "_BumpMap"), ["normal"]),
        ((OTHER, "_BumpMap"), (STANDARD, "_ParallaxMap"), ["normal", "height"]),
        ((OTHER, "_BumpMap"), (OTHER, "_NormalMap"), ["normal", "height"]),
    ],
)
def test_that_it_holds_normals_is_doubtful_only_where_no_shader_is_known_to_read_them(
    root: Path, first: tuple[str, str], second: tuple[str, str], kinds: list[str]
) -> None:
    imported(root, "Assets/a.png")
    for name, (shader, slot) in (("1", first), ("2", second)):
        write(root, f"Assets/{name}.mat", material(shader, **{slot: "Assets/a.png"}))
    assert texture_usage(root) == {"Assets/a.png": kinds}


def test_what_cant_be_read_says_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(root, "Assets/a.png")
    imported(root, "Assets/b.png", "\udc80".encode("utf-8", "surrogateescape").decode("latin-1"))
    write(root, "Assets/binary.mat", "\0\1\2" * 100)
    write(root, "Assets/gone.mat", material(OTHER, _BumpMap="Assets/gone.png"))
    (root / "Assets/gone.png.meta").mkdir()
    opened = Path.open

    def closed(path: Path, *arguments: str) -> object:
        if path.name in ("closed.mat", "b.png.meta"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments)

    write(root, "Assets/closed.mat", material(OTHER, _BumpMap="Assets/a.png"))
    monkeypatch.setattr(Path, "open", closed)
    assert texture_usage(root) == {}


def test_settings_that_never_end_take_no_time(root: Path) -> None:
    write(root, "Assets/a.png.meta", f"- texture: {{fileID: 1, guid: {TILE}" * 20_000)
    begin = time.perf_counter()
    assert texture_usage(root) == {}
    assert time.perf_counter() - begin < 5
