"""What materials, scenes and prefabs say of textures, as Unity writes them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bridge.api import TextureUse
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


def kinds_used(root: Path) -> dict[str, list[str]]:
    return {file: kinds for file, uses in texture_usage(root).items() if (kinds := [*uses.kinds()])}


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
    assert kinds_used(root) == {
        "Assets/n.png": ["normal"], "Assets/o.png": ["ao"], "Assets/h.png": ["height"],
        "Assets/m.png": ["specular", "packed"], "Assets/e.png": ["emissive"], "Assets/c.png": ["albedo"],
        "Assets/d.png": ["other"],
    }  # fmt: skip


@pytest.mark.parametrize(("shader", "kinds"), [(STANDARD, ["albedo"]), (URP_LIT, ["albedo"]), (OTHER, None)])
def test_the_main_texture_is_colours_where_the_shader_is_known_to_light_it(
    root: Path, shader: str, kinds: list[str] | None
) -> None:
    imported(root, "Assets/a.png")
    write(root, "Assets/rock.mat", material(shader, _MainTex="Assets/a.png"))
    assert kinds_used(root).get("Assets/a.png") == kinds


def test_slots_that_a_material_kept_of_the_shader_it_had_before_say_nothing(root: Path) -> None:
    for letter in "nms":
        imported(root, f"Assets/{letter}.png")
    kept = {"_MaskMap": "Assets/m.png", "_SpecGlossMap": "Assets/s.png", "_BumpMap": "Assets/n.png"}
    write(root, "Assets/rock.mat", material(STANDARD, **kept))
    assert kinds_used(root) == {"Assets/n.png": ["normal"]}
    write(root, "Assets/rock.mat", material(URP_LIT, **kept))
    assert kinds_used(root) == {"Assets/n.png": ["normal"], "Assets/s.png": ["specular"]}
    # Of this one it isn't known which it has.
    write(root, "Assets/rock.mat", material(OTHER, **kept))
    assert kinds_used(root) == {
        "Assets/m.png": ["packed"], "Assets/s.png": ["specular"], "Assets/n.png": ["normal", "height"],
    }  # fmt: skip
    write(root, "Assets/rock.mat", material(HDRP_LIT, **kept))
    assert kinds_used(root) == {"Assets/m.png": ["packed"]}


def test_long_references_are_broken_into_two_lines_and_still_read(root: Path) -> None:
    imported(root, "Assets/a.png")
    text = material(URP_LIT, _BumpMap="Assets/a.png").replace(
        ", type: 3}\n        m_Scale", ",\n          type: 3}\n        m_Scale"
    )
    write(root, "Assets/rock.mat", text)
    assert kinds_used(root) == {"Assets/a.png": ["normal"]}


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
    assert kinds_used(root) == {
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
    assert kinds_used(root) == {
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
    assert kinds_used(root) == {
        "Assets/hero_b.png": ["normal", "sprite"],
        "Assets/hero_m.png": ["packed", "sprite"],
    }


def test_several_uses_come_in_order_each_once(root: Path) -> None:
    imported(root, "Assets/a.png")
    write(
        root, "Assets/1.mat", material(OTHER, _OcclusionMap="Assets/a.png", _MetallicGlossMap="Assets/a.png")
    )
    write(root, "Assets/2.mat", material(OTHER, _OcclusionMap="Assets/a.png"))
    assert kinds_used(root) == {"Assets/a.png": ["ao", "specular", "packed"]}


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
    assert kinds_used(root) == {"Assets/a.png": kinds}


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
    assert kinds_used(root) == {}


def test_settings_that_never_end_take_no_time(root: Path) -> None:
    write(root, "Assets/a.png.meta", f"- texture: {{fileID: 1, guid: {TILE}" * 20_000)
    begin = time.perf_counter()
    assert kinds_used(root) == {}
    assert time.perf_counter() - begin < 5


def uses(root: Path, file: str) -> tuple[TextureUse, ...]:
    return texture_usage(root)[file].uses


def only_use(root: Path, file: str) -> TextureUse:
    (use,) = uses(root, file)
    return use


def shader(root: Path, file: str, text: str) -> str:
    """Writes a shader; returns the reference to it."""
    write(root, file, text)
    imported(root, file, f"fileFormatVersion: 2\nguid: {guid_of(file)}\nShaderImporter:\n")
    return f"{{fileID: 4800000, guid: {guid_of(file)}, type: 3}}"


def material_meta(root: Path, file: str) -> str:
    """Writes the `.meta` of a material; returns the reference to it."""
    imported(root, file, f"fileFormatVersion: 2\nguid: {guid_of(file)}\nNativeFormatImporter:\n")
    return f"{{fileID: 2100000, guid: {guid_of(file)}, type: 2}}"


def test_a_script_with_a_sprite_shows_it_in_2d(root: Path) -> None:
    imported(root, "Assets/a.png")
    imported(root, "Assets/b.png")
    body = f"  waves:\n  - {sprite('Assets/a.png')}\n  occlusion: {texture('Assets/b.png')}\n"
    write(root, "Assets/main.unity", HEAD + script(TILE, body))
    assert only_use(root, "Assets/a.png") == TextureUse(kinds=("sprite",), slot="waves", domain="canvas")
    assert only_use(root, "Assets/b.png") == TextureUse(kinds=("ao",), basis="name", slot="occlusion")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("_Occlusion", ("ao",)), ("_T_Orm", ("packed",)), ("_T_Normal", ("normal",)), ("_Illum", ("emissive",)),
     ("_MainBump", ("normal", "height")), ("_NoiseTex", ("other",)), ("_ScreenTex", ()), ("_MainTex", ())],
)  # fmt: skip
def test_the_names_of_custom_properties_are_evidence_but_no_slots(
    root: Path, name: str, kinds: tuple[str, ...]
) -> None:
    imported(root, "Assets/a.png")
    write(root, "Assets/rock.mat", material(OTHER, **{name: "Assets/a.png"}))
    use = only_use(root, "Assets/a.png")
    assert (use.kinds, use.basis, use.slot) == (kinds, "name", name)


SOURCE = """\
Shader "Acme/Rock" {
    Properties {
        _MainTex ("Albedo", 2D) = "white" {}
        [NoScaleOffset] [Normal] _Relief ("Relief", 2D) = "white" {}
        _Waves ("Waves", 2D) = "bump" {}
        _Bumps ("Bumps", 2D) = "white" {}
        _Data ("Data", 2D) = "white" {}
        _Macro ("Macro", 2D) = "white" {}
    }
    SubShader {
        CGPROGRAM
        #pragma surface surf Standard
        #include "UnityCG.cginc"
        sampler2D _MainTex, _Relief, _Waves; // _Data
        sampler2D _Bumps;
        sampler2D _Data;
        sampler2D _Macro;
        void surf (Input IN, inout SurfaceOutputStandard o) {
            float2 uv = TRANSFORM_TEX(IN.uv, _MainTex);
            fixed4 c = tex2D (_MainTex, uv) * _Color;
            o.Albedo = c.rgb * MACRO(_Macro);
            o.Smoothness = tex2D(_Data, IN.uv_Data).a;
            o.Metallic = tex2D(_Data, IN.uv_Data).r;
            o.Normal = UnpackNormal(tex2D(_Bumps, uv)) + UnpackNormal(tex2D(_Waves, uv));
        }
        ENDCG
    }
}
"""


def test_a_shaders_source_tells_normals_and_channels(root: Path) -> None:
    names = {"_MainTex": "c", "_Relief": "r", "_Waves": "w", "_Bumps": "b", "_Data": "d", "_Macro": "m"}
    files = {name: f"Assets/{letter}.png" for name, letter in names.items()}
    for file in files.values():
        imported(root, file)
    own = shader(root, "Assets/Rock.shader", SOURCE)
    write(root, "Assets/rock.mat", material(own, **files))
    found = {name: only_use(root, file) for name, file in files.items()}
    assert {name: (use.kinds, use.basis, use.channels) for name, use in found.items()} == {
        "_MainTex": ((), "name", "rgb"), "_Relief": (("normal",), "declaration", ""),
        "_Waves": (("normal",), "declaration", "rgb"), "_Bumps": (("normal",), "declaration", "rgb"),
        "_Data": ((), "name", "ra"), "_Macro": ((), "name", ""),
    }  # fmt: skip
    # Another file may read more.
    shader(root, "Assets/Rock.shader", SOURCE.replace("UnityCG.cginc", "Rock.cginc"))
    assert only_use(root, "Assets/d.png").channels == ""


def test_the_standard_shader_reads_alpha_where_the_material_says_so(root: Path) -> None:
    imported(root, "Assets/a.png")
    imported(root, "Assets/m.png")
    text = material(STANDARD, _MainTex="Assets/a.png", _MetallicGlossMap="Assets/m.png")
    write(root, "Assets/rock.mat", text)
    assert only_use(root, "Assets/a.png") == TextureUse(
        kinds=("albedo",), slot="_MainTex", domain="surface", channels="rgb"
    )
    assert only_use(root, "Assets/m.png").channels == "ra"
    for setting in ("_Mode: 1", "_SmoothnessTextureChannel: 1"):
        write(root, "Assets/rock.mat", text.replace("_Cull: 2", f"_Cull: 2\n    - {setting}"))
        assert only_use(root, "Assets/a.png").channels == "rgba"


def test_icons_of_scripts_are_drawn_far_smaller_than_they_are(root: Path) -> None:
    imported(root, "Assets/Icons/jump.png")
    icon = f"  icon: {texture('Assets/Icons/jump.png')}\n"
    text = f"fileFormatVersion: 2\nguid: {TILE}\nMonoImporter:\n  executionOrder: 0\n{icon}  userData: \n"
    write(root, "Assets/Jump.cs.meta", text)
    found = texture_usage(root)["Assets/Icons/jump.png"]
    assert found.domains == {"ui"} and (found.smallest_scale(256, 256) or 1) < 0.1


PARTICLES_UNLIT = "{fileID: 4800000, guid: 0406db5a14f94604a8c57ccfbc9f3b46, type: 3}"


@pytest.mark.parametrize("name", ["Particles/Glow", "Acme/UI/Glow", "Acme/Glow"])
def test_where_a_shader_draws_follows_from_its_name(root: Path, name: str) -> None:
    imported(root, "Assets/a.png")
    own = shader(root, "Assets/Glow.shader", SOURCE.replace("Acme/Rock", name))
    write(root, "Assets/glow.mat", material(own, _MainTex="Assets/a.png"))
    domains = {"Particles/Glow": "particles", "Acme/UI/Glow": "ui"}
    assert only_use(root, "Assets/a.png").domain == domains.get(name)
    write(root, "Assets/glow.mat", material(PARTICLES_UNLIT, _BaseMap="Assets/a.png"))
    assert only_use(root, "Assets/a.png").domain == "particles"


@pytest.mark.parametrize(
    ("kind", "shader", "domain"),
    [(199, URP_LIT, "particles"), (96, OTHER, "particles"), (23, URP_LIT, "surface"), (137, OTHER, "surface"),
     (212, OTHER, "canvas"), (33, OTHER, None)],
)  # fmt: skip
def test_components_tell_where_their_materials_are_seen(
    root: Path, kind: int, shader: str, domain: str | None
) -> None:
    imported(root, "Assets/a.png")
    write(root, "Assets/smoke.mat", material(shader, _BaseMap="Assets/a.png"))
    drawn = material_meta(root, "Assets/smoke.mat")
    write(
        root,
        "Assets/smoke.prefab",
        f"{HEAD}--- !u!{kind} &3\nRenderer:\n  m_GameObject: {{fileID: 1}}\n  m_Materials:\n  - {drawn}\n",
    )
    assert only_use(root, "Assets/a.png").domain == domain


def rect(
    number: int, parent: int, size: str = "{x: 64, y: 32}", anchors: str = "{x: 0.5, y: 0.5}",
    scale: str = "{x: 1, y: 1, z: 1}", least: str = "",
) -> str:  # fmt: skip
    """A game object's rectangle; its ids are `number` and `number` + 1000."""
    return (
        f"--- !u!224 &{number + 1000}\nRectTransform:\n  m_GameObject: {{fileID: {number}}}\n"
        f"  m_LocalScale: {scale}\n  m_Children: []\n  m_Father: {{fileID: {parent and parent + 1000}}}\n"
        f"  m_AnchorMin: {least or anchors}\n  m_AnchorMax: {anchors}\n"
        f"  m_AnchoredPosition: {{x: 3, y: 4}}\n  m_SizeDelta: {size}\n"
    )


