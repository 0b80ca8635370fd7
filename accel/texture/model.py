"""Shipped classifier: ONNX and boosted trees."""

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
from accel.texture.kinds import CLASS_OF, KINDS
from accel.texture.naming import Words
from accel.texture.spatial_features import spatial_features
from accel.texture.value_features import color_features, vector_features, vector_fields
from accel.texture.views import Floats, make_views
from accel.workload import WorkloadError

if TYPE_CHECKING:
    import onnxruntime


CLASSES = tuple(dict.fromkeys(CLASS_OF.values()))

_AT = np.array([CLASSES.index(CLASS_OF[kind]) for kind in KINDS])
"""The place of each kind's class."""
_BEGINS = np.searchsorted(_AT, np.arange(len(CLASSES)))
"""Where the kinds of each class begin: they stand together in KINDS."""


class Thresholds(Struct, frozen=True):
    """From which probability on a class is acted on, and how probabilities are sharpened before."""

    sharpness: float
    """What the logarithms are multiplied with: calibrates what came of all evidence."""
    thresholds: Mapping[str, float]
    """By class; above 1 where it never is sure enough."""


def class_shares(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Probabilities of CLASSES, … x classes, from those of KINDS, … x kinds."""
    return np.add.reduceat(probabilities, _BEGINS, axis=-1)


def is_confident(probabilities: NDArray[Any], sure: Thresholds) -> NDArray[np.bool_]:
    """Of each of … x kinds, whether the class of the most probable one is sure enough to act on."""
    shares = class_shares(probabilities)
    of_best = _AT[probabilities.argmax(axis=-1)]
    share = np.take_along_axis(shares, of_best[..., None], axis=-1)[..., 0]
    thresholds = np.array([sure.thresholds.get(one, 2.0) for one in CLASSES])
    return np.asarray((share >= thresholds[of_best]) & (share == shares.max(axis=-1)))


AT_ONCE = 128
"""Rows that are judged together: what that takes stays in a core's cache."""


class Trees(Struct, frozen=True):
    """Trees for each output in turn: the first for output 0, the next for 1, and so on again.

    A leaf has itself for children, so that all trees can be walked down by `depth` equal steps.
    """

    outputs: int
    depth: int
    roots: NDArray[np.intp]
    features: NDArray[np.intp]
    """By node; of a leaf any."""
    splits: NDArray[np.float32]
    """A value that isn't above it goes to the lower child."""
    children: NDArray[np.intp]
    """The higher and the lower one of each node, in turn."""
    values: NDArray[np.float32]
    """By node; of what isn't a leaf 0."""

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sum of the leaves that each row falls into: rows x outputs."""
        parts = [self._scores(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros((0, self.outputs))

    def _scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        values, begins = rows.ravel(), np.arange(len(rows))[:, None] * rows.shape[1]
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        for _ in range(self.depth):
            # By flat places: numpy takes these in a third of the time that a row and a column cost.
            below = values.take(begins + self.features.take(node)) <= self.splits.take(node)
            node = self.children.take(2 * node + below)
        leaves = self.values.take(node).astype(np.float64)
        return np.asarray(leaves.reshape(len(rows), -1, self.outputs).sum(axis=1))


def from_arrays(found: Mapping[str, NDArray[Any]]) -> Trees:
    """Trees of a file of arrays, in which a child is told by how many nodes after its parent it stands: such
    numbers are small and often the same. Raises KeyError and ValueError where one is missing or has no such
    form."""
    roots, features, lower, higher = (
        found[name].astype(np.intp) for name in ("roots", "features", "lower", "higher")
    )
    splits, values = (found[name].astype(np.float32) for name in ("splits", "values"))
    if len({len(one) for one in (splits, values, features, lower, higher)}) != 1:
        raise ValueError("nodes have arrays of several lengths")
    children = (np.stack([higher, lower], axis=1) + np.arange(len(splits))[:, None]).ravel()
    return Trees(int(found["outputs"]), int(found["depth"]), roots, features, splits, children, values)


def to_arrays(trees: Trees) -> dict[str, NDArray[Any]]:
    """What `from_arrays` makes the same trees of."""
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
"""Raised whenever a feature changes; a model says with which version it was trained."""


class Inputs(Struct, frozen=True):
    """One image, as the model takes it."""

    features: dict[str, float]
    """By name; all finite."""
    picture: NDArray[np.uint8]
    """4 x 128 x 128: red, green, blue, alpha; 0 to 255."""
    patch: NDArray[np.uint8]
    """4 x 96 x 96: four patches of texels at the image's own resolution, two by two."""


def extract(decoded: DecodedImage) -> Inputs:
    """The inputs of the model for an image of any size, from regular samples of its pixels."""
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
    """What further evidence is worth; estimated on sources that the model hadn't learned from."""

    cues: Mapping[str, float]
    """Logarithm of the likelihood ratio by a cue's source and strength, for example `name.word`, and by its
    first kind too, `name.word.normal`, where enough of those were seen."""
    second: float
    """Share of it for the kinds after a cue's first."""
    pixels: Thresholds
    """Where pixels are the only evidence."""
    names: Thresholds
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
            fits = about["version"] == str(VERSION) and about["kinds"] == " ".join(KINDS)
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
    from accel.image.pixel_data import DecodedImage

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
