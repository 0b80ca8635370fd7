"""The advice on one texture: findings, the options that fix them, and the data that a popup stores."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace
from packaging.version import Version

from accel.texture.kinds import percent
from accel.texture.verdict import conclude
from accel.texture.workloads import Examination
from bridge.advisors.findings import NOTE, Considered, Finding, consider, find, not_raised
from bridge.advisors.naming import channel_order
from bridge.advisors.texture_facts import (
    facts_of,
    is_judged_by_project,
    memory_changes,
    memory_of,
    name_words,
    texture_facts,
    texture_of,
)
from bridge.api import Adapter
from bridge.core.errors import ContractViolation
from bridge.core.textures import NO_USES, TextureIntent, TextureUse, TextureUses
from bridge.host import validation
from bridge.host.observation import asset_name

Mark = bytes
"""Digest of a file's path, its content, a finding's code and the settings that fix it: what was settled isn't
asked again."""

Stamp = tuple[int, int, int]
"""A file's size in bytes, and when its content and its metadata changed (on Windows: when it was created),
nanoseconds since 1970."""


class Asset(Struct, frozen=True):
    """A texture as the editor reported it; untrusted."""

    path: str
    file: str
    """Below the project's root; of a texture without a file, the name that rules and advice use."""
    type: str
    options: dict[str, Any]
    has_file: bool = True
    blob: str = ""
    """The SHA-256 of its pixels, if the editor uploaded them."""
    used_as: tuple[TextureUse, ...] = ()
    """The uses that the editor knows."""
    unit: str = ""
    """The path of what holds `options`, if that isn't the texture alone."""


class UnitTexture(Struct, frozen=True, gc=False):
    """One of the textures whose settings a unit holds, as it was judged."""

    path: str
    file: str
    content: str
    """Digest of the file."""
    stamp: Stamp | None = None
    has_file: bool = True


class TextureSummary(Struct, frozen=True, gc=False):
    """A texture's kind, with evidence."""

    kind: str
    sure: int
    """Confidence in its class, percent."""
    words: list[str]
    """Evidence in its name and the materials that use it, for example `_nrm`."""
    channels: dict[str, str]
    """Meaning of each packed channel, by `r`, `g`, `b` and `a`; empty if unsure."""
    by_project: bool = False
    """Whether the other textures of its project suggest it, too."""


