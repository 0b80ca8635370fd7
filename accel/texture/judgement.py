"""Combines evidence of pixels, names and the project into a classification, with explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from accel.image.decode import decode_image
from accel.image.hashes import fingerprint_of
from accel.image.inspect import inspect_picture
from accel.image.operations.analysis import Fingerprint
from accel.image.pixel_data import DecodedImage
from accel.image.records import Inspection
from accel.text import Text, plural, text
from accel.texture.kinds import CLASS_OF, KINDS, LEARNED_KINDS, Classification, Evidence, Kind
from accel.texture.layouts import Layout, recognise
from accel.texture.model import (
    Inputs,
    Judgement,
    extract,
    is_confident,
    model,
    needed_share,
    pad,
    weights_by_kind,
)
from accel.texture.naming import NUMBERED, Cue, Words, known_words, other_word, read_name, vocabulary
from accel.texture.verdict import (
    LEAST,
    PROVED,
    WORD,
    classification,
    conclude,
    is_certain_normal_map,
    is_contradicted,
    log_ratios,
    pin,
)
from accel.texture.workloads import Examination, Examine, Surroundings
from accel.workload import Input, Item, Limits, Outcome, Output, OutputFile, WorkloadError

Features = Mapping[str, float]


def explanations(features: Features, kind: Kind) -> list[Text]:
    """Returns readable facts that support `kind`."""
    return [fact for fact in _OF[kind](features) if fact]


Facts = Sequence[Text | None]


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _normal(found: Features) -> Facts:
    if found["pair.no_blue"] > 0.9:
        share = _percent(found["pair.disc"])
        return [text("red and green fit unit vectors {share}, blue is empty", share=share)]
    up = found["unit.up"]
    return [
        text("unit vectors {share}", share=_percent(found["unit.near"])),
        text("undisturbed surface {share}", share=_percent(up)) if up > 0.5 else None,
    ]


def _grey(found: Features) -> Facts:
    if found["grey.exact"] > 0.99:
        return [text("grey everywhere")]
    nearly = found["grey.nearly"]
    return [text("grey {share}", share=_percent(nearly)) if nearly > 0.6 else None]


def _packed(found: Features) -> Facts:
    constant = round(found["constant.channels"])
    least = min(found["edge.both_rg"], found["edge.both_rb"], found["edge.both_gb"])
    return [
        text("channels share {share} of their edges", share=_percent(least)),
        plural("{n} constant channel", "{n} constant channels", constant) if constant else None,
    ]


def _emissive(found: Features) -> Facts:
    black = found["black"]
    return [
        text("black {share}", share=_percent(black)) if black > 0.3 else None,
        text("lit {share}", share=_percent(found["lit.share"])),
    ]


def _cut(found: Features) -> Facts:
    clear, colors = found["alpha.clear"], round(2 ** found["palette.count"])
    return [
        text("transparent {share}", share=_percent(clear)) if clear > 0.02 else None,
        plural("{n} colour", "{n} colours", colors) if found["palette.count"] < 8 else None,
    ]


def _environment(found: Features) -> Facts:
    return [
        text("light brighter than white") if found["stored.peak"] > 1.1 else None,
        text("twice as wide as high") if found["size.twice"] else None,
        text("faces of a cube") if found["size.cross"] or found["size.strip"] else None,
    ]


def _albedo(found: Features) -> Facts:
    seams = max(found["seam.rows"], found["seam.columns"])
    return [text("copies meet without a seam") if seams < 0.1 and found["seam.rows_step"] > 0.004 else None]


_OF: dict[Kind, Callable[[Features], Facts]] = {
    "albedo": _albedo, "normal": _normal, "height": _grey, "roughness": _grey, "specular": _grey,
    "ao": _grey, "packed": _packed, "emissive": _emissive, "sprite": _cut, "ui": _cut,
    "environment": _environment, "other": lambda found: [],
}  # fmt: skip


Floats = NDArray[np.float64]

SLOT = 6.0
"""Log-likelihood ratio of a use: a material's slot, a scene, a shader's declaration. It is the project's own
word."""
USE_DOUBT = 0.02
"""The minimum probability of a kind that a texture is used as, before SLOT is added: pixels and names never
outweigh a use, but where they disagree with it the class stays too uncertain for advice."""

NAMED_SLOT = 3.0
"""Log-likelihood ratio of a custom property's name. Assumed: about a plain word in a file's name."""

IMPORTED = 0.7
"""Log-likelihood ratio of the present import settings, which are often only the engine's defaults."""

