"""Settings that several textures share, as in an atlas or a texture group: one fix for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version

from accel.texture.workloads import Examination
from bridge.advisors.advice import (
    Asset,
    FileAdvice,
    Stamp,
    UnitTexture,
    digest,
    judge,
    options_for,
    settle,
)
from bridge.advisors.findings import NOTE, Finding
from bridge.advisors.texture_facts import facts_of, memory_changes, memory_of
from bridge.api import Adapter, TextureIntent
from bridge.core.textures import NO_USES, TextureUses
from bridge.host.observation import file_of


class UnitMember(Struct, frozen=True):
    """A texture of a unit with its findings."""

    asset: Asset
    examination: Examination
    findings: Sequence[Finding]
    uses: TextureUses = NO_USES
    preview: str | None = None
    stamp: Stamp | None = None

    def judge(
        self, options: Mapping[str, Any], adapter: Adapter, version: Version, max_size: int
    ) -> set[str]:
        """Returns the codes of what would be wrong with other `options`."""
        file = self.asset.file
        found = judge(self.examination, file, options, adapter, version, max_size=max_size, uses=self.uses)
        return {finding.code for finding in found if finding.rank > NOTE}


def settle_unit(
    members: Sequence[UnitMember],
    findings: Mapping[str, Sequence[Finding]],
    adapter: Adapter,
    version: Version,
    max_size: int,
) -> FileAdvice | None:
    """Combines the findings about a unit's textures, by path, with the options that fix all of them; None
    without findings.

    `members` are all known textures of one unit, which have the same options. A fix that two of them want
    differently, or that would be wrong for one of them, isn't made: its findings are told and name those
    textures. Raises ContractViolation and the adapter's exceptions.
    """
    members = sorted(members, key=lambda member: member.asset.path)
    concerned = [member for member in members if findings.get(member.asset.path)]
    if not concerned:
        return None
    options = members[0].asset.options
    conflicts = _conflicts(members, findings, adapter, version, max_size)
    merged = [
        _of_texture(finding, member.asset.file, finding.code in conflicts)
        for member in concerned
        for finding in findings[member.asset.path]
    ]
    merged.sort(key=lambda finding: -finding.rank)
    first = concerned[0]
    path = first.asset.unit
    unit = replace(first.asset, path=path, file=file_of(path), has_file=False)
    advice = settle(unit, first.examination, merged, adapter, version, first.preview)
    memory: dict[str, tuple[int, int]] = {}
    for member in members:
        facts = facts_of(member.examination.inspection)
        now = memory_of(facts, options, adapter, version)
        for platform, (before, after) in memory_changes(
            now, memory_of(facts, {**options, **advice.options}, adapter, version)
        ).items():
            earlier = memory.get(platform, (0, 0))
            memory[platform] = earlier[0] + before, earlier[1] + after
    textures = [
        UnitTexture(
            member.asset.path,
            member.asset.file,
            digest(member.examination.fingerprint.file),
            member.stamp,
            member.asset.has_file,
        )
        for member in members
    ]
    content = digest([(texture.path, texture.content) for texture in textures])
    return replace(
        advice,
        content=content,
        state=digest(content, options),
        about=None,
        memory=memory,
        textures=textures,
        conflicts=conflicts,
    )


def _of_texture(finding: Finding, file: str, is_conflict: bool) -> Finding:
    finding = replace(finding, texture=file)
    return replace(finding, intent=TextureIntent(), memory={}) if is_conflict else finding


def _conflicts(
    members: Sequence[UnitMember],
    findings: Mapping[str, Sequence[Finding]],
    adapter: Adapter,
    version: Version,
    max_size: int,
) -> dict[str, list[str]]:
    """Returns the codes whose fix isn't right for all textures, with the files for which it is wrong."""
    options = members[0].asset.options
    by_code: dict[str, list[tuple[UnitMember, Finding]]] = {}
    for member in members:
        for finding in findings.get(member.asset.path, ()):
            if finding.applicable:
                by_code.setdefault(finding.code, []).append((member, finding))
    # What is wrong anyway isn't the fix's fault.
    wrong = {member.asset.path: member.judge(options, adapter, version, max_size) for member in members}
    conflicts: dict[str, list[str]] = {}
    merged: dict[str, Any] = {}
    for code, wishes in by_code.items():
        wanted: dict[str, Any] = {}
        differing: dict[str, None] = {}
        for member, finding in wishes:
            todo = options_for([finding], options, adapter, version)
            if any(name in wanted and wanted[name] != value for name, value in todo.items()):
                differing[member.asset.file] = None
            wanted |= todo
        if not differing:
            differing = _worse(members, wrong, {**options, **wanted}, adapter, version, max_size)
        if not differing and any(name in merged and merged[name] != wanted[name] for name in wanted):
            differing = {member.asset.file: None for member, _ in wishes}
        if differing:
            conflicts[code] = list(differing)
        else:
            merged |= wanted
    both = _worse(members, wrong, {**options, **merged}, adapter, version, max_size) if merged else {}
    return {code: list(both) for code in by_code} | conflicts if both else conflicts


def _worse(
    members: Sequence[UnitMember],
    wrong: Mapping[str, set[str]],
    options: Mapping[str, Any],
    adapter: Adapter,
    version: Version,
    max_size: int,
) -> dict[str, None]:
    """Returns the files about which something would be wrong with `options` that isn't now."""
    return {
        member.asset.file: None
        for member in members
        if member.judge(options, adapter, version, max_size) - wrong[member.asset.path]
    }
