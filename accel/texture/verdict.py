"""Verdicts on textures: what decisive evidence and exact facts of the pixels make of probabilities.

Whoever has new probabilities calls `conclude`, so that `texture.classify`, audits and popups agree. Without
numpy, as the daemon loads it when it starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log

from msgspec.structs import replace

from accel.image.records import Inspection, Normals
from accel.text import text
from accel.texture.kinds import CLASS_OF, KINDS, Classification, Evidence, Kind

UNIT_VECTORS = 0.5
"""Lowest share of texels of unit length in a normal map that the name needn't confirm."""
UNIT_VECTORS_IN_BLACK = 0.15
"""Lowest share for a map that is named as one and is black elsewhere, between the UV islands of a model."""
PROVED = 0.95
"""Probability of a class that the pixels prove."""
WORD = 0.6
"""Least probability of a class that a whole role word names, whatever the pixels look like. Less than any
threshold for advice: where the pixels disagree, PopBridge stays silent."""
PINNED = 0.9
"""Least share of a class that belongs to the kind that decisive evidence names."""

LEAST = 1e-9
"""The minimum probability of which a logarithm is taken."""
WITHOUT_CURL = text("unit vectors without curl")

NAMING = frozenset({"name", "siblings", "folder", "words"})
"""Sources of evidence from names."""


def conclude(found: Classification, image: Inspection) -> Classification:
    """Returns the verdict by exact facts of all pixels; which doesn't change by a second call."""
    if found.kind == "other":
        return replace(found, advise=False) if found.advise else found
    if not found.advise:
        if not _named(found.evidence) and found.decided is None and is_certain_normal_map(image):
            shares = pin(found.probabilities, "normal", PROVED)
            weights = log_ratios(shares, found.probabilities)
            proof = Evidence("pixels", str(WITHOUT_CURL), "normal", weights, WITHOUT_CURL, decisive=True)
            return classification(shares, True, [*found.evidence, proof], found.needs)
        return replace(found, advise=True) if _is_named_grey_data(found, image) else found
    if found.kind == "normal" and not may_be_normals(image) and not _are_named_normals(found, image):
        return replace(found, advise=False)
    return found


def classification(
    probabilities: Mapping[str, float], advise: bool, evidence: Iterable[Evidence], needs: float
) -> Classification:
    """Returns a classification as the most probable kind."""
    best = max(KINDS, key=lambda kind: probabilities.get(kind, 0.0))
    return Classification(best, probabilities, advise, list(evidence), needs)


def log_ratios(now: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Returns `Evidence.weights` of what changed the probabilities."""
    ratios = {
        kind: round(log(max(now.get(kind, 0.0), LEAST) / max(before.get(kind, 0.0), LEAST)), 3)
        for kind in KINDS
    }
    return {kind: ratio for kind, ratio in ratios.items() if ratio}


def pin(probabilities: Mapping[str, float], kind: Kind, share: float) -> dict[str, float]:
    """Returns probabilities in which the class of `kind` has at least `share`, and `kind` most of that."""
    same = {one: probabilities.get(one, 0.0) for one in KINDS if CLASS_OF[one] == CLASS_OF[kind]}
    others = {one: probabilities.get(one, 0.0) for one in KINDS if one not in same}
    before, rest = sum(same.values()), sum(others.values())
    total = max(before, share) if rest else 1.0
    own = max(same.pop(kind) / before, PINNED) if before and any(same.values()) else 1.0
    by_class = sum(same.values())
    pinned = {one: value * (1 - total) / rest if rest else 0.0 for one, value in others.items()}
    pinned |= {one: value * (1 - own) * total / by_class if by_class else 0.0 for one, value in same.items()}
    pinned[kind] = own * total
    return {one: pinned[one] for one in KINDS}


def is_contradicted(kind: Kind, image: Inspection, opaque_grey: float) -> bool:
    """Whether the pixels forbid what a whole role word says; `opaque_grey` is the share of greyish texels."""
    if kind == "normal":
        return not may_be_normals(image) and not _have_normal_mean(image)
    if is_certain_normal_map(image):
        return True
    clear = image.alpha is not None and image.alpha.share_transparent > 0.02
    match kind:
        case "height" | "roughness" | "ao":
            return opaque_grey < 0.5 or clear
        case "packed":
            return image.grey and (image.alpha is None or not image.alpha.used)
        case "environment":
            return clear
    return False


def may_be_normals(image: Inspection) -> bool:
    """Whether the texels can be the vectors that engines expect: three channels, mostly of unit length."""
    return image.normals is not None and not image.grey and image.normals.unit_length >= UNIT_VECTORS


def is_certain_normal_map(image: Inspection) -> bool:
    """Whether the texels are certainly tangent-space normals, whatever the model and the name say.

    Flat colours have no variance, and the mean of a blue sky doesn't point out of the surface.
    """
    if image.normals is None or image.grey:
        return False
    red, green, blue = image.statistics[:3]
    centred = abs(red.mean - 0.5) <= 0.05 and abs(green.mean - 0.5) <= 0.05 and blue.mean >= 0.87
    if not centred or image.normals.unit_length < 0.95 or max(red.std, green.std) < 0.01:
        return False
    # A gradient of pale blues can be all unit vectors, but only the slopes of a surface have no curl.
    return image.normals.convention is not None


def _named(evidence: Iterable[Evidence]) -> bool:
    """Whether a name, a folder or a use says what it is; weak words don't count."""
    return any(one.source in ("name", "siblings", "slot", "folder") and one.kind for one in evidence)


def _is_named_grey_data(found: Classification, image: Inspection) -> bool:
    """Whether a whole role word names data, the model finds data likeliest too, and every texel is grey."""
    words = [one.kind for one in found.evidence if one.source == "name" and one.decisive]
    agreed = all(kind is not None and CLASS_OF[kind] == "data" for kind in (*words, found.kind))
    return bool(words) and agreed and found.confidence > WORD and image.grey and image.alpha is None


def _are_named_normals(found: Classification, image: Inspection) -> bool:
    return _have_normal_mean(image) and any(
        one.source == "name" and one.kind == "normal" for one in found.evidence
    )


def _have_normal_mean(image: Inspection) -> bool:
    """Whether the mean vector, without black texels, points out of the surface.

    Tools that compute them from photographs don't always normalise; engines that read only red and green
    don't need it.
    """
    if image.normals is None or image.grey:
        return False
    red, green, blue = image.normals.mean
    centred = max(abs(red - 0.5), abs(green - 0.5)) <= 0.15 and blue >= 0.85
    return centred or _are_normals_on_black(image.normals)


def _are_normals_on_black(normals: Normals) -> bool:
    """Whether the mean is of vectors out of the surface, scaled by the share of texels that aren't black."""
    red, green, blue = normals.mean
    share = normals.unit_length
    if share < UNIT_VECTORS_IN_BLACK or not 0.85 * share <= blue <= 1.6 * share:
        return False
    return max(abs(red / blue - 0.51), abs(green / blue - 0.51)) <= 0.06
