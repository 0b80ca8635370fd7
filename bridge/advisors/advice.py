"""What is advised for each file, as a popup keeps it between its question and the answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace
from packaging.version import Version

from accel.texture.workloads import Examination
from bridge.advisors.findings import Finding, find
from bridge.advisors.naming import channel_order
from bridge.advisors.texture_facts import (
    changes,
    confidence_percent,
    is_judged_by_project,
    memory_of,
    name_words,
    texture_facts,
    texture_of,
)
from bridge.api import Adapter
from bridge.core.errors import ContractViolation
from bridge.core.textures import TextureIntent
from bridge.host import validation

Mark = bytes
"""What is said of which state of which file: a digest of its path, that state, and the finding's code."""


Stamp = tuple[int, int, int]
"""A file's size, bytes, when it was written, and when its metadata changed (on Windows: when it was made),
nanoseconds since 1970."""


class Asset(Struct, frozen=True):
    """A texture as the editor reported it; everything in it comes from outside."""

    path: str
    file: str
    type: str
    options: dict[str, Any]


class TextureSummary(Struct, frozen=True, gc=False):
    """What a texture is, as a popup says it."""

    kind: str
    sure: int
    """Percent, of its class; 0 where only the pixels' own proof says it."""
    words: list[str]
    """What its name and the materials that use it say, for example `_nrm`."""
    channels: dict[str, str]
    """What packed channels hold, by `r`, `g`, `b` and `a`; empty where that isn't sure."""
    by_project: bool = False
    """Whether the other textures of its project speak for that, too."""


class FileAdvice(Struct, frozen=True, gc=False):
    """What is advised for one file."""

    path: str
    """The engine's name for it."""
    file: str
    """Its place below the project's root."""
    findings: list[Finding]
    options: dict[str, Any]
    """What to set, in the engine's own names; empty where only the file itself could change."""
    present: dict[str, Any]
    """The same options as they are now."""
    content: str
    """Digest of the file."""
    state: str
    """Digest of that and of the import settings that it has."""
    preview: str | None = None
    about: TextureSummary | None = None
    """None where what it is isn't sure."""
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By platform: bytes of the GPU's memory now and with `options`, where that differs and is known."""
    stamp: Stamp | None = None
    """The file's when it was judged; None where that couldn't tell it from a later one."""

    @property
    def rank(self) -> int:
        return max(finding.rank for finding in self.findings)

    @property
    def folder(self) -> str:
        """Below the project's root; empty for the root itself."""
        folder = PurePosixPath(self.file).parent.as_posix()
        return "" if folder == "." else folder

    def marks(self) -> set[Mark]:
        """What is said of which state of the file, so as not to say it twice.

        What only the author can mend stays, whatever the settings are.
        """
        return self.once() | {_mark(self.path, self.state, f.code) for f in self.findings if f.applicable}

    def once(self) -> set[Mark]:
        """Those of what only the author can mend."""
        return {_mark(self.path, self.content, f.code) for f in self.findings if not f.applicable}


class Applied(Struct, frozen=True, tag_field="kind", tag="applied"):
    """The state of a popup that offers to undo."""

    receipts: list[int] = field(default_factory=list)


def judge(
    examination: Examination,
    file: str,
    options: Mapping[str, Any] | None,
    adapter: Adapter | None,
    version: Version | None,
    *,
    max_size: int = 4096,
) -> list[Finding]:
    """What could be better about one texture, the worst first; pure, and empty where unsure.

    `examination` is the value of `texture.examine` (`msgspec.convert(value, Examination)`), `file` the
    texture's place below the project's root, `options` its present import settings in the engine's own names,
    `max_size` the longest side that is accepted, pixels. Without an adapter, a version or options (None) only
    facts about the file itself are found, none of them `applicable`.

    Each finding with `applicable` changes something in this version: `options_for` says what. The others are
    for the file's author. `rank` is WRONG (it looks wrong in the game), WASTE (memory or quality) or NOTE
    (true, and no reason to interrupt anybody: the popups leave it out). `say(finding.sentence, locale,
    **finding.values)` of `bridge.advisors.texts` is its sentence.
    """
    if adapter is None or version is None or options is None:
        return find(texture_facts(examination, file, max_size=max_size))
    found: list[tuple[Finding, dict[str, Any]]] = []
    texture = texture_of(examination, file, options, adapter, version, max_size)
    for finding in find(texture, adapter.packed_channels):
        todo = options_for([finding], options, adapter, version) if finding.applicable else {}
        # What sets nothing isn't in this version's power; what an earlier one sets too is the same mistake.
        if not finding.applicable or (todo and not any(todo.items() <= worse.items() for _, worse in found)):
            found.append((finding, todo))
    said = [finding for finding, _ in found]
    said += _on_platforms(examination, file, options, adapter, version)
    return sorted(said, key=lambda finding: -finding.rank)


