"""What an adapter of a plugin gives to set is held against what was promised, before a popup keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bridge.advisors.advice import options_for
from bridge.advisors.findings import Finding
from bridge.api import Adapter, TextureIntent, Version, VersionScheme
from bridge.core.errors import ContractViolation
from bridge.host.isolation import describe

MIPMAPS = Finding("no_mipmaps", 1, "no_mipmaps", {}, TextureIntent(mipmaps=True))


class Odd(Adapter):
    name = "odd1"
    engine = "odd"
    versions = ">=1"
    scheme = VersionScheme(engine="odd", stages={})
    texture_fields = frozenset({"mipmaps"})

    def __init__(self, gives: Any) -> None:
        self.gives = gives

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        options: dict[str, Any] = self.gives
        return options

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return TextureIntent()

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        return intent


def test_options_of_plain_types_are_taken_as_they_are() -> None:
    given = {"mips": True, "raw": b"\xff", "name": "\udcff", "size": [1, 2.5]}
    assert options_for([MIPMAPS], {}, Odd(given), Version("1")) == given


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, ["None", "a dict of options"]),
        ({1: True}, ["{1: True}", "a dict of options"]),
        ({"mips": 1j}, ["{'mips': 1j}", "complex"]),
    ],
)  # fmt: skip
def test_others_name_the_adapter_and_what_it_gave(given: Any, says: list[str]) -> None:
    with pytest.raises(ContractViolation) as error:
        options_for([MIPMAPS], {}, Odd(given), Version("1"))
    said = str(describe(error.value))
    assert said.startswith("odd1: compile_texture ") and all(each in said for each in says)
