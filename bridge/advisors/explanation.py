"""Explains a judgement: the evidence with its weights, the findings considered, and what would change it.

Everything is derived from records that the judgement and the rules make themselves (`Evidence.weights`,
`Classification.needs`, `Considered`), so that an explanation can't differ from what was decided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct, field

from accel.text import AnyText, Text, text
from accel.texture.kinds import CLASS_OF, KINDS, Classification, Evidence, Kind
from accel.texture.workloads import Examination
from bridge.advisors.findings import ERROR, NOTE, WARNING, Considered, Finding, not_raised
from bridge.advisors.texts import REASONS, TEXTS, finding_text, join_list
from bridge.advisors.texture_facts import texture_facts
from bridge.core.text import value_text
from bridge.core.textures import CODES, Severity
from bridge.locale import translate

SEVERITY_OF: Mapping[int, Severity] = {ERROR: "error", WARNING: "warning", NOTE: "note"}
NAMES = ("name", "folder", "siblings", "words")
"""Sources of evidence from the names of the file, its folder and its neighbours."""
LEAST_SHOWN = 0.005
"""The minimum probability of a kind to be shown."""

SOURCES: Mapping[str, Text] = {
    "pixels": text("pixels"),
    "name": text("name"),
    "folder": text("folder"),
    "siblings": text("neighbours"),
    "words": text("words"),
    "slot": text("use"),
    "declaration": text("declaration"),
    "settings": text("settings"),
    "project": text("project"),
}
SETTINGS: Mapping[str, Text] = {
    "kind": text("kind"),
    "color_space": text("colour space"),
    "normal_convention": text("green channel"),
    "mipmaps": text("mipmaps"),
    "alpha": text("alpha"),
    "max_size": text("size limit"),
    "wrap": text("wrap"),
    "filter": text("filter"),
    "channels": text("channels"),
}
"""The fields of `TextureIntent`."""
VALUES: Mapping[object, AnyText] = {
    True: text("on"),
    False: text("off"),
    "srgb": "sRGB",
    "linear": text("linear"),
    "opengl": text("up (OpenGL)"),
    "directx": text("down (DirectX)"),
    "none": text("none"),
}
COMPRESSIONS: Mapping[object, AnyText] = {
    "none": text("no compression"),
    "lossless": text("lossless compression"),
    "lossy": text("lossy compression"),
    "block": text("block compression"),
    "block_high": text("high-quality block compression"),
    "universal": "Basis Universal",
}
SEVERITIES: Mapping[Severity, Text] = {
    "error": text("error"),
    "warning": text("warning"),
    "note": text("note"),
}
PLAIN = (
    "kind", "sure", "probability", "class_probability", "needs", "judged_as", "probabilities",
    "not_applicable",
)  # fmt: skip
"""Fields of `Explanation` without sentences."""
ROLE_WORDS: Mapping[str, str] = {
    "albedo": "albedo", "normal": "normal", "height": "height", "roughness": "roughness",
    "specular": "metallic", "ao": "ao", "packed": "orm", "emissive": "emission", "environment": "skybox",
}  # fmt: skip
"""A word at the end of a name that states the kind."""


class WeighedEvidence(Struct, frozen=True):
    """One piece of evidence and what it did to the verdict."""

    source: str
    """As in `texture.classify`."""
    detail: AnyText
    """What was found, in English or translatable."""
    kind: str | None
    """The kind that it supports most."""
    weight: float | None
    """The natural logarithm of the factor by which it changed the odds of the verdict: above 0 for it, below
    0 against it. None for a detail of the evidence before it."""


class ConsideredFinding(Struct, frozen=True):
    """A finding that was raised for the texture, or considered and not raised."""

    code: str
    raised: bool
    severity: Severity | None
    """None if it wasn't raised."""
    message: AnyText
    """The finding's sentence, or why it wasn't raised."""
    options: dict[str, Any] = field(default_factory=dict)
    """The options that fix it, in the engine's own names."""
    present: dict[str, Any] = field(default_factory=dict)
    """Their current values."""


class Explanation(Struct, frozen=True):
    """Why a texture was judged as it was."""

    file: str
    kind: str
    """The most probable kind."""
    sure: bool
    """Whether the rules for a kind were applied."""
    probability: float
    """Of `kind`."""
    class_probability: float
    """Of all kinds that need the same settings as `kind`."""
    needs: float
    """The `class_probability` from which on the kind counts as sure."""
    judged_as: str | None
    """The kind whose rules were applied, which the pixels or the name may prove against the probabilities."""
    probabilities: dict[str, float]
    """The probable kinds, the most probable first."""
    evidence: list[WeighedEvidence]
    findings: list[ConsideredFinding]
    """Those that were raised, the most severe first, then the others."""
    not_applicable: list[str]
    """Codes of findings about other kinds of textures."""
    changes: list[AnyText]
    """What would change the verdict."""


OptionsOf = Callable[[Considered], Mapping[str, Any]]
"""Returns the options that fix a finding."""


