"""Calibrates the shipped model on real projects: how much names count, and the thresholds for advice.

`python -m tools.train.project_calibration` takes minutes. What the model sees in pixels stays as it was
trained. The weights of names are fitted on the repositories for training, starting from those that were
fitted on packages (judgement.json); the thresholds are chosen on repositories whose names didn't count.
Repositories for measurement aren't read: see `measure`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from msgspec.structs import replace
from numpy.typing import NDArray
from onnx import helper

from accel.texture.context import FILE as CONTEXT
from accel.texture.context import ContextModel, load_context_model
from accel.texture.judgement import weigh_evidence, weigh_words
from accel.texture.kinds import KINDS
from accel.texture.model import FILE, Judgement, Thresholds, model
from accel.texture.naming import Cue, known_words, read_name, vocabulary
from accel.texture.verdict import WORD
from tools.train import calibration, context, export
from tools.train.calibration import Floats, NameModel
from tools.train.context import Predictions, predict_in_context
from tools.train.fetch import CACHE, DATA, SourceError
from tools.train.projects import Look, ProjectTexture, look_at, read_projects
from tools.train.repositories import (
    OTHER,
    Purpose,
    RepositoryCache,
    add_mirror_option,
    labels,
    repositories,
)
from tools.train.rows import CALIBRATION_BALANCE, sample_weights

PACKAGES = DATA / "judgement.json"
"""The judgement that was fitted on packages, and the thresholds of the context model; by train.py."""

FOLDS = 6
DRAWS, QUANTILE = 150, 0.9
"""Thresholds are chosen on so many samples of the repositories, drawn with replacement; this quantile of them
is used. One repository often has many alike textures: few repositories may hide what others get wrong."""
LEAST = WORD + 0.05
"""The lowest threshold: a word that the pixels contradict isn't enough for advice."""
SEED = 23


@dataclass(frozen=True)
class Examples:
    """Labelled textures; all have the same first dimension."""

    by_pixels: Floats
    """Probabilities: textures x kinds."""
    kinds: NDArray[np.int64]
    repositories: NDArray[np.str_]
    projects: NDArray[np.str_]
    files: NDArray[np.str_]
    """Paths in the project."""
    sizes: NDArray[np.int64]
    """Width and height, texels."""
    cues: list[list[Cue]]
    words: list[list[str]]

    def take(self, rows: NDArray[np.bool_]) -> Examples:
        """Returns the selected textures."""
        places = np.flatnonzero(rows)
        return Examples(
            *(each[places] for each in (self.by_pixels, self.kinds, self.repositories, self.projects)),
            self.files[places], self.sizes[places], [self.cues[place] for place in places],
            [self.words[place] for place in places],
        )  # fmt: skip

    @property
    def weights(self) -> Floats:
        """Returns the weight of each texture in calibration."""
        return sample_weights(self.kinds, self.projects, CALIBRATION_BALANCE)


def read_examples(cache: RepositoryCache, jobs: int, purpose: Purpose = "training") -> Examples:
    """Reads the labelled textures of the repositories of one purpose. Raises `SourceError`."""
    every, chosen = labels(), []
    for repository in repositories():
        if repository.purpose == purpose:
            found = {each.path: each for one in read_projects(cache, repository) for each in one.textures}
            for label in every.get(repository.name, ()):
                if label.kind != OTHER and label.path in found:
                    chosen.append((found[label.path], label.kind))
    looks = look_at([texture for texture, _ in chosen], cache.folder / "looks", jobs)
    return _examples([(texture, kind) for texture, kind in chosen if texture.location in looks], looks)


def _examples(chosen: Sequence[tuple[ProjectTexture, str]], looks: Mapping[Path, Look]) -> Examples:
    textures = [texture for texture, _ in chosen]
    found = [looks[each.location] for each in textures]
    return Examples(
        np.array([model().predict(look.pixels.inputs) for look in found], np.float64),
        np.array([KINDS.index(kind) for _, kind in chosen]),  # type: ignore[arg-type]
        np.array([each.repository for each in textures]),
        np.array([f"{each.repository}/{each.project}" for each in textures]),
        np.array([each.file for each in textures]),
        np.array([look.pixels.image.extent for look in found]),
        [read_name(each.file, each.surroundings.siblings) for each in textures],
        [vocabulary(each.file) for each in textures],
    )


