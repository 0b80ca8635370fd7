"""The shipped classifier of texture kinds: features, ONNX model, boosted trees, thresholds."""

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

from accel.devices.providers import runtime
from accel.image.pixel_data import DecodedImage
from accel.text import AnyText, text
from accel.texture.kinds import CLASS_OF, KINDS, LEARNED_KINDS, Kind
from accel.texture.naming import Words
from accel.texture.spatial_features import spatial_features
from accel.texture.value_features import color_features, vector_features, vector_fields
from accel.texture.views import Floats, make_views
from accel.workload import WorkloadError

if TYPE_CHECKING:
    import onnxruntime


CLASSES = tuple(dict.fromkeys(CLASS_OF.values()))

_CLASS_INDEX = np.array([CLASSES.index(CLASS_OF[kind]) for kind in KINDS])
"""The index of each kind's class."""
_CLASS_STARTS = np.searchsorted(_CLASS_INDEX, np.arange(len(CLASSES)))
"""The first kind of each class; kinds of a class are adjacent in KINDS."""


NEVER = 2.0
"""The threshold of a class that gets no advice."""


class Thresholds(Struct, frozen=True):
    """The calibration of probabilities, and the thresholds for advice."""

    sharpness: float
    """Factor of log-probabilities, which calibrates the combined evidence."""
    thresholds: Mapping[str, float]
    """Minimum probability by class; above 1 if advice is never given."""


def pad(values: NDArray[Any], last: float = 0.0) -> NDArray[Any]:
    """Returns values of the first kinds as values of KINDS, with `last` for the others."""
    missing = len(KINDS) - len(values)
    return np.pad(values, (0, missing), constant_values=last)