DOUBT = 4e-3
"""The minimum probability by pixels before other evidence is added, so that nothing is ruled out."""

LIKENESS = 0.02
"""The minimum probability of a kind as a share of its class, before other evidence is added. Grey data of
different kinds look alike, and few sources have all kinds: a plain name is more reliable than pixels."""

MAX_WORDS = 3
"""Most words of a path in the evidence."""
MIN_WEIGHT = 0.3
"""The log-likelihood ratio above which words are shown."""

_SAME_CLASS = np.array([[CLASS_OF[one] == CLASS_OF[other] for other in KINDS] for one in KINDS], float)


def classify(inputs: Sequence[Input], params: Surroundings, limits: Limits) -> Output:
    return Output(judge(decode_image(inputs[0], limits), inputs[0].name, params))


def examine(inputs: Sequence[Input], params: Examine, limits: Limits) -> Output:
    return _judge_decoded([_decode(inputs[0], params, limits)])[0]


def examine_several(items: Sequence[Item], limits: Limits) -> list[Outcome]:
    decoded = [_try_decoding(item, limits) for item in items]
    outputs = iter(_judge_decoded([each for each in decoded if isinstance(each, DecodedTexture)]))
    return [next(outputs) if isinstance(each, DecodedTexture) else each for each in decoded]


class Observation(Struct, frozen=True):
    """Everything that the pixels of a texture show."""

    inputs: Inputs
    """For the model."""
    image: Inspection
    layout: Layout | None


def observe(decoded: DecodedImage, image: Inspection) -> Observation:
    """Returns what the pixels show; `image` are the facts that `image.inspect` returns."""
    return Observation(extract(decoded), image, recognise(decoded))


def judge(decoded: DecodedImage, name: str, surroundings: Surroundings) -> Classification:
    """Classifies the texture `name`. Raises WorkloadError if the model can't be used."""
    image, _ = inspect_picture(decoded, 0)
    return judge_all([(observe(decoded, image), name, surroundings)])[0]


def judge_all(textures: Sequence[tuple[Observation, str, Surroundings]]) -> list[Classification]:
    """Classifies textures by their pixels, names and surroundings. Raises WorkloadError if the model can't be
    used."""
    if not textures:
        return []
    seen = model().predict_all([pixels.inputs for pixels, _, _ in textures]).astype(np.float64)
    return [_classify(by_pixels, *texture) for by_pixels, texture in zip(seen, textures, strict=True)]


def _classify(
    by_pixels: Floats, pixels: Observation, name: str, surroundings: Surroundings
) -> Classification:
    judgement = model().judgement
    use_name = surroundings.use_name
    cues = read_name(name, surroundings.siblings) if use_name else []
    words = known_words(vocabulary(name), judgement.words) if use_name else []
    of_known, *of_names = evidence_logs(by_pixels, cues, judgement, words)
    of_pixels = pad(of_known, np.log(LEAST))
    of_words, *of_cues = map(pad, of_names)
    probabilities = _normalize(np.sum([of_pixels, of_words, *of_cues], axis=0))
    of_context = _context_logs(probabilities, surroundings)
    for (_, kind), log in of_context.items():
        probabilities[KINDS.index(kind)] = max(probabilities[KINDS.index(kind)], LEAST) * np.exp(log)
    probabilities /= probabilities.sum()
    shares = dict(zip(KINDS, probabilities.tolist(), strict=True))
    evidence = [
        *_pixel_evidence(by_pixels, pixels.inputs.features, of_pixels),
        *_context_evidence(surroundings, of_context),
        *(
            Evidence(cue.source, cue.word, cue.kinds[0], weights_by_kind(logs))
            for cue, logs in zip(cues, of_cues, strict=True)
        ),
        *_word_evidence(words, judgement, of_words),
    ]
    decision = _decide(pixels, name, surroundings, cues, shares, by_pixels)
    if decision is not None:
        shares, evidence = _apply_decision(*decision, shares, evidence)
    sure = judgement.names if cues or words or decision else judgement.pixels
    probabilities = np.array([shares[kind] for kind in KINDS])
    needs = needed_share(int(probabilities.argmax()), sure)
    advise = bool(is_confident(probabilities, sure))
    return conclude(classification(shares, advise, evidence, needs), pixels.image)