class FileAdvice(Struct, frozen=True, gc=False):
    """The advice on one file."""

    path: str
    """The engine's name for it."""
    file: str
    """Path below the project's root."""
    findings: list[Finding]
    options: dict[str, Any]
    """The options that fix the findings, in the engine's own names; empty if no option does."""
    present: dict[str, Any]
    """Current values of the same options."""
    content: str
    """Digest of the file."""
    state: str
    """Digest of the file and its import settings."""
    preview: str | None = None
    about: TextureSummary | None = None
    """None if its kind isn't sure."""
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By platform: bytes of GPU memory now and with `options`, where known and different."""
    stamp: Stamp | None = None
    """The file's when it was judged; None if that can't identify it."""
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The `options` by the code of the finding that they fix; empty in popups of older versions."""
    joint: bool = False
    """Whether the findings can only be fixed together, as their options depend on each other."""
    has_file: bool = True
    """Whether `file` is a file, and not only a name for what has none below the root."""
    textures: list[UnitTexture] = field(default_factory=list)
    """If this is a unit: the known textures whose settings it holds. `path` is the unit's."""
    conflicts: dict[str, list[str]] = field(default_factory=dict)
    """By the code of a finding that isn't fixed: files of the unit for which the fix would be wrong."""

    @property
    def paths(self) -> set[str]:
        """The engine's names for all that the advice is about."""
        return {self.path, *(texture.path for texture in self.textures)}

    @property
    def item_path(self) -> str:
        """The path in a popup's list, by which editors find the texture and ask about it."""
        return self.file if self.has_file else self.path

    @property
    def name(self) -> str:
        """The name for people."""
        return asset_name(self.path, self.file)

    @property
    def is_joint(self) -> bool:
        return self.joint or not self.changes

    def fixes(self) -> Mapping[str, Mapping[str, Any]]:
        """Returns the options that fix each finding, by its code."""
        return self.changes or {
            finding.code: self.options for finding in self.findings if finding.applicable and self.options
        }

    def only(self, codes: Container[str]) -> FileAdvice:
        """Returns the advice on the fixable findings with these codes, with their options alone."""
        return self.with_findings([f for f in self.findings if f.applicable and f.code in codes])

    def with_findings(self, findings: Sequence[Finding]) -> FileAdvice:
        """Returns the advice on some of its findings; `memory` stays that of all of them."""
        if len(findings) == len(self.findings):
            return self
        fixes = {f.code: dict(self.fixes()[f.code]) for f in findings if f.code in self.fixes()}
        options = {name: value for each in fixes.values() for name, value in each.items()}
        present = {name: self.present.get(name) for name in options}
        return replace(self, findings=list(findings), changes=fixes, options=options, present=present)

    @property
    def rank(self) -> int:
        return max(finding.rank for finding in self.findings)

    @property
    def folder(self) -> str:
        """Below the project's root; empty for the root itself."""
        return self.file.rpartition("/")[0]

    @property
    def folders(self) -> list[str]:
        """The folders of its textures, sorted: a rule for all of them fixes it without asking."""
        files = [texture.file for texture in self.textures] or [self.file]
        return sorted({file.rpartition("/")[0] for file in files})

    def marks(self) -> set[Mark]:
        """Returns the marks of its findings."""
        return {self.mark(finding) for finding in self.findings}

    def once(self) -> set[Mark]:
        """Returns the marks of findings that no import setting fixes."""
        return {self.mark(finding) for finding in self.findings if not finding.applicable}

    def mark(self, finding: Finding) -> Mark:
        """Returns the mark of a finding: it depends on the file, and on the settings that fix the finding."""
        if not finding.applicable:
            return _mark(self.path, self.content, finding.code)
        if not self.changes:
            return _mark(self.path, self.state, finding.code)
        own = {name: self.present.get(name) for name in self.fixes().get(finding.code, ())}
        return _mark(self.path, digest(self.content, own), finding.code)

    def is_settled(self, finding: Finding, settled: Container[Mark]) -> bool:
        """Whether a finding's mark is in `settled`; those of older versions depend on all settings."""
        return self.mark(finding) in settled or _mark(self.path, self.state, finding.code) in settled

    def unsettled(self, settled: Container[Mark], asked: Container[Mark] = ()) -> FileAdvice | None:
        """Returns the advice on findings that aren't settled, or that an open popup asks about (`asked`);
        None without any. Findings that are fixed together stay together."""
        left = [f for f in self.findings if self.is_settled(f, asked) or not self.is_settled(f, settled)]
        if self.is_joint and any(finding.applicable for finding in left):
            left = [finding for finding in self.findings if finding.applicable or finding in left]
        return self.with_findings(left) if left else None


class Applied(Struct, frozen=True, tag_field="kind", tag="applied"):
    """The state of a popup that offers to undo."""

    receipts: list[int] = field(default_factory=list)
    rules: list[tuple[str, str]] = field(default_factory=list)
    """The rules that the answer added: folder and code."""


DECIDED_BY_ENGINES = frozenset({"alpha_constant", "not_power_of_two"})
"""Codes of findings about loose files that an engine's import may settle."""


def judge(
    examination: Examination,
    file: str,
    options: Mapping[str, Any] | None,
    adapter: Adapter | None,
    version: Version | None,
    *,
    max_size: int = 4096,
    uses: TextureUses = NO_USES,
) -> list[Finding]:
    """Returns the findings about one texture, sorted by severity; pure, and empty if unsure.

    `examination` is the value of `texture.examine` (`msgspec.convert(value, Examination)`), `file` the
    texture's path below the project's root, `options` its import settings in the engine's own names,
    `max_size` the accepted longest side, pixels, and `uses` what the project uses it as. Without an adapter,
    a version or options (None) only facts about the file itself are found, none of them `applicable`. A
    texture that an addon writes has no findings.

    Each `applicable` finding changes an option in this version: `options_for` returns it. The others are for
    the file's author. `bridge.advisors.texts.finding_text` is a finding's sentence.
    """
    considered = judge_all(examination, file, options, adapter, version, max_size=max_size, uses=uses)
    return [each.finding for each in considered if each.finding is not None]