def explain(
    examination: Examination,
    file: str,
    considered: Sequence[Considered],
    settings: Mapping[str, Any] | None = None,
    options_of: OptionsOf = lambda each: {},
    **known: Any,
) -> Explanation:
    """Explains the texture at `file`, below the root, from the records of its examination and findings.

    `settings` are its import settings in the engine's own names, `known` the other facts that the rules had,
    as for `texture_facts`.
    """
    found = examination.classification
    judged_as = texture_facts(examination, file, **known).kind
    # No rules are for other data, however sure that is.
    judged_as = None if judged_as == "other" else judged_as
    findings = [_finding(each, settings or {}, options_of) for each in considered]
    applicable = {each.code for each in considered}
    return Explanation(
        file=file,
        kind=found.kind,
        sure=judged_as is not None,
        probability=found.probabilities.get(found.kind, 0.0),
        class_probability=found.confidence,
        needs=found.needs,
        judged_as=judged_as,
        probabilities={
            kind: round(share, 4)
            for kind, share in sorted(found.probabilities.items(), key=lambda item: -item[1])
            if share >= LEAST_SHOWN
        },
        evidence=weigh(found.kind, found.evidence),
        findings=findings,
        not_applicable=[code for code in CODES if code not in applicable],
        changes=[*_other_kinds(found), *_doubts(found, file, judged_as), _ignore(file)],
    )


def with_findings(considered: Iterable[Considered], findings: Iterable[Finding]) -> list[Considered]:
    """Returns the record with `findings` in place of those that were raised for the texture alone: the other
    maps of its material may have changed them."""
    final = [Considered.of(finding) for finding in findings]
    codes = {each.code for each in final}
    others = [each for each in considered if each.code not in codes]
    return [*final, *(not_raised(each.code, "material") if each.finding else each for each in others)]


def weigh(verdict: Kind, evidence: Iterable[Evidence]) -> list[WeighedEvidence]:
    """Returns the evidence with the change of the log-odds of `verdict` that each piece made, one after the
    other: their sum leads from equal probabilities to the verdict's.
    """
    logs = dict.fromkeys(KINDS, 0.0)
    odds = _log_odds(verdict, logs)
    weighed = []
    for each in evidence:
        weight = None
        if each.weights or each.text is None or each.source != "pixels":
            _add(logs, each)
            now = _log_odds(verdict, logs)
            weight, odds = round(now - odds, 2), now
        weighed.append(WeighedEvidence(each.source, _detail(each, verdict), each.kind, weight))
    return weighed


def _add(logs: dict[Kind, float], evidence: Evidence) -> None:
    for kind in KINDS:
        logs[kind] += evidence.weights.get(kind, 0.0)


def _log_odds(verdict: Kind, logs: Mapping[Kind, float]) -> float:
    """Returns log(p / (1 - p)) of `verdict`."""
    others = [log for kind, log in logs.items() if kind != verdict]
    most = max(others)
    return logs[verdict] - most - math.log(sum(math.exp(log - most) for log in others))


def _detail(evidence: Evidence, verdict: Kind) -> AnyText:
    if evidence.source == "pixels" and evidence.text is None and evidence.kind:
        return text("look like: {kind}", kind=kind_text(evidence.kind))
    if evidence.source == "slot" and evidence.kind:
        return text("used as: {kind}", kind=kind_text(evidence.kind))
    if evidence.source == "settings" and evidence.kind:
        return text("imported as: {kind}", kind=kind_text(evidence.kind))
    detail = evidence.text or evidence.detail
    if evidence.weights and evidence.kind not in (None, verdict):
        return text("{detail} ({kind})", detail=detail, kind=kind_text(evidence.kind or ""))
    return detail


def _finding(considered: Considered, settings: Mapping[str, Any], options_of: OptionsOf) -> ConsideredFinding:
    finding = considered.finding
    if finding is not None:
        options = dict(options_of(considered))
        return ConsideredFinding(
            finding.code,
            True,
            SEVERITY_OF.get(finding.rank, "note"),
            finding_text(finding.code, finding.sentence, finding.values),
            options,
            {name: settings.get(name) for name in options},
        )
    values = considered.values
    if considered.reason == "settled":
        values = {"settings": join_list(map(_setting, values, values.values()))}
    elif considered.reason == "same_fix":
        values = {"codes": join_list(values["codes"])}
    message = REASONS.get(considered.reason, REASONS["unmet"]).fill(**values)
    return ConsideredFinding(considered.code, False, None, message)


def _setting(name: str, value: object) -> AnyText:
    if name == "compression":
        return COMPRESSIONS.get(value, str(value))
    if name == "kind":
        shown: AnyText = kind_text(str(value))
    elif isinstance(value, str | bool):
        shown = VALUES.get(value, str(value))
    else:
        shown = value_text(value)
    return text("{setting} {value}", setting=SETTINGS.get(name, name), value=shown)