def _apply_decision(
    proof: Evidence, share: float, before: Mapping[str, float], evidence: Sequence[Evidence]
) -> tuple[dict[str, float], list[Evidence]]:
    """Returns the probabilities after decisive evidence, and the evidence with the weights that it has."""
    assert proof.kind is not None
    shares = pin(before, proof.kind, share)
    places = [
        at for at, one in enumerate(evidence) if (one.source, one.detail) == (proof.source, proof.detail)
    ]
    kept, weights = list(evidence), log_ratios(shares, before)
    if not places:
        return shares, [*kept, replace(proof, weights=weights)]
    for at in places:
        same = kept[at].weights
        summed = {
            kind: round(same.get(kind, 0.0) + weights.get(kind, 0.0), 3) for kind in {**same, **weights}
        }
        kept[at] = replace(kept[at], weights=summed, decisive=True)
    return shares, kept


def _decide(
    pixels: Observation,
    name: str,
    surroundings: Surroundings,
    cues: Sequence[Cue],
    shares: Mapping[str, float],
    by_pixels: Floats,
) -> tuple[Evidence, float] | None:
    """Returns the strongest decisive evidence, and the least probability of its class; None without any.

    The order: an import as a cube map, a use, an unmistakable layout, the name of a property, a whole role
    word in the name (both unless the pixels forbid it), a word for other data, a layout that no name
    contradicts.
    """
    if surroundings.imported_as == "environment":
        return Evidence("settings", "imported as environment", "environment", decisive=True), 0.0
    if surroundings.slots:
        best = max(KINDS, key=lambda kind: shares[kind])
        return Evidence("slot", f"used as {best}", best, decisive=True), 0.0
    layout = pixels.layout
    by_layout = None
    if layout:
        by_layout = Evidence("pixels", str(layout.text), layout.kind, text=layout.text, decisive=True)
    if by_layout and layout and layout.certain:
        return by_layout, PROVED
    if named := [kind for kind in surroundings.named_slots if not _is_forbidden(kind, pixels)]:
        best = max(named, key=lambda kind: shares[kind])
        return Evidence("slot", f"in a property named like {best}", best, decisive=True), WORD
    if (role := _role_word(cues)) and not _is_forbidden(role.kinds[0], pixels):
        return Evidence(role.source, role.word, role.kinds[0], decisive=True), WORD
    if surroundings.use_name and (word := _other_word(name, pixels, by_pixels)):
        return Evidence("folder" if word.endswith("/") else "name", word, "other", decisive=True), PROVED
    if by_layout and not any(cue.kinds[0] in ("ui", "sprite") and cue.strength != "hint" for cue in cues):
        return by_layout, PROVED
    return None


def _is_forbidden(kind: Kind, pixels: Observation) -> bool:
    return is_contradicted(kind, pixels.image, pixels.inputs.features["grey.roughly"])


def _role_word(cues: Sequence[Cue]) -> Cue | None:
    """Returns the whole role word in the name, unless the texture is part of a UI."""
    if any(cue.kinds == ("ui",) for cue in cues):
        return None
    return next((cue for cue in cues if cue.source == "name" and cue.strength == "word"), None)


