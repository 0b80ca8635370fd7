"""How textures are examined: each decoded once and looked at from all sides, all judged in one go."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from accel.image.fingerprint import Fingerprint, fingerprint_of
from accel.image.inspecting import inspected
from accel.image.inspection import Inspection
from accel.image.load import decode_image
from accel.texture.examine import Examination, Examine
from accel.texture.features import Inputs, extract
from accel.texture.judge import judge_all
from accel.workload import Input, Item, Limits, Outcome, Output, OutputFile, WorkloadError


class Looked(Struct, frozen=True):
    """What is known of a texture before it is judged; its pixels are no longer held."""

    name: str
    params: Examine
    inspection: Inspection
    files: Sequence[OutputFile]
    fingerprint: Fingerprint
    inputs: Inputs
    """What the model is to see."""


def look(source: Input, params: Examine, limits: Limits) -> Looked:
    """Looks at one texture. Raises WorkloadError."""
    decoded = decode_image(source, limits)
    inspection, files = inspected(decoded, params.preview)
    inputs = extract(decoded)
    return Looked(source.name, params, inspection, files, fingerprint_of(source, decoded), inputs)


def judged(looked: Sequence[Looked]) -> list[Output]:
    """An `Examination` of each. Raises WorkloadError where the model can't be used."""
    told = judge_all([(one.inputs, one.name, one.params) for one in looked])
    return [
        Output(Examination(one.inspection, classification, one.fingerprint), one.files)
        for one, classification in zip(looked, told, strict=True)
    ]


def examined(items: Sequence[Item], limits: Limits) -> list[Outcome]:
    """Of each an `Examination`, or what is wrong with it. Raises WorkloadError as `judged`."""
    looked = [_tried(item, limits) for item in items]
    outputs = iter(judged([one for one in looked if isinstance(one, Looked)]))
    return [next(outputs) if isinstance(one, Looked) else one for one in looked]


def _tried(item: Item, limits: Limits) -> Looked | WorkloadError:
    try:
        return look(item.inputs[0], item.params, limits)
    except WorkloadError as error:
        return error