def judge_all(
    examination: Examination,
    file: str,
    options: Mapping[str, Any] | None,
    adapter: Adapter | None,
    version: Version | None,
    *,
    max_size: int = 4096,
    uses: TextureUses = NO_USES,
) -> list[Considered]:
    """Returns the findings of `judge`, then those that were considered and not raised, with reasons."""
    if uses.owner:
        return []
    if adapter is None or version is None or options is None:
        loose = consider(texture_facts(examination, file, max_size=max_size, uses=uses))
        # An engine may drop an opaque alpha channel and resize: its settings, which are missing, decide that.
        return [each for each in loose if adapter is None or each.code not in DECIDED_BY_ENGINES]
    found: list[tuple[Considered, dict[str, Any]]] = []
    others: list[Considered] = []
    texture = texture_of(examination, file, options, adapter, version, max_size, uses)
    for each in consider(texture, adapter.packed_channels):
        if (finding := each.finding) is None:
            others.append(each)
            continue
        todo = options_for([finding], options, adapter, version) if finding.applicable else {}
        same = [worse.code for worse, worse_todo in found if todo and todo.items() <= worse_todo.items()]
        # One that sets nothing can't be fixed in this version; one whose options another sets is the same,
        # except for what the engine does by itself.
        if not finding.applicable or (todo and (finding.rank == NOTE or not same)):
            found.append((each, todo))
        else:
            others.append(not_raised(each.code, "same_fix" if same else "not_in_version", codes=same))
    raised = [each for each, _ in found]
    raised += map(Considered.of, _on_platforms(examination, file, options, adapter, version, uses))
    codes = {each.code for each in raised}
    return [
        *sorted(raised, key=lambda each: -each.finding.rank if each.finding else 0),
        *(each for each in others if each.code not in codes),
    ]


def _on_platforms(
    examination: Examination,
    file: str,
    options: Mapping[str, Any],
    adapter: Adapter,
    version: Version,
    uses: TextureUses,
) -> Iterator[Finding]:
    """Yields one finding for all platforms whose own settings disable compression."""
    uncompressed: dict[str, Finding] = {}
    for name, part in adapter.platform_options(options, version).items():
        for finding in find(texture_of(examination, file, part, adapter, version, uses=uses)):
            intent = finding.intent.only(adapter.texture_fields)
            if finding.code == "uncompressed" and adapter.compile_texture(intent, part, version):
                uncompressed[name] = finding
    for finding in list(uncompressed.values())[:1]:
        values = {"platforms": list(uncompressed)}
        memory = {name: sizes for one in uncompressed.values() for name, sizes in one.memory.items()}
        yield replace(
            finding, sentence="uncompressed_on", values=values, platforms=tuple(uncompressed), memory=memory
        )


def summarize_texture(examination: Examination, file: str) -> TextureSummary | None:
    """Returns the texture's kind with evidence; None if it isn't sure enough for advice."""
    found = conclude(examination.classification, examination.inspection)
    texture = texture_facts(examination, file)
    if texture.kind is None or texture.kind == "other":
        return None
    order = channel_order(texture.image, file) if texture.kind == "packed" else None
    return TextureSummary(
        texture.kind,
        percent(found.confidence),
        name_words(found.kind, found.evidence),
        dict(order or {}),
        is_judged_by_project(found.kind, found.evidence),
    )


