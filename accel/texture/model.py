"""The shipped model of texture kinds: one ONNX file, which also declares how its numbers are to be judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.devices.runtime import runtime
from accel.text import AnyText, text
from accel.texture import features
from accel.texture.features import Inputs
from accel.texture.kinds import KINDS
from accel.texture.sureness import Sureness
from accel.texture.vocabulary import Words
from accel.workload import WorkloadError

if TYPE_CHECKING:
    import onnxruntime

FILE = Path(__file__).with_name("kinds.onnx")


class Judgement(Struct, frozen=True):
    """What further evidence is worth; estimated on sources that the model hadn't learned from."""

    cues: Mapping[str, float]
    """Logarithm of the likelihood ratio by a cue's source and strength, for example `name.word`, and by its
    first kind too, `name.word.normal`, where enough of those were seen."""
    second: float
    """Share of it for the kinds after a cue's first."""
    pixels: Sureness
    """Where pixels are the only evidence."""
    names: Sureness
    """Where the name says something."""
    words: Words = {}
    """What words of paths are worth; counted on sources, and only of words that several use."""


class Model:
    """An open model. Raises WorkloadError where the file is missing, damaged or of another version, or no
    onnxruntime works."""

    def __init__(self, file: Path) -> None:
        self._session = _open(file)
        try:
            about = self._session.get_modelmeta().custom_metadata_map
            self._names: list[str] = json.loads(about["features"])
            self.judgement = msgspec.json.decode(about["judgement"], type=Judgement)
            fits = about["version"] == str(features.VERSION) and about["kinds"] == " ".join(KINDS)
        except (KeyError, ValueError) as error:
            raise _unusable(f"doesn't declare what it was trained for ({error})") from None
        if not fits:
            raise _unusable("is of another version than the program")

    def predict(self, inputs: Inputs) -> NDArray[np.float32]:
        """Probabilities of KINDS by pixels alone, calibrated."""
        probabilities: NDArray[np.float32] = self.predict_all([inputs])[0]
        return probabilities

    def predict_all(self, images: Sequence[Inputs]) -> NDArray[np.float32]:
        """The same of several at once, images x KINDS: of four in seven eighths of the time."""
        rows = [[one.features[name] for name in self._names] for one in images]
        feed = {
            "features": np.array(rows, np.float32),
            "picture": np.stack([one.picture for one in images]),
            "patch": np.stack([one.patch for one in images]),
        }
        (probabilities,) = self._session.run(None, feed)
        return np.asarray(probabilities)


@cache
def model() -> Model:
    """The shipped model, opened once in each process. Raises WorkloadError."""
    return Model(FILE)


def warm() -> None:
    """Opens the model and runs it once, ahead of the first texture."""
    from accel.image.decoded import Decoded

    grey = np.full((64, 64, 3), 128, np.uint8)
    model().predict(features.extract(Decoded(grey, "rgb", False, "png", grey.size)))


def _open(file: Path) -> onnxruntime.InferenceSession:
    onnxruntime = runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        contents = file.read_bytes()
    except OSError as error:
        raise _unusable(text("can't be read ({strerror})", strerror=error.strerror or error)) from None
    try:
        session: Any = onnxruntime.InferenceSession(contents, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        raise _unusable(text("is damaged ({reason})", reason=str(error)[:120])) from None
    return session


def _unusable(reason: AnyText) -> WorkloadError:
    return WorkloadError(
        "internal",
        text(
            "the model of texture kinds ({file}) {reason}; install popbridge again",
            file=FILE.name,
            reason=reason,
        ),
        FILE.name,
    )
