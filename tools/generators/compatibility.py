"""docs/reference/compatibility.md and the table of both READMEs: what works with which engine, how surely.

Everything about tests comes from docs/reference/compatibility.json, which `tools/compatibility.py` writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import msgspec
from msgspec import Struct

from bridge.api import Adapter
from bridge.core.versions import lowest
from tools.generators import _first_party, _markdown

TARGET = Path("docs/reference/compatibility.md")
RECORD = Path("docs/reference/compatibility.json")


class Simulated(Struct, frozen=True):
    """A simulated editor, and the checks that it passed."""

    adapter: str
    version: str
    """As the engine prints it."""
    exact: bool
    """Whether the adapter's range contains it; else there was a notice."""
    checks: Sequence[str]


class Real(Struct, frozen=True):
    """A real editor, and the checks that it passed."""

    version: str
    """As the engine prints it."""
    checks: Sequence[str]


class Record(Struct):
    """What the tests have shown."""

    checks: dict[str, str] = {}
    """What each check shows."""
    simulated: dict[str, Simulated] = {}
    """By engine and release: `unity 2022.3.62f1`."""
    editors: dict[str, Real] = {}
    """Real editors by the adapter's name."""
    runtimes: dict[str, list[str]] = {}
    """By engine: what ran the addon's own code, beside a stand-in for the editor."""


WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "head": "Engine|Audit without editor|Audit `--fix`|Popup, fix, undo in the editor|Tested with",
        "yes": "✅ yes", "since": "✅ {version} and later",
        "editor_only": "❌ in the editor only", "images": "⚠️ loose images only",
        "partly": "⚠️ partly: pixels from source images only",
        "addon": "✅ {word}", "addon_unproven": "⚠️ {word}",
        "godot": "addon", "unity": "package", "unreal": "plugin", "and": ", ",
        "real": "✅ **real editor** {versions}; {n} simulated versions",
        "runtime": "⚠️ **never in a real {engine}**; its code on {runtimes}; {n} simulated versions",
        "none": "⚠️ **never in a real {engine}**; {n} simulated versions",
        "symbols": "✅ works · ⚠️ has limits, or was never seen in the real editor · ❌ doesn't work",
    },
    "zh": {
        "head": "引擎|脱机检查|检查 `--fix`|编辑器内弹窗、修复、撤销|测试方式",
        "yes": "✅ 支持", "since": "✅ {version} 及以上",
        "editor_only": "❌ 仅在编辑器中", "images": "⚠️ 仅零散图像",
        "partly": "⚠️ 部分支持：像素仅取自源图像", "addon": "✅ {word}", "addon_unproven": "⚠️ {word}",
        "godot": "插件", "unity": "软件包", "unreal": "插件", "and": "、",
        "real": "✅ **真实编辑器** {versions}；{n} 个版本的模拟编辑器",
        "runtime": "⚠️ **从未在真实的 {engine} 中运行**；自身代码在 {runtimes} 上运行；{n} 个版本的模拟编辑器",
        "none": "⚠️ **从未在真实的 {engine} 中运行**；{n} 个版本的模拟编辑器",
        "symbols": "✅ 可用并经验证 · ⚠️ 有限制，或未在真实编辑器中验证 · ❌ 不支持",
    },
}  # fmt: skip
"""The words of the table, in both languages."""


def files() -> dict[Path, str]:
    record = read()
    never = sorted({one.engine.capitalize() for one in _adapters() if not _reals(record, one.engine)})
    values = {
        "notice": _markdown.NOTICE.format(source="the adapters and tests/conformance"),
        "matrix": matrix("en"),
        "symbols": WORDS["en"]["symbols"],
        "never": " and ".join(never) or "none",
        "versions": _markdown.table(("version", "adapter", "checks", "seen in"), _versions(record)),
        "checks": _markdown.table(
            ("check", "what it shows", "also seen in the real editor"),
            ((f"`{name}`", text, _real_editors(name, record)) for name, text in record.checks.items()),
        ),
    }  # fmt: skip
    return {TARGET: _markdown.fill("compatibility.md", values)}


