"""What is asked about each texture of a project: what is known of it beside its pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bridge.advisors.findings import WRONG
from bridge.api import Kind, TextureAsset
from bridge.audit.examine import Question
from bridge.audit.plain import is_unicode
from bridge.audit.project import Project
from bridge.audit.results import Issue, Row

NEIGHBOURS = 12
"""Names before and after a texture's own that are told as its siblings: a set of one material lies together,
and all names of a folder for each of its files would cost the square of their number."""


def questions(
    project: Project, assets: Sequence[TextureAsset], uses: Mapping[str, Sequence[Kind]], use_names: bool
) -> Iterator[Question]:
    """One for each texture."""
    names = [asset.file.rpartition("/") for asset in assets]
    for at, asset in enumerate(assets):
        params: dict[str, Any] = {
            "use_name": use_names,
            "siblings": _siblings(names, at) if use_names else [],
            "slots": list(uses.get(asset.file, ())),
            "imported_as": _imported_as(project, asset),
        }
        yield Question(asset.file, params)


def unlisted(project: Project, asset: TextureAsset) -> Row | None:
    """The row of what isn't a texture but a folder that can't be listed; None for all others."""
    if not asset.problem or asset.options is not None or not (project.root / asset.file).is_dir():
        return None
    issue = Issue("unlisted", WRONG, "unlisted", {"reason": asset.problem})
    return Row(asset.file, asset.path, [issue], asset.options)


def _siblings(names: Sequence[tuple[str, str, str]], at: int) -> list[str]:
    near = range(max(0, at - NEIGHBOURS), min(len(names), at + NEIGHBOURS + 1))
    found = [names[place][2] for place in near if place != at and names[place][0] == names[at][0]]
    return [name for name in found if is_unicode(name)]


def _imported_as(project: Project, asset: TextureAsset) -> Kind | None:
    adapter, version = project.adapter, project.version
    if adapter is None or version is None or asset.options is None:
        return None
    try:
        return adapter.read_texture(asset.options, version).kind
    # An adapter is a plugin: what it can't read says nothing.
    except (Exception, SystemExit):
        return None
