"""Combines evidence of pixels, names and the project into a classification, with explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

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
from accel.texture.kinds import CLASS_OF, KINDS, LEARNED_KINDS, Classification, Evidence, Kind
from accel.texture.layouts import Layout, recognise
from accel.texture.model import Inputs, Judgement, extract, is_confident, model, pad
from accel.texture.naming import NUMBERED, Cue, Words, known_words, other_word, read_name, vocabulary
from accel.texture.verdict import (
    PROVED,
    WORD,
    classification,
    conclude,
    is_certain_normal_map,
    is_contradicted,
    pin,
)
from accel.texture.workloads import Examination, Examine, Surroundings
from accel.workload import Input, Item, Limits, Outcome, Output, OutputFile, WorkloadError

Features = Mapping[str, float]


def explanations(features: Features, kind: Kind) -> list[tuple[str, Kind | None]]:
    """Returns readable facts that support `kind`, each with the kind that it supports."""
    return [(text, kind) for text in _OF[kind](features) if text]


def _normal(found: Features) -> list[str]:
    if found["pair.no_blue"] > 0.9:
        return [f"red and green fit unit vectors {found['pair.disc']:.0%}, blue is empty"]
    return [
        f"unit vectors {found['unit.near']:.0%}",
        f"undisturbed surface {found['unit.up']:.0%}" if found["unit.up"] > 0.5 else "",
    ]


def _grey(found: Features) -> list[str]:
    if found["grey.exact"] > 0.99:
        return ["grey everywhere"]
    return [f"grey {found['grey.nearly']:.0%}" if found["grey.nearly"] > 0.6 else ""]


def _packed(found: Features) -> list[str]:
    constant = round(found["constant.channels"])
    least = found["edge.both_rg"], found["edge.both_rb"], found["edge.both_gb"]
    return [
        f"channels share {min(least):.0%} of their edges",
        f"{constant} constant channel{'s' * (constant > 1)}" if constant else "",
    ]


def _emissive(found: Features) -> list[str]:
    return [f"black {found['black']:.0%}" if found["black"] > 0.3 else "", f"lit {found['lit.share']:.0%}"]


def _cut(found: Features) -> list[str]:
    return [
        f"transparent {found['alpha.clear']:.0%}" if found["alpha.clear"] > 0.02 else "",
        f"{round(2 ** found['palette.count'])} colours" if found["palette.count"] < 8 else "",
    ]


def _environment(found: Features) -> list[str]:
    return [
        "light brighter than white" if found["stored.peak"] > 1.1 else "",
        "twice as wide as high" if found["size.twice"] else "",
        "faces of a cube" if found["size.cross"] or found["size.strip"] else "",
    ]


def _albedo(found: Features) -> list[str]:
    seams = max(found["seam.rows"], found["seam.columns"])
    return ["copies meet without a seam" if seams < 0.1 and found["seam.rows_step"] > 0.004 else ""]


_OF: dict[Kind, Callable[[Features], list[str]]] = {
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
    probabilities = apply_context(pad(weigh_evidence(by_pixels, cues, judgement, words)), surroundings)
    shares = dict(zip(KINDS, probabilities.tolist(), strict=True))
    evidence = [
        *_pixel_evidence(by_pixels, pixels.inputs.features),
        *_context_evidence(surroundings),
        *(_cue_evidence(cue, judgement) for cue in cues),
        *_word_evidence(words, judgement),
    ]
    if decision := _decide(pixels, name, surroundings, cues, shares, by_pixels):
        proof, share = decision
        shares = pin(shares, proof.kind, share) if proof.kind else shares
        same = [one for one in evidence if (one.source, one.detail) == (proof.source, proof.detail)]
        evidence = [replace(one, decisive=True) if one in same else one for one in evidence]
        evidence += [] if same else [proof]
    sure = judgement.names if cues or words or decision else judgement.pixels
    advise = bool(is_confident(np.array([shares[kind] for kind in KINDS]), sure))
    return conclude(classification(shares, advise, evidence), pixels.image)


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
    by_layout = Evidence("pixels", layout.detail, layout.kind, decisive=True) if layout else None
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
    found = list(cues)
    if not found and not words:
        return _normalize(np.log(np.maximum(by_pixels, 1e-9)) * judgement.pixels.sharpness)
    logs = np.log(allow_doubt(by_pixels))
    if words:
        logs += weigh_words(words, judgement.words)
    for cue in found:
        worth = cue_weight(judgement.cues, f"{cue.source}.{cue.strength}", cue.kinds[0])
        for place, kind in enumerate(cue.kinds):
            logs[KINDS.index(kind)] += worth if place == 0 else worth * judgement.second
    return _normalize(logs * judgement.names.sharpness)


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


def apply_context(probabilities: Floats, surroundings: Surroundings) -> Floats:
    """Adds import settings and property names, which count little, and uses, which decide. A `sprite` use of
    a normal or packed map is ignored: it is the sprite's."""
    uses = {"environment"} if surroundings.imported_as == "environment" else set(surroundings.slots)
    weights = dict.fromkeys(surroundings.named_slots, NAMED_SLOT) | dict.fromkeys(uses, SLOT)
    if weights.keys() & {"normal", "packed"}:
        weights.pop("sprite", None)
    if surroundings.imported_as is not None:
        weights[surroundings.imported_as] = weights.get(surroundings.imported_as, 0.0) + IMPORTED
    if not weights:
        return probabilities
    # Only the kinds with evidence are raised to the minimum.
    logs = np.log(np.maximum(probabilities, 1e-9))
    for kind, weight in weights.items():
        doubt = USE_DOUBT if kind in uses else DOUBT
        logs[KINDS.index(kind)] = max(logs[KINDS.index(kind)], np.log(doubt)) + weight
    return _normalize(logs)