def image(number: int, file: str, body: str = "") -> str:
    return (
        f"--- !u!114 &{number + 2000}\nMonoBehaviour:\n  m_GameObject: {{fileID: {number}}}\n"
        f"  m_Script: {{fileID: 11500000, guid: {IMAGE}, type: 3}}\n  m_Sprite: {sprite(file)}\n{body}"
    )


CANVAS = "--- !u!223 &9\nCanvas:\n  m_GameObject: {fileID: 1}\n  m_RenderMode: 0\n"
ROOT = rect(1, 0, "{x: 0, y: 0}", scale="{x: 0, y: 0, z: 0}")


@pytest.mark.parametrize(
    ("scene", "size"),
    [
        (ROOT + CANVAS + rect(2, 1), (64.0, 32.0)),
        (ROOT + CANVAS + rect(2, 1, scale="{x: 0.5, y: 0.5, z: 1}"), (32.0, 16.0)),
        (ROOT + CANVAS + rect(3, 1) + rect(2, 3, "{x: -4, y: 0}", "{x: 1, y: 1}", least="{x: 0, y: 0}"),
         (60.0, 32.0)),
        # The canvas has the screen's size.
        (ROOT + CANVAS + rect(2, 1, "{x: -4, y: -4}", "{x: 1, y: 1}", least="{x: 0, y: 0}"), None),
        (ROOT + CANVAS + rect(2, 1, "{x: 0, y: 0}"), None),
        ("", None),
    ],
)  # fmt: skip
def test_a_rectangle_tells_the_size_of_its_image(
    root: Path, scene: str, size: tuple[float, float] | None
) -> None:
    imported(root, "Assets/a.png")
    write(root, "Assets/main.unity", HEAD + scene + image(2, "Assets/a.png", "  m_Type: 0\n"))
    assert only_use(root, "Assets/a.png") == TextureUse(
        kinds=("ui",), slot="m_Sprite", domain="ui", size=size
    )