def _other_word(name: str, pixels: Observation, by_pixels: Floats) -> str:
    """Returns the word for input of shaders or data of tools in the name; one of several meanings only if the
    image is a strip or looks like data, and not like a packed map or a cut-out."""
    found = other_word(name)
    if found is None or is_certain_normal_map(pixels.image):
        return ""
    word, certain = found
    features = pixels.inputs.features
    strip = features["size.stretch"] >= 2 or (pixels.layout is not None and pixels.layout.kind == "other")
    data = features["grey.roughly"] > 0.9 or features["primary"] > 0.3 or features["constant.channels"] > 0
    packed = not pixels.image.grey and by_pixels[KINDS.index("packed")] >= 0.5
    plain = data and not packed and features["alpha.clear"] <= 0.02
    return word if certain or strip or plain else ""


def weigh_evidence(
    by_pixels: Floats, cues: Iterable[Cue], judgement: Judgement, words: Sequence[str] = ()
) -> Floats:
    """Returns calibrated probabilities by pixels and name: each cue and known word multiplies some of
    them."""
    return _normalize(np.sum(evidence_logs(by_pixels, cues, judgement, words), axis=0))


def evidence_logs(
    by_pixels: Floats, cues: Iterable[Cue], judgement: Judgement, words: Sequence[str] = ()
) -> list[Floats]:
    """Returns the logarithms of the factors of the pixels, of all words together, and of each cue."""
    found = list(cues)
    none = np.zeros(by_pixels.shape[-1])
    if not found and not words:
        return [np.log(np.maximum(by_pixels, LEAST)) * judgement.pixels.sharpness, none]
    logs = [np.log(allow_doubt(by_pixels)), weigh_words(words, judgement.words) if words else none]
    for cue in found:
        worth = cue_weight(judgement.cues, f"{cue.source}.{cue.strength}", cue.kinds[0])
        logs.append(none.copy())
        for place, kind in enumerate(cue.kinds):
            logs[-1][KINDS.index(kind)] += worth if place == 0 else worth * judgement.second
    return [each * judgement.names.sharpness for each in logs]


def weigh_words(words: Iterable[str], weights: Words) -> Floats:
    """Returns the summed log-likelihood ratios of the kinds of `weights`; zeros if no word is known."""
    values = [weights[word] for word in known_words(words, weights)]
    size = len(next(iter(weights.values()), LEARNED_KINDS))
    return np.sum(values, axis=0) if values else np.zeros(size)


def allow_doubt(by_pixels: NDArray[np.floating[Any]]) -> Floats:
    """Raises small probabilities by pixels, … x kinds, before other evidence is added."""
    count = by_pixels.shape[-1]
    same_class = by_pixels @ _SAME_CLASS[:count, :count]
    return np.asarray(np.maximum(np.maximum(by_pixels, DOUBT), same_class * LIKENESS))


def cue_weight(cues: Mapping[str, float], cue: str, kind: Kind) -> float:
    """Returns a cue's weight for its first kind, or for any kind if that isn't known."""
    return cues.get(f"{cue}.{kind}", cues.get(cue, 0.0))


ContextLogs = Mapping[tuple[Literal["slot", "settings"], Kind], float]
"""The logarithms of the factors of slots and import settings, by source and kind."""


def _context_logs(probabilities: Floats, surroundings: Surroundings) -> ContextLogs:
    """Weighs slots and import settings. A `sprite` slot of a normal or packed map is ignored: it is the
    sprite's."""
    if surroundings.imported_as == "environment":
        return {("settings", "environment"): SLOT + _raise_to(USE_DOUBT, probabilities, "environment")}
    slots = dict.fromkeys(surroundings.named_slots, NAMED_SLOT) | dict.fromkeys(surroundings.slots, SLOT)
    if slots.keys() & {"normal", "packed"}:
        slots.pop("sprite", None)
    worth: dict[tuple[Literal["slot", "settings"], Kind], float] = {
        ("slot", kind): log for kind, log in slots.items()
    }
    if surroundings.imported_as is not None:
        worth["settings", surroundings.imported_as] = IMPORTED
    # Kinds with evidence are raised to the minimum, once.
    first = {kind: (source, kind) for source, kind in reversed(worth)}
    for kind, key in first.items():
        worth[key] += _raise_to(USE_DOUBT if kind in surroundings.slots else DOUBT, probabilities, kind)
    return worth