def _other_kinds(found: Classification) -> Iterator[AnyText]:
    """Yields the verdicts without one source of evidence, or without all names, where they differ."""
    sources = list(dict.fromkeys(each.source for each in found.evidence if each.weights))
    groups: list[tuple[str, ...]] = [(source,) for source in sources if source != "pixels"]
    if sum(source in NAMES for source in sources) > 1:
        groups.append(NAMES)
    is_sure = found.confidence >= found.needs
    for group in groups:
        shares = _shares([each for each in found.evidence if each.source not in group])
        best = max(shares, key=lambda kind: shares[kind])
        share = sum(each for kind, each in shares.items() if CLASS_OF[kind] == CLASS_OF[best])
        was_same = CLASS_OF[best] == CLASS_OF[found.kind]
        if was_same and not (is_sure and share < found.needs):
            continue
        values = {
            "evidence": text("all names") if group == NAMES else SOURCES[group[0]],
            "kind": kind_text(best),
            "share": f"{shares[best]:.0%}",
        }
        template = (
            text("Without the evidence of {evidence}: {kind}, {share}, not sure enough.")
            if was_same
            else text("Without the evidence of {evidence}: {kind}, {share}.")
        )
        yield template.fill(**values)


def _shares(evidence: Iterable[Evidence]) -> dict[Kind, float]:
    logs = dict.fromkeys(KINDS, 0.0)
    for each in evidence:
        _add(logs, each)
    most = max(logs.values())
    raised = {kind: math.exp(log - most) for kind, log in logs.items()}
    return {kind: each / sum(raised.values()) for kind, each in raised.items()}


def _doubts(found: Classification, file: str, judged_as: Kind | None) -> Iterator[AnyText]:
    if judged_as is not None:
        return
    place = PurePosixPath(file)
    word = ROLE_WORDS.get(found.kind)
    if word is None:
        yield text("A use in a material or scene would settle its kind.")
    else:
        yield text(
            "A name that states the kind, such as `{name}`, or a use in a material would settle it.",
            name=f"{place.stem}_{word}{place.suffix}",
        )


def _ignore(file: str) -> Text:
    return text("`ignore` in popbridge.toml silences all findings about `{file}`.", file=file)


def kind_text(kind: str) -> AnyText:
    """Returns the name of a kind."""
    return TEXTS.get(f"kind_{kind}", kind)


def factor_text(weight: float) -> str:
    """Returns the factor of the odds, `×12` or `÷2.4`."""
    factor = math.exp(min(abs(weight), math.log(10_000)))
    shown = f"{factor:.1f}" if factor < 9.95 else f"{factor:,.0f}"
    return ("×" if weight >= 0 else "÷") + shown


def verdict_text(found: Explanation) -> AnyText:
    """Returns the first line: the kind, its probability, and whether it is sure."""
    values = {
        "kind": kind_text(found.kind),
        "share": f"{found.probability:.0%}",
        "class_share": f"{found.class_probability:.0%}",
        "needs": f"{found.needs:.0%}",
        "judged_as": kind_text(found.judged_as or found.kind),
    }
    if found.judged_as not in (None, found.kind):
        return text("{kind}, {share}. Judged as {judged_as}, which pixels or name prove.", **values)
    if found.sure and found.class_probability < found.needs:
        return text("{kind}, {share}. Sure: the pixels prove it.", **values)
    if found.sure:
        return text(
            "{kind}, {share}. Sure: {class_share} for kinds with the same settings, needs {needs}.", **values
        )
    if found.needs > 1:
        return text("{kind}, {share}. Never sure enough for advice.", **values)
    return text(
        "{kind}, {share}. Not sure: {class_share} for kinds with the same settings, needs {needs}.", **values
    )


def lines(found: Explanation) -> list[AnyText]:
    """Returns the explanation as lines for a popup: findings, verdict, evidence and what would change it."""
    result: list[AnyText] = [
        text("{severity}: {message}", severity=SEVERITIES[each.severity], message=each.message)
        for each in found.findings
        if each.severity is not None
    ]
    result.append(verdict_text(found))
    for heading, sign in ((text("For: {evidence}"), 1), (text("Against: {evidence}"), -1)):
        pieces = [each for each in found.evidence if each.weight and each.weight * sign > 0]
        if pieces:
            pieces.sort(key=lambda each: -abs(each.weight or 0.0))
            result.append(heading.fill(evidence=join_list(map(_piece, pieces))))
    return [*result, *found.changes]


def _piece(evidence: WeighedEvidence) -> Text:
    return text(
        "{source} {detail} {factor}",
        source=SOURCES.get(evidence.source, evidence.source),
        detail=evidence.detail,
        factor=factor_text(evidence.weight or 0.0),
    )


def plain(found: Explanation, locale: str) -> dict[str, Any]:
    """Returns the explanation as plain values, with all sentences in the language of `locale`."""
    return {
        **{name: getattr(found, name) for name in PLAIN},
        "evidence": [
            {
                "source": each.source,
                "detail": translate(each.detail, locale),
                "kind": each.kind,
                "weight": each.weight,
            }
            for each in found.evidence
        ],
        "findings": [
            {
                "code": each.code,
                "raised": each.raised,
                "severity": each.severity,
                "message": translate(each.message, locale),
                "options": each.options,
                "present": each.present,
            }
            for each in found.findings
        ],
        "changes": [translate(each, locale) for each in found.changes],
    }
