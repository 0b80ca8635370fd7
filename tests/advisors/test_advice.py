"""What is advised where an engine's options say more than an intent: of single platforms, and of memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from packaging.version import Version

from bridge.advisors import advice
from bridge.advisors.findings import WARNING
from bridge.advisors.texts import finding_text
from bridge.api import ImageFacts, Platform, TextureIntent, texture_bytes
from bridge.locale import translate
from tests.advisors.desk import WRONG, FakeEngine
from tests.advisors.examinations import imagined
from tests.advisors.judging import OPAQUE

RIGHT = {**WRONG, "mipmaps": True, "block": True}
VERSION = Version("1")
FILE = "wall_albedo.png"


class Phones(FakeEngine):
    """An engine whose phones may have a compression of their own."""

    texture_fields = FakeEngine.texture_fields | {"compression"}

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        wanted = super().compile_texture(intent, present, version)
        if intent.compression is not None:
            blocks = {"phone" if "phone" in present else "block": intent.compression == "block"}
            blocks = {} if present.get("phone") == "locked" else blocks
            wanted |= {name: value for name, value in blocks.items() if present.get(name) != value}
        return wanted

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return super().read_texture(
            {**options, "block": options.get("phone", options["block"]) is True}, version
        )

    def platform_options(
        self, options: Mapping[str, Any], version: Version
    ) -> Mapping[str, Mapping[str, Any]]:
        own = {"Phone": "own", "Tablet": "tablet"}
        return {name: {**options, "phone": options[key]} for name, key in own.items() if key in options}


def found(**options: Any) -> tuple[Any, dict[str, Any]]:
    """The only finding about a texture of a wall, and what settles it."""
    present = {**RIGHT, **options}
    examination = imagined(FILE, "albedo", width=1024, height=1024, entropy=7.0)
    findings = advice.judge(examination, FILE, present, Phones(), VERSION)
    todo = advice.options_for(findings, present, Phones(), VERSION)
    return (findings[0] if findings else None), todo


def test_what_all_platforms_have_is_right() -> None:
    assert found() == (None, {})
    assert found(own=True) == (None, {})


@pytest.mark.parametrize(
    ("options", "platforms"),
    [({"own": False}, ("Phone",)), ({"own": False, "tablet": False}, ("Phone", "Tablet")),
     ({"own": True, "tablet": False}, ("Tablet",)),
     # What can't be set there isn't advised.
     ({"own": "locked", "tablet": False}, ("Tablet",))],
)  # fmt: skip
def test_platforms_that_undo_a_compression_are_named_in_one_finding(
    options: dict[str, Any], platforms: tuple[str, ...]
) -> None:
    finding, todo = found(**options)
    assert (finding.code, finding.rank, finding.platforms) == ("uncompressed", WARNING, platforms)
    shown = finding_text(finding.code, finding.sentence, finding.values)
    assert f"on {', '.join(platforms)}: " in str(shown)
    assert "、".join(platforms) in translate(shown, "zh-CN")
    assert finding.intent == TextureIntent(compression="block")
    assert todo == {"phone": True}


def test_what_holds_everywhere_is_changed_everywhere() -> None:
    finding, todo = found(block=False)
    assert (finding.code, finding.platforms, todo) == ("uncompressed", (), {"block": True})


class Exact(FakeEngine):
    """An engine that keeps its textures by a format that no intent tells."""

    def gpu_memory(
        self, options: Mapping[str, Any], facts: ImageFacts, platform: Platform, version: Version
    ) -> int | None:
        return texture_bytes((1, 1, 1 if options["alpha"] else 3), facts.width, facts.height, False)


def test_memory_is_that_of_the_options() -> None:
    opaque = {"used": False, "constant": 255, "min": 1.0, "max": 1.0, "share_opaque": 1.0,
              "share_transparent": 0.0}  # fmt: skip
    examination = imagined(FILE, "albedo", width=64, height=64, channels=4, has_alpha=True, alpha=opaque)
    told = {f.code: f for f in advice.judge(examination, FILE, RIGHT, Exact(), VERSION)}
    # Without its alpha channel it takes more here, so that nothing is offered.
    assert "alpha_constant" not in told
    assert advice.judge(examination, FILE, RIGHT, FakeEngine(), VERSION) != [*told.values()]


@pytest.mark.parametrize(("adapter", "there"), [(None, True), (FakeEngine(), False)])
def test_what_an_engine_will_decide_is_open_without_settings(adapter: FakeEngine | None, there: bool) -> None:
    opaque = imagined(FILE, "albedo", width=1000, height=1000, entropy=7.0, alpha=OPAQUE, power_of_two=False)
    codes = {each.code for each in advice.judge(opaque, FILE, None, adapter, VERSION)}
    assert ({"alpha_constant", "not_power_of_two"} <= codes) is there
    assert there or not codes
