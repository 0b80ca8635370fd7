from collections.abc import Mapping, Sequence
from typing import Any

from bridge.api import Adapter, TextureIntent, Version, VersionScheme, hookimpl


class Acme4(Adapter):
    """Acme 4: one import option, `GenerateMips`."""

    name = "acme4"
    engine = "acme"
    versions = ">=4,<5"
    scheme = VersionScheme(engine="acme", stages={"beta": "b"})
    texture_fields = frozenset({"mipmaps"})

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        if intent.mipmaps is None or intent.mipmaps == present.get("GenerateMips"):
            return {}
        return {"GenerateMips": intent.mipmaps}

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return TextureIntent(mipmaps=options.get("GenerateMips"))

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        return intent.only(self.texture_fields)


@hookimpl
def popbridge_adapters() -> Sequence[Adapter]:
    return [Acme4()]