def _raise_to(doubt: float, probabilities: Floats, kind: Kind) -> float:
    """Returns the logarithm of the factor that raises the probability of `kind` to `doubt`, at least 0."""
    return max(0.0, float(np.log(doubt / max(probabilities[KINDS.index(kind)], LEAST))))


def _normalize(logs: Floats) -> Floats:
    raised = np.exp(logs - logs.max())
    return np.asarray(raised / raised.sum())


def _pixel_evidence(by_pixels: Floats, features: Mapping[str, float], logs: Floats) -> list[Evidence]:
    order = np.argsort(-by_pixels)
    best: Kind = KINDS[int(order[0])]
    # Only differences count: with the least at 0, most weights needn't be stored.
    weights = weights_by_kind(logs - logs.min())
    found = [Evidence("pixels", f"looks like {best} ({by_pixels[order[0]]:.0%})", best, weights)]
    return found + [Evidence("pixels", str(fact), best, text=fact) for fact in explanations(features, best)]


def _word_evidence(words: Sequence[str], judgement: Judgement, logs: Floats) -> list[Evidence]:
    worth = weigh_words(words, judgement.words)
    best = int(worth.argmax())
    plain = [word for word in words if word != NUMBERED]
    saying = sorted(plain, key=lambda word: -judgement.words[word][best])[:MAX_WORDS]
    if not plain or worth[best] < MIN_WEIGHT:
        return []
    return [Evidence("words", ", ".join(saying), KINDS[best], weights_by_kind(logs))]


def _context_evidence(surroundings: Surroundings, logs: ContextLogs) -> list[Evidence]:
    def weights(source: Literal["slot", "settings"], kind: Kind) -> dict[str, float]:
        return {kind: round(logs[source, kind], 3)} if (source, kind) in logs else {}

    slots = dict.fromkeys(surroundings.slots)
    found = [Evidence("slot", f"used as {kind}", kind, weights("slot", kind)) for kind in slots]
    found += [
        Evidence("slot", f"in a property named like {kind}", kind, weights("slot", kind))
        for kind in dict.fromkeys(surroundings.named_slots)
        if kind not in slots
    ]
    if surroundings.imported_as is not None:
        kind = surroundings.imported_as
        found.append(Evidence("settings", f"imported as {kind}", kind, weights("settings", kind)))
    return found


class DecodedTexture(Struct, frozen=True):
    """A texture after decoding, without its pixels."""

    name: str
    params: Examine
    pixels: Observation
    files: Sequence[OutputFile]
    fingerprint: Fingerprint


def _decode(source: Input, params: Examine, limits: Limits) -> DecodedTexture:
    """Decodes and inspects a texture. Raises WorkloadError."""
    decoded = decode_image(source, limits)
    inspection, files = inspect_picture(decoded, params.preview)
    pixels = observe(decoded, inspection)
    return DecodedTexture(source.name, params, pixels, files, fingerprint_of(source, decoded))


def _judge_decoded(textures: Sequence[DecodedTexture]) -> list[Output]:
    """Returns an `Examination` of each. Raises WorkloadError if the model can't be used."""
    classifications = judge_all([(each.pixels, each.name, each.params) for each in textures])
    return [
        Output(Examination(each.pixels.image, classification, each.fingerprint), each.files)
        for each, classification in zip(textures, classifications, strict=True)
    ]


def _try_decoding(item: Item, limits: Limits) -> DecodedTexture | WorkloadError:
    try:
        return _decode(item.inputs[0], item.params, limits)
    except WorkloadError as error:
        return error
