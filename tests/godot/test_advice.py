"""What is advised for each kind of texture, in the exact options of each generation of Godot."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import Version

from bridge.advisors.advice import judge, options_for
from bridge_godot.adapter import Godot3, Godot4
from tests.advisors.examinations import imagined
from tests.godot.test_textures import DEFAULTS

USED = {
    "used": True, "constant": None, "min": 0.0, "max": 1.0, "share_opaque": 0.5, "share_transparent": 0.5,
}  # fmt: skip
OPAQUE = {**USED, "used": False, "constant": 255, "min": 1.0, "share_opaque": 1.0, "share_transparent": 0.0}
VECTORS = {
    "unit_length": 0.99, "tolerance": 0.05, "mean": (0.5, 0.5, 0.9), "flat": 0.0, "convention": "directx",
    "convention_confidence": 0.95,
}  # fmt: skip
SRGB = {"flags/srgb": 1}

G4_SURFACE = {"compress/mode": 2, "mipmaps/generate": True}
G3_SURFACE = {"compress/mode": 2, "flags/mipmaps": True}

GOLDEN: list[tuple[str, Any, dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # file, kind, facts, changed from the defaults, Godot 3, Godot 4
    ("rock_normal.png", "normal", {"normals": VECTORS}, {},
     {"compress/normal_map": 1, "flags/srgb": 0, "process/normal_map_invert_y": True, **G3_SURFACE},
     {"compress/normal_map": 1, "process/normal_map_invert_y": True, **G4_SURFACE}),
    ("rock_albedo.png", "albedo", {}, {}, G3_SURFACE, G4_SURFACE),
    ("rock_albedo.png", "albedo", {}, {"compress/normal_map": 1},
     {"compress/normal_map": 2, **G3_SURFACE}, {"compress/normal_map": 2, **G4_SURFACE}),
    ("rock_roughness.png", "roughness", {"grey": True, "channels": 1}, SRGB,
     {"flags/srgb": 0, **G3_SURFACE}, G4_SURFACE),
    ("rock_ao.png", "ao", {"grey": True, "channels": 1}, {}, G3_SURFACE, G4_SURFACE),
    ("rock_metallic.png", "specular", {"grey": True, "channels": 1}, SRGB,
     {"flags/srgb": 0, **G3_SURFACE}, G4_SURFACE),
    ("rock_height.png", "height", {"grey": True, "channels": 1}, {**SRGB, "compress/mode": 1},
     {"flags/srgb": 0, "compress/mode": 0}, {"compress/mode": 0, "detect_3d/compress_to": 0}),
    ("rock_orm.png", "packed", {}, SRGB,
     {"flags/srgb": 0, **G3_SURFACE}, {"compress/high_quality": True, **G4_SURFACE}),
    ("rock_emissive.png", "emissive", {}, {}, G3_SURFACE, G4_SURFACE),
    ("sprites/a.png", "sprite",
     {"width": 64, "height": 64, "hard_edges": 0.9, "channels": 4, "alpha": USED},
     {"compress/mode": 2},
     {"compress/mode": 0}, {"compress/mode": 0, "detect_3d/compress_to": 0}),
    ("hero.png", "sprite", {"channels": 4, "alpha": USED},
     {"flags/mipmaps": True, "mipmaps/generate": True}, {}, {}),
    ("ui/button.png", "ui", {"width": 192, "height": 64, "channels": 4, "alpha": USED},
     {"flags/mipmaps": True, "mipmaps/generate": True},
     {"flags/mipmaps": False}, {"mipmaps/generate": False, "detect_3d/compress_to": 0}),
    ("ui/panel.png", "ui", {"channels": 4, "alpha": OPAQUE}, {}, {}, {}),
    ("sky.hdr", "environment", {"bit_depth": 32}, {}, {}, {}),
    ("photo.png", None, {"width": 300, "height": 200, "power_of_two": False}, {}, {}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("file", "kind", "facts", "changed", "godot3", "godot4"), GOLDEN)
@pytest.mark.parametrize("version", ["3.5", "3.6", "4.2", "4.6.3"])
def test_each_kind_gets_exactly_these_options(
    file: str, kind: Any, facts: Any, changed: Any, godot3: Any, godot4: Any, version: str
) -> None:
    adapter = Godot3() if version.startswith("3") else Godot4()
    known = DEFAULTS[adapter.name]
    options = {**known, **{name: value for name, value in changed.items() if name in known}}
    findings = judge(imagined(file, kind, **facts), file, options, adapter, Version(version))
    advised = [finding for finding in findings if finding.applicable]
    changes = options_for(advised, options, adapter, Version(version))
    # `detect_3d` of Godot 3 is told apart in its own tests.
    changes.pop("detect_3d", None)
    assert changes == (godot3 if adapter.name == "godot3" else godot4)
    again = judge(imagined(file, kind, **facts), file, {**options, **changes}, adapter, Version(version))
    assert [finding.code for finding in again if finding.applicable] == [], "advised once more"


@pytest.mark.parametrize(("adapter", "version"), [(Godot3(), "3.6"), (Godot4(), "4.6")])
def test_the_gain_is_in_godots_own_formats(adapter: Any, version: str) -> None:
    facts = {"width": 2048, "height": 2048, "channels": 4, "alpha": OPAQUE}
    options = {**DEFAULTS[adapter.name], "mipmaps/generate": True, "flags/mipmaps": True}
    findings = judge(imagined("a_albedo.png", "albedo", **facts), "a_albedo.png", options, adapter,
                     Version(version))  # fmt: skip
    gain = next(finding.memory for finding in findings if finding.code == "uncompressed")
    # 2048 x 2048 with mipmaps: 4 bytes for a texel, 8 bytes for a block of 4 x 4.
    assert gain == {"desktop": (22_369_620, 2_796_216), "mobile": (22_369_620, 2_796_216)}


def test_a_texture_that_no_option_could_mend_is_judged_by_its_file_alone() -> None:
    findings = judge(imagined("a.png", None, width=9000), "a.png", None, Godot4(), Version("4.6"))
    assert [(finding.code, finding.applicable) for finding in findings] == [("too_large", False)]