def test_a_sliced_image_and_one_of_a_sheet_have_no_size_of_the_whole(root: Path) -> None:
    imported(root, "Assets/a.png")
    head = HEAD + ROOT + CANVAS + rect(2, 1)
    write(root, "Assets/main.unity", head + image(2, "Assets/a.png", "  m_Type: 1\n"))
    assert only_use(root, "Assets/a.png").size is None
    write(root, "Assets/main.unity", head + image(2, "Assets/a.png").replace("21300000", "21300002"))
    assert only_use(root, "Assets/a.png").size is None


def test_a_canvas_in_the_world_is_seen_from_any_distance(root: Path) -> None:
    imported(root, "Assets/a.png")
    world = CANVAS.replace("m_RenderMode: 0", "m_RenderMode: 2")
    write(root, "Assets/main.unity", HEAD + ROOT + world + rect(2, 1) + image(2, "Assets/a.png"))
    assert only_use(root, "Assets/a.png") == TextureUse(kinds=("ui",), slot="m_Sprite", domain="surface")


def renderer(file: str, scale: str, mode: int = 0) -> str:
    return (
        f"--- !u!212 &30\nSpriteRenderer:\n  m_GameObject: {{fileID: 1}}\n  m_Sprite: {sprite(file)}\n"
        f"  m_DrawMode: {mode}\n--- !u!4 &40\nTransform:\n  m_GameObject: {{fileID: 1}}\n"
        f"  m_LocalScale: {{x: {scale}, y: {scale}, z: 1}}\n  m_Father: {{fileID: 0}}\n"
    )