def fit_names(examples: Examples, packages: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a judgement whose weights of names are fitted on the examples."""
    ratios = np.array([weigh_words(each, packages["words"]) for each in examples.words])
    prior = NameModel(packages["cues"], packages["second"], packages["names"]["sharpness"], 1.0)
    logs = np.log(np.maximum(examples.by_pixels, 1e-9))
    names = calibration.fit_names(logs, examples.cues, ratios, examples.kinds, examples.weights, prior)
    words = {
        word: [round(names.trust * ratio, 2) for ratio in row] for word, row in packages["words"].items()
    }
    return {
        **packages,
        "cues": names.cues,
        "second": names.second,
        "words": words,
        "names": {**packages["names"], "sharpness": names.sharpness},
    }


def predict(examples: Examples, judgement: Mapping[str, Any]) -> tuple[Predictions, Predictions]:
    """Returns the predictions by pixels and with names, by the product's rules before evidence decides."""
    rules = msgspec.convert(judgement, Judgement)
    known = [known_words(each, rules.words) for each in examples.words]
    with_names = [
        weigh_evidence(row, cues, rules, words)
        for row, cues, words in zip(examples.by_pixels, examples.cues, known, strict=True)
    ]
    named = np.array([bool(cues or words) for cues, words in zip(examples.cues, known, strict=True)])
    rest = examples.kinds, examples.projects, examples.files, examples.sizes
    return (
        Predictions(examples.by_pixels, *rest, np.zeros_like(named)),
        Predictions(np.array(with_names), *rest, named),
    )


def predict_out_of_fold(examples: Examples, packages: Mapping[str, Any]) -> tuple[Predictions, Predictions]:
    """Returns predictions with weights of names that were fitted on other repositories."""
    names = np.unique(examples.repositories)
    np.random.default_rng(SEED).shuffle(names)
    fold_of = {str(name): place % FOLDS for place, name in enumerate(names)}
    fold = np.array([fold_of[str(name)] for name in examples.repositories])
    by_pixels, with_names = predict(examples, packages)
    probabilities = with_names.probabilities.copy()
    for place in range(FOLDS):
        _, found = predict(examples.take(fold == place), fit_names(examples.take(fold != place), packages))
        probabilities[fold == place] = found.probabilities
    return by_pixels, replace(with_names, probabilities=probabilities)


def thresholds(found: Predictions, examples: Examples, packages: Mapping[str, float]) -> dict[str, float]:
    """Returns the threshold of each class, of the named textures if names are evidence for any.

    A class that too few projects show to be safe keeps the threshold of packages.
    """
    rng, repository, names = (
        np.random.default_rng(SEED),
        examples.repositories,
        np.unique(examples.repositories),
    )
    rows = found.named if found.named.any() else ~found.named
    drawn: list[dict[str, float]] = []
    for _ in range(DRAWS):
        counts = dict.fromkeys(names.tolist(), 0)
        for name in rng.choice(names, len(names)).tolist():
            counts[name] += 1
        times = np.array([counts[name] for name in repository.tolist()])
        some = np.flatnonzero(rows & (times > 0))
        weights = examples.weights[some] * times[some]
        drawn.append(calibration.thresholds(found.probabilities[some], found.kinds[some], weights))
    chosen = {name: float(np.quantile([each[name] for each in drawn], QUANTILE)) for name in packages}
    return {
        name: packages[name] if limit > 1 else round(max(limit, LEAST), 4) for name, limit in chosen.items()
    }


def calibrate(examples: Examples, packages: Mapping[str, Any]) -> tuple[dict[str, Any], ContextModel]:
    """Returns the judgement, and the context model with new thresholds."""
    of_context, known = packages["context"], load_context_model()
    judgement = fit_names(examples, {key: part for key, part in packages.items() if key != "context"})
    limits = []
    for name, found in zip(("pixels", "names"), predict_out_of_fold(examples, packages), strict=True):
        before = judgement[name]["thresholds"]
        judgement[name] = {**judgement[name], "thresholds": thresholds(found, examples, before)}
        in_context = replace(found, probabilities=predict_in_context(known, found))
        limits.append(Thresholds(1.0, thresholds(in_context, examples, of_context[name])))
    return judgement, ContextModel(known.usual, known.trees, *limits)


def write(judgement: Mapping[str, Any], file: Path = FILE) -> None:
    """Replaces the judgement in the model's metadata."""
    shipped = onnx.load(file)
    about = {each.key: each.value for each in shipped.metadata_props}
    helper.set_model_props(shipped, about | {"judgement": json.dumps(judgement)})
    file.write_bytes(shipped.SerializeToString())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 1 if a repository can't be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"folder (default {CACHE.name})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parallel processes")
    add_mirror_option(parser)
    options = parser.parse_args(arguments)
    try:
        examples = read_examples(RepositoryCache(options.cache, options.mirror), options.jobs)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    judgement, in_context = calibrate(examples, json.loads(PACKAGES.read_text(encoding="utf-8")))
    write(judgement)
    export.record_model(FILE)
    context.write(in_context, CONTEXT)
    count = len(np.unique(examples.repositories))
    print(f"calibrated on {len(examples.kinds)} textures of {count} repositories")
    return 0


if __name__ == "__main__":
    sys.exit(main())
