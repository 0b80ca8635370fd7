"""The same mipmaps and compression for all maps of a material, or the reason why one is left without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace as replace_fields
from pathlib import PurePosixPath
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version

from accel.texture.kinds import Kind
from accel.texture.workloads import Examination
from bridge.advisors.advice import options_for
from bridge.advisors.findings import NOTE, Finding, find
from bridge.advisors.naming import material_key
from bridge.advisors.texture_facts import TextureFacts, texture_of
from bridge.api import Adapter
from bridge.core.textures import DISTANT_DOMAINS, MATERIAL_KINDS, NO_USES, TextureUses

TREATMENTS: Mapping[str, str] = {"no_mipmaps": "mipmaps", "uncompressed": "compression"}
"""The settings that the maps of a material share, by the code of the finding."""
SURFACES = MATERIAL_KINDS - {"height"}

One = TypeVar("One")


class SetMember(Struct, frozen=True):
    """A map of a material with its findings."""

    file: str
    """Path below the project's root."""
    examination: Examination
    options: Mapping[str, Any] | None
    """Import settings in the engine's own names; None without any."""
    findings: Sequence[Finding]
    uses: TextureUses = NO_USES


def material_batches(items: Iterable[One], file: Callable[[One], str], count: int) -> Iterator[list[One]]:
    """Yields all items in batches of about `count`, without splitting a material's maps."""
    sets: dict[tuple[str, str], list[One]] = {}
    for item in items:
        sets.setdefault(material_key(file(item)), []).append(item)
    batch: list[One] = []
    for members in sets.values():
        batch += members
        if len(batch) >= count:
            yield batch
            batch = []
    if batch:
        yield batch


def unite_materials(
    members: Sequence[SetMember], adapter: Adapter, version: Version, max_size: int
) -> dict[str, list[Finding]]:
    """Returns the findings, by file, of those maps that the others of their material change.

    A map that would be left without a treatment that another gets is judged as part of the material; if it
    is still left, the others' findings say why. Raises the adapter's exceptions.
    """
    sets: dict[tuple[str, str], list[SetMember]] = {}
    for member in members:
        if member.options is not None:
            sets.setdefault(material_key(member.file), []).append(member)
    changed: dict[str, list[Finding]] = {}
    for maps in sets.values():
        if len(maps) > 1 and any(_treated(member) for member in maps):
            changed |= _unite(maps, adapter, version, max_size)
    return changed


def _treated(member: SetMember) -> list[Finding]:
    return [
        one for one in member.findings if one.code in TREATMENTS and one.rank > NOTE and not one.platforms
    ]


def _unite(
    maps: Sequence[SetMember], adapter: Adapter, version: Version, max_size: int
) -> dict[str, list[Finding]]:
    findings = {member.file: list(member.findings) for member in maps}
    before = {file: list(found) for file, found in findings.items()}
    for code in TREATMENTS:
        leads = [member for member in maps if any(one.code == code for one in _treated(member))]
        others = [member for member in maps if all(one.code != code for one in member.findings)]
        if not leads:
            continue
        like = PurePosixPath(leads[0].file).name
        left: dict[str, str] = {}
        for member in others:
            texture = _as_part(member, adapter, version, max_size)
            found = () if member.uses.owner else find(texture)
            finding = next((one for one in found if one.code == code), None)
            options = member.options or {}
            if finding is not None and options_for([finding], options, adapter, version):
                finding = replace(finding, values={**finding.values, "like": like})
                findings[member.file] = sorted([*findings[member.file], finding], key=lambda one: -one.rank)
            elif reason := reason_left(texture, code):
                left[PurePosixPath(member.file).name] = reason
        if left:
            for member in leads:
                findings[member.file] = [
                    replace(one, values={**one.values, "left": left}) if one.code == code else one
                    for one in findings[member.file]
                ]
    return {file: found for file, found in findings.items() if found != before[file]}


def _as_part(member: SetMember, adapter: Adapter, version: Version, max_size: int) -> TextureFacts:
    """Returns the facts about a map as part of its material, of its likeliest kind."""
    examination = member.examination
    options = member.options or {}
    texture = texture_of(examination, member.file, options, adapter, version, max_size, member.uses)
    likely: list[Kind] = [*member.uses.kinds("slot", "declaration"), examination.classification.kind]
    kind = texture.kind or next((one for one in likely if one in SURFACES), None)
    return replace_fields(texture, kind=kind, in_material=True)


def reason_left(texture: TextureFacts, code: str) -> str:
    """Returns the key, in `texts.LEFT`, of the reason for leaving a map without a treatment; empty if it has
    the treatment already, or its settings don't decide it.
    """
    present = getattr(texture.present, TREATMENTS[code])
    blocked = present not in (None, "none", "lossless", "lossy")
    if texture.uses.owner:
        return "owner"
    if TREATMENTS[code] not in texture.decides or (present is True if code == "no_mipmaps" else blocked):
        return ""
    if texture.kind is None:
        return "unsure"
    if texture.kind == "height":
        return "height"
    if not texture.surface:
        return "alpha" if texture.kind == "normal" and not texture.opaque else "2d"
    if texture.present.filter == "nearest":
        return "filter"
    if code == "no_mipmaps" and not texture.image.entropy:
        return "plain"
    if code == "no_mipmaps":
        near = bool(texture.uses.domains) and not texture.uses.domains & DISTANT_DOMAINS
        return "use" if near or texture.mipmaps_unread else "size"
    if texture.kind == "normal" and texture.alpha_is_read:
        return "alpha"
    if texture.kind == "normal" and texture.normals_ruled_out:
        return "chosen"
    return "content" if texture.fits_blocks else "size"
