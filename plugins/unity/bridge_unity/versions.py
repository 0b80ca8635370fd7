"""Unity's version strings, and what its versions differ in.

Source: the branches 2021.3 to 6000.7 of UnityCsReference (`TextureImporter*`, `NamedBuildTarget`,
`TextureImporterInspector`), and files that these editors wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from bridge.api import AnyText, Remark, VersionScheme, plural, text
from bridge_unity.importer_settings import DISPLAY_NAMES, FORMATS, platforms

# f and p are releases (f1 < f2 < p1), which PEP 440 can only express as post-releases.
SCHEME = VersionScheme(
    engine="unity",
    stages={"a": "a", "b": "b", "f": ".post", "p": ".post1000"},
    title="Unity",
    example="2022.3.62f1",
)
"""Unity's version strings, such as `2022.3.62f1` or `6000.5.0b4`: alpha < beta < final < patch."""

SIGNED = frozenset(name for name in FORMATS.values() if name.endswith("_SIGNED"))
PVRTC = frozenset(name for name in FORMATS.values() if name.startswith("PVRTC"))


class UnityVersion(Struct, frozen=True):
    """What one range of versions has."""

    lacks: Mapping[str, str]
    """The settings that it doesn't have, and the first version that does."""
    lacks_formats: Mapping[str, str]
    """The texture formats that it doesn't have, and the first version that does."""
    obsolete_formats: frozenset[str]
    """The texture formats that it still imports, but will not for ever."""

    def refusal(self, name: str, value: Any) -> AnyText:
        """Returns why a setting can't have a value in this version; empty if it can, or for None."""
        own = name.rpartition(".")[2]
        if value is not None and own in self.lacks:
            return text(
                "{name} is a setting of Unity {version} and later.", name=own, version=self.lacks[own]
            )
        if own == "format" and isinstance(value, str) and value in self.lacks_formats:
            first = self.lacks_formats[value]
            return text("{name} is a format of Unity {version} and later.", name=value, version=first)
        return ""

    def remarks(self, options: Mapping[str, Any]) -> Iterator[Remark]:
        """Yields a remark on a texture with an obsolete format."""
        for platform in platforms(options):
            name = options.get(f"{platform}.format")
            if isinstance(name, str) and name in self.obsolete_formats:
                shown = DISPLAY_NAMES.get(platform, platform)
                yield Remark(
                    "unity.obsolete_format",
                    "note",
                    text(
                        "{format} is obsolete since Unity 6000.3 and will be removed. Choose ASTC for "
                        "{platform}.",
                        format=name,
                        platform=shown,
                    ),
                    ABOUT_OBSOLETE,
                    plural("{n} texture uses an obsolete format", "{n} textures use obsolete formats", 1),
                    text("Obsolete format"),
                )


ABOUT_OBSOLETE = text(
    "Unity 6000.3 marks PVRTC as obsolete. Every iPhone and iPad since 2014 also reads ASTC, which looks "
    "better."
)

_SIGNED_SINCE_6000 = dict.fromkeys(SIGNED, "6000.0")

UNITY2021 = UnityVersion(
    lacks={
        "flipGreenChannel": "2022.1", "swizzle": "2022.1",
        "ignoreMipmapLimit": "2022.2", "mipmapLimitGroupName": "2022.2",
    },
    lacks_formats=_SIGNED_SINCE_6000,
    obsolete_formats=frozenset(),
)  # fmt: skip
UNITY2022 = UnityVersion(
    lacks={},
    lacks_formats=_SIGNED_SINCE_6000,
    obsolete_formats=frozenset(),
)
UNITY6 = UnityVersion(
    lacks={},
    lacks_formats={},
    obsolete_formats=frozenset(),
)
UNITY6_3 = UnityVersion(
    lacks={},
    lacks_formats={},
    obsolete_formats=PVRTC,
)