def camera(orthographic: int, size: float) -> str:
    return (
        f"--- !u!20 &{50 + orthographic}\nCamera:\n  orthographic: {orthographic}\n"
        f"  orthographic size: {size}\n"
    )


def test_the_camera_decides_how_large_sprites_are_drawn(root: Path) -> None:
    imported(root, "Assets/a.png")
    write(root, "Assets/a.prefab", HEAD + renderer("Assets/a.png", "0.25"))
    assert only_use(root, "Assets/a.png").scale is None
    # 1080 pixels show 10.8 units of 100 texels each.
    write(root, "Assets/main.unity", HEAD + camera(1, 5.4))
    assert only_use(root, "Assets/a.png").scale == pytest.approx(0.25)
    imported(
        root,
        "Assets/a.png",
        meta("Assets/a.png", replaced={"spritePixelsToUnits: 100": "spritePixelsToUnits: 50"}),
    )
    assert only_use(root, "Assets/a.png").scale == pytest.approx(0.5)
    assert only_use(root, "Assets/a.png").domain == "canvas"
    write(root, "Assets/main.unity", HEAD + camera(0, 5))
    assert only_use(root, "Assets/a.png") == TextureUse(kinds=("sprite",), slot="m_Sprite", domain="surface")


def test_materials_of_unity_5_name_their_slots_in_two_lines(root: Path) -> None:
    imported(root, "Assets/n.png")
    imported(root, "Assets/o.png")
    slots = "".join(
        f"    - first:\n        name: {name}\n      second:\n        m_Texture: {texture(file)}\n"
        "        m_Scale: {x: 1, y: 1}\n"
        for name, file in (("_BumpMap", "Assets/n.png"), ("_OcclusionMap", "Assets/o.png"))
    )
    write(
        root,
        "Assets/rock.mat",
        f"{HEAD}--- !u!21 &2100000\nMaterial:\n  m_Name: rock\n  m_Shader: {STANDARD}\n"
        f"  m_SavedProperties:\n    serializedVersion: 2\n    m_TexEnvs:\n{slots}",
    )
    assert kinds_used(root) == {"Assets/n.png": ["normal"], "Assets/o.png": ["ao"]}