def class_shares(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Sums probabilities of KINDS, … x kinds, to those of CLASSES, … x classes."""
    return np.add.reduceat(probabilities, _CLASS_STARTS, axis=-1)


def needed_share(best: int, sure: Thresholds) -> float:
    """Returns the probability of its class from which on the kind at this index counts as sure."""
    return sure.thresholds.get(CLASSES[_CLASS_INDEX[best]], NEVER)


def is_confident(probabilities: NDArray[Any], sure: Thresholds) -> NDArray[np.bool_]:
    """Returns for … x kinds whether the class of the most probable kind reaches its threshold."""
    shares = class_shares(probabilities)
    of_best = _CLASS_INDEX[probabilities.argmax(axis=-1)]
    share = np.take_along_axis(shares, of_best[..., None], axis=-1)[..., 0]
    thresholds = np.array([sure.thresholds.get(one, NEVER) for one in CLASSES])
    return np.asarray((share >= thresholds[of_best]) & (share == shares.max(axis=-1)))


def weights_by_kind(logs: NDArray[Any]) -> dict[str, float]:
    """Returns `Evidence.weights` for the logarithms of the factors of KINDS: three decimals, no zeros."""
    return {kind: weight for kind, log in zip(KINDS, logs.tolist(), strict=True) if (weight := round(log, 3))}


BATCH_ROWS = 128
"""Rows evaluated at a time, to stay in a core's cache."""


class Trees(Struct, frozen=True):
    """Gradient-boosted trees, for each output in turn: the first for output 0, the next for 1, and so on.

    Leaves are their own children, so that all trees take `depth` equal steps.
    """

    outputs: int
    depth: int
    roots: NDArray[np.intp]
    features: NDArray[np.intp]
    """By node; unused in leaves."""
    splits: NDArray[np.float32]
    """By node; values up to this go to the lower child."""
    children: NDArray[np.intp]
    """The higher and the lower child of each node, in turn."""
    values: NDArray[np.float32]
    """By node; 0 in inner nodes."""

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the sums of the leaves of each row: rows x outputs."""
        parts = [self._scores(rows[start : start + BATCH_ROWS]) for start in range(0, len(rows), BATCH_ROWS)]
        return np.concatenate(parts) if parts else np.zeros((0, self.outputs))

    def _scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        values, begins = rows.ravel(), np.arange(len(rows))[:, None] * rows.shape[1]
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        for _ in range(self.depth):
            # Flat indices take numpy a third of the time of a row and a column.
            below = values.take(begins + self.features.take(node)) <= self.splits.take(node)
            node = self.children.take(2 * node + below)
        leaves = self.values.take(node).astype(np.float64)
        return np.asarray(leaves.reshape(len(rows), -1, self.outputs).sum(axis=1))


def from_arrays(found: Mapping[str, NDArray[Any]]) -> Trees:
    """Creates trees from arrays, in which a child is stored as its distance from its parent, which compresses
    well. Raises KeyError for a missing array and ValueError for an invalid one."""
    roots, features, lower, higher = (
        found[name].astype(np.intp) for name in ("roots", "features", "lower", "higher")
    )
    splits, values = (found[name].astype(np.float32) for name in ("splits", "values"))
    if len({len(one) for one in (splits, values, features, lower, higher)}) != 1:
        raise ValueError("nodes have arrays of several lengths")
    children = (np.stack([higher, lower], axis=1) + np.arange(len(splits))[:, None]).ravel()
    return Trees(int(found["outputs"]), int(found["depth"]), roots, features, splits, children, values)


def to_arrays(trees: Trees) -> dict[str, NDArray[Any]]:
    """Returns the arrays for `from_arrays`."""
    apart = trees.children.reshape(-1, 2) - np.arange(len(trees.splits))[:, None]
    return {
        "outputs": np.array(trees.outputs),
        "depth": np.array(trees.depth),
        "roots": trees.roots.astype(np.uint16),
        "features": trees.features.astype(np.uint8),
        "splits": trees.splits,
        "lower": apart[:, 1].astype(np.uint8),
        "higher": apart[:, 0].astype(np.uint8),
        "values": trees.values,
    }


VERSION = 2
"""Incremented when a feature changes; a model declares the version that it was trained with."""


class Inputs(Struct, frozen=True):
    """The model's inputs for one image."""

    features: dict[str, float]
    """By name; all finite."""
    picture: NDArray[np.uint8]
    """4 x 128 x 128: red, green, blue, alpha; 0 to 255."""
    patch: NDArray[np.uint8]
    """4 x 96 x 96: four patches of texels at the image's own resolution, two by two."""


def extract(decoded: DecodedImage) -> Inputs:
    """Computes the model's inputs for an image of any size, from regular samples of its pixels."""
    view = make_views(decoded)
    with np.errstate(all="ignore"):
        found = color_features(view) | vector_features(view) | vector_fields(view) | spatial_features(view)
    patches = view.patches[:, (0, 2, 4, 8)]
    side = patches.shape[2]
    mosaic = patches.reshape(4, 2, 2, side, side).swapaxes(2, 3).reshape(4, 2 * side, 2 * side)
    return Inputs(found, _bytes(view.picture), _bytes(mosaic))


def _bytes(planes: Floats) -> NDArray[np.uint8]:
    return (planes * np.float32(255) + np.float32(0.5)).astype(np.uint8)


FILE = Path(__file__).with_name("kinds.onnx")


class Judgement(Struct, frozen=True):
    """Weights of further evidence, estimated on sources that the model wasn't trained on."""

    cues: Mapping[str, float]
    """Log-likelihood ratio by a cue's source and strength, for example `name.word`, and with its first kind,
    `name.word.normal`, if there was enough data."""
    second: float
    """The share of that for the other kinds of a cue."""
    pixels: Thresholds
    """If pixels are the only evidence."""
    names: Thresholds
    """If the name is evidence, too."""
    words: Words = {}
    """Weights of words in paths for the model's kinds, only of words that several sources use."""


class Model:
    """An open model. Raises WorkloadError if the file is missing, damaged or of another version, or if
    onnxruntime doesn't work."""

    def __init__(self, file: Path) -> None:
        self._session = _open(file)
        try:
            about = self._session.get_modelmeta().custom_metadata_map
            self._names: list[str] = json.loads(about["features"])
            self.judgement = msgspec.json.decode(about["judgement"], type=Judgement)
            kinds = tuple(about["kinds"].split())
            fits = about["version"] == str(VERSION) and kinds in (KINDS, LEARNED_KINDS)
            self.kinds: tuple[Kind, ...] = KINDS[: len(kinds)]
            """The kinds that it predicts."""
        except (KeyError, ValueError) as error:
            raise _unusable(text("has invalid metadata ({error})", error=error)) from None
        if not fits:
            raise _unusable(text("is of another version than PopBridge"))

    def predict(self, inputs: Inputs) -> NDArray[np.float32]:
        """Returns calibrated probabilities of its kinds by pixels alone."""
        probabilities: NDArray[np.float32] = self.predict_all([inputs])[0]
        return probabilities

    def predict_all(self, images: Sequence[Inputs]) -> NDArray[np.float32]:
        """Returns images x kinds; four images together take 7/8 of the time."""
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
    """Returns the shipped model, opened once per process. Raises WorkloadError."""
    return Model(FILE)


def warm() -> None:
    """Opens the model and runs it once, before the first texture arrives."""
    grey = np.full((64, 64, 3), 128, np.uint8)
    model().predict(extract(DecodedImage(grey, "rgb", False, "png", grey.size)))


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
    except Exception as error:  # onnxruntime raises classes without a common base
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
