"""The plugin of the import advisor."""

from __future__ import annotations

from bridge.advisors.import_flow import TextureImportAdvisor
from bridge.api import Advisor, hookimpl
from bridge.paths import Paths


@hookimpl
def popbridge_advisors() -> list[Advisor]:
    """The import advisor."""
    return [TextureImportAdvisor(Paths.find().cache)]