GRAPH = """\
{
    "m_SGVersion": 2,
    "m_Type": "UnityEditor.ShaderGraph.GraphData",
    "m_Properties": []
}

{
    "m_SGVersion": 0,
    "m_Type": "UnityEditor.ShaderGraph.Internal.Texture2DShaderProperty",
    "m_Name": "Relief",
    "m_DefaultReferenceName": "Texture2D_1",
    "m_OverrideReferenceName": "",
    "m_DefaultType": 3
}

{
    "m_SGVersion": 0,
    "m_Type": "UnityEditor.ShaderGraph.Internal.Texture2DShaderProperty",
    "m_Name": "Ambient Occlusion",
    "m_DefaultReferenceName": "Texture2D_2",
    "m_OverrideReferenceName": "_Dirt",
    "m_DefaultType": 0
}

{ broken UnityEditor.ShaderGraph.Internal.Texture2DShaderProperty
"""


def test_a_shader_graph_declares_its_textures(root: Path) -> None:
    names = {"Texture2D_1": "n", "_Dirt": "o", "_MetallicGlossMap": "left_over"}
    files = {name: f"Assets/{file}.png" for name, file in names.items()}
    for file in files.values():
        imported(root, file)
    own = shader(root, "Assets/Rock.shadergraph", GRAPH)
    write(root, "Assets/rock.mat", material(own, **files))
    found = {file: (one.kinds(), one.uses[0].basis) for file, one in texture_usage(root).items()}
    assert found == {"Assets/n.png": (["normal"], "declaration"), "Assets/o.png": (["ao"], "name")}


@pytest.mark.parametrize(
    ("script", "is_owner"),
    [
        ("class A : AssetPostprocessor { void OnPreprocessTexture() {} }", True),
        ("TextureImporter i; i.isReadable = true; i.SaveAndReimport();", True),
        ("TextureImporter i; if (i.isReadable == true) i.SaveAndReimport();", False),
        ("class A : Editor {}", False),
    ],
)
def test_textures_whose_settings_a_packages_editor_scripts_write_are_its_own(
    root: Path, script: str, is_owner: bool
) -> None:
    for file in ("Assets/Acme Terrain/Data/splat.png", "Assets/Acme/rock.png", "Assets/a.png"):
        imported(root, file)
    write(root, "Assets/Acme Terrain/Editor/Importer/Settings.cs", script)
    write(root, "Assets/Editor/Own.cs", script)
    owners = {file: one.owner for file, one in texture_usage(root).items() if one.owner}
    assert owners == ({"Assets/Acme Terrain/Data/splat.png": "Assets/Acme Terrain"} if is_owner else {})


def test_a_folder_with_most_of_the_textures_is_the_games_own(root: Path) -> None:
    for file in ("Assets/_Game/a.png", "Assets/_Game/b.png", "Assets/c.png"):
        imported(root, file)
    write(
        root,
        "Assets/_Game/Editor/Sprites.cs",
        "class A : AssetPostprocessor { void OnPreprocessTexture() {} }",
    )
    assert not any(one.owner for one in texture_usage(root).values())