def _normalize(logs: Floats) -> Floats:
    raised = np.exp(logs - logs.max())
    return np.asarray(raised / raised.sum())


def _pixel_evidence(by_pixels: Floats, features: Mapping[str, float]) -> list[Evidence]:
    order = np.argsort(-by_pixels)
    best: Kind = KINDS[int(order[0])]
    odds = float(np.log(max(by_pixels[order[0]], 1e-9) / max(1 - by_pixels[order[0]], 1e-9)))
    found = [Evidence("pixels", f"looks like {best} ({by_pixels[order[0]]:.0%})", best, odds)]
    return found + [Evidence("pixels", what, kind) for what, kind in explanations(features, best)]


def _cue_evidence(cue: Cue, judgement: Judgement) -> Evidence:
    weight = cue_weight(judgement.cues, f"{cue.source}.{cue.strength}", cue.kinds[0])
    return Evidence(cue.source, cue.word, cue.kinds[0], weight * judgement.names.sharpness)


def _word_evidence(words: Sequence[str], judgement: Judgement) -> list[Evidence]:
    worth = weigh_words(words, judgement.words)
    best = int(worth.argmax())
    plain = [word for word in words if word != NUMBERED]
    saying = sorted(plain, key=lambda word: -judgement.words[word][best])[:MAX_WORDS]
    if not plain or worth[best] < MIN_WEIGHT:
        return []
    weight = float(worth[best]) * judgement.names.sharpness
    return [Evidence("words", ", ".join(saying), KINDS[best], weight)]


def _context_evidence(surroundings: Surroundings) -> list[Evidence]:
    slots = dict.fromkeys(surroundings.slots)
    found = [Evidence("slot", f"used as {kind}", kind, SLOT) for kind in slots]
    named = (kind for kind in dict.fromkeys(surroundings.named_slots) if kind not in slots)
    found += [Evidence("slot", f"in a property named like {kind}", kind, NAMED_SLOT) for kind in named]
    if surroundings.imported_as is not None:
        kind = surroundings.imported_as
        found.append(Evidence("settings", f"imported as {kind}", kind, IMPORTED))
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