def read() -> Record:
    """Raises FileNotFoundError, or ValidationError for another layout."""
    return msgspec.json.decode((_markdown.ROOT / RECORD).read_bytes(), type=Record)


def matrix(language: str) -> str:
    """The table of a README: adapters of one engine that differ in nothing share a row."""
    record, words = read(), WORDS[language]
    rows: list[tuple[str, ...]] = []
    for engine, adapters in groupby(_adapters(), lambda adapter: adapter.engine):
        for (cells, _), grouped in groupby(
            adapters, lambda one: (_cells(one, record, words), record.editors.get(one.name))
        ):
            group = list(grouped)
            names = [adapter.name for adapter in group]
            if cells[0] == words["yes"] and group[0].older_versions:
                oldest = _shown(engine, str(lowest(group[0].older_versions)))
                cells = (words["since"].format(version=oldest), *cells[1:])
            known = [one for one in record.simulated.values() if one.exact and one.adapter in names]
            shown = list(dict.fromkeys(_shown(engine, one.version) for one in known))
            span = shown[0] if len(shown) == 1 else f"{shown[0]}–{shown[-1]}"
            tested = _tested(engine, names, record, words)
            rows.append((f"**{engine.capitalize()}** {span}", *cells, tested))
    return _markdown.table(words["head"].split("|"), rows)


def _adapters() -> list[Adapter]:
    order = {"godot": 0, "unity": 1, "unreal": 2}
    return sorted(
        _first_party.registry().adapters, key=lambda one: (order.get(one.engine, 3), lowest(one.versions))
    )


def _cells(adapter: Adapter, record: Record, words: Mapping[str, str]) -> tuple[str, ...]:
    """What an adapter offers, as its records and the checks say."""
    in_files = all("files" in one.checks for one in record.simulated.values() if one.adapter == adapter.name)
    audit = "yes" if in_files else "images" if adapter.project is None else "partly"
    proven = "addon" if _reals(record, adapter.engine) else "addon_unproven"
    addon = words[proven].format(word=words.get(adapter.engine, words["godot"]))
    return words[audit], words["yes" if in_files else "editor_only"], addon


def _tested(engine: str, names: Sequence[str], record: Record, words: Mapping[str, str]) -> str:
    simulated = sum(one.adapter in names and one.exact for one in record.simulated.values())
    real = [_feature(one.version) for name, one in record.editors.items() if name in names]
    if real:
        return words["real"].format(versions=", ".join(real), n=simulated)
    key = "runtime" if record.runtimes.get(engine) else "none"
    runtimes = words["and"].join(record.runtimes.get(engine, ()))
    return words[key].format(engine=engine.capitalize(), runtimes=runtimes, n=simulated)


def _versions(record: Record) -> Iterator[tuple[str, ...]]:
    for name, one in record.simulated.items():
        engine, release = name.split()
        real = record.editors.get(one.adapter)
        seen = "simulated editor"
        if one.exact and real and _feature(real.version) == _feature(one.version):
            seen = f"**real editor** ({real.version}), {seen}"
        yield (
            f"{engine.capitalize()} {release}{'' if one.exact else ' (newer than all known)'}",
            f"{one.adapter}{'' if one.exact else ', with a notice'}",
            f"all {len(one.checks)} passed",
            seen,
        )


def _real_editors(check: str, record: Record) -> str:
    found = [
        f"{adapter.engine.capitalize()} {_feature(real.version)}"
        for adapter in _adapters()
        if (real := record.editors.get(adapter.name)) and check in real.checks
    ]
    return ", ".join(found) or "–"


def _reals(record: Record, engine: str) -> list[Real]:
    names = {adapter.name for adapter in _adapters() if adapter.engine == engine}
    return [real for name, real in record.editors.items() if name in names]


def _feature(version: str) -> str:
    """The release without patches and stages: 4.6 of `4.6.3.stable.official`."""
    found = re.match(r"\d+\.\d+", version)
    assert found is not None
    return found[0]


def _shown(engine: str, version: str) -> str:
    """A version as people call it: Unity's 6000.3 is Unity 6.3."""
    major, minor = _feature(version).split(".")
    return f"6.{minor}" if engine == "unity" and major == "6000" else f"{major}.{minor}"