def settle(
    asset: Asset,
    examination: Examination,
    findings: Sequence[Finding],
    adapter: Adapter,
    version: Version,
    preview: str | None = None,
    stamp: Stamp | None = None,
) -> FileAdvice:
    """Combines one file's findings with the options that fix all of them."""
    options = options_for(findings, asset.options, adapter, version)
    changes, joint = _changes_by_code(findings, options, asset.options, adapter, version)
    content, facts = examination.fingerprint.file, facts_of(examination.inspection)
    return FileAdvice(
        path=asset.path,
        file=asset.file,
        findings=list(findings),
        options=options,
        present={name: asset.options.get(name) for name in options},
        content=digest(content),
        state=digest(content, asset.options),
        preview=preview,
        about=summarize_texture(examination, asset.file),
        memory=memory_changes(
            memory_of(facts, asset.options, adapter, version),
            memory_of(facts, {**asset.options, **options}, adapter, version),
        ),
        stamp=stamp,
        changes=changes,
        joint=joint,
        has_file=asset.has_file,
    )


def _changes_by_code(
    findings: Sequence[Finding],
    options: Mapping[str, Any],
    present: Mapping[str, Any],
    adapter: Adapter,
    version: Version,
) -> tuple[dict[str, dict[str, Any]], bool]:
    """Returns the part of `options` that fixes each finding, by its code, and whether the parts depend on
    each other: the options that fix one finding alone may differ from those that fix all."""
    changes: dict[str, dict[str, Any]] = {}
    joint = False
    for code in dict.fromkeys(finding.code for finding in findings if finding.applicable):
        alone = options_for([f for f in findings if f.code == code], present, adapter, version)
        joint = joint or any(name not in options or options[name] != value for name, value in alone.items())
        changes[code] = {name: options[name] for name in alone if name in options}
    covered = {name for each in changes.values() for name in each}
    left = {name: value for name, value in options.items() if name not in covered}
    if changes and (left or not all(changes.values())):
        changes = {code: each or dict(options) for code, each in changes.items()}
        next(iter(changes.values())).update(left)
        joint = True
    return changes, joint


def options_for(
    findings: Iterable[Finding], options: Mapping[str, Any], adapter: Adapter, version: Version
) -> dict[str, Any]:
    """Returns the options to set to fix all of `findings`, in the engine's own names.

    Raises ContractViolation for values that can't be stored, and the adapter's exceptions.
    """
    findings, intent = list(findings), TextureIntent()
    for finding in findings:
        if not finding.platforms:
            intent = finding.intent.over(intent)
    todo = dict(_compiled(intent, options, adapter, version))
    for finding in findings:
        parts = adapter.platform_options(options, version) if finding.platforms else {}
        for name in finding.platforms:
            if name in parts:
                todo |= _compiled(finding.intent, parts[name], adapter, version)
    return todo


def _compiled(
    intent: TextureIntent, options: Mapping[str, Any], adapter: Adapter, version: Version
) -> dict[str, Any]:
    """Calls `compile_texture`. Raises ContractViolation unless it returns a dict of plain types."""
    todo = adapter.compile_texture(intent.only(adapter.texture_fields), options, version)
    checked = validation.check_options(todo, adapter.name)
    try:
        msgspec.to_builtins(checked, builtin_types=(bytes,))
    except (TypeError, ValueError, RecursionError) as error:
        raise ContractViolation(f"{adapter.name}: compile_texture gave {checked!r:.80} ({error})") from None
    return checked


def digest(*values: object) -> str:
    """Returns a digest of plain values: 64 bits as 16 hexadecimal digits."""
    encoded = msgspec.msgpack.encode(values, order="sorted", enc_hook=repr)
    return hashlib.sha256(encoded).hexdigest()[:16]


def _mark(*parts: str) -> Mark:
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=16).digest()


def sort_advice(files: Iterable[FileAdvice]) -> list[FileAdvice]:
    """Sorts by severity, then by name."""
    return sorted(files, key=lambda file: (-file.rank, file.file))


def is_covered(rules: Mapping[str, Sequence[str]], file: str, code: str) -> bool:
    """Whether a rule fixes `code` without asking in one of the folders above `file`.

    A rule for the root is for the files in it, not for the whole project. Case is ignored, as in patterns.
    """
    path = file.casefold()
    return any(
        code in codes and (path.startswith(f"{folder.casefold()}/") if folder else "/" not in file)
        for folder, codes in rules.items()
    )