def _on_platforms(
    examination: Examination, file: str, options: Mapping[str, Any], adapter: Adapter, version: Version
) -> Iterator[Finding]:
    """Compression that a platform's own options undo: one finding for all that do so."""
    undone: dict[str, Finding] = {}
    for name, part in adapter.platform_options(options, version).items():
        for finding in find(texture_of(examination, file, part, adapter, version)):
            intent = finding.intent.only(adapter.texture_fields)
            if finding.code == "uncompressed" and adapter.compile_texture(intent, part, version):
                undone[name] = finding
    for finding in list(undone.values())[:1]:
        values = {"platforms": list(undone)}
        memory = {name: sizes for one in undone.values() for name, sizes in one.memory.items()}
        yield replace(
            finding, sentence="uncompressed_on", values=values, platforms=tuple(undone), memory=memory
        )


def summarize_texture(examination: Examination, file: str) -> TextureSummary | None:
    """What a texture is, for people; None where that isn't sure enough to advise by."""
    found, texture = examination.classification, texture_facts(examination, file)
    if texture.kind is None:
        return None
    # Pixels alone may say normals where the model isn't sure.
    share = confidence_percent(found) if found.advise else 0.0
    order = channel_order(texture.image, file) if texture.kind == "packed" else None
    return TextureSummary(
        texture.kind,
        min(99, int(share * 100)),
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
    """One file's findings with the options that settle them all."""
    options = options_for(findings, asset.options, adapter, version)
    content = examination.fingerprint.file
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
        memory=_gain(asset, examination, options, adapter, version),
        stamp=stamp,
    )


def _gain(
    asset: Asset, examination: Examination, options: Mapping[str, Any], adapter: Adapter, version: Version
) -> dict[str, tuple[int, int]]:
    """Bytes of the GPU's memory before and after, by platform, where they are known and differ."""
    image = examination.inspection
    before = memory_of(image, asset.options, adapter, version)
    return changes(before, memory_of(image, {**asset.options, **options}, adapter, version))


def options_for(
    findings: Iterable[Finding], options: Mapping[str, Any], adapter: Adapter, version: Version
) -> dict[str, Any]:
    """What to set so that all of `findings` are settled, in the engine's own names; the rest stays.

    Raises NotAsPromised for what no popup could keep, and whatever else the adapter raises.
    """
    findings, intent = list(findings), TextureIntent()
    for finding in findings:
        if not finding.platforms:
            intent = finding.intent.over(intent)
    todo = dict(_compiled(intent, options, adapter, version))
    for finding in findings:
        todo |= _for_platforms(finding, options, adapter, version)
    return todo


def _for_platforms(
    finding: Finding, options: Mapping[str, Any], adapter: Adapter, version: Version
) -> dict[str, Any]:
    """What to set on the platforms that a finding is about; nothing for one that holds everywhere."""
    parts = adapter.platform_options(options, version) if finding.platforms else {}
    todo = (
        _compiled(finding.intent, parts[name], adapter, version)
        for name in finding.platforms
        if name in parts
    )
    return {name: value for part in todo for name, value in part.items()}


def _compiled(
    intent: TextureIntent, options: Mapping[str, Any], adapter: Adapter, version: Version
) -> dict[str, Any]:
    """What `compile_texture` gives. Raises NotAsPromised for other than a dict of plain types by name."""
    todo = adapter.compile_texture(intent.only(adapter.texture_fields), options, version)
    given = validation.check_options(todo, adapter.name)
    try:
        msgspec.to_builtins(given, builtin_types=(bytes,))
    except (TypeError, ValueError, RecursionError) as error:
        raise ContractViolation(f"{adapter.name}: compile_texture gave {given!r:.80} ({error})") from None
    return given


def digest(*values: object) -> str:
    """Of plain values, 64 bits as 16 hexadecimal digits."""
    encoded = msgspec.msgpack.encode(values, order="sorted", enc_hook=repr)
    return hashlib.sha256(encoded).hexdigest()[:16]


def _mark(*said: str) -> Mark:
    return hashlib.blake2b(msgspec.msgpack.encode(said), digest_size=16).digest()


def sort_advice(files: Iterable[FileAdvice]) -> list[FileAdvice]:
    """The worst first, then by name."""
    return sorted(files, key=lambda file: (-file.rank, file.file))


def is_covered(rules: Mapping[str, Sequence[str]], file: str, code: str) -> bool:
    """Whether a person wants `code` settled without being asked in one of the folders that hold `file`.

    A rule for the root is for the files that lie there, not for the whole project. Upper and lower case are
    alike, as in patterns.
    """
    place = file.casefold()
    return any(
        code in codes and (place.startswith(f"{folder.casefold()}/") if folder else "/" not in file)
        for folder, codes in rules.items()
    )
